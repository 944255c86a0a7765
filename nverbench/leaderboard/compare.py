"""The comparison of two results on the same clips: the paired difference of every metric, a second
opinion over folds, and one plain sentence (docs/protocol.md, "Intervals and differences").
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from nverbench._io.text import escape_control_characters
from nverbench.errors import UsageError
from nverbench.leaderboard.pairing import paired, refuse_different
from nverbench.leaderboard.rows import StoredResult
from nverbench.leaderboard.tables.wording import HEADINGS, interval_text
from nverbench.metrics import scores
from nverbench.metrics.jackknife import MIN_GROUPS, Decisions, mean_sd
from nverbench.metrics.scores import NAMES, PRIMARY
from nverbench.metrics.significance import Comparison, compare, corrected_t, holm
from nverbench.results.record import Result
from nverbench.results.status import CONTROL, OPTIMISTIC

ALPHA = 0.05


@dataclass(frozen=True)
class Recall:
    """Recall of one class on both sides, as fractions; the difference is paired over the groups
    that have clips of it.
    """

    label: str
    clips: int
    a: float
    b: float
    difference: Comparison
    adjusted_p: float | None
    """Holm over the classes."""


@dataclass(frozen=True)
class Compared:
    """a - b, metric by metric, as fractions."""

    a: str
    b: str
    """Names of the two sides."""
    clips: int
    units: int
    unit: str
    metrics: dict[str, Comparison]
    """Paired jackknife over groups."""
    folds: dict[str, Comparison]
    """The second opinion: Nadeau and Bengio over folds; empty where the folds are not known."""
    seeds: dict[str, float | int | None]
    """The spread of the primary metric: the standard deviation over seeds of each side and of the
    paired difference, and the number of seeds with which a leads.
    """
    recalls: tuple[Recall, ...]
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, object]:
        """The comparison as JSON."""
        return {**dataclasses.asdict(self), "verdict": verdict(self)}


def results(a: StoredResult, b: StoredResult) -> Compared:
    """The comparison of two filed results.

    Raises:
        UsageError: they are not over the same clips and folds.
        ResultError: the predictions of one are gone, damaged or without labels.
    """
    left, right = a.result, b.result
    refuse_different(left, right)
    ours, theirs = paired(a.predictions(), b.predictions())
    one, two = ours.decisions(len(left.labels)), theirs.decisions(len(right.labels))
    if one.groups != two.groups or not np.array_equal(one.target, two.target):
        raise UsageError(
            f"{left.id} and {right.id} differ in clips, labels or groups ({left.counts.clips} and"
            f" {right.counts.clips} clips); run both on the same copy, with or without --skip-bad"
        )
    folds, notes = _over_folds(left, right, len(set(one.units()))), _notes(left, right)
    return predictions(
        name(left), name(right), one, two, left.labels, unit=left.unit, folds=folds, notes=notes
    )


def predictions(
    a: str,
    b: str,
    one: Decisions,
    two: Decisions,
    labels: list[str],
    *,
    unit: str,
    folds: dict[str, Comparison],
    notes: tuple[str, ...] = (),
) -> Compared:
    """The comparison of two sets of predictions of the same rows; ValueError when they are not."""
    units, metrics = len(set(one.units())), {n: compare(one, two, metric=n) for n in NAMES}
    seeds, recalls = _seeds(one, two), _recalls(one, two, labels)
    return Compared(a, b, len(one.target), units, unit, metrics, folds, seeds, recalls, notes)


def name(result: Result) -> str:
    """A result in a few words."""
    e = result.entry
    return f"{' + '.join(e.backbones)} / {e.fusion} / {e.loss}"


def verdict(compared: Compared) -> str:
    """One plain sentence about the primary metric."""
    c = compared.metrics[PRIMARY]
    d, metric, unit = c.difference, HEADINGS[PRIMARY], compared.unit
    points = f"{100 * abs(d.value):.1f} points of {metric}"
    leader = "A" if d.value > 0 else "B"
    if d.value == 0 and d.se == 0:
        return f"no difference: both score the same {metric} whichever {unit} is left out"
    if c.p is None or d.low is None or d.high is None:
        few = compared.units < MIN_GROUPS
        why = f"fewer than five {unit}s" if few else f"nearly all clips are of one {unit}"
        return f"no claim: {why}; {leader} is {points} ahead on these {compared.units}"
    if c.p >= ALPHA:
        seen = (
            f"with five {unit}s no difference is significant"
            if c.smallest is None
            else f"a measured difference of {100 * c.smallest:.1f} would have been seen"
        )
        return f"cannot tell: A - B is {100 * d.value:+.1f} {interval_text(d)}; {seen}"
    low, high = sorted((abs(d.low), abs(d.high)))
    return f"{leader} is better by {points} [{100 * low:.1f}, {100 * high:.1f}]"


def second_opinion(compared: Compared) -> str:
    """The outcome of the test over folds in one sentence; empty where folds are not known."""
    c = compared.folds.get(PRIMARY)
    if c is None or c.p is None:
        return ""
    d = 100 * c.difference.value
    outcome = f"{'A' if d > 0 else 'B'} is better" if c.p < ALPHA else "cannot tell"
    test = "second opinion, over folds (corrected resampled t)"
    return f"{test}: {outcome} ({d:+.1f} points, p = {p_text(c.p)})"


def lines(compared: Compared) -> list[str]:
    """The comparison in words and columns."""
    shown = [
        f"A: {compared.a}",
        f"B: {compared.b}",
        f"{compared.clips} clips, {compared.units} {compared.unit}s, A - B in points",
        *_metric_lines(compared),
        _seeds_line(compared),
        *_recall_lines(compared.recalls),
        *(f"note: {note}" for note in compared.notes),
        *filter(None, [second_opinion(compared)]),
        verdict(compared),
    ]
    return [escape_control_characters(line) for line in shown]


def _metric_lines(compared: Compared) -> list[str]:
    heading = f"{'':14}{'A - B':>7}  {'95%':<16}{'p':>8}  {'could be seen':>13}"
    shown = [f"{heading}   {'over folds':>10} {'p':>8}"]
    for metric, c in compared.metrics.items():
        d, second = c.difference, compared.folds.get(metric)
        smallest = "" if c.smallest is None else f"{100 * c.smallest:.1f}"
        line = f"{HEADINGS[metric]:14}{100 * d.value:>+7.1f}  {interval_text(d):<16}"
        line += f"{p_text(c.p):>8}  {smallest:>13}"
        if second:
            line += f"   {100 * second.difference.value:>+10.1f} {p_text(second.p):>8}"
        shown.append(line)
    return shown


def _recall_lines(recalls: tuple[Recall, ...]) -> list[str]:
    labels = [escape_control_characters(r.label) for r in recalls]
    width = max(map(len, ["recall", *labels]))
    heading = f"{'recall':{width}}  {'clips':>5}  {'A':>5}  {'B':>5}  {'A - B':>6}"
    shown = [f"{heading}  {'95%':<16}{'p (Holm)':>8}"]
    for label, r in zip(labels, recalls, strict=True):
        d = r.difference.difference
        values = f"{100 * r.a:>5.1f}  {100 * r.b:>5.1f}  {100 * d.value:>+6.1f}"
        test = f"{interval_text(d):<16}{p_text(r.adjusted_p):>8}"
        shown.append(f"{label:{width}}  {r.clips:>5}  {values}  {test}")
    return shown


def p_text(p: float | None) -> str:
    """A p value as papers print it; a dash where there is none."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _seeds_line(compared: Compared) -> str:
    s = compared.seeds
    if s["a_sd"] is None and s["b_sd"] is None:
        return "one seed on each side: the spread over seeds is not known"
    sides = [
        f"{side} one seed" if sd is None else f"{side} {100 * sd:.1f}"
        for side, sd in (("A", s["a_sd"]), ("B", s["b_sd"]))
    ]
    line = f"sd over seeds, {HEADINGS[PRIMARY]}: {', '.join(sides)}"
    if (sd := s["difference_sd"]) is None:
        return line
    return f"{line}, of the difference {100 * sd:.1f}; A leads with {s['a_leads']} of {s['seeds']}"


