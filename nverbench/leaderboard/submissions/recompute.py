"""Every number of a result, computed again from its predictions; what does not come out is said,
one sentence each.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from nverbench.leaderboard.submissions.records import quoted
from nverbench.metrics import jackknife, scores
from nverbench.results import scoring
from nverbench.results.predictions import Predictions
from nverbench.results.pseudonyms import numbered
from nverbench.results.record import FoldScore, Result, Score
from nverbench.training import early_stopping

TOLERANCE = 1e-9
"""What a number computed again may differ by: sums in another order."""
OUTER, DRAWS = 0.055, 4000
"""The bootstrap of a result draws its groups in the order of names that are not published, so ours
is another draw of the same distribution. A 2.5% point of 1,000 draws stands between our smallest
value and our 5.5% point (six standard errors of its rank away): a wider check than equality, which
a holder of the corpus makes.
"""
WATCHED = ("accuracy", "macro_f1")
NAMED_FOLDS = ("leave-one-group-out", "holdout")


def check(result: Result, known: Predictions, seed: int, select: str | None) -> Iterator[str]:
    """What of a result does not follow from its predictions, bootstrap intervals aside.

    Args:
        result: in its published form.
        known: its predictions with labels and groups, rows in the order of their keys, groups under
            their published names.
        seed: the protocol's.
        select: what the fusion's recipe selects the epoch by; None: the fusion is not installed
            here, and any known rule may hold.
    """
    yield from _sizes(result, known)
    yield from _names(result, known)
    problems = list(_folds(result, known, select))
    yield from problems
    if problems:  # scores of folds that are not there cannot be computed
        return
    pooled = known.decisions(len(result.labels))
    yield from _tables(result, pooled)
    per_fold = [_scored(fold, known, result) for fold in result.per_fold]
    yield from _fold_scores(result, per_fold)
    expected = scoring.summarise(pooled, per_fold, seed)
    if set(result.scores) != set(expected):
        yield f"scores are {_listed(result.scores)}; expected {_listed(expected)}"
        return
    for name, score in expected.items():
        for what in Score.model_fields:
            if what != "bootstrap" and not near(
                getattr(result.scores[name], what), getattr(score, what)
            ):
                yield (
                    f"{name} {what} is {_n(getattr(result.scores[name], what))}; its predictions"
                    f" give {_n(getattr(score, what))}"
                )


def check_bootstrap(result: Result, joined: Predictions, seed: int) -> Iterator[str]:
    """Bootstrap intervals of a result whose other numbers hold, to the last digit: ``joined`` has
    its groups under their own names.
    """
    expected = jackknife.bootstrap(joined.decisions(len(result.labels)), seed=seed)
    for name, interval in expected.items():
        have = result.scores[name].bootstrap if name in result.scores else None
        if have is None or not all(near(a, b) for a, b in zip(have, interval, strict=True)):
            yield (
                f"{name} bootstrap is {_pair(have)}; its predictions and your copy give"
                f" {_pair(interval)}"
            )


def check_bootstrap_roughly(result: Result, known: Predictions, seed: int) -> Iterator[str]:
    """The same where the groups' own names are not known: against another draw of the same
    distribution.
    """
    pooled = known.decisions(len(result.labels))
    outer = jackknife.bootstrap(pooled, seed=seed, draws=DRAWS, level=1.0)
    inner = jackknife.bootstrap(pooled, seed=seed, draws=DRAWS, level=1 - 2 * OUTER)
    for name in scores.NAMES:
        have = result.scores[name].bootstrap
        low, high = (outer[name][0], inner[name][0]), (inner[name][1], outer[name][1])
        if have is None or not (
            low[0] - TOLERANCE <= have[0] <= low[1] + TOLERANCE
            and high[0] - TOLERANCE <= have[1] <= high[1] + TOLERANCE
        ):
            yield (
                f"{name} bootstrap is {_pair(have)}; its predictions give ends in {_pair(low)} and"
                f" {_pair(high)}"
            )


def labelled(published: Predictions, joined: Predictions) -> Predictions:
    """Published predictions with labels and groups from a copy of the corpus, groups under the
    names they are published by.
    """
    row_of = {key: row for row, key in enumerate(joined.keys)}
    rows = [row_of[key] for key in published.ids]
    units = [joined.groups[row] or f"clip {row}" for row in rows]
    names = numbered("group", units) if any(joined.groups) else {}
    groups = [
        names[unit] if joined.groups[row] else "" for unit, row in zip(units, rows, strict=True)
    ]
    return Predictions(
        published.ids,
        groups,
        joined.target[rows],
        published.folds,
        published.probabilities,
        published.ids,
    )


def near(a: float | None, b: float | None) -> bool:
    """Whether two numbers are the same but for rounding; None is only None."""
    return a is b or (
        a is not None and b is not None and math.isclose(a, b, rel_tol=0, abs_tol=TOLERANCE)
    )


def _sizes(result: Result, known: Predictions) -> Iterator[str]:
    counts, units = result.counts, {g for g in known.groups if g}
    per_class = Counter(known.target.tolist())
    expected = {label: per_class.get(i, 0) for i, label in enumerate(result.labels)}
    if len(set(result.labels)) != len(result.labels):
        yield "a label is given twice"
    if counts.per_class != expected:
        yield (
            f"clips per class are {_listed(counts.per_class.values())}; the labels give"
            f" {_listed(expected.values())}"
        )
    if counts.groups != len(units):
        yield f"{counts.groups} groups; the predictions hold {len(units)}"
    if (result.unit == "clip") != (len(units) <= 1):
        yield f"intervals are over {quoted(result.unit)}s, but there are {len(units)} groups"


def _names(result: Result, known: Predictions) -> Iterator[str]:
    """Groups and folds under the names that publishing gives: any other may be a person's."""
    units = [group or f"clip {row}" for row, group in enumerate(known.groups)]
    names = numbered("group", units) if any(known.groups) else {}
    if any(group and names[unit] != group for unit, group in zip(units, known.groups, strict=True)):
        yield (
            "groups are not numbered in the order of the keys, as publishing does; nverbench"
            " leaderboard submit writes them so"
        )
    if result.folds.kind in NAMED_FOLDS and known.folds != known.groups:
        yield f"{result.folds.kind} folds are not called after the groups they hold"
    if result.folds.kind in ("speaker", "random") and set(known.folds) != {
        str(i + 1) for i in range(result.folds.number)
    }:
        yield f"{result.folds.kind} folds are not numbered from 1 to {result.folds.number}"
    if result.folds.kind in ("speaker", *NAMED_FOLDS):
        places = {(group, fold) for group, fold in zip(known.groups, known.folds, strict=True)}
        if len(places) != len({group for group, _ in places}) or "" in known.groups:
            yield (
                f"{result.folds.kind} folds: a group is in more than one fold, or a clip in no"
                " group"
            )


