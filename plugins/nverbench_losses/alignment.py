"""Rivals for the place of RENO's Renyi term: L = lam CE + (1 - lam) alignment, for views (b, a) of
b clips (ours; the measures are textbook).

| loss | compares | at equality | at most | symmetric |
|---|---|---|---|---|
| renyi (RENO) | softmax over features, clip by clip | log(1 + M delta) / (beta - 1) | that + ``gap_bound`` | no |
| kl | softmax over features, clip by clip | 0 | no bound | no |
| jensen-shannon | softmax over features, clip by clip | 0 | log 2 | yes |
| mmd | the two clouds of clips of a batch | 0 | 2 | yes |
| cosine | directions, clip by clip | 0 | 2 | yes |

Equality of softmaxes is equality of views up to a constant per clip. ``mmd`` does not know which
clip is which: clouds may be equal although no clip's views are; its estimate from a batch of b
clips lies up to 2 / b too high. All are finite, gradients too, for features up to 1e4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nverbench import UNSCORED, Losses, Output
from nverbench_losses.views import aligned, over_pairs


@dataclass(frozen=True)
class AlignmentLoss:
    """The callable that the harness minimises: terms ``cross_entropy`` and ``name``, already
    weighted by lam and 1 - lam.

    The diagnostic ``<name>_measured`` is the alignment itself, before that weight; 0 where views
    are equal.
    """

    name: str
    measure: Callable[[Tensor, Tensor], Tensor]
    lam: float

    def __call__(self, output: Output, target: Tensor) -> Losses:
        views = aligned(self.name.replace("_", "-"), output.views)  # m x (b, a)
        ce = F.cross_entropy(output.logits, target, ignore_index=UNSCORED)
        measured = over_pairs(self.measure, views)
        terms = {"cross_entropy": self.lam * ce, self.name: (1 - self.lam) * measured}
        return Losses(terms, {f"{self.name}_measured": measured.detach()})


def kl(x: Tensor, y: Tensor) -> Tensor:
    """(b,) KL(p || q) = sum_j p_j (log p_j - log q_j) for p, q = softmax of x, y (b, a)."""
    log_p, log_q = x.log_softmax(dim=1), y.log_softmax(dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)


def jensen_shannon(x: Tensor, y: Tensor) -> Tensor:
    """(b,) JS = KL(p || m) / 2 + KL(q || m) / 2 with m = (p + q) / 2, for p, q = softmax of x, y
    (b, a).
    """
    log_p, log_q = x.log_softmax(dim=1), y.log_softmax(dim=1)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)  # (b, a)
    return (log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)).sum(dim=1) / 2


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """(b,) 1 - x . y / (|x| |y|) of rows (b, a); 1 where a row is zero."""
    return 1 - F.cosine_similarity(x, y, dim=1)


@dataclass(frozen=True)
class Mmd:
    """MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y), k = exp(-|u - v|^2 / (2 sigma^2)); a
    scalar for clouds (b, a).

    The biased estimate (Gretton et al. 2012, eq. 5), pairs of a point with itself included: never
    negative, 0 for equal clouds. sigma is ``bandwidth``, or for 0 the median distance between the
    points of both clouds together, through which no gradient flows.
    """

    bandwidth: float

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        b = len(x)
        points = torch.cat([x, y])  # (2 b, a)
        points = points - points.mean(0)  # distances stay, and lose fewer digits below
        gram = points @ points.T  # (2 b, 2 b)
        norms = gram.diagonal()
        squared = (norms[:, None] + norms[None, :] - 2 * gram).clamp(min=0)  # (2 b, 2 b)
        kernel = (-squared / (2 * self.sigma_squared(squared))).exp()
        return kernel[:b, :b].mean() + kernel[b:, b:].mean() - 2 * kernel[:b, b:].mean()

    def sigma_squared(self, squared: Tensor) -> Tensor | float:
        """sigma^2 for squared distances (n, n); 1 where more than half of them are 0, when any
        value will do.
        """
        if self.bandwidth:
            return self.bandwidth**2
        first, second = torch.triu_indices(
            *squared.shape, offset=1, device=squared.device
        )  # each pair once
        median = squared.detach()[first, second].median()
        return torch.where(median > 0, median, 1.0)
