"""Two results on the same clips -> every metric's paired difference, a second opinion over folds,
and one plain sentence.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from nverbench._io.text import escape_control_characters
from nverbench.errors import UsageError
from nverbench.leaderboard.rows import StoredResult
from nverbench.metrics import scores
from nverbench.metrics.jackknife import Decisions, mean_sd
from nverbench.metrics.scores import NAMES, PRIMARY
from nverbench.metrics.significance import Comparison, compare, corrected_t, holm
from nverbench.results.predictions import Predictions as Stored
from nverbench.results.record import Result

ALPHA = 0.05
SAID = {"accuracy": "accuracy", "macro_f1": "macro-F1", "uar": "UAR", "weighted_f1": "weighted F1"}
"""The metrics in words."""


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
    """What the two sides are called."""
    clips: int
    units: int
    unit: str
    metrics: dict[str, Comparison]
    """Paired jackknife over groups."""
    folds: dict[str, Comparison]
    """The second opinion: Nadeau and Bengio over folds; empty where the folds are not known."""
    seeds: dict[str, float | int | None]
    """Of the primary metric: the standard deviation over seeds of each side and of the paired
    difference, and in how many of them a leads.
    """
    recalls: tuple[Recall, ...]
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, object]:
        """As JSON."""
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
    folds = _over_folds(left, right, len(set(one.units())))
    return predictions(
        name(left),
        name(right),
        one,
        two,
        left.labels,
        unit=left.unit,
        folds=folds,
        notes=_notes(left, right),
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
    units = len(set(one.units()))
    return Compared(
        a,
        b,
        len(one.target),
        units,
        unit,
        {n: compare(one, two, metric=n) for n in NAMES},
        folds,
        _seeds(one, two),
        _recalls(one, two, labels),
        notes,
    )


def paired(a: Stored, b: Stored) -> tuple[Stored, Stored]:
    """Both with rows in the order of their keys, where they hold the same ones: a published form
    then takes names of groups (and labels, where its own were withheld) from the other side. As
    they are, where their keys differ.
    """
    if not a.keys or len(set(a.keys)) != len(a.keys) or sorted(a.keys) != sorted(b.keys):
        return a, b
    one, two = _by_key(a), _by_key(b)
    if one.ids == two.ids:
        return one, two
    named, other = (
        (one, two) if one.ids != one.keys else (two, one)
    )  # a published form's ids are its keys
    known = len(set(zip(named.groups, other.groups, strict=True)))
    alike = not any(other.groups) or known == len(set(named.groups)) == len(set(other.groups))
    target = other.target if len(other.target) else named.target
    joined = Stored(
        named.ids,
        named.groups if alike else other.groups,
        target,
        other.folds,
        other.probabilities,
        other.keys,
    )
    return (one, joined) if named is one else (joined, two)


def _by_key(p: Stored) -> Stored:
    order = sorted(range(len(p.keys)), key=p.keys.__getitem__)
    ids, groups, folds, keys = (
        [texts[row] for row in order] for texts in (p.ids, p.groups, p.folds, p.keys)
    )
    return Stored(
        ids,
        groups,
        p.target[order] if len(p.target) else p.target,
        folds,
        p.probabilities[:, order],
        keys,
    )


def refuse_different(a: Result, b: Result) -> None:
    """Raise the UsageError that names what makes a paired comparison impossible."""
    differing = {
        "the dataset": (a.entry.dataset, b.entry.dataset),
        "the clips of the dataset (digest)": (
            a.provenance.dataset_digest[:12],
            b.provenance.dataset_digest[:12],
        ),
        "the labels": (", ".join(a.labels), ", ".join(b.labels)),
        "the kind of folds": (a.folds.kind, b.folds.kind),
        "the folds (digest)": (a.folds.digest[:12], b.folds.digest[:12]),
    }
    for what, (left, right) in differing.items():
        if left != right:
            more = (
                "; for shared against disjoint speakers see the speaker gap of nverbench"
                " leaderboard show"
                if what == "the kind of folds"
                else ""
            )
            raise UsageError(
                escape_control_characters(
                    f"{a.id} and {b.id} differ in {what}: {left:.60} and {right:.60}; compare rows"
                    f" of one corpus and cut{more}"
                )
            )


def name(result: Result) -> str:
    """A result in a few words."""
    e = result.entry
    return f"{' + '.join(e.backbones)} / {e.fusion} / {e.loss}"


def verdict(compared: Compared) -> str:
    """One plain sentence about the primary metric."""
    c = compared.metrics[PRIMARY]
    d, metric = c.difference, SAID[PRIMARY]
    points = f"{100 * abs(d.value):.1f} points of {metric}"
    if d.value == 0 and d.se == 0:
        return f"no difference: both score the same {metric} whichever {compared.unit} is left out"
    if c.p is None or d.low is None or d.high is None or c.smallest is None:
        ahead = "A" if d.value > 0 else "B"
        return (
            f"no claim: fewer than five {compared.unit}s; {ahead} is {points} ahead on these"
            f" {compared.units}"
        )
    if c.p >= ALPHA:
        interval = f"{100 * d.value:+.1f} [{100 * d.low:.1f}, {100 * d.high:.1f}]"
        return (
            f"cannot tell: A - B is {interval}; a measured difference of {100 * c.smallest:.1f}"
            " would have been seen"
        )
    low, high = sorted((abs(d.low), abs(d.high)))
    return (
        f"{'A' if d.value > 0 else 'B'} is better by {points} [{100 * low:.1f}, {100 * high:.1f}]"
    )


def second_opinion(compared: Compared) -> str:
    """What the test over folds says to that; empty where folds are not known."""
    c = compared.folds.get(PRIMARY)
    if c is None or c.p is None:
        return ""
    said = f"{'A' if c.difference.value > 0 else 'B'} is better" if c.p < ALPHA else "cannot tell"
    return (
        f"second opinion, over folds (corrected resampled t): {said}"
        f" ({100 * c.difference.value:+.1f} points, p = {p_text(c.p)})"
    )


def lines(compared: Compared) -> list[str]:
    """The comparison in words and columns."""
    shown = [
        f"A: {compared.a}",
        f"B: {compared.b}",
        f"{compared.clips} clips, {compared.units} {compared.unit}s, A - B in points",
        (
            f"{'':14}{'A - B':>7}  {'95%':<16}{'p':>8}  {'could be seen':>13}   {'over folds':>10}"
            f" {'p':>8}"
        ),
    ]
    for metric, c in compared.metrics.items():
        d, second = c.difference, compared.folds.get(metric)
        interval = (
            f"[{100 * d.low:.1f}, {100 * d.high:.1f}]"
            if d.low is not None and d.high is not None
            else "[no interval]"
        )
        smallest = "" if c.smallest is None else f"{100 * c.smallest:.1f}"
        folds = (
            f"   {100 * second.difference.value:>+10.1f} {p_text(second.p):>8}" if second else ""
        )
        shown.append(
            f"{SAID[metric]:14}{100 * d.value:>+7.1f}  {interval:<16}{p_text(c.p):>8} "
            f" {smallest:>13}{folds}"
        )
    shown += _seeds_line(compared)
    width = max(
        [len("recall"), *(len(escape_control_characters(r.label)) for r in compared.recalls)]
    )
    shown.append(
        f"{'recall':{width}}  {'clips':>5}  {'A':>5}  {'B':>5}  {'A - B':>6} "
        f" {'95%':<16}{'p (Holm)':>8}"
    )
    for r in compared.recalls:
        d = r.difference.difference
        interval = (
            f"[{100 * d.low:.1f}, {100 * d.high:.1f}]"
            if d.low is not None and d.high is not None
            else "[no interval]"
        )
        values = f"{100 * r.a:>5.1f}  {100 * r.b:>5.1f}  {100 * d.value:>+6.1f}"
        shown.append(
            f"{escape_control_characters(r.label):{width}}  {r.clips:>5}  {values} "
            f" {interval:<16}{p_text(r.adjusted_p):>8}"
        )
    shown += (
        [f"note: {note}" for note in compared.notes]
        + [s for s in (second_opinion(compared),) if s]
        + [verdict(compared)]
    )
    return [escape_control_characters(line) for line in shown]


def p_text(p: float | None) -> str:
    """A p value as papers print it; a dash where there is none."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _seeds_line(compared: Compared) -> list[str]:
    s = compared.seeds
    if s["a_sd"] is None and s["b_sd"] is None:
        return ["one seed on each side: the spread over seeds is not known"]
    each = ", ".join(
        (
            f"{side} {100 * sd:.1f}"
            if (sd := s[f"{side.lower()}_sd"]) is not None
            else f"{side} one seed"
        )
        for side in ("A", "B")
    )
    spread = s["difference_sd"]
    both = (
        ""
        if spread is None
        else f", of the difference {100 * spread:.1f}; A leads with {s['a_leads']} of {s['seeds']}"
    )
    return [f"sd over seeds, {SAID[PRIMARY]}: {each}{both}"]


