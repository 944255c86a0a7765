"""Predictions and a group for each clip -> scores and recalls by group, differences to the others,
and the worst group.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nverbench.leaderboard.fairness.values import order
from nverbench.metrics.jackknife import MIN_GROUPS, Decisions, Interval, jackknife
from nverbench.metrics.score_intervals import score_intervals

METRICS = ("accuracy", "uar", "macro_f1")
WORST = "uar"
"""The metric that names the worst group: unlike accuracy and macro-F1 it does not depend on the
number of clips of each class in a group.
"""
LEVEL = 0.95


@dataclass(frozen=True)
class GroupedPredictions:
    """The predictions of one system, and what is known about the speaker of each clip."""

    decisions: Decisions
    values: tuple[str | None, ...]
    """(n,) the group of each clip; None: not known."""
    speakers: tuple[str | None, ...]
    """(n,)"""
    labels: tuple[str, ...]
    """(k,)"""
    fact: str
    """sex, age, language or the name of a column."""
    unit: str
    """The unit of the intervals: speaker, session, clip."""


@dataclass(frozen=True)
class Recall:
    """Recall of one class within a group; ``units`` are those that have clips of it."""

    label: str
    clips: int
    units: int
    recall: Interval


@dataclass(frozen=True)
class Group:
    """One value of the fact; scores are fractions."""

    value: str
    clips: int
    speakers: int | None
    """None: no speaker is known."""
    units: int
    lacking: tuple[str, ...]
    """Classes without a clip of this group; its macro averages are over the others."""
    scores: dict[str, Interval]
    differences: dict[str, Interval]
    """This group minus all others with a known value, over the classes that both have; empty where
    there is no other, or no such class.
    """
    recalls: tuple[Recall, ...]

    @property
    def claims(self) -> bool:
        """Whether its UAR has an interval: five units, in every class that it has."""
        return self.scores[WORST].low is not None


@dataclass(frozen=True)
class Fairness:
    """The scores of one system by group."""

    fact: str
    unit: str
    clips: int
    unknown: int
    """Clips without a known value; they are in no group."""
    shared: int
    """Units with clips in several groups."""
    groups: tuple[Group, ...]
    compared: int
    """Differences with an interval: each has level 1 - 0.05 / compared."""

    @property
    def worst(self) -> Group | None:
        """The group with the lowest UAR among those that allow a claim; None: fewer than two do."""
        found = [group for group in self.groups if group.claims]
        if len(found) < 2:
            return None
        return min(found, key=lambda group: (group.scores[WORST].value, group.value))

    @property
    def spread(self) -> float | None:
        """The highest UAR minus the lowest, among the groups that allow a claim."""
        found = [group.scores[WORST].value for group in self.groups if group.claims]
        return max(found) - min(found) if len(found) > 1 else None


def analyse(given: GroupedPredictions) -> Fairness:
    """The scores of every group.

    Intervals of scores and recalls are those of nver-2 within the group, whatever the protocol of
    the predictions. Differences have simultaneous intervals (Bonferroni): with two groups there is
    one difference, with more of them one for each.
    """
    values = np.array([value or "" for value in given.values], dtype=object)
    names = sorted({value for value in given.values if value}, key=order)
    units = np.array(given.decisions.units(), dtype=object)
    counts = {name: len(set(units[values == name])) for name in names}
    enough = [
        name
        for name in names
        if counts[name] >= MIN_GROUPS
        and len(set(units[(values != name) & (values != "")])) >= MIN_GROUPS
    ]
    compared = len(enough) if len(names) > 2 else min(len(enough), 1)
    level = 1 - (1 - LEVEL) / max(compared, 1)
    groups = tuple(_group(given, values, name, level) for name in names)
    pairs = {(unit, value) for unit, value in zip(units, values, strict=True) if value}
    memberships = Counter(unit for unit, _ in pairs)
    return Fairness(
        given.fact,
        given.unit,
        len(values),
        int((values == "").sum()),
        sum(number > 1 for number in memberships.values()),
        groups,
        compared,
    )


def _group(given: GroupedPredictions, values: NDArray[Any], name: str, level: float) -> Group:
    inside, outside = values == name, (values != name) & (values != "")
    own = _rows(given.decisions, inside)
    present = set(own.target.tolist())
    speakers = {given.speakers[i] for i in np.flatnonzero(inside)}
    return Group(
        value=name,
        clips=len(own.target),
        speakers=None if None in speakers else len(speakers),
        units=len(set(own.units())),
        lacking=tuple(label for i, label in enumerate(given.labels) if i not in present),
        scores=_scores(own, LEVEL),
        differences=_differences(given.decisions, inside, outside, level),
        recalls=tuple(
            _recall(own, i, label) for i, label in enumerate(given.labels) if i in present
        ),
    )


def _rows(p: Decisions, rows: NDArray[np.bool_]) -> Decisions:
    """Some rows of the predictions, in which a clip without a group stays a unit of its own."""
    groups = tuple(group for group, row in zip(p.groups, rows, strict=True) if row)
    return Decisions(p.target[rows], p.predicted[:, rows], groups, p.classes)


def _scores(p: Decisions, level: float) -> dict[str, Interval]:
    """The metrics with macro averages over the classes that the rows have.

    Where a class has no row, UAR is that of the others, and macro-F1 has no interval: a class
    without a true row has F1 0, so that its average over the present ones is that over all k times
    k / (number present).
    """
    present = np.unique(p.target)
    found = _intervals(p, level)
    if len(present) == p.classes:
        return {name: found[name] for name in METRICS}
    uar = found["accuracy"] if len(present) == 1 else _intervals(_only(p, present), level)["uar"]
    value = found["macro_f1"].value * p.classes / len(present)
    return {
        "accuracy": found["accuracy"],
        "uar": uar,
        "macro_f1": Interval(value, None, None, None),
    }


def _intervals(p: Decisions, level: float) -> dict[str, Interval]:
    """The metrics with intervals by the rules of nver-2 (``metrics.score_intervals``); none with
    fewer than five units, where those rules have one over clips.
    """
    if len(set(p.units())) < MIN_GROUPS:
        return jackknife(p, level=level)
    found = score_intervals(p, rule="effective", level=level)
    return {name: Interval(i.value, i.low, i.high, i.se) for name, i in found.items()}


def _only(p: Decisions, present: NDArray[np.int64]) -> Decisions:
    """The same recalls with the present classes only: a prediction of another class becomes one of
    a present class that is wrong.
    """
    number = {label: i for i, label in enumerate(present.tolist())}
    target = np.array([number[label] for label in p.target.tolist()])
    known = np.isin(p.predicted, present)
    own = np.searchsorted(present, np.where(known, p.predicted, present[0]))
    wrong = (target + 1) % len(present)
    return Decisions(target, np.where(known, own, wrong), p.groups, len(present))


def _differences(
    p: Decisions, inside: NDArray[np.bool_], outside: NDArray[np.bool_], level: float
) -> dict[str, Interval]:
    """The group minus the others, over the classes that both have."""
    both = np.intersect1d(p.target[inside], p.target[outside])
    if not len(both):
        return {}
    shared = np.isin(p.target, both)
    one, other = (_scores(_rows(p, rows & shared), level) for rows in (inside, outside))
    return {name: difference(one[name], other[name]) for name in METRICS}


def difference(a: Interval, b: Interval) -> Interval:
    """a - b of two groups of different speakers, with an interval from those of both sides.

    MOVER (Zou and Donner 2008, "Construction of confidence limits about effect measures: A general
    approach"): low = a - b - sqrt((a - low_a)^2 + (high_b - b)^2), high = a - b + sqrt((high_a -
    a)^2 + (b - low_b)^2). No interval where either side has none. Units that are in both groups
    count as independent, which makes the interval too wide where they are equally hard in both.
    """
    value = a.value - b.value
    se = None if a.se is None or b.se is None else math.hypot(a.se, b.se)
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Interval(value, None, None, se)
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    high = value + math.hypot(a.high - a.value, b.value - b.low)
    return Interval(value, low, high, se)


def _recall(p: Decisions, i: int, label: str) -> Recall:
    """Recall of a class is the accuracy on its clips."""
    own = _rows(p, p.target == i)
    recall = _intervals(own, LEVEL)["accuracy"]
    return Recall(label, len(own.target), len(set(own.units())), recall)


def significant(group: Group) -> bool:
    """Whether the UAR of a group differs from that of the others."""
    i = group.differences.get(WORST)
    return i is not None and i.low is not None and i.high is not None and not i.low <= 0 <= i.high