def _folds(result: Result, known: Predictions, select: str | None) -> Iterator[str]:
    sizes = Counter(known.folds)
    have = [(f.replicate, f.fold) for f in result.per_fold]
    expected = [(r, fold) for r in range(result.seeds) for fold in sorted(sizes)]
    if result.folds.number != len(sizes):
        yield f"{result.folds.number} folds; the predictions hold {len(sizes)}"
    if sorted(have) != expected:
        yield (
            f"scores of {len(have)} trainings; expected one of each of {len(sizes)} folds and"
            f" {result.seeds} replicates"
        )
        return
    of_fold: dict[str, set[tuple[int, int, int]]] = {}
    for f in result.per_fold:
        of_fold.setdefault(f.fold, set()).add((f.train, f.validation, f.test))
        if f.test != sizes[f.fold]:
            yield (
                f"fold {quoted(f.fold)} tests {f.test} clips; the predictions hold {sizes[f.fold]}"
            )
        if (
            result.folds.kind in ("speaker", "random", "leave-one-group-out")
            and f.train + f.validation + f.test != result.counts.clips
        ):
            yield (
                f"fold {quoted(f.fold)} has {f.train} + {f.validation} + {f.test} clips of"
                f" {result.counts.clips}"
            )
        yield from _training(f, result, select)
    if any(len(s) > 1 for s in of_fold.values()):
        yield "replicates of one fold have other sizes"


