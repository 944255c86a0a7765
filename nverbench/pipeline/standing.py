"""The status of a row: official, provisional or unofficial, and why (docs/protocol.md, "Status of a
row").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nverbench.data.corpus import Corpus
from nverbench.data.cross_corpus import KIND as CROSS
from nverbench.data.folds.assign import FoldSet
from nverbench.data.overlaps import POSSIBLY, plain, possible_overlaps
from nverbench.embedding.weights import PlannedBackbone
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Dataset
from nverbench.plugin.single_file import FILE, is_file
from nverbench.registry import DEFAULT_PROTOCOL, Entry, Protocol, Registry

OFFICIAL, PROVISIONAL, UNOFFICIAL = "official", "provisional", "unofficial"
LEVELS = (UNOFFICIAL, PROVISIONAL, OFFICIAL)


@dataclass(frozen=True)
class Standing:
    """The level of a row and the sentences that explain it."""

    level: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Conditions:
    """The conditions of a row that the command line may change."""

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
    """The conditions of a row that its registered entry does not say: each makes it unofficial. The
    plan and the verifier both use this function.

    Args:
        entry: the registered entry, or the one named in full.
        protocol: as the registry has it.
        run: how the row was run.
        loss: the loss it was trained with.
        default_loss: the loss that its fusion has by default, in canonical text.
        usual_folds: the kind of folds if neither the entry nor the protocol names one; None: not
            known.
    """
    found = []
    if entry.loss is None and str(loss) != default_loss:
        found.append(f"loss {loss}")
    expected = entry.folds or protocol.folds or usual_folds
    crossed = run.folds == CROSS  # two corpora can be crossed in one way only
    if expected and not crossed and not _same_kind(run.folds, expected):
        found.append(f"folds {run.folds}")
    if run.selection != protocol.selection:
        found.append(f"selection {run.selection}")
    found += [f"dtype {run.dtype}"] if run.dtype != "float32" else []
    found += ["--skip-bad"] if run.skip_bad else []
    found += [f"train shuffle={run.shuffle}"] if run.shuffle != entry.shuffle else []
    return found + ([f"frames stored as {run.storage}"] if run.storage != "float32" else [])


def _same_kind(kind: str, expected: str) -> bool:
    """Whether a kind of folds is the expected one; a published kind does not name its group."""
    return kind == expected or ("=" not in kind and kind == expected.partition("=")[0])


@dataclass(frozen=True)
class RowFacts:
    """What the standing of a row depends on, apart from the registry."""

    entry: Entry
    protocol: str
    backbones: Sequence[PlannedBackbone]
    corpus: Corpus
    cut: FoldSet
    overridden: Sequence[str]
    """As :func:`overrides` gives them."""
    seeds: int
    transductive: bool
    plugins: Iterable[str] = ()
    """The distributions that define its parts."""
    leaks: Sequence[str] = ()
    """Copies on both sides of its folds or under two labels; the verifier of a submission, which
    has no files, knows none.
    """


def judge(row: RowFacts, registry: Registry, lock: Mapping[str, Any]) -> Standing:
    """The standing of a row.

    Unofficial: something that the registry does not say. Provisional: a pin, a dataset or a fold
    digest that the registry does not have yet, or fewer replicates than the protocol demands.
    Official: everything matches.

    Args:
        lock: the digests that this machine recorded first: ``folds`` -> corpus/kind -> digests.
    """
    protocol = registry.protocol(row.protocol)
    if objections := dict.fromkeys(_objections(row, registry)):
        return Standing(UNOFFICIAL, tuple(objections))
    pending = [
        f"weights of {b} are not pinned by the registry"
        for b in row.backbones
        if not b.weights.pinned
    ]
    name, pin = row.corpus.dataset.name, registry.datasets.get(row.corpus.dataset.name)
    if pin is None or pin.digest is None or row.cut.kind not in pin.folds:
        pending.append(f"dataset or fold digest of {name} is not in the registry")
        key = f"{name}/{row.cut.kind}"
        first = lock.get("folds", {}).get(key)
        if first and first != [row.corpus.digest, row.cut.digest]:
            reason = f"{key} was first seen here with another digest ({first[0][:12]})"
            return Standing(UNOFFICIAL, (reason,))
    if row.seeds < protocol.replicates:
        given = f"{row.seeds} replicate{'s' if row.seeds > 1 else ''}"
        pending.append(f"{given}; an official row carries {protocol.replicates}")
    return Standing(PROVISIONAL, tuple(pending)) if pending else Standing(OFFICIAL, ())


def _objections(row: RowFacts, registry: Registry) -> Iterator[str]:
    """Everything that makes a row unofficial."""
    entry, backbones = row.entry, row.backbones
    yield from (f"overridden: {what}" for what in row.overridden)
    files = ", ".join(p.removeprefix(FILE) for p in row.plugins if is_file(p))
    if files:
        yield f"parts of {files} were tried with --plugin, no installed package brings them"
    if not entry.registered:
        yield "not a registered entry"
    if entry.overlay:
        yield f"registered in an overlay ({entry.grid}), not in registry.yaml"
    if not registry.protocol(row.protocol).official:
        # the sentence of all results so far, whose digests cover it
        yield f"protocol {row.protocol} is not {DEFAULT_PROTOCOL}"
    yield from (f"{b} is untrained" for b in backbones if b.reference.untrained)
    for b in backbones:
        if b.reference.weights or b.part.lookup is not None:
            yield f"{b} uses weights of one's own"
    for b in backbones:
        if b.reference.options and entry.registered and str(b) not in entry.backbones:
            yield f"{b} has options of its own"
    yield from _other_copies(row.corpus, registry)
    pinned = registry.datasets.get(row.corpus.dataset.name)
    # The copies of a registered corpus are known, and part of protocol nver-1: its digest fixes
    # them, so that a row on it never changes its standing. Another copy of it has another digest.
    if not (pinned and pinned.digest and pinned.digest == row.corpus.digest):
        yield from row.leaks
    if row.transductive:
        yield "transductive: a prediction depends on other test clips"
    pin, cut = registry.datasets.get(row.corpus.dataset.name), row.cut
    if pin and pin.folds.get(cut.kind, cut.digest) != cut.digest:
        yield f"fold digest {cut.digest[:12]} is not the registered {pin.folds[cut.kind][:12]}"


def _other_copies(corpus: Corpus, registry: Registry) -> Iterator[str]:
    """How a copy differs from the published and the registered corpus; of a pair, how each side
    does.
    """
    for side in corpus.sides or (corpus,):
        if side.partial:
            yield f"partial copy of {side.dataset.name}"
    for side in (corpus, *corpus.sides):
        pin = registry.datasets.get(side.dataset.name)
        if pin and pin.digest and pin.digest != side.digest:
            yield f"dataset digest {side.digest[:12]} is not the registered {pin.digest[:12]}"


def heard_in_pretraining(backbones: Sequence[PlannedBackbone], dataset: Dataset) -> list[str]:
    """The backbones whose published weights were trained on the corpus of the row, by its name
    without remarks in parentheses; and, with the reason, those that may have been: on another
    corpus of the same material.
    """
    names = (dataset.name, dataset.corpus or dataset.name)
    found: list[str] = []
    for b in backbones:
        if b.reference.untrained or b.reference.weights:
            continue
        if {plain(n) for n in names} & {plain(n) for n in b.part.pretrained_on}:
            found.append(str(b))
        else:
            reasons = possible_overlaps(names, b.part.pretrained_on)
            found += [f"{b}{POSSIBLY}{reason})" for reason in reasons]
    return list(dict.fromkeys(found))
