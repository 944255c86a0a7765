"""Every number of a result, computed again from its predictions; each field that differs is
named.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

from nverbench.leaderboard.submissions.records import quoted
from nverbench.metrics import jackknife, scores
from nverbench.metrics.intervals import Rule
from nverbench.results import scoring
from nverbench.results.predictions import Predictions
from nverbench.results.pseudonyms import numbered
from nverbench.results.record import FoldScore, Result
from nverbench.training import early_stopping

TOLERANCE = 1e-9
"""The rounding difference that is allowed: the order of a sum may differ."""
OUTER, DRAWS = 0.055, 4000
"""The bootstrap of a result draws its groups in the order of names that are not published, so ours
is another draw of the same distribution. A 2.5% point of 1,000 draws lies between our smallest
value and our 5.5% point (six standard errors of its rank away). The exact check needs a copy of the
corpus.
"""
NAMED_FOLDS = ("leave-one-group-out", "holdout")
COMPUTED = {"counts", "folds", "confusion", "per_class_recall", "per_group_accuracy"}
COMPUTED |= {"per_fold", "scores"}
"""Fields of a result that hold numbers from its predictions."""
CHECKED_ELSEWHERE: Any = {"per_fold": {"__all__": {"curves"}}, "scores": {"__all__": {"bootstrap"}}}


def check(result: Result, known: Predictions, seed: int, select: str | None) -> Iterator[str]:
    """Each field of a result that does not follow from its predictions, without the bootstrap.

    Args:
        result: in its published form.
        known: its predictions with labels and groups, rows in the order of their keys, groups under
            their published names.
        seed: of the protocol.
        select: what the fusion's recipe selects the epoch by; None: the fusion is not installed
            here, and any known rule may hold.
    """
    if len(set(result.labels)) != len(result.labels):
        yield "a label is given twice"
    if (result.unit == "clip") != (len({g for g in known.groups if g}) <= 1):
        yield f"intervals are over {quoted(result.unit)}s, but the groups do not allow that"
    yield from _names(result, known)
    have = sorted((f.replicate, f.fold) for f in result.per_fold)
    expected = [(r, fold) for r in range(result.seeds) for fold in sorted(set(known.folds))]
    if have != expected:  # scores of folds that are absent cannot be computed
        yield (
            f"scores of {len(have)} trainings; expected one of each of {len(set(known.folds))}"
            f" folds and {result.seeds} replicates"
        )
        return
    yield from _trainings(result, select)
    if (rule := _rule(result)) is None:
        yield f"its protocol's intervals are none of {', '.join(get_args(Rule))}"
        return
    yield from _differences(_numbers(result), _numbers(_computed_again(result, known, seed, rule)))


def check_bootstrap(result: Result, joined: Predictions, seed: int) -> Iterator[str]:
    """Bootstrap intervals that are not exact; the groups of ``joined`` have their own names."""
    expected = jackknife.bootstrap(joined.decisions(len(result.labels)), seed=seed)
    for name, interval in expected.items():
        have = result.scores[name].bootstrap
        if have is None or not all(near(a, b) for a, b in zip(have, interval, strict=True)):
            yield f"scores.{name}.bootstrap: {_shown(have)}, expected {_shown(interval)}"


def check_bootstrap_roughly(result: Result, known: Predictions, seed: int) -> Iterator[str]:
    """Bootstrap intervals that another draw of the same distribution makes implausible; for groups
    whose own names are not known.
    """
    pooled = known.decisions(len(result.labels))
    outer = jackknife.bootstrap(pooled, seed=seed, draws=DRAWS, level=1.0)
    inner = jackknife.bootstrap(pooled, seed=seed, draws=DRAWS, level=1 - 2 * OUTER)
    for name in scores.NAMES:
        have = result.scores[name].bootstrap
        ranges = (outer[name][0], inner[name][0]), (inner[name][1], outer[name][1])
        if have is None or not all(
            low - TOLERANCE <= end <= high + TOLERANCE
            for end, (low, high) in zip(have, ranges, strict=True)
        ):
            yield (
                f"scores.{name}.bootstrap: {_shown(have)}, expected ends in {_shown(ranges[0])} and"
                f" {_shown(ranges[1])}"
            )


def labelled(published: Predictions, joined: Predictions) -> Predictions:
    """Published predictions with labels and groups from a copy of the corpus, groups under their
    published names.
    """
    row_of = {key: row for row, key in enumerate(joined.keys)}
    rows = [row_of[key] for key in published.ids]
    groups = _published_names([joined.groups[row] for row in rows], rows)
    p = published
    return Predictions(p.ids, groups, joined.target[rows], p.folds, p.probabilities, p.ids)


def near(a: float | None, b: float | None) -> bool:
    """Whether two numbers are equal except for rounding; None equals only None."""
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=0, abs_tol=TOLERANCE)


def _published_names(groups: list[str], rows: list[int]) -> list[str]:
    """The published name of each clip's group, empty for a clip in no group."""
    units = [group or f"clip {row}" for group, row in zip(groups, rows, strict=True)]
    names = numbered("group", units) if any(groups) else {}
    return [names[unit] if group else "" for unit, group in zip(units, groups, strict=True)]