def _training(f: FoldScore, result: Result, select: str | None) -> Iterator[str]:
    """The curves of one training: as many as epochs, and the best epoch is the one that early
    stopping takes from them.
    """
    where = f"fold {quoted(f.fold)} replicate {f.replicate}"
    if not 1 <= f.best_epoch <= f.epochs or f.epochs != len(f.curves):
        yield f"{where}: best epoch {f.best_epoch} of {f.epochs}, with curves of {len(f.curves)}"
        return
    if (result.selection == "inner") != (f.validation > 0):
        yield (
            f"{where}: selection {quoted(result.selection)} with {f.validation} clips to select on"
        )
    rules = [
        rule
        for rule in ([select] if select else early_stopping.WATCHED)
        if all(early_stopping.WATCHED[rule] in curve for curve in f.curves)
    ]
    best = (
        {f.epochs}
        if result.selection == "last"
        else {early_stopping.best_epoch(f.curves, rule) for rule in rules}
    )
    if not best:
        yield f"{where}: the curves do not say what selection watched"
        return
    if f.best_epoch not in best:
        yield (
            f"{where}: the best epoch is {f.best_epoch}; its curves give"
            f" {' or '.join(map(str, sorted(best)))}"
        )
    elif result.selection == "test" and any(
        abs(f.curves[f.best_epoch - 1].get(f"watched_{m}", -1) - getattr(f, m)) > 1e-6
        for m in WATCHED
    ):
        yield f"{where}: selection watched the test part, and its curves give another score there"


def _scored(fold: FoldScore, known: Predictions, result: Result) -> FoldScore:
    values, absent = scoring.of_fold(known, fold.fold, fold.replicate, result.labels)
    return fold.model_copy(update={**values, "absent": absent})


def _fold_scores(result: Result, expected: list[FoldScore]) -> Iterator[str]:
    for have, want in zip(result.per_fold, expected, strict=True):
        where = f"fold {quoted(have.fold)} replicate {have.replicate}"
        for name in scores.NAMES:
            if not near(getattr(have, name), getattr(want, name)):
                yield (
                    f"{where}: {name} is {_n(getattr(have, name))}; its predictions give"
                    f" {_n(getattr(want, name))}"
                )
        if have.absent != want.absent:
            yield (
                f"{where}: {len(have.absent)} classes are said to be absent; {len(want.absent)} are"
            )


def _tables(result: Result, pooled: jackknife.Decisions) -> Iterator[str]:
    counts = scoring.confusion(pooled)
    if result.confusion != counts.tolist():
        yield "the confusion matrix is not that of the predictions"
    for what, have, want in (
        ("recall", result.per_class_recall, scoring.recalls(counts, result.labels)),
        ("accuracy", result.per_group_accuracy, scoring.per_group(pooled, result.counts.groups)),
    ):
        if set(have) != set(want):
            yield f"{what} is given for {_listed(have)}; expected {_listed(want)}"
        else:
            yield from (
                f"{what} of {quoted(k)} is {_n(have[k])}; its predictions give {_n(v)}"
                for k, v in want.items()
                if not near(have[k], v)
            )


def _n(value: float | None) -> str:
    return "none" if value is None else f"{value:.12g}"


def _pair(values: tuple[float, float] | None) -> str:
    return "none" if values is None else f"[{_n(values[0])}, {_n(values[1])}]"


def _listed(things: object) -> str:
    return quoted(", ".join(map(str, things)))  # type: ignore[call-overload]
