"""Warnings about finished trainings: what a reader of their scores must suspect. They follow from
the record and are not stored in it, so that the digest of a result does not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nverbench.metrics.chance import chance
from nverbench.results.record import FoldScore, Result, Score

COMPARED = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
"""Metrics that are compared with the majority class, and their names."""
GRIDS = {"lr": "learning rate", "l2": "L2 penalty"}
"""Key of ``FoldScore.chosen`` -> the name of what was chosen from a grid."""


def warnings(result: Result) -> list[str]:
    """One sentence per finding about a result."""
    return of_training(result.scores, result.confusion, result.per_fold, selection=result.selection)


def of_training(
    scores: Mapping[str, Score],
    confusion: Sequence[Sequence[int]],
    per_fold: Sequence[FoldScore],
    *,
    selection: str,
) -> list[str]:
    """One sentence per finding about cross-validated trainings.

    Args:
        scores: pooled, by metric.
        confusion: (k, k) counts pooled over folds and replicates, row = true class.
        per_fold: one record per training.
        selection: how the number of epochs was chosen: inner, test or last.
    """
    found = _below_majority(scores, [sum(row) for row in confusion])
    found += _at_the_last_epoch(per_fold) if selection != "last" else []
    return found + [line for name in GRIDS for line in _at_the_edge(per_fold, name)]


def _below_majority(scores: Mapping[str, Score], counts: Sequence[int]) -> list[str]:
    """A warning per metric that is below the majority class, both rounded to a tenth of a point.

    Args:
        scores: by metric.
        counts: (k,) tested clips of each class.
    """
    if not any(counts):
        return []
    majority = chance({str(i): n for i, n in enumerate(counts)})["majority"]
    found = []
    for name, heading in COMPARED.items():
        own, theirs = (round(100 * v, 1) for v in (scores[name].value, majority[name]))
        if own < theirs:
            found.append(
                f"{heading} {own:.1f} % is below the majority class, {theirs:.1f} %: naming the"
                " most frequent class for every clip scores more"
            )
    return found


def _at_the_last_epoch(per_fold: Sequence[FoldScore]) -> list[str]:
    """A warning if the best epoch of most trainings is the last allowed one: any other training
    goes on until its patience ends. A head that was fitted to its optimum has no epochs.
    """
    trained = [f for f in per_fold if "l2" not in f.chosen]
    ended = sum(f.best_epoch == f.epochs for f in trained)
    if 2 * ended <= len(trained):
        return []
    return [
        f"{ended} of {len(trained)} trainings ended at the last allowed epoch; they may be"
        " undertrained"
    ]


def _at_the_edge(per_fold: Sequence[FoldScore], name: str) -> list[str]:
    """A warning if most searches chose the lowest candidate of the grid, or the highest one, and it
    scored more than its neighbour.
    """
    searches = [(f.chosen[name], grid) for f in per_fold if len(grid := _grid(f, name)) > 1]
    found = []
    for end, word, edge, neighbour in (("lowest", "lower", 0, 1), ("highest", "higher", -1, -2)):
        at_edge = [
            grid[edge][0]
            for value, grid in searches
            if math.isclose(value, grid[edge][0], rel_tol=1e-4)
            and grid[edge][1] > grid[neighbour][1]
        ]
        if 2 * len(at_edge) > len(searches):
            found.append(
                f"{len(at_edge)} of {len(searches)} trainings chose the {end} {GRIDS[name]} of the"
                f" grid, {at_edge[0]:g}: a {word} one may be better"
            )
    return found


def _grid(fold: FoldScore, name: str) -> list[tuple[float, float]]:
    """The candidates of a search and their scores, the lowest candidate first; nothing where
    something else was chosen, or nothing. Keys of ``tried`` are such as ``lr=0.001``.
    """
    if name not in fold.chosen:
        return []
    keyed = {key.partition("=")[::2]: score for key, score in fold.tried.items()}
    return sorted((float(value), score) for (own, value), score in keyed.items() if own == name)
