"""The numbers of a result, computed from predictions: pooled scores with intervals and spreads,
scores of a fold, confusion, recalls.

The pipeline makes results with these functions, and the verifier checks them with the same ones.
Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nverbench.metrics import jackknife, scores
from nverbench.metrics.intervals import Rule
from nverbench.metrics.score_intervals import CLIPS, score_intervals
from nverbench.results.predictions import Predictions
from nverbench.results.record import FoldScore, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray


def summarise(
    pooled: jackknife.Decisions, per_fold: Sequence[FoldScore], seed: int, *, rule: Rule
) -> dict[str, Score]:
    """Return every headline metric with its intervals and spreads.

    Args:
        pooled: out-of-fold predictions.
        per_fold: the scores of every fold and replicate.
        seed: of the bootstrap.
        rule: the protocol's ``intervals``.
    """
    intervals = score_intervals(pooled, rule=rule)
    boot = jackknife.bootstrap(pooled, seed=seed)
    replicates = [
        scores.scores(scores.confusion(pooled.target, p, pooled.classes)) for p in pooled.predicted
    ]
    summary = {}
    for name in scores.NAMES:
        i = intervals[name]
        mean, sd = jackknife.mean_sd([getattr(f, name) for f in per_fold])
        spread = jackknife.mean_sd([float(r[name]) for r in replicates])[1]
        summary[name] = Score(
            value=i.value,
            low=i.low,
            high=i.high,
            se=i.se,
            bootstrap=boot[name],
            fold_mean=mean,
            fold_sd=sd,
            seed_sd=spread if len(replicates) > 1 else None,
            method=i.method,
        )
    return summary


def of_fold(
    predictions: Predictions, fold: str, replicate: int, labels: Sequence[str]
) -> tuple[dict[str, float], list[str]]:
    """Return the metrics of one fold of one replicate over the classes present in it, and the
    absent classes.
    """
    rows = np.array([i for i, name in enumerate(predictions.folds) if name == fold])
    predicted = predictions.probabilities[replicate][rows].argmax(-1)
    counts = scores.confusion(predictions.target[rows], predicted, len(labels))
    absent = [label for label, n in zip(labels, counts.sum(1), strict=True) if n == 0]
    return {name: float(v) for name, v in scores.scores(counts, present_only=True).items()}, absent


def confusion(pooled: jackknife.Decisions) -> NDArray[np.int64]:
    """Return counts (k, k) pooled over folds and replicates: row = true class."""
    each = [scores.confusion(pooled.target, p, pooled.classes) for p in pooled.predicted]
    total: NDArray[np.int64] = np.sum(each, axis=0)
    return total


def recalls(counts: NDArray[np.int64], labels: Sequence[str]) -> dict[str, float]:
    """Return the recall of each label."""
    return dict(zip(labels, scores.recalls(counts).tolist(), strict=True))


def per_group(pooled: jackknife.Decisions, groups: int) -> dict[str, float]:
    """Return the accuracy of each group where there are too few groups for an interval, else
    nothing.
    """
    return jackknife.per_group(pooled) if 1 < groups < jackknife.MIN_GROUPS else {}


def score_text(score: Score) -> str:
    """Return a score in percent with its interval: ``46.4 [42.1, 50.7]``, or ``46.4 [no
    interval]``; an interval over clips of fewer than five speakers ends in ``(clips)``.
    """
    value = f"{100 * score.value:.1f}"
    if score.low is None or score.high is None:
        return f"{value} [no interval]"
    over = " (clips)" if score.method.startswith(CLIPS) else ""
    return f"{value} [{100 * score.low:.1f}, {100 * score.high:.1f}]{over}"
