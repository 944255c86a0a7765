"""RENO's objective (arXiv:2506.02258): cross-entropy mixed with a Renyi divergence that pulls the
two backbones' views together.

    L = lam CE + (1 - lam) RD,    RD = 1 / (beta - 1) log sum_j (x_j + delta)^beta (y_j + delta)^(1
    - beta)

with x the first backbone's view, y the second's, M features each; not symmetrised, so the order of
a pair matters. Of more than two views, the mean over pairs, the earlier stream first (ours). What
the paper leaves open: which vectors x and y are. Softmax over the features, mean over the batch
(re-impl); two other readings as ``normalise``:
- ``l1``: |v_j| / sum |v|, probability vectors too (ours: the sign is dropped, since a negative base
  has no real power);
- ``raw``: the features as they are. RD is then NaN as soon as the sum is negative, and without
  bound near y_j = -delta: expect a failed training. The diagnostic ``renyi_undefined`` says for
  which share of clips it has no value; the harness stops at the first, naming the term.

Known: with softmax the term can say little. On probability vectors RD = log(1 + M delta) / (beta -
1) + gap, a constant and the Renyi divergence of the smoothed vectors (x + delta) / (1 + M delta).
Between random views the gap is about 1e-2 (M = 64), 1e-3 (256) and 6e-7 (12,288), and it can never
exceed 0.35, 0.11 and 0.0024. Views that drift apart in training do near that bound, so "inert" is a
matter of the run: therefore the diagnostics log the gap, and ``renyi:lam=1`` is the ablation to put
next to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nverbench import UNSCORED, Losses, Output
from nverbench_losses.views import aligned, over_pairs


@dataclass(frozen=True)
class RenyiLoss:
    """The callable that the harness minimises: terms ``cross_entropy`` and ``renyi``, already
    weighted by lam and 1 - lam.

    Diagnostics, for probability vectors: ``renyi_gap``, RD above its value at equality, batch mean;
    ``renyi_over_bound``, that gap as a share of the largest one possible, 0 to 1. For raw features
    ``renyi_undefined``, the share of clips without a finite value. The gradient of the divergence
    reaches all views, of unscored turns too.
    """

    beta: float
    delta: float
    lam: float
    normalise: str

    def __call__(self, output: Output, target: Tensor) -> Losses:
        views = tuple(
            normalised(view, self.normalise) for view in aligned("renyi", output.views)
        )  # m x (b, M)
        ce = F.cross_entropy(output.logits, target, ignore_index=UNSCORED)
        rd = over_pairs(lambda x, y: renyi_divergence(x, y, self.beta, self.delta), views)
        terms = {"cross_entropy": self.lam * ce, "renyi": (1 - self.lam) * rd}
        return Losses(terms, self.diagnose(tuple(view.detach() for view in views)))

    def diagnose(self, views: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The numbers that are only logged."""
        if self.normalise == "raw":
            undefined = over_pairs(
                lambda x, y: (~renyi_divergence(x, y, self.beta, self.delta).isfinite()).to(
                    x.dtype
                ),
                views,
            )
            return {"renyi_undefined": undefined}
        gap = over_pairs(lambda x, y: renyi_gap(x, y, self.beta, self.delta), views)
        return {
            "renyi_gap": gap,
            "renyi_over_bound": gap / gap_bound(views[0].shape[1], self.beta, self.delta),
        }


def normalised(view: Tensor, how: str) -> Tensor:
    """(b, M) features as probability vectors, or as they are for ``raw``."""
    if how == "softmax":
        return view.softmax(dim=1)
    return F.normalize(view.abs(), p=1, dim=1) if how == "l1" else view


def renyi_divergence(x: Tensor, y: Tensor, beta: float, delta: float) -> Tensor:
    """(b,) RD(x || y) of rows (b, M), the paper's formula to the letter."""
    total = ((x + delta) ** beta * (y + delta) ** (1 - beta)).sum(dim=1)  # (b,)
    return total.log() / (beta - 1)


def at_equality(size: int, beta: float, delta: float) -> float:
    """RD(x || x) of any probability vector with ``size`` features: the constant that RENO's
    objective carries.
    """
    return math.log1p(size * delta) / (beta - 1)


def renyi_gap(x: Tensor, y: Tensor, beta: float, delta: float) -> Tensor:
    """(b,) RD(x || y) - log(1 + M delta) / (beta - 1) of probability vectors (b, M), without the
    cancellation of that difference.

    With q = (y + delta) / (1 + M delta), u = (x - y) / (y + delta) and sum_j q_j u_j = 0, the gap
    is 1 / (beta - 1) log(1 + sum_j q_j [(1 + u_j)^beta - 1 - beta u_j]); for beta = 2 the bracket
    is u_j^2.
    """
    q = (y + delta) / (1 + y.shape[1] * delta)  # (b, M), rows sum to 1
    u = (x - y) / (y + delta)  # (b, M), above -1
    excess = (q * (torch.expm1(beta * torch.log1p(u)) - beta * u)).sum(dim=1)  # (b,)
    return torch.log1p(excess) / (beta - 1)


def gap_bound(size: int, beta: float, delta: float) -> float:
    """The largest gap of probability vectors with ``size`` features.

    The sum in RD is convex in (x, y) for beta > 1 and concave for beta < 1, so its extreme lies
    where x and y are two different unit vectors; for beta = 2 it is (1 + delta)^2 / delta + delta^2
    / (1 + delta) + (size - 2) delta.
    """
    apart = (
        (1 + delta) ** beta * delta ** (1 - beta)
        + delta**beta * (1 + delta) ** (1 - beta)
        + (size - 2) * delta
    )
    return math.log(apart) / (beta - 1) - at_equality(size, beta, delta)
