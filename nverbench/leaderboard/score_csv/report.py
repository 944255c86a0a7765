"""Any system's predictions -> metrics with intervals, recall, confusion and chance; and the
comparison with another's or with a result of ours.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from nverbench._io.text import escape_control_characters
from nverbench.errors import UsageError
from nverbench.leaderboard import compare
from nverbench.leaderboard.compare import Compared
from nverbench.leaderboard.rows import StoredResult
from nverbench.leaderboard.score_csv.read import PredictionFile, check_labels, same_clips
from nverbench.leaderboard.tables.wording import HEADINGS
from nverbench.metrics import scores
from nverbench.metrics.chance import HOW, chance
from nverbench.metrics.jackknife import MIN_GROUPS, Decisions, jackknife, mean_sd, per_group
from nverbench.metrics.scores import NAMES
from nverbench.metrics.significance import Comparison, corrected_t

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 12
"""Classes whose confusion fits a terminal; of more, the most frequent confusions are listed."""
MOST = 10


def record(one: PredictionFile) -> dict[str, object]:
    """The scores of a file as JSON: fractions, counts summed over replicates."""
    p = one.predictions
    counts = _counts(one)
    per_class = {label: int((p.target == i).sum()) for i, label in enumerate(one.labels)}
    seeds = [scores.scores(scores.confusion(p.target, row, p.classes)) for row in p.predicted]
    return {
        "file": one.path.name,
        "clips": len(one.ids),
        "unit": _unit(one),
        "units": len(set(p.units())),
        "replicates": len(p.predicted),
        "labels": list(one.labels),
        "unheard": list(one.unheard),
        "per_class": per_class,
        "scores": {
            name: {
                **dataclasses.asdict(i),
                "seed_sd": mean_sd([float(s[name]) for s in seeds])[1] if len(seeds) > 1 else None,
            }
            for name, i in jackknife(p).items()
        },
        "per_class_recall": dict(zip(one.labels, scores.recalls(counts).tolist(), strict=True)),
        "per_group_accuracy": (
            per_group(p) if one.grouped and len(set(p.units())) < MIN_GROUPS else {}
        ),
        "confusion": counts.tolist(),
        "chance": chance(per_class),
        "notes": notes(one),
    }


def notes(one: PredictionFile) -> list[str]:
    """What a reader must know beside the numbers."""
    found = []
    if not one.grouped:
        found.append(
            "no speaker is given, so clips are the unit: intervals are too narrow if speakers"
            " repeat"
        )
    if one.unheard:
        found.append(
            f"no clip has the label {', '.join(map(repr, one.unheard))}: such a class counts with"
            " F1 0 and recall 0 in macro averages"
        )
    if one.grouped and len(set(one.predictions.units())) < MIN_GROUPS:
        found.append(f"fewer than {MIN_GROUPS} speakers: no claim of significance, so no interval")
    return found


def pair(a: PredictionFile, b: PredictionFile) -> Compared:
    """The paired comparison of two files over the same clips; UsageError when they are not."""
    one, two, labels = same_clips(a, b)
    folds: dict[str, Comparison] = {}
    units = set(one.units())
    if a.folds and a.folds == b.folds and len(set(a.folds)) > 1:
        k = len(set(a.folds))  # every other fold trains: n_test / n_train = 1 / (k - 1)
        folds = {
            n: corrected_t(
                _by_fold(one, a.folds, n),
                _by_fold(two, a.folds, n),
                ratio=1 / (k - 1),
                groups=len(units),
            )
            for n in NAMES
        }
    unit = "speaker" if a.grouped or b.grouped else "clip"
    assumed = ("over folds: all other folds are taken to have trained",) if folds else ()
    return compare.predictions(
        escape_control_characters(a.path.name),
        escape_control_characters(b.path.name),
        one,
        two,
        labels,
        unit=unit,
        folds=folds,
        notes=assumed,
    )


def against(a: PredictionFile, filed: StoredResult) -> Compared:
    """The paired comparison of a file with a finished result of ours over the same clip ids, in the
    result's groups.

    Raises:
        UsageError: clips, labels or groups differ.
        ResultError: the result's predictions are gone, damaged or without labels.
    """
    r, stored = filed.result, filed.predictions()
    ours = stored.decisions(len(r.labels))
    rows = {clip: row for row, clip in enumerate(stored.ids)}
    missing = sorted(set(a.ids) ^ set(rows))
    if missing:
        hint = (
            "; its ids are keys, for this is the published form"
            if stored.ids == stored.keys
            else ""
        )
        raise UsageError(
            f"{a.path} and result {r.id} differ in clips: {missing[0]!r} is in one only"
            f" ({len(missing)} such clips){hint}"
        )
    order = [rows[clip] for clip in a.ids]
    labels = [*r.labels, *(label for label in a.labels if label not in r.labels)]
    theirs = a.over(labels)
    check_labels(
        a,
        [labels[i] for i in theirs.target],
        [labels[i] for i in ours.target[order]],
        f"result {r.id}",
    )
    groups = tuple(ours.groups[row] for row in order)
    if a.grouped and len(set(zip(groups, theirs.groups, strict=True))) != len(set(groups)):
        raise UsageError(
            f"{a.path} and result {r.id} differ in who speaks; leave the column out to take the"
            f" result's {r.unit}s"
        )
    mine = Decisions(theirs.target, theirs.predicted, groups, len(labels))
    known = Decisions(ours.target[order], ours.predicted[:, order], groups, len(labels))
    extra = (
        (
            f"labels that {r.id} does not know: {', '.join(map(repr, labels[len(r.labels) :]))};"
            " both sides' macro averages count them"
        ),
    )
    return compare.predictions(
        escape_control_characters(a.path.name),
        f"{r.id}: {compare.name(r)}",
        mine,
        known,
        labels,
        unit=r.unit,
        folds={},
        notes=extra if len(labels) > len(r.labels) else (),
    )


def lines(one: PredictionFile) -> list[str]:
    """The scores of a file in words and columns."""
    p, unit = one.predictions, _unit(one)
    shown = [
        f"{one.path.name}: {len(one.ids)} clips, {len(set(p.units()))} {unit}s, {len(one.labels)}"
        f" classes, {len(p.predicted)} replicates"
    ]
    for name, i in jackknife(p).items():
        interval = (
            f"[{100 * i.low:.1f}, {100 * i.high:.1f}]"
            if i.low is not None and i.high is not None
            else "[no interval]"
        )
        shown.append(f"{HEADINGS[name]:12} {100 * i.value:5.1f} {interval}")
    counts = _counts(one)
    per_class = {label: int((p.target == i).sum()) for i, label in enumerate(one.labels)}
    for how, values in chance(per_class).items():
        shown.append(
            f"chance, {HOW[how]}:"
            f" {', '.join(f'{HEADINGS[n]} {100 * v:.1f}' for n, v in values.items())}"
        )
    width = max(len("recall"), *(len(escape_control_characters(label)) for label in one.labels))
    shown.append(f"{'recall':{width}} {'clips':>6} {'%':>6}")
    recalls = zip(one.labels, scores.recalls(counts).tolist(), strict=True)
    shown += [
        f"{escape_control_characters(label):{width}} {per_class[label]:6d} {100 * recall:6.1f}"
        for label, recall in recalls
    ]
    shown += _confusions(one.labels, counts / len(p.predicted), width)
    if one.grouped and len(set(p.units())) < MIN_GROUPS:
        shown.append(
            "accuracy by speaker: "
            + ", ".join(f"{group} {100 * v:.1f}" for group, v in per_group(p).items())
        )
    return [
        escape_control_characters(line)
        for line in (*shown, *(f"note: {note}" for note in notes(one)))
    ]


def _confusions(labels: tuple[str, ...], counts: NDArray[np.float64], width: int) -> list[str]:
    """Clips by true class (line) and predicted class (column), averaged over replicates; of many
    classes the commonest mistakes.
    """
    if len(labels) <= WIDEST:
        heads = [escape_control_characters(label)[:7] for label in labels]
        shown = [
            f"{'confusion':{width}} "
            + " ".join(f"{head:>7}" for head in heads)
            + "   (lines: true, columns: predicted)"
        ]
        return shown + [
            f"{escape_control_characters(label):{width}} " + " ".join(f"{n:7.1f}" for n in row)
            for label, row in zip(labels, counts, strict=True)
        ]
    wrong = counts * (1 - np.eye(len(labels)))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST]
    pairs = [
        (labels[i // len(labels)], labels[i % len(labels)], wrong.flat[i])
        for i in order
        if wrong.flat[i] > 0
    ]
    return [
        "commonest confusions:",
        *(
            f"  {escape_control_characters(true)} taken for {escape_control_characters(said)}:"
            f" {n:.1f} clips"
            for true, said, n in pairs
        ),
    ]


def _counts(one: PredictionFile) -> NDArray[np.int64]:
    """Confusion (k, k) summed over replicates."""
    p = one.predictions
    counts: NDArray[np.int64] = np.sum(
        [scores.confusion(p.target, row, p.classes) for row in p.predicted], axis=0
    )
    return counts


def _unit(one: PredictionFile) -> str:
    return "speaker" if one.grouped else "clip"


def _by_fold(p: Decisions, folds: tuple[str, ...], metric: str) -> dict[str, list[float]]:
    """Fold -> the metric of each replicate, macro averages over the classes present in it."""
    found: dict[str, list[float]] = defaultdict(list)
    for fold in sorted(set(folds)):
        rows = np.array([name == fold for name in folds])
        for predicted in p.predicted:
            counts = scores.confusion(p.target[rows], predicted[rows], p.classes)
            found[fold].append(float(scores.scores(counts, present_only=True)[metric]))
    return dict(found)
