"""The speaker gap: how much higher a system scores on folds that share speakers than on folds that
do not, on one corpus.

It is a paired difference over groups (delete-one-group jackknife; ``docs/protocol.md``,
"Intervals and differences"), stored next to the two results that it compares:
``<out>/gaps/<id of the disjoint row>.json``.

On random folds two things change: test speakers are trained on, and so are validation speakers,
which stops training by another curve. A third row, on the disjoint test parts with validation parts
that share speakers (protocol constant ``inner_by: clip``), splits the gap into these two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nverbench._io.atomic import write_atomically
from nverbench.data.folds.assign import DISJOINT
from nverbench.errors import ResultError
from nverbench.metrics import jackknife, scores
from nverbench.metrics.jackknife import Decisions
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result, ResultModel
from nverbench.results.store import ResultStore


class Difference(ResultModel):
    """Random minus disjoint, as a fraction; no interval with fewer than five groups."""

    value: float
    low: float | None
    high: float | None
    se: float | None


class Parts(ResultModel):
    """The two parts of a gap; their values add up to it."""

    seen_validation: str
    """Id of the result on the disjoint test parts, with validation speakers seen."""
    test_seen: dict[str, Difference]
    """Random minus that: test speakers are trained on."""
    validation_seen: dict[str, Difference]
    """That minus disjoint: validation speakers are trained on."""


class Gap(ResultModel):
    """The scores of one system on two kinds of folds of the same clips."""

    system: str
    dataset: str
    protocol: str
    random: str
    """Id of the result on random folds."""
    disjoint: str
    """Id of the result on folds that keep groups apart."""
    kind: str
    """Kind of the disjoint folds: speaker, or leave-one-group-out where there are too few groups
    for it.
    """
    unit: str
    values: dict[str, Difference]
    parts: Parts | None = None
    """None where there is no row that splits it."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The results that it compares."""
        more = (self.parts.seen_validation,) if self.parts else ()
        return (self.random, self.disjoint, *more)


def speaker_gaps(
    results: Iterable[Result], read: Callable[[Result], Predictions], say: Callable[[str], None]
) -> list[Gap]:
    """Return the gap of every system that has results on random and on disjoint folds, in the order
    of the results, split in two where a row of the same rules with validation speakers seen is
    among them.

    Args:
        read: returns a result's predictions; raises ResultError where they are missing or damaged,
            which is printed and costs this gap only.
        say: prints one line.
    """
    results = list(results)
    shared = {_system(r): r for r in results if r.folds.kind == "random"}
    seen = {_but_for_validation(r): r for r in results if splits_gap(r)}
    found = []
    for disjoint in results:
        random = shared.get(_system(disjoint))
        if random is None or not _is_disjoint(disjoint) or splits_gap(disjoint):
            continue
        try:
            gap = speaker_gap(random, disjoint, read, seen.get(_but_for_validation(disjoint)))
        except ResultError as error:
            say(str(error))
            continue
        found += [gap] if gap is not None else []
    return found


def splits_gap(result: Result) -> bool:
    """Return whether a result is on disjoint test parts with validation speakers seen."""
    return _is_disjoint(result) and _rules(result).get("inner_by") == "clip"


def of_the_same_systems(results: Sequence[Result], stored: Iterable[Result]) -> list[Result]:
    """Return the results, and the stored ones whose gap they split: rows of another protocol, and
    so of another run.
    """
    own = {_but_for_validation(r)[:-1] for r in results if splits_gap(r)}
    more = [r for r in stored if own and _but_for_validation(r)[:-1] in own]
    return list({r.id: r for r in (*more, *results)}.values())


def speaker_gap(
    random: Result,
    disjoint: Result,
    read: Callable[[Result], Predictions],
    seen: Result | None = None,
) -> Gap | None:
    """Return the gap between two results of one system; None where their predictions are not of the
    same clips (``--skip-bad``, holdout).

    Args:
        seen: the result on the disjoint test parts with validation speakers seen, which splits it.

    Raises:
        ResultError: the predictions of one are missing or damaged.
    """
    a, b = (_decisions(r, read) for r in (random, disjoint))
    if not _alike(a, b):
        return None
    parts, c = None, _decisions(seen, read) if seen else None
    if seen and c and _alike(b, c):
        parts = Parts(
            seen_validation=seen.id,
            test_seen=_differences(a, c),
            validation_seen=_differences(c, b),
        )
    e = disjoint.entry
    return Gap(
        system=f"{' + '.join(e.backbones)} / {e.fusion} / {e.loss}",
        dataset=e.dataset,
        protocol=disjoint.protocol,
        random=random.id,
        disjoint=disjoint.id,
        kind=disjoint.folds.kind,
        unit=disjoint.unit,
        values=_differences(a, b),
        parts=parts,
    )


def _decisions(result: Result, read: Callable[[Result], Predictions]) -> Decisions:
    return read(result).decisions(len(result.labels))


def _alike(a: Decisions, b: Decisions) -> bool:
    """Return whether two results decide about the same clips."""
    return a.groups == b.groups and len(a.target) == len(b.target)


def _differences(a: Decisions, b: Decisions) -> dict[str, Difference]:
    """Return every score of a minus that of b."""
    found = jackknife.difference(a, b)
    return {name: Difference(**asdict(found[name])) for name in scores.NAMES}


def write(gap: Gap, folder: ResultStore) -> Path:
    """Write the record and return its path."""
    path = folder.root.parent / "gaps" / f"{gap.disjoint}.json"
    write_atomically(path, (gap.model_dump_json(indent=1) + "\n").encode())
    return path


def text(gap: Gap) -> str:
    """Return one line: what random folds add to the scores on disjoint ones."""
    line = (
        f"speaker gap (random minus {gap.kind} folds, points) {gap.system} on {gap.dataset}:"
        f" {_texts(gap.values)}"
    )
    if gap.parts is None:
        return line
    return (
        f"{line}; of it test speakers seen: {_texts(gap.parts.test_seen)};"
        f" validation speakers seen: {_texts(gap.parts.validation_seen)}"
    )


def _texts(values: dict[str, Difference]) -> str:
    texts = []
    for name, heading in scores.SHOWN:
        i = values[name]
        texts.append(f"{heading} {100 * i.value:+.1f}")
        if i.low is not None and i.high is not None:
            texts[-1] += f" [{100 * i.low:+.1f}, {100 * i.high:+.1f}]"
    return ", ".join(texts)


def _is_disjoint(result: Result) -> bool:
    return result.folds.kind.partition("=")[0] in DISJOINT


def _system(r: Result) -> tuple[str, ...]:
    """Return what two results of one system on one corpus have in common."""
    weights = str(sorted(r.provenance.weights_digests.items()))
    how = (r.protocol, r.selection, r.shuffle, str(r.seeds))
    return (r.entry.model_dump_json(), *how, r.provenance.dataset_digest, weights)


def _rules(r: Result) -> dict[str, Any]:
    """Return the constants of a result's protocol."""
    rules = r.provenance.identity.get("protocol")
    return rules if isinstance(rules, dict) else {}


def _but_for_validation(r: Result) -> tuple[str, ...]:
    """Return what two results have in common that differ in the speakers of their validation parts
    only; last the test parts.
    """
    rules = {k: v for k, v in _rules(r).items() if k not in ("name", "inner_by")}
    entry, _, *rest = _system(r)
    return (entry, *rest, json.dumps(rules, sort_keys=True), r.folds.digest)
