"""Accuracy, macro-F1, UAR and weighted F1 from confusion counts (``docs/protocol.md``, "Metrics").

Headline numbers pool the out-of-fold predictions over the full label set (Forman and Scholz 2010,
"Apples-to-apples in cross-validation studies"); within one fold, macro averages run over the
classes present in that test fold. The metrics are implemented here because intervals need them for
thousands of deletions at once: one matrix expression over stacked confusion matrices. The tests
compare them with scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = ("accuracy", "macro_f1", "uar", "weighted_f1")
SHOWN = (("accuracy", "accuracy"), ("macro_f1", "macro-F1"), ("uar", "UAR"))
"""The metrics in tables, with their headings."""
PRIMARY = "macro_f1"


def confusion(
    target: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Counts (k, k): row = true class, column = predicted class."""
    if target.shape != predicted.shape:
        raise ValueError(
            f"expected as many predictions as targets, got {predicted.shape} and {target.shape}"
        )
    counts = np.bincount(target * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def scores(counts: NDArray[Any], *, present_only: bool = False) -> dict[str, NDArray[np.float64]]:
    """The four metrics of stacked confusion matrices.

    Args:
        counts: (..., k, k), row = true class.
        present_only: macro averages over classes with at least one true row (a single fold) instead
            of the full label set (pooled).

    Returns:
        Name -> (...) fractions in [0, 1]. A class without true rows or predictions has F1 = 0 and
        recall = 0 where it is averaged.
    """
    counts = np.asarray(counts, dtype=np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)  # (..., k)
    true, predicted = counts.sum(-1), counts.sum(-2)  # (..., k)
    total = true.sum(-1)  # (...)
    recall = _ratio(hits, true)
    f1 = _ratio(2 * hits, true + predicted)  # = 2 P R / (P + R)
    averaged = (true > 0) if present_only else np.ones_like(true, dtype=bool)
    classes = averaged.sum(-1)
    return {
        "accuracy": _ratio(hits.sum(-1), total),
        "macro_f1": _ratio((f1 * averaged).sum(-1), classes),
        "uar": _ratio((recall * averaged).sum(-1), classes),
        "weighted_f1": _ratio((f1 * true).sum(-1), total),
    }


def recalls(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Recall of each class (k,); 0 for a class without true rows."""
    counts = np.asarray(counts, dtype=np.float64)
    return _ratio(np.diagonal(counts), counts.sum(-1))


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    quotient: NDArray[np.float64] = np.divide(
        above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0
    )
    return quotient
