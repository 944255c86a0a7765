"""Early stopping: the value of an epoch, which epoch is best, and when patience has run out
(``docs/protocol.md``, "Selection").

The training loop and the verifier of submissions both use this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

CROSS_ENTROPY, WEIGHTED_F1, MACRO_F1 = "cross-entropy", "weighted-f1", "macro-f1"
WATCHED = {
    CROSS_ENTROPY: "watched_cross_entropy",
    WEIGHTED_F1: "watched_weighted_f1",
    MACRO_F1: "watched_macro_f1",
}
"""The scores that a recipe or a protocol may select by, and the names of their learning curves."""


def badness(curve: Mapping[str, float], select: str) -> float:
    """The number that early stopping minimises, of one epoch.

    Args:
        curve: the values of one epoch by name.
        select: ``cross-entropy`` (the lowest is best), ``weighted-f1`` or ``macro-f1`` (the highest
            is best).

    Raises:
        KeyError: the curve does not hold the score of ``select``.
    """
    value = curve[WATCHED[select]]
    return value if select == CROSS_ENTROPY else -value


def watched_score(curve: Mapping[str, float], select: str) -> float:
    """The watched number of one epoch with its sign so that the highest is best."""
    return -badness(curve, select)


def best_epoch(curves: Sequence[Mapping[str, float]], select: str) -> int:
    """The best epoch, counted from 1; the first of equal ones; 0 when no epoch has a finite value.

    Raises:
        KeyError: a curve does not hold the score of ``select``.
    """
    best, epoch = math.inf, 0
    for number, curve in enumerate(curves, 1):
        if (value := badness(curve, select)) < best:
            best, epoch = value, number
    return epoch


def out_of_patience(epoch: int, best: int, patience: int) -> bool:
    """Whether ``patience`` epochs have passed since the best one without an improvement."""
    return epoch - best >= patience
