"""Learning curves as MLflow draws them: of a fold, and their mean over the folds of a job."""

from __future__ import annotations

from collections.abc import Sequence

from nverbench import metrics
from nverbench.results import FoldScore
from nverbench.tracking.client import Point
from nverbench.tracking.plain import key


def of_fold(fold: FoldScore) -> list[Point]:
    """The scores of one fold and replicate on its test part, and its curves with the epoch as step."""
    finals: list[Point] = [(name, getattr(fold, name), 0) for name in metrics.NAMES]
    finals += [("training/best_epoch", float(fold.best_epoch), 0), ("training/epochs", float(fold.epochs), 0)]
    return finals + [(name(term), value, epoch) for epoch, row in enumerate(fold.curves, 1) for term, value in row.items()]


def mean(folds: Sequence[FoldScore]) -> list[Point]:
    """The mean curves of a job's folds and replicates, as far as all of them trained: a mean over those that went on would be of others."""
    points: list[Point] = []
    for epoch, rows in enumerate(zip(*(fold.curves for fold in folds), strict=False), 1):
        shared = [term for term in rows[0] if all(term in row for row in rows)]
        points += [(name(term), sum(row[term] for row in rows) / len(rows), epoch) for term in shared]
    return points


def name(term: str) -> str:
    """The metric of a curve; MLflow draws what stands before the slash as a section of its own."""
    return f"curves/{key(term)}"