def _seeds(a: Decisions, b: Decisions) -> dict[str, float | int | None]:
    """The spread over seeds. Replicates are paired: the protocol draws a replicate's order,
    initialisation and dropout alike for every system.
    """
    one, two = (
        [
            float(scores.scores(scores.confusion(p.target, row, p.classes))[PRIMARY])
            for row in p.predicted
        ]
        for p in (a, b)
    )
    deltas = [x - y for x, y in zip(one, two, strict=True)] if len(one) == len(two) > 1 else []
    return {
        "a_sd": mean_sd(one)[1] if len(one) > 1 else None,
        "b_sd": mean_sd(two)[1] if len(two) > 1 else None,
        "difference_sd": mean_sd(deltas)[1] if deltas else None,
        "a_leads": sum(d > 0 for d in deltas) if deltas else None,
        "seeds": len(deltas) or None,
    }


def _recalls(a: Decisions, b: Decisions, labels: list[str]) -> tuple[Recall, ...]:
    """Recall of a class is the accuracy on its clips: the same paired jackknife, over the groups
    that have some.
    """
    found = [_recall(a, b, i, label) for i, label in enumerate(labels) if (a.target == i).any()]
    tested = [r.difference.p for r in found if r.difference.p is not None]
    adjusted = iter(holm(tested).tolist())
    return tuple(
        r if r.difference.p is None else dataclasses.replace(r, adjusted_p=next(adjusted))
        for r in found
    )