def _names(result: Result, known: Predictions) -> Iterator[str]:
    """Names of groups and folds that publishing does not give: they may be the names of people."""
    kind, number = result.folds.kind, result.folds.number
    if _published_names(known.groups, list(range(len(known.groups)))) != known.groups:
        yield (
            "groups are not numbered in the order of the keys, as nverbench leaderboard submit"
            " writes them"
        )
    # a fold of leave-one-group-out also tests the groups that share a recording with its own
    pairs = list(zip(known.folds, known.groups, strict=True))
    named = {fold for fold, group in pairs if fold == group}
    if (kind == "holdout" and known.folds != known.groups) or (
        kind in NAMED_FOLDS and set(known.folds) - named
    ):
        yield f"{kind} folds do not have the names of the groups they hold"
    if kind in ("speaker", "random") and set(known.folds) != {str(i + 1) for i in range(number)}:
        yield f"{kind} folds are not numbered from 1 to {number}"
    if kind in ("speaker", *NAMED_FOLDS):
        places = set(zip(known.groups, known.folds, strict=True))
        if len(places) != len(set(known.groups)) or "" in known.groups:
            yield f"{kind} folds: a group is in more than one fold, or a clip is in no group"


def _trainings(result: Result, select: str | None) -> Iterator[str]:
    """Contradictions in the sizes and the learning curves of the trainings."""
    sizes: dict[object, tuple[int, int, int]] = {}
    constants = result.provenance.identity.get("protocol")
    drawn = isinstance(constants, dict) and constants.get("inner_draw") == "fold"
    whole = result.folds.kind in ("speaker", "random", "leave-one-group-out")
    for f in result.per_fold:
        where = f"fold {quoted(f.fold)} replicate {f.replicate}"
        if whole and f.train + f.validation + f.test != result.counts.clips:
            parts = f"{f.train} + {f.validation} + {f.test}"
            yield f"{where} has {parts} clips of {result.counts.clips}"
        own = (f.train, f.validation, f.test)
        # replicates have validation parts of their own where each fold draws them
        if sizes.setdefault((f.fold, f.replicate if drawn else 0), own) != own:
            yield f"{where}: other replicates of this fold have other sizes"
        if (result.selection == "inner") != (f.validation > 0):
            yield f"{where}: selection {quoted(result.selection)} with {f.validation} clips for it"
        yield from (f"{where}: {problem}" for problem in _training(f, result, select))


def _training(f: FoldScore, result: Result, select: str | None) -> Iterator[str]:
    """Contradictions between the learning curves of one training and its best epoch
    (docs/protocol.md, "Selection").
    """
    if not 1 <= f.best_epoch <= f.epochs or f.epochs != len(f.curves):
        yield f"best epoch {f.best_epoch} of {f.epochs}, with curves of {len(f.curves)} epochs"
        return
    known = early_stopping.WATCHED
    rules = [
        rule
        for rule in ([select] if select else known)
        if all(known[rule] in curve for curve in f.curves)
    ]
    best = {early_stopping.best_epoch(f.curves, rule) for rule in rules}
    best = {f.epochs} if result.selection == "last" else best
    if not best:
        yield "the curves do not hold what selection watched"
    elif f.best_epoch not in best:
        expected = " or ".join(map(str, sorted(best)))
        yield f"the best epoch is {f.best_epoch}; its curves give {expected}"
    elif f.tried:
        yield from _search(f)
    elif result.selection == "test":
        curve = f.curves[f.best_epoch - 1]
        pairs = {name: curve.get(f"watched_{name}", -1) for name in ("accuracy", "macro_f1")}
        if any(abs(value - getattr(f, name)) > 1e-6 for name, value in pairs.items()):
            yield "selection watched the test part, and its curves give another score there"


