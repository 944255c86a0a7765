"""The report on a file of predictions: metrics with intervals, recall, confusion and chance;
its comparison with another file or with a finished result.
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
from nverbench.leaderboard.fairness.analysis import Fairness, GroupedPredictions, analyse
from nverbench.leaderboard.fairness.values import fact_of, group_of
from nverbench.leaderboard.rows import StoredResult
from nverbench.leaderboard.score_csv.read import PredictionFile
from nverbench.leaderboard.score_csv.same_clips import check_labels, same_clips
from nverbench.leaderboard.tables.wording import HEADINGS, interval_text
from nverbench.metrics import scores
from nverbench.metrics.chance import HOW, chance
from nverbench.metrics.jackknife import MIN_GROUPS, Decisions, jackknife, mean_sd, per_group
from nverbench.metrics.scores import NAMES
from nverbench.metrics.significance import Comparison, corrected_t
from nverbench.results import scoring

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 12
"""Classes whose confusion fits a terminal; of more, the most frequent confusions are listed."""
MOST = 10


def record(one: PredictionFile) -> dict[str, object]:
    """The scores of a file as JSON: fractions, counts summed over replicates."""
    p, per_class, counts = one.predictions, _clips(one), scoring.confusion(one.predictions)
    seeds = [scores.scores(scores.confusion(p.target, row, p.classes)) for row in p.predicted]
    spread = {
        name: mean_sd([float(s[name]) for s in seeds])[1] if len(seeds) > 1 else None
        for name in NAMES
    }
    found = {n: {**dataclasses.asdict(i), "seed_sd": spread[n]} for n, i in jackknife(p).items()}
    return {
        "file": one.path.name,
        "clips": len(one.ids),
        "unit": _unit(one),
        "units": _units(one),
        "replicates": len(p.predicted),
        "labels": list(one.labels),
        "unheard": list(one.unheard),
        "per_class": per_class,
        "scores": found,
        "per_class_recall": scoring.recalls(counts, one.labels),
        "per_group_accuracy": per_group(p) if _few_speakers(one) else {},
        "confusion": counts.tolist(),
        "chance": chance(per_class),
        "notes": notes(one),
    }


def by_group(one: PredictionFile) -> Fairness:
    """The scores by the column that the file was read with (``by``).

    Raises:
        UsageError: the column is empty.
    """
    fact = fact_of(one.by)
    values = tuple(group_of(fact, text) for text in one.facts)
    if not any(values):
        raise UsageError(
            f"{one.path}: column {one.by} holds no value; expected the {fact} of the speakers"
        )
    groups = one.predictions.groups
    return analyse(
        GroupedPredictions(one.predictions, values, groups, one.labels, fact, _unit(one))
    )


def notes(one: PredictionFile) -> list[str]:
    """Limits of the numbers that a reader must know."""
    unused = ", ".join(map(repr, one.unheard))
    reasons = {
        "no speaker is given, so clips are the unit: intervals are too narrow if speakers"
        " repeat": not one.grouped,
        f"no clip has the label {unused}: such a class counts with F1 0 and recall 0 in macro"
        " averages": bool(one.unheard),
        f"fewer than {MIN_GROUPS} speakers: no claim of significance, so no"
        " interval": _few_speakers(one),
    }
    return [reason for reason, holds in reasons.items() if holds]


def pair(a: PredictionFile, b: PredictionFile) -> Compared:
    """The paired comparison of two files over the same clips; UsageError when they are not."""
    one, two, labels = same_clips(a, b)
    folds: dict[str, Comparison] = {}
    if a.folds and a.folds == b.folds and len(set(a.folds)) > 1:
        # Every other fold trains: n_test / n_train = 1 / (k - 1).
        ratio, groups = 1 / (len(set(a.folds)) - 1), len(set(one.units()))
        for n in NAMES:
            sides = _by_fold(one, a.folds, n), _by_fold(two, a.folds, n)
            folds[n] = corrected_t(*sides, ratio=ratio, groups=groups)
    unit = "speaker" if a.grouped or b.grouped else "clip"
    assumed = ("over folds: all other folds are taken to have trained",) if folds else ()
    x, y = (escape_control_characters(file.path.name) for file in (a, b))
    return compare.predictions(x, y, one, two, labels, unit=unit, folds=folds, notes=assumed)


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
        published = stored.ids == stored.keys
        hint = "; its ids are keys, because this is the published form" if published else ""
        raise UsageError(
            f"{a.path} and result {r.id} differ in clips: {missing[0]!r} is in one only"
            f" ({len(missing)} such clips){hint}"
        )
    order = [rows[clip] for clip in a.ids]
    labels = [*r.labels, *(label for label in a.labels if label not in r.labels)]
    theirs, target = a.over(labels), ours.target[order]
    own, true = ([labels[i] for i in side] for side in (theirs.target, target))
    check_labels(a, own, true, f"result {r.id}")
    groups = tuple(ours.groups[row] for row in order)
    if a.grouped and len(set(zip(groups, theirs.groups, strict=True))) != len(set(groups)):
        raise UsageError(
            f"{a.path} and result {r.id} differ in the speakers; leave the column out to take the"
            f" result's {r.unit}s"
        )
    mine = Decisions(theirs.target, theirs.predicted, groups, len(labels))
    known = Decisions(target, ours.predicted[:, order], groups, len(labels))
    extra = ", ".join(map(repr, labels[len(r.labels) :]))
    note = f"labels that {r.id} does not have: {extra}; both sides' macro averages count them"
    return compare.predictions(
        escape_control_characters(a.path.name),
        f"{r.id}: {compare.name(r)}",
        mine,
        known,
        labels,
        unit=r.unit,
        folds={},
        notes=(note,) if extra else (),
    )


def lines(one: PredictionFile) -> list[str]:
    """The scores of a file in words and columns."""
    p, counts, per_class = one.predictions, scoring.confusion(one.predictions), _clips(one)
    shown = [
        f"{one.path.name}: {len(one.ids)} clips, {_units(one)} {_unit(one)}s, {len(one.labels)}"
        f" classes, {len(p.predicted)} replicates"
    ]
    for name, i in jackknife(p).items():
        shown.append(f"{HEADINGS[name]:12} {100 * i.value:5.1f} {interval_text(i)}")
    for how, values in chance(per_class).items():
        known = ", ".join(f"{HEADINGS[n]} {100 * v:.1f}" for n, v in values.items())
        shown.append(f"chance, {HOW[how]}: {known}")
    labels = [escape_control_characters(label) for label in one.labels]
    width = max(map(len, ["recall", *labels]))
    shown.append(f"{'recall':{width}} {'clips':>6} {'%':>6}")
    recalls = scoring.recalls(counts, one.labels).values()
    for label, clips, recall in zip(labels, per_class.values(), recalls, strict=True):
        shown.append(f"{label:{width}} {clips:6d} {100 * recall:6.1f}")
    shown += _confusions(labels, counts / len(p.predicted), width)
    if _few_speakers(one):
        groups = ", ".join(f"{group} {100 * v:.1f}" for group, v in per_group(p).items())
        shown.append(f"accuracy by speaker: {groups}")
    shown += [f"note: {note}" for note in notes(one)]
    return [escape_control_characters(line) for line in shown]


def _confusions(labels: list[str], counts: NDArray[np.float64], width: int) -> list[str]:
    """Clips by true class (line) and predicted class (column), averaged over replicates; of many
    classes the most frequent confusions.
    """
    if len(labels) <= WIDEST:
        heads = " ".join(f"{label[:7]:>7}" for label in labels)
        return [f"{'confusion':{width}} {heads}   (lines: true, columns: predicted)"] + [
            f"{label:{width}} " + " ".join(f"{n:7.1f}" for n in row)
            for label, row in zip(labels, counts, strict=True)
        ]
    wrong = counts * (1 - np.eye(len(labels)))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST]
    pairs = [(*divmod(int(i), len(labels)), wrong.flat[i]) for i in order]
    return [
        "commonest confusions:",
        *(f"  {labels[i]} taken for {labels[j]}: {n:.1f} clips" for i, j, n in pairs if n > 0),
    ]


def _clips(one: PredictionFile) -> dict[str, int]:
    """Label -> number of clips."""
    return {label: int((one.predictions.target == i).sum()) for i, label in enumerate(one.labels)}


def _unit(one: PredictionFile) -> str:
    return "speaker" if one.grouped else "clip"


def _units(one: PredictionFile) -> int:
    return len(set(one.predictions.units()))


def _few_speakers(one: PredictionFile) -> bool:
    return one.grouped and _units(one) < MIN_GROUPS


def _by_fold(p: Decisions, folds: tuple[str, ...], metric: str) -> dict[str, list[float]]:
    """Fold -> the metric of each replicate, macro averages over the classes present in it."""
    found: dict[str, list[float]] = defaultdict(list)
    for fold in sorted(set(folds)):
        rows = np.array([name == fold for name in folds])
        for predicted in p.predicted:
            counts = scores.confusion(p.target[rows], predicted[rows], p.classes)
            found[fold].append(float(scores.scores(counts, present_only=True)[metric]))
    return dict(found)
