"""First-party objectives: what exists, their options, and where every default comes from (paper =
RENO, arXiv:2506.02258).

RENO's slot is lam CE + (1 - lam) alignment, with alignment between the views of two backbones.
``renyi`` is the paper's; ``kl``, ``jensen-shannon``, ``mmd`` and ``cosine`` are rivals for the same
slot with the same lam (ours), so that only the alignment differs. More than two views: the mean
over pairs, the earlier stream first (ours).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from nverbench import Loss, Losses, Output, UsageError, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

RENO = "RENO, arXiv:2506.02258, EUSIPCO 2025"
NORMALISE = ("softmax", "l1", "raw")
LAM = 0.4  # paper


@hookimpl
def nverbench_losses() -> Iterable[Loss]:
    """Cross-entropy, RENO's mixture of it with the Renyi divergence of views, and four rivals of
    that divergence.
    """
    return [
        Loss(name="cross-entropy", build=build_cross_entropy),
        Loss(name="renyi", build=build_renyi, needs="views", citation=RENO),
        Loss(name="kl", build=build_kl, needs="views"),
        Loss(
            name="jensen-shannon",
            build=build_jensen_shannon,
            needs="views",
            citation="Lin 1991, IEEE Trans. Information Theory 37",
        ),
        Loss(name="mmd", build=build_mmd, needs="views", citation="Gretton et al. 2012, JMLR 13"),
        Loss(name="cosine", build=build_cosine, needs="views"),
    ]


def build_cross_entropy(
    classes: int, counts: Sequence[int] | Tensor, *, smoothing: float = 0.0, weighted: bool = False
) -> Callable[[Output, Tensor], Losses]:
    """Cross-entropy over the scored rows; ``weighted`` counts every class of the training rows
    alike.

    Args:
        classes: k.
        counts: (k,) training rows per class of this fold.
        smoothing: share of the target spread over all classes, 0 to 1.
        weighted: weights 1 / count with mean 1 over the classes that training has; a class it lacks
            weighs 0.
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
    lam: float = LAM,
    # re-impl: the paper does not say what is compared; raw features make it NaN or unbounded
    normalise: str = "softmax",
) -> Callable[[Output, Tensor], Losses]:
    """RENO's objective, lam CE + (1 - lam) RD; ``lam=1`` is the ablation that leaves cross-entropy
    alone.
    """
    if not (math.isfinite(beta) and beta > 0 and beta != 1):
        raise UsageError(
            f"renyi: beta is {beta!r}; expected an order above 0 other than 1, where 1 / (beta - 1)"
            " has no value"
        )
    if not (math.isfinite(delta) and delta > 0):
        raise UsageError(
            f"renyi: delta is {delta!r}; expected a number above 0, without it a feature of 0 makes"
            " the divergence infinite"
        )
    _check_lam("renyi", lam)
    if normalise not in NORMALISE:
        raise UsageError(
            f"renyi: normalise is {normalise!r}; expected one of {', '.join(NORMALISE)}"
        )
    from nverbench_losses.renyi import RenyiLoss

    return RenyiLoss(beta, delta, lam, normalise)


def build_kl(
    classes: int, counts: Sequence[int] | Tensor, *, lam: float = LAM
) -> Callable[[Output, Tensor], Losses]:
    """lam CE + (1 - lam) KL(first || second) of the softmax over features: what ``renyi`` tends to
    for beta towards 1 and delta towards 0.
    """
    _check_lam("kl", lam)
    from nverbench_losses.alignment import AlignmentLoss, kl

    return AlignmentLoss("kl", kl, lam)


def build_jensen_shannon(
    classes: int, counts: Sequence[int] | Tensor, *, lam: float = LAM
) -> Callable[[Output, Tensor], Losses]:
    """lam CE + (1 - lam) JS of the softmax over features: symmetric and at most log 2."""
    _check_lam("jensen-shannon", lam)
    from nverbench_losses.alignment import AlignmentLoss, jensen_shannon

    return AlignmentLoss("jensen_shannon", jensen_shannon, lam)


def build_mmd(
    classes: int,
    counts: Sequence[int] | Tensor,
    *,
    # 0: the median heuristic (Gretton et al. 2012, section 8), anew for every batch
    bandwidth: float = 0.0,
    lam: float = LAM,
) -> Callable[[Output, Tensor], Losses]:
    """lam CE + (1 - lam) MMD^2 with an RBF kernel: the views' clouds of clips are compared, not
    clip with clip.
    """
    _check_lam("mmd", lam)
    if not (math.isfinite(bandwidth) and bandwidth >= 0):
        raise UsageError(
            f"mmd: bandwidth is {bandwidth!r}; expected a distance above 0, or 0 for the median of"
            " the batch's distances"
        )
    from nverbench_losses.alignment import AlignmentLoss, Mmd

    return AlignmentLoss("mmd", Mmd(bandwidth), lam)


def build_cosine(
    classes: int, counts: Sequence[int] | Tensor, *, lam: float = LAM
) -> Callable[[Output, Tensor], Losses]:
    """lam CE + (1 - lam) (1 - cos) of the raw views: directions are compared, lengths are free."""
    _check_lam("cosine", lam)
    from nverbench_losses.alignment import AlignmentLoss, cosine

    return AlignmentLoss("cosine", cosine, lam)


def _check_lam(loss: str, lam: float) -> None:
    if not 0 <= lam <= 1:
        raise UsageError(f"{loss}: lam is {lam!r}; expected a share of cross-entropy from 0 to 1")
