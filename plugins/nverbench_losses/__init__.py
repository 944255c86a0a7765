"""First-party objectives: what exists, their options, and where every default comes from (paper = RENO, arXiv:2506.02258)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from nverbench import Loss, Losses, Output, UsageError, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

NORMALISE = ("softmax", "l1", "raw")


@hookimpl
def nverbench_losses() -> Iterable[Loss]:
    """Cross-entropy, and RENO's mixture of it with the Renyi divergence of two views."""
    return [
        Loss(name="cross-entropy", build=build_cross_entropy),
        Loss(name="renyi", build=build_renyi, needs="views", citation="RENO, arXiv:2506.02258, EUSIPCO 2025"),
    ]


def build_cross_entropy(
    classes: int,
    counts: Sequence[int] | Tensor,
    *,
    smoothing: float = 0.0,
    weighted: bool = False,
) -> Callable[[Output, Tensor], Losses]:
    """Cross-entropy over the scored rows; ``weighted`` counts every class of the training rows alike.

    Args:
        classes: k.
        counts: (k,) training rows per class of this fold.
        smoothing: share of the target spread over all classes, 0 to 1.
        weighted: weights 1 / count with mean 1 over the classes that training has; a class it lacks weighs 0.
    """
    if not 0 <= smoothing <= 1:
        raise UsageError(f"cross-entropy: smoothing is {smoothing!r}; expected a share from 0 to 1")
    from nverbench_losses.cross_entropy import CrossEntropy, inverse_frequency

    return CrossEntropy(smoothing, inverse_frequency(classes, counts) if weighted else None)


def build_renyi(
    classes: int,
    counts: Sequence[int] | Tensor,
    *,
    beta: float = 2.0,  # paper
    delta: float = 0.2,  # paper
    lam: float = 0.4,  # paper
    normalise: str = "softmax",  # re-impl: the paper does not say what is compared; raw features make it NaN or unbounded
) -> Callable[[Output, Tensor], Losses]:
    """RENO's objective, lam CE + (1 - lam) RD; ``lam=1`` is the ablation that leaves cross-entropy alone."""
    if not (math.isfinite(beta) and beta > 0 and beta != 1):
        raise UsageError(f"renyi: beta is {beta!r}; expected an order above 0 other than 1, where 1 / (beta - 1) has no value")
    if not (math.isfinite(delta) and delta > 0):
        raise UsageError(f"renyi: delta is {delta!r}; expected a number above 0, without it a feature of 0 makes the divergence infinite")
    if not 0 <= lam <= 1:
        raise UsageError(f"renyi: lam is {lam!r}; expected a share of cross-entropy from 0 to 1")
    if normalise not in NORMALISE:
        raise UsageError(f"renyi: normalise is {normalise!r}; expected one of {', '.join(NORMALISE)}")
    from nverbench_losses.renyi import RenyiLoss

    return RenyiLoss(beta, delta, lam, normalise)
