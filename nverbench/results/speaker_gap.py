"""The speaker gap: how much higher a system scores on folds that share speakers than on folds that
do not, on one corpus.

It is a paired difference over groups (delete-one-group jackknife; ``docs/protocol.md``,
"Intervals and differences"), stored next to the two results that it compares:
``<out>/gaps/<id of the disjoint row>.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
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


def speaker_gaps(
    results: Iterable[Result], read: Callable[[Result], Predictions], say: Callable[[str], None]
) -> list[Gap]:
    """Return the gap of every system that has results on random and on disjoint folds, in the order
    of the results.

    Args:
        read: returns a result's predictions; raises ResultError where they are missing or damaged,
            which is printed and costs this gap only.
        say: prints one line.
    """
    results = list(results)
    shared = {_system(r): r for r in results if r.folds.kind == "random"}
    found = []
    for disjoint in results:
        random = shared.get(_system(disjoint))
        if random is None or disjoint.folds.kind.partition("=")[0] not in DISJOINT:
            continue
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
    """Return the gap between two results of one system; None where their predictions are not of the
    same clips (``--skip-bad``, holdout).

    Raises:
        ResultError: the predictions of one are missing or damaged.
    """
    a, b = (read(r).decisions(len(r.labels)) for r in (random, disjoint))
    if a.groups != b.groups or len(a.target) != len(b.target):
        return None
    differences = jackknife.difference(a, b)
    e = disjoint.entry
    return Gap(
        system=f"{' + '.join(e.backbones)} / {e.fusion} / {e.loss}",
        dataset=e.dataset,
        protocol=disjoint.protocol,
        random=random.id,
        disjoint=disjoint.id,
        kind=disjoint.folds.kind,
        unit=disjoint.unit,
        values={name: Difference(**asdict(differences[name])) for name in scores.NAMES},
    )


def write(gap: Gap, folder: ResultStore) -> Path:
    """Write the record and return its path."""
    path = folder.root.parent / "gaps" / f"{gap.disjoint}.json"
    write_atomically(path, (gap.model_dump_json(indent=1) + "\n").encode())
    return path


def text(gap: Gap) -> str:
    """Return one line: what random folds add to the scores on disjoint ones."""
    parts = []
    for name, heading in scores.SHOWN:
        i = gap.values[name]
        parts.append(f"{heading} {100 * i.value:+.1f}")
        if i.low is not None and i.high is not None:
            parts[-1] += f" [{100 * i.low:+.1f}, {100 * i.high:+.1f}]"
    return (
        f"speaker gap (random minus {gap.kind} folds, points) {gap.system} on {gap.dataset}:"
        f" {', '.join(parts)}"
    )


def _system(r: Result) -> tuple[str, ...]:
    """Return what two results of one system on one corpus have in common."""
    weights = str(sorted(r.provenance.weights_digests.items()))
    how = (r.protocol, r.selection, r.shuffle, str(r.seeds))
    return (r.entry.model_dump_json(), *how, r.provenance.dataset_digest, weights)
