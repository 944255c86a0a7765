"""Predictions -> the numbers of a result: pooled scores with intervals and spreads, scores of a fold, confusion, recalls.

One place for the executor that makes a result and for whoever checks one, so that both compute the same. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nverbench import metrics, stats
from nverbench.predictions import Predictions
from nverbench.results import FoldScore, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray


def summarise(pooled: stats.Predictions, per_fold: Sequence[FoldScore], seed: int) -> dict[str, Score]:
    """Every headline metric with its intervals and spreads."""
    intervals = stats.jackknife(pooled)
    boot = stats.bootstrap(pooled, seed=seed)
    replicates = [metrics.scores(metrics.confusion(pooled.target, p, pooled.classes)) for p in pooled.predicted]
    summary = {}
    for name in metrics.NAMES:
        mean, sd = stats.mean_sd([getattr(f, name) for f in per_fold])
        i = intervals[name]
        seed_sd = stats.mean_sd([float(r[name]) for r in replicates])[1] if len(replicates) > 1 else None
        summary[name] = Score(value=i.value, low=i.low, high=i.high, se=i.se, bootstrap=boot[name], fold_mean=mean, fold_sd=sd, seed_sd=seed_sd)
    return summary


def of_fold(predictions: Predictions, fold: str, replicate: int, labels: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    """The metrics of one fold of one replicate over the classes present in it, and the classes that are not."""
    rows = np.array([i for i, name in enumerate(predictions.folds) if name == fold])
    counts = metrics.confusion(predictions.target[rows], predictions.probabilities[replicate][rows].argmax(-1), len(labels))
    absent = [label for label, n in zip(labels, counts.sum(1), strict=True) if n == 0]
    return {name: float(v) for name, v in metrics.scores(counts, present_only=True).items()}, absent


def confusion(pooled: stats.Predictions) -> NDArray[np.int64]:
    """Counts (k, k) pooled over folds and replicates: row = true class."""
    total: NDArray[np.int64] = np.sum([metrics.confusion(pooled.target, p, pooled.classes) for p in pooled.predicted], axis=0)
    return total


def recalls(counts: NDArray[np.int64], labels: Sequence[str]) -> dict[str, float]:
    """Label -> recall."""
    return dict(zip(labels, metrics.recalls(counts).tolist(), strict=True))


def per_group(pooled: stats.Predictions, groups: int) -> dict[str, float]:
    """Accuracy of every group, where there are too few groups for an interval; else nothing."""
    return stats.per_group(pooled) if 1 < groups < stats.FEWEST else {}
