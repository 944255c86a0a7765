"""RENO's objective (arXiv:2506.02258): cross-entropy mixed with a Renyi divergence that pulls the two backbones' views together.

    L = lam CE + (1 - lam) RD,    RD = 1 / (beta - 1) log sum_j (x_j + delta)^beta (y_j + delta)^(1 - beta)

with x the first backbone's view, y the second's, M features each; not symmetrised, so the order of a pair matters.
What the paper leaves open: which vectors x and y are. Softmax over the features, mean over the batch (re-impl); two other readings as ``normalise``:
- ``l1``: |v_j| / sum |v|, probability vectors too (ours: the sign is dropped, since a negative base has no real power);
- ``raw``: the features as they are. RD is then NaN as soon as the sum is negative, and without bound near y_j = -delta: expect a failed training.

Known: with softmax the term can say little. On probability vectors RD = log(1 + M delta) / (beta - 1) + gap, a constant and the Renyi divergence
of the smoothed vectors (x + delta) / (1 + M delta). Between random views the gap is about 1e-2 (M = 64), 1e-3 (256) and 6e-7 (12,288), and it can
never exceed 0.35, 0.11 and 0.0024. Views that drift apart in training do near that bound, so "inert" is a matter of the run: therefore the
diagnostics log the gap, and ``renyi:lam=1`` is the ablation to put beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nverbench import UNSCORED, Losses, Output, PartError


@dataclass(frozen=True)
class RenyiLoss:
    """The callable that the harness minimises: terms ``cross_entropy`` and ``renyi``, already weighted by lam and 1 - lam.

    Diagnostics, for probability vectors: ``renyi_gap``, RD above its value at equality, batch mean; ``renyi_over_bound``, that gap as a share of
    the largest one possible, 0 to 1. The gradient of the divergence reaches both views, of turns that are heard but not scored too.
    """

    beta: float
    delta: float
    lam: float
    normalise: str

    def __call__(self, output: Output, target: Tensor) -> Losses:
        x, y = (normalised(view, self.normalise) for view in pair(output.views))  # (b, M) each
        ce = F.cross_entropy(output.logits, target, ignore_index=UNSCORED)
        rd = renyi_divergence(x, y, self.beta, self.delta).mean()
        return Losses({"cross_entropy": self.lam * ce, "renyi": (1 - self.lam) * rd}, self.diagnose(x.detach(), y.detach()))

    def diagnose(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The numbers that are only logged; none for raw features, which have no value at equality."""
        if self.normalise == "raw":
            return {}
        gap = renyi_gap(x, y, self.beta, self.delta).mean()
        return {"renyi_gap": gap, "renyi_over_bound": gap / gap_bound(x.shape[1], self.beta, self.delta)}


def pair(views: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """The two views, equal in shape, in at least float32."""
    if len(views) != 2 or views[0].shape != views[1].shape:
        shapes = ", ".join(str(tuple(view.shape)) for view in views) or "none"
        raise PartError(f"renyi: expected two views of one shape (b, a), got {shapes}; use a fusion that aligns two backbones, such as reno")
    dtype = torch.promote_types(views[0].dtype, torch.float32)  # bfloat16 steps of 0.03 around log(1 + 256 * 0.2) would hide the gap
    return views[0].to(dtype), views[1].to(dtype)


def normalised(view: Tensor, how: str) -> Tensor:
    """(b, M) features as probability vectors, or as they are for ``raw``."""
    if how == "softmax":
        return view.softmax(dim=1)
    return F.normalize(view.abs(), p=1, dim=1) if how == "l1" else view


def renyi_divergence(x: Tensor, y: Tensor, beta: float, delta: float) -> Tensor:
    """(b,) RD(x || y) of rows (b, M), the paper's formula to the letter."""
    total = ((x + delta) ** beta * (y + delta) ** (1 - beta)).sum(dim=1)  # (b,)
    return total.log() / (beta - 1)


def renyi_gap(x: Tensor, y: Tensor, beta: float, delta: float) -> Tensor:
    """(b,) RD(x || y) - log(1 + M delta) / (beta - 1) of probability vectors (b, M), without the cancellation of that difference.

    With q = (y + delta) / (1 + M delta), u = (x - y) / (y + delta) and sum_j q_j u_j = 0, the gap is
    1 / (beta - 1) log(1 + sum_j q_j [(1 + u_j)^beta - 1 - beta u_j]); for beta = 2 the bracket is u_j^2.
    """
    q = (y + delta) / (1 + y.shape[1] * delta)  # (b, M), rows sum to 1
    u = (x - y) / (y + delta)  # (b, M), above -1
    excess = (q * (torch.expm1(beta * torch.log1p(u)) - beta * u)).sum(dim=1)  # (b,)
    return torch.log1p(excess) / (beta - 1)


def gap_bound(size: int, beta: float, delta: float) -> float:
    """The largest gap of probability vectors with ``size`` features.

    The sum in RD is convex in (x, y) for beta > 1 and concave for beta < 1, so its extreme lies where x and y are two different unit vectors;
    for beta = 2 it is (1 + delta)^2 / delta + delta^2 / (1 + delta) + (size - 2) delta.
    """
    apart = (1 + delta) ** beta * delta ** (1 - beta) + delta**beta * (1 + delta) ** (1 - beta) + (size - 2) * delta
    return (math.log(apart) - math.log1p(size * delta)) / (beta - 1)