def _search(f: FoldScore) -> Iterator[str]:
    """Contradictions between the candidates of a search and the chosen one."""
    name = next((name for name in ("lr", "l2") if name in f.chosen), None)
    chosen = f"{name}={f.chosen[name]:g}" if name else "none"
    if f.tried.get(chosen) != max(f.tried.values()):
        yield f"its search chose {quoted(chosen)}, which is not the best of its candidates"
    elif not any(
        near(f.tried[chosen], early_stopping.watched_score(f.curves[f.best_epoch - 1], rule))
        for rule, curve in early_stopping.WATCHED.items()
        if curve in f.curves[f.best_epoch - 1]
    ):
        yield f"its curves give another score than {quoted(chosen)} has in its search"


def _rule(result: Result) -> Rule | None:
    """The rule of intervals among the constants of its protocol; None for an unknown one."""
    constants = result.provenance.identity.get("protocol")
    named = constants.get("intervals", "groups") if isinstance(constants, dict) else "groups"
    return next((rule for rule in get_args(Rule) if rule == named), None)


def _computed_again(result: Result, known: Predictions, seed: int, rule: Rule) -> Result:
    """The result with every number that follows from its predictions computed again."""
    pooled, sizes = known.decisions(len(result.labels)), Counter(known.folds)
    per_class = Counter(known.target.tolist())
    groups = len({group for group in known.groups if group})
    per_fold = []
    for fold in result.per_fold:
        values, absent = scoring.of_fold(known, fold.fold, fold.replicate, result.labels)
        update = {**values, "absent": absent, "test": sizes[fold.fold]}
        per_fold.append(fold.model_copy(update=update))
    counts = {
        "groups": groups,
        "per_class": {label: per_class.get(i, 0) for i, label in enumerate(result.labels)},
    }
    confusion = scoring.confusion(pooled)
    return result.model_copy(
        update={
            "counts": result.counts.model_copy(update=counts),
            "folds": result.folds.model_copy(update={"number": len(sizes)}),
            "confusion": confusion.tolist(),
            "per_class_recall": scoring.recalls(confusion, result.labels),
            "per_group_accuracy": scoring.per_group(pooled, groups),
            "per_fold": per_fold,
            "scores": scoring.summarise(pooled, per_fold, seed, rule=rule),
        }
    )


def _numbers(result: Result) -> dict[str, Any]:
    return result.model_dump(include=COMPUTED, exclude=CHECKED_ELSEWHERE)


def _differences(have: Any, expected: Any, place: str = "") -> Iterator[str]:
    """The differences of two nested records: ``scores.macro_f1.low: 0.41, expected 0.42``."""
    if isinstance(have, list) and isinstance(expected, list) and len(have) == len(expected):
        have, expected = dict(enumerate(have)), dict(enumerate(expected))
    if isinstance(have, dict) and isinstance(expected, dict) and have.keys() == expected.keys():
        for key, value in expected.items():
            step = str(key) if str(key).isidentifier() or isinstance(key, int) else quoted(key)
            yield from _differences(have[key], value, f"{place}.{step}" if place else step)
    elif have != expected and not (_number(have) and _number(expected) and near(have, expected)):
        yield f"{place}: {_shown(have)}, expected {_shown(expected)}"


def _number(thing: object) -> bool:
    return isinstance(thing, int | float)


def _shown(thing: Any) -> str:
    """A value of a record in a message: a number to 12 digits, a pair as an interval."""
    if isinstance(thing, tuple):
        return f"[{', '.join(map(_shown, thing))}]"
    if isinstance(thing, dict):
        return quoted(", ".join(map(str, thing)))
    return "none" if thing is None else f"{thing:.12g}" if _number(thing) else quoted(thing)
