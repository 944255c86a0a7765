"""The status of a row: official, provisional or unofficial, and why (docs/protocol.md, "Status of a
row").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nverbench.data.corpus import Corpus
from nverbench.data.cross_corpus import KIND as CROSS
from nverbench.data.folds.assign import FoldSet
from nverbench.embedding.weights import PlannedBackbone
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Dataset
from nverbench.plugin.single_file import FILE, is_file
from nverbench.registry import DEFAULT_PROTOCOL, Entry, Protocol, Registry

OFFICIAL, PROVISIONAL, UNOFFICIAL = "official", "provisional", "unofficial"


@dataclass(frozen=True)
class Standing:
    """The level of a row and the sentences that explain it."""

    level: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Conditions:
    """How a row was run, apart from its parts: what a command line may change."""

    folds: str
    """Kind of folds; the published form of ``holdout=GROUP`` is ``holdout``."""
    selection: str
    dtype: str = "float32"
    storage: str = "float32"
    shuffle: str = "none"
    skip_bad: bool = False


def overrides(
    entry: Entry,
    protocol: Protocol,
    run: Conditions,
    *,
    loss: PartRef,
    default_loss: str,
    usual_folds: str | None,
) -> list[str]:
    """What a row was run with that its registered entry does not say: each makes it unofficial. The
    plan and the verifier both decide here.

    Args:
        entry: the registered entry, or the one named in full.
        protocol: as the registry has it.
        run: how the row was run.
        loss: the loss it was trained with.
        default_loss: the loss that its fusion has by default, in canonical text.
        usual_folds: the kind of folds that a plan takes where neither entry nor protocol names one;
            None: not known.
    """
    found = []
    if entry.loss is None and str(loss) != default_loss:
        found.append(f"loss {loss}")
    expected = entry.folds or protocol.folds or usual_folds
    if (
        expected and run.folds != CROSS and not _same_kind(run.folds, expected)
    ):  # two corpora can be crossed in one way only
        found.append(f"folds {run.folds}")
    if run.selection != protocol.selection:
        found.append(f"selection {run.selection}")
    found += [f"dtype {run.dtype}"] if run.dtype != "float32" else []
    found += ["--skip-bad"] if run.skip_bad else []
    found += [f"train shuffle={run.shuffle}"] if run.shuffle != "none" else []
    return found + ([f"frames stored as {run.storage}"] if run.storage != "float32" else [])


def _same_kind(kind: str, expected: str) -> bool:
    """Whether a kind of folds is the expected one; a published kind does not name its group."""
    return kind == expected or ("=" not in kind and kind == expected.partition("=")[0])


def judge(
    entry: Entry,
    registry: Registry,
    protocol_name: str,
    backbones: Sequence[PlannedBackbone],
    corpus: Corpus,
    cut: FoldSet,
    lock: Mapping[str, Any],
    *,
    overridden: Sequence[str],
    seeds: int,
    transductive: bool,
    plugins: Iterable[str] = (),
) -> Standing:
    """The standing of a planned job; ``plugins``: the distributions that bring its parts.

    Unofficial: anything the registry does not say. Provisional: a pin, a dataset or a fold digest
    that nobody could record yet, or fewer replicates than the protocol asks for. Official:
    everything matches.
    """
    protocol = registry.protocol(protocol_name)
    pin = registry.datasets.get(corpus.dataset.name)
    against = [f"overridden: {what}" for what in overridden]
    files = [p.removeprefix(FILE) for p in plugins if is_file(p)]
    against += (
        [f"parts of {', '.join(files)} were tried with --plugin, no installed package brings them"]
        if files
        else []
    )
    if not entry.registered:
        against.append("not a registered entry")
    if entry.overlay:
        against.append(f"registered in an overlay ({entry.grid}), not in registry.yaml")
    if protocol_name != DEFAULT_PROTOCOL:
        against.append(f"protocol {protocol_name} is not {DEFAULT_PROTOCOL}")
    against += [f"{b} is untrained" for b in backbones if b.reference.untrained]
    against += [
        f"{b} uses weights of one's own"
        for b in backbones
        if b.reference.weights or b.part.lookup is not None
    ]
    against += [
        f"{b} has options of its own"
        for b in backbones
        if b.reference.options and entry.registered and str(b) not in entry.backbones
    ]
    against += _other_copies(corpus, registry)
    if transductive:
        against.append("transductive: a prediction depends on other test clips")
    if pin and pin.folds.get(cut.kind, cut.digest) != cut.digest:
        against.append(
            f"fold digest {cut.digest[:12]} is not the registered {pin.folds[cut.kind][:12]}"
        )
    if against:
        return Standing(UNOFFICIAL, tuple(dict.fromkeys(against)))
    pending = [
        f"weights of {b} are not pinned by the registry" for b in backbones if not b.weights.pinned
    ]
    if pin is None or pin.digest is None or cut.kind not in pin.folds:
        pending.append(f"dataset or fold digest of {corpus.dataset.name} is not in the registry")
        key = f"{corpus.dataset.name}/{cut.kind}"
        first_seen = lock.get("folds", {}).get(key)
        if first_seen and first_seen != [corpus.digest, cut.digest]:
            return Standing(
                UNOFFICIAL,
                (f"{key} was first seen here with another digest ({first_seen[0][:12]})",),
            )
    if seeds < protocol.replicates:
        pending.append(
            f"{seeds} replicate{'s' if seeds > 1 else ''}; an official row carries"
            f" {protocol.replicates}"
        )
    return Standing(PROVISIONAL, tuple(pending)) if pending else Standing(OFFICIAL, ())


def _other_copies(corpus: Corpus, registry: Registry) -> list[str]:
    """How this copy differs from the published and the registered one; where two datasets are
    crossed, how either of them does.
    """
    said = [
        f"partial copy of {side.dataset.name}" for side in corpus.sides or (corpus,) if side.partial
    ]
    for side in (corpus, *corpus.sides):
        pin = registry.datasets.get(side.dataset.name)
        if pin and pin.digest and pin.digest != side.digest:
            said.append(
                f"dataset digest {side.digest[:12]} is not the registered {pin.digest[:12]}"
            )
    return said


def heard_in_pretraining(backbones: Sequence[PlannedBackbone], dataset: Dataset) -> list[str]:
    """The backbones whose published weights were trained on the very corpus they are judged on (by
    name; remarks in parentheses do not count).
    """
    names = {_plain(name) for name in (dataset.name, dataset.corpus or dataset.name)}
    published = [b for b in backbones if not b.reference.untrained and not b.reference.weights]
    return list(
        dict.fromkeys(
            str(b) for b in published if names & {_plain(corpus) for corpus in b.part.pretrained_on}
        )
    )


def _plain(name: str) -> str:
    return re.sub(r"\(.*?\)|[^a-z0-9]", "", name.lower())
