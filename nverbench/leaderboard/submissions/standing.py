"""The standing that a submitted row claims, against the registry and the installed parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nverbench.data.corpus import Corpus
from nverbench.data.folds.assign import FEWEST_GROUPS, FoldSet
from nverbench.leaderboard.submissions.parts import ResolvedParts, pair_record
from nverbench.leaderboard.submissions.records import Identity, quoted
from nverbench.pipeline.standing import (
    LEVELS,
    UNOFFICIAL,
    Conditions,
    RowFacts,
    Standing,
    judge,
    overrides,
)
from nverbench.plugin.options import PartRef, resolve, split
from nverbench.plugin.records import Dataset, Fusion, Loss
from nverbench.registry import Entry, Registry
from nverbench.results.record import Result


def check_standing(
    result: Result,
    identity: Identity,
    named: ResolvedParts,
    registry: Registry,
    lock: Mapping[str, Any],
) -> Iterator[str]:
    """Claims of a row that the registry does not support."""
    e, entry = result.entry, _registered_entry(result, identity, named, registry)
    in_grid = e.grid and any(x.grid == e.grid for x in registry.entries)
    if entry is None and in_grid and result.standing != UNOFFICIAL:
        yield f"grid {quoted(e.grid)} of the registry holds no such combination"
    if entry is not None and (e.paper, e.demo) != (entry.paper, entry.demo):
        yield f"grid {quoted(e.grid)}: paper or demo are not those of the registry"
    if result.protocol not in registry.protocols or result.standing not in LEVELS:
        return
    entry = entry or Entry(
        tuple(e.backbones), e.fusion, e.loss, e.dataset, protocol=result.protocol
    )
    judged = _judged(result, identity, named, entry, registry, lock)
    if LEVELS.index(result.standing) > LEVELS.index(judged.level):
        reasons = quoted("; ".join(judged.reasons))
        yield f"the row says {result.standing}, and it is {judged.level}: {reasons}"
    pin = registry.datasets.get(named.dataset.name) if len(named.sides) == 1 else None
    digest = result.provenance.dataset_digest
    if pin and result.standing != UNOFFICIAL and pin.digest and pin.digest != digest:
        yield f"dataset digest {digest[:12]} is not the registered {pin.digest[:12]}"


def _judged(
    result: Result,
    identity: Identity,
    named: ResolvedParts,
    entry: Entry,
    registry: Registry,
    lock: Mapping[str, Any],
) -> Standing:
    """The standing by the rule of the pipeline; only the digests of corpus and folds are known."""
    labels, digest = tuple(result.labels), result.provenance.dataset_digest
    dataset, reference = pair_record(named), named.dataset_reference
    row = RowFacts(
        entry,
        result.protocol,
        named.backbones,
        Corpus(dataset, reference, (), labels, {}, digest, {}, (), (), False),
        FoldSet(result.folds.kind, (), result.folds.digest, ()),
        overridden=_overrides(result, identity, named, entry, registry),
        seeds=result.seeds,
        transductive=named.fusion.transductive(named.fusion_reference.full),
        plugins=identity.plugins,
    )
    return judge(row, registry, lock)


def _overrides(
    result: Result, identity: Identity, named: ResolvedParts, entry: Entry, registry: Registry
) -> list[str]:
    """The conditions in the row's identity that its entry does not name."""
    run = Conditions(
        result.folds.kind,
        result.selection,
        identity.dtype,
        identity.storage,
        _shuffle(identity),
        identity.skip_bad,
    )
    usual = named.dataset.folds[0]
    few = result.counts.groups < FEWEST_GROUPS  # a plan then takes the kind that they allow
    return overrides(
        entry,
        registry.protocols[result.protocol],
        run,
        loss=named.loss_reference,
        default_loss=named.default_loss,
        usual_folds=None if few and usual == "speaker" else usual,
    )


def _registered_entry(
    result: Result, identity: Identity, named: ResolvedParts, registry: Registry
) -> Entry | None:
    """The registered entry that a row names, in any spelling of its references; of a grid with
    several shuffles the one of the row, else the first.
    """
    grid, shuffle = result.entry.grid, _shuffle(identity)
    found = [e for e in registry.entries if grid and e.grid == grid and _same(e, named)]
    return next((e for e in found if e.shuffle == shuffle), found[0] if found else None)


def _shuffle(identity: Identity) -> str:
    """How the row's training turns were shuffled."""
    return identity.train.get("shuffle", "none")


def _same(entry: Entry, named: ResolvedParts) -> bool:
    """Whether an entry means these backbones, fusion, dataset and (where it names one) loss."""
    parts = [b.part for b in named.backbones]
    if [split(text)[0] for text in entry.backbones] != [part.name for part in parts]:
        return False
    for b, text in zip(named.backbones, entry.backbones, strict=True):
        own = replace(resolve(b.part, text), untrained=False)
        if str(own) != str(replace(b.reference, untrained=False)):
            return False
    others: list[tuple[Fusion | Dataset | Loss, str | None, PartRef]] = [
        (named.fusion, entry.fusion, named.fusion_reference),
        (named.dataset, entry.dataset, named.dataset_reference),
        (named.loss, entry.loss, named.loss_reference),
    ]
    return all(
        text is None or (split(text)[0] == part.name and str(resolve(part, text)) == str(reference))
        for part, text, reference in others
    )
