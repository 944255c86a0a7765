"""The speaker gap: what folds that share speakers report above folds that do not, for one system on
one corpus.

A paired difference over groups (delete-one-group jackknife; protocol nver-1, "Intervals and
differences"), kept as a record of its own beside the two results it is the difference of:
``<out>/gaps/<id of the disjoint row>.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from nverbench._io.atomic import write_atomically
from nverbench.data.folds.assign import DISJOINT
from nverbench.errors import ResultError
from nverbench.metrics import jackknife, scores
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result, ResultModel
from nverbench.results.store import ResultStore


class Difference(ResultModel):
    """Random minus disjoint, as a fraction; no interval with fewer than five groups."""

    value: float
    low: float | None
    high: float | None
    se: float | None


class Gap(ResultModel):
    """One system under two cuts of the same clips."""

    system: str
    dataset: str
    protocol: str
    random: str
    """Id of the result on random folds."""
    disjoint: str
    """Id of the result on folds that keep groups apart."""
    kind: str
    """Their kind: speaker, or leave-one-group-out where there are too few groups for it."""
    unit: str
    values: dict[str, Difference]


def speaker_gaps(
    results: Iterable[Result], read: Callable[[Result], Predictions], say: Callable[[str], None]
) -> list[Gap]:
    """The gap of every system among the results that was run on random and on disjoint folds, in
    the order of the results.

    Damaged predictions are said, and cost their gap only.

    Args:
        read: gives a result's predictions; raises ResultError where they are gone or damaged.
    """
    results = list(results)
    shared = {_system(r): r for r in results if r.folds.kind == "random"}
    pairs = [
        (shared[_system(r)], r)
        for r in results
        if r.folds.kind.partition("=")[0] in DISJOINT and _system(r) in shared
    ]
    found = []
    for random, disjoint in pairs:
        try:
            gap = speaker_gap(random, disjoint, read)
        except ResultError as error:
            say(str(error))
            continue
        found += [gap] if gap is not None else []
    return found


def speaker_gap(
    random: Result, disjoint: Result, read: Callable[[Result], Predictions]
) -> Gap | None:
    """The gap between two results of one system; None where their predictions are not of the same
    clips (``--skip-bad``, holdout).

    Raises:
        ResultError: the predictions of one are gone or damaged.
    """
    a, b = (read(r).decisions(len(r.labels)) for r in (random, disjoint))
    if a.groups != b.groups or len(a.target) != len(b.target):
        return None
    values = jackknife.difference(a, b)
    e = disjoint.entry
    return Gap(
        system=f"{' + '.join(e.backbones)} / {e.fusion} / {e.loss}",
        dataset=e.dataset,
        protocol=disjoint.protocol,
        random=random.id,
        disjoint=disjoint.id,
        kind=disjoint.folds.kind,
        unit=disjoint.unit,
        values={
            n: Difference(value=i.value, low=i.low, high=i.high, se=i.se)
            for n, i in values.items()
            if n in scores.NAMES
        },
    )


def write(gap: Gap, folder: ResultStore) -> Path:
    """Write the record; it can always be made again from the two results."""
    path = folder.root.parent / "gaps" / f"{gap.disjoint}.json"
    write_atomically(path, (gap.model_dump_json(indent=1) + "\n").encode())
    return path


def text(gap: Gap) -> str:
    """One line: what random folds add over disjoint ones."""
    parts = []
    for name, heading in scores.SHOWN:
        i = gap.values[name]
        interval = (
            f" [{100 * i.low:+.1f}, {100 * i.high:+.1f}]"
            if i.low is not None and i.high is not None
            else ""
        )
        parts.append(f"{heading} {100 * i.value:+.1f}{interval}")
    return (
        f"speaker gap (random minus {gap.kind} folds, points) {gap.system} on {gap.dataset}:"
        f" {', '.join(parts)}"
    )


def _system(r: Result) -> tuple[str, ...]:
    """What must be the same for two rows to be one system on one corpus."""
    same = (
        r.entry.model_dump_json(),
        r.protocol,
        r.selection,
        r.shuffle,
        str(r.seeds),
        r.provenance.dataset_digest,
    )
    return (*same, str(sorted(r.provenance.weights_digests.items())))
