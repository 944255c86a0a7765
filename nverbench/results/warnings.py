"""Warnings about a finished training: what a reader of its scores must suspect. They follow from the
record, and are written nowhere: the digest of a result does not depend on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from nverbench.metrics.chance import chance
from nverbench.metrics.scores import SHOWN
from nverbench.results.record import FoldScore, Result, Score

COMPARED = ("accuracy", "macro_f1")
"""Metrics that are compared with the majority class."""
CANDIDATES = {"lr": "learning rate", "l2": "L2 penalty"}
"""Key of ``FoldScore.chosen`` -> its name in a warning."""


def warnings(result: Result) -> list[str]:
    """One sentence per finding about a result."""
    protocol = result.provenance.identity.get("protocol")
    constants = protocol if isinstance(protocol, Mapping) else {}
    cap = constants.get("epochs") if constants.get("refit") else None
    chooses = result.selection != "last"
    return of_training(
        result.scores, result.confusion, result.per_fold, cap=cap, chooses_epochs=chooses
    )


def of_training(
    scores: Mapping[str, Score],
    confusion: Sequence[Sequence[int]],
    per_fold: Sequence[FoldScore],
    *,
    cap: int | None,
    chooses_epochs: bool,
) -> list[str]:
    """One sentence per finding about cross-validated trainings.

    Args:
        scores: pooled, by metric.
        confusion: (k, k) counts pooled over folds and replicates, row = true class.
        per_fold: one record per training.
        cap: the last allowed epoch; None: a training ends there or when its patience ends, so that
            a best epoch that is the last one trained is the last allowed one.
        chooses_epochs: whether validation chose the number of epochs.
    """
    found = _below_majority(scores, confusion)
    found += _at_the_last_epoch(per_fold, cap) if chooses_epochs else []
    return found + _at_the_edge(per_fold)


def _below_majority(
    scores: Mapping[str, Score], confusion: Sequence[Sequence[int]]
) -> list[str]:
    """A warning per metric that is below the majority class by a tenth of a point or more."""
    counts = {str(i): sum(row) for i, row in enumerate(confusion)}
    if sum(counts.values()) == 0:
        return []
    majority, headings = chance(counts)["majority"], dict(SHOWN)
    found = []
    for name in COMPARED:
        own, theirs = (f"{100 * v:.1f}" for v in (scores[name].value, majority[name]))
        if float(own) < float(theirs):
            found.append(
                f"{headings[name].lower() if name == 'accuracy' else headings[name]} {own} % is"
                f" below the majority class, {theirs} %: naming the most frequent class for every"
                " clip scores more"
            )
    return found


def _at_the_last_epoch(per_fold: Sequence[FoldScore], cap: int | None) -> list[str]:
    """A warning if most trainings ended at the last allowed epoch. Where a penalty was chosen, the
    head was fitted to its optimum, and epochs say nothing.
    """
    trained = [f for f in per_fold if "l2" not in _chosen(f)]
    ended = sum(f.best_epoch >= (f.epochs if cap is None else cap) for f in trained)
    if 2 * ended <= len(trained):
        return []
    return [
        f"{ended} of {len(trained)} trainings ended at the last allowed epoch; they may be"
        " undertrained"
    ]


def _at_the_edge(per_fold: Sequence[FoldScore]) -> list[str]:
    """A warning if most trainings chose the lowest, or the highest, candidate of a grid."""
    edges: Counter[tuple[str, str, float]] = Counter()
    trained: Counter[str] = Counter()
    for f in per_fold:
        grid = _grid(f)
        if len(chosen := _chosen(f)) != 1 or len(grid) < 2:
            continue
        ((name, value),) = chosen.items()
        trained[name] += 1
        for end, edge in (("lowest", min(grid)), ("highest", max(grid))):
            edges[name, end, value] += value == edge
    return [
        f"{number} of {trained[name]} trainings chose the {end}"
        f" {CANDIDATES.get(name, name)} of the grid, {value:g}: one beyond it may be better"
        for (name, end, value), number in sorted(edges.items())
        if 2 * number > trained[name]
    ]


def _chosen(f: FoldScore) -> dict[str, float]:
    """What validation chose beside the number of epochs."""
    return dict(getattr(f, "chosen", {}))


def _grid(f: FoldScore) -> list[float]:
    """The candidates that were tried: keys such as ``0.001`` or ``lr=0.001``."""
    return [float(text.rpartition("=")[2]) for text in getattr(f, "tried", {})]