def _seeds(a: Decisions, b: Decisions) -> dict[str, float | int | None]:
    """Replicates are paired: the protocol draws a replicate's order, initialisation and dropout
    alike for every system.
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
        "seeds": len(deltas) if deltas else None,
    }


def _recalls(a: Decisions, b: Decisions, labels: list[str]) -> tuple[Recall, ...]:
    """Recall of a class is the accuracy on its clips: the same paired jackknife, over the groups
    that have some.
    """
    found = []
    for i, label in enumerate(labels):
        rows = a.target == i
        if rows.any():
            one, two = (
                Decisions(
                    p.target[rows],
                    p.predicted[:, rows],
                    tuple(np.array(p.units())[rows]),
                    p.classes,
                )
                for p in (a, b)
            )
            a_recall, b_recall = (float((p.predicted == i).mean()) for p in (one, two))
            found.append(
                Recall(
                    label,
                    int(rows.sum()),
                    a_recall,
                    b_recall,
                    compare(one, two, metric="accuracy"),
                    None,
                )
            )
    tested = [r.difference.p for r in found if r.difference.p is not None]
    adjusted = iter(holm(tested).tolist())
    return tuple(
        r if r.difference.p is None else dataclasses.replace(r, adjusted_p=next(adjusted))
        for r in found
    )


def _over_folds(a: Result, b: Result, groups: int) -> dict[str, Comparison]:
    """The second opinion on every metric; none where the two name their folds differently (a
    published form beside a local one).
    """
    sizes = [
        (f.test, f.train + f.validation)
        for f in a.per_fold
        if f.replicate == a.per_fold[0].replicate
    ]
    test, train = sum(test for test, _ in sizes), sum(train for _, train in sizes)
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
    """What else differs, or what a row is worth."""
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
        notes += [f"{side} is a control, not a result"] if r.control else []
        notes += (
            [f"{side} is optimistic: its stopping epoch was chosen on the test part"]
            if r.optimistic
            else []
        )
        notes += (
            [f"{side} is unofficial: {'; '.join(r.standing_reasons)}"]
            if r.standing == "unofficial" and not r.control
            else []
        )
    return tuple(notes)