def _recall(a: Decisions, b: Decisions, i: int, label: str) -> Recall:
    rows = a.target == i
    one, two = (
        Decisions(p.target[rows], p.predicted[:, rows], tuple(np.array(p.units())[rows]), p.classes)
        for p in (a, b)
    )
    recalls = [float((p.predicted == i).mean()) for p in (one, two)]
    difference = compare(one, two, metric="accuracy")
    return Recall(label, int(rows.sum()), recalls[0], recalls[1], difference, None)


def _over_folds(a: Result, b: Result, groups: int) -> dict[str, Comparison]:
    """The second opinion on every metric; empty where the two name their folds differently (a
    published form and a local one).
    """
    first = [f for f in a.per_fold if f.replicate == a.per_fold[0].replicate]
    test, train = sum(f.test for f in first), sum(f.train + f.validation for f in first)
    if {f.fold for f in a.per_fold} != {f.fold for f in b.per_fold} or not train:
        return {}
    return {
        n: corrected_t(_by_fold(a, n), _by_fold(b, n), ratio=test / train, groups=groups)
        for n in NAMES
    }


def _by_fold(result: Result, metric: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = defaultdict(list)
    for fold in result.per_fold:
        values[fold.fold].append(getattr(fold, metric))
    return dict(values)


def _notes(a: Result, b: Result) -> tuple[str, ...]:
    """Other differences between the two, and limits of either result."""
    differing = {
        "protocol": (a.protocol, b.protocol),
        "selection": (a.selection, b.selection),
        "replicates": (str(a.seeds), str(b.seeds)),
    }
    notes = [
        f"the two differ in {what} too: {left} and {right}"
        for what, (left, right) in differing.items()
        if left != right
    ]
    for side, r in (("A", a), ("B", b)):
        unofficial = r.standing == "unofficial" and not r.control
        notes += [f"{side} is a {CONTROL}"] if r.control else []
        notes += [f"{side} is {OPTIMISTIC}"] if r.optimistic else []
        notes += [f"{side} is unofficial: {'; '.join(r.standing_reasons)}"] if unofficial else []
    return tuple(notes)
