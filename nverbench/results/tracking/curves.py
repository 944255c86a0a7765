"""Learning curves as MLflow draws them: of a fold with its replicates, and their mean over a
job.
"""

from __future__ import annotations

from collections.abc import Sequence

from nverbench.metrics import scores
from nverbench.results.record import FoldScore
from nverbench.results.tracking.client import Point
from nverbench.results.tracking.escaping import key


def of_fold(replicates: Sequence[FoldScore]) -> list[Point]:
    """One fold: the mean scores on its test part and mean curves; with several replicates also each
    one's scores (step: replicate) and curves.

    A run per fold and replicate would bury the jobs: MLflow's table loads 100 runs at a time, and
    folds count.
    """
    found: list[Point] = [
        (name, sum(getattr(r, name) for r in replicates) / len(replicates), 0)
        for name in scores.NAMES
    ]
    found += mean(replicates)
    for r in replicates:
        own: list[Point] = [
            (f"training/{name}", float(getattr(r, name)), r.replicate)
            for name in ("best_epoch", "epochs")
        ]
        if len(replicates) > 1:
            own += [(f"replicates/{name}", getattr(r, name), r.replicate) for name in scores.NAMES]
            own += [
                (f"replicate {r.replicate}/{key(term)}", v, epoch)
                for epoch, row in enumerate(r.curves, 1)
                for term, v in row.items()
            ]
        found += own
    return found


def mean(folds: Sequence[FoldScore]) -> list[Point]:
    """Mean curves, as far as all of them trained (a mean over those that went on would be of
    others); before the slash: MLflow's section.
    """
    points: list[Point] = []
    for epoch, rows in enumerate(zip(*(fold.curves for fold in folds), strict=False), 1):
        shared = [term for term in rows[0] if all(term in row for row in rows)]
        points += [
            (f"curves/{key(term)}", sum(row[term] for row in rows) / len(rows), epoch)
            for term in shared
        ]
    return points
