"""What PARROT (arXiv:2506.01138) and MATA (arXiv:2409.14221) share: a branch per backbone, and
optimal transport between the rows of a batch.

    R_i = branch_i(x_i) (B, w)    C = ||R_p - R_q||_2 / max C (B, B)    Gamma = Sinkhorn(C)
    R_p->q = B Gamma^T R_p    R_q->p = B Gamma R_q

Axes: b clips, B rows transported together, d_i features of backbone i, w = width, m streams.

Row j of R_p->q is the barycentre of p's rows, weighted by the mass they send to q's row j. The
transport is between CLIPS, so what a clip becomes depends on which others it is transported with.
Three readings:
- ``bank`` (ours, default): 31 training rows are remembered, and in evaluation each clip is
  transported in its own batch of 32, itself and the bank. A prediction then depends on its own
  clip. Training is as in ``batch``, on batches of the same size.
- ``batch`` (re-impl): the batch itself, in evaluation too. Transductive: a prediction changes with
  the size of its batch, and more with a test set sorted by class, where the other clips tell of the
  label (benchmarks/science/transport.py).
- ``literal``: the paper's letters, R_p->q = Gamma R_p and R_q->p = Gamma^T R_q, as ``batch`` is.
  Gamma's rows sum to 1 / B: transported features are smaller than the others by that factor; and
  Gamma mixes p's rows by the masses that belong to q's.
The plan carries no gradient unless ``plan_gradient`` (re-impl: none); features do, through the
barycentres.

Where the papers are open: padding, pool size and activation as our RENO; cost over max C, so that
epsilon has a scale; uniform marginals (re-impl). More than two streams (ours): a plan for every
pair, and a stream receives the sum of what all others send.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn

from nverbench import Batch
from nverbench_fusions.reno import Branch
from nverbench_fusions.sinkhorn import sinkhorn

BANK = 31  # with the clip itself 32 rows, as many as a training batch
CHUNK = 256  # clips transported at once in evaluation: 256 x 32 x width numbers per stream


@dataclass(frozen=True)
class Plan:
    """How rows are transported: reading, epsilon, Sinkhorn iterations, and whether the plan carries
    a gradient.
    """

    reading: str
    epsilon: float
    iterations: int
    gradient: bool


class Transport(nn.Module):
    """Streams -> views m x (b, w), and what each receives from the others, m x (b, w)."""

    def __init__(self, dims: Sequence[int], width: int, conv1: int, conv2: int, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.branches = nn.ModuleList(Branch(dim, width, conv1, conv2, nn.Identity) for dim in dims)
        if plan.reading == "bank":
            for i, dim in enumerate(dims):  # NaN: a prediction before remember() is noticed at once
                self.register_buffer(f"bank_{i}", torch.full((BANK, dim), torch.nan))

    def forward(self, batch: Batch) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        views = tuple(
            branch(stream) for branch, stream in zip(self.branches, batch.streams, strict=True)
        )  # m x (b, w)
        if self.training or self.plan.reading != "bank":
            return views, received(views, self.plan)
        bank = [
            branch(self.get_buffer(f"bank_{i}")) for i, branch in enumerate(self.branches)
        ]  # m x (31, w)
        chunks = [
            received(with_bank(chunk, bank), self.plan)
            for chunk in zip(*(view.split(CHUNK) for view in views), strict=True)
        ]
        return views, [
            torch.cat([rows[:, 0] for rows in stream]) for stream in zip(*chunks, strict=True)
        ]  # the clip's own row: m x (b, w)

    @torch.no_grad()
    def remember(self, batch: Batch, generator: torch.Generator) -> None:
        """Keep 31 rows of the training part, drawn without replacement (repeated if there are
        fewer).
        """
        if self.plan.reading == "bank":
            rows = torch.randperm(len(batch.streams[0]), generator=generator)
            rows = rows.repeat(-(-BANK // len(rows)))[:BANK]
            for i, stream in enumerate(batch.streams):
                self.get_buffer(f"bank_{i}").copy_(stream[rows.to(stream.device)])


def with_bank(views: Sequence[Tensor], bank: Sequence[Tensor]) -> list[Tensor]:
    """m x (b, 32, w): each clip's view (b, w) is the first row of its own batch, followed by the
    bank's 31 rows.
    """
    return [
        torch.cat([view[:, None], rows.expand(len(view), -1, -1)], dim=1)
        for view, rows in zip(views, bank, strict=True)
    ]


def received(views: Sequence[Tensor], plan: Plan) -> list[Tensor]:
    """What each stream receives from all others: m x (..., B, w) -> m x (..., B, w)."""
    total = [torch.zeros_like(view) for view in views]
    for p, q in combinations(range(len(views)), 2):
        to_p, to_q = exchanged(views[p], views[q], plan)
        total[p], total[q] = total[p] + to_p, total[q] + to_q
    return total


def exchanged(p: Tensor, q: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
    """R_q->p and R_p->q of rows (..., B, w)."""
    cost = torch.cdist(
        p, q, compute_mode="donot_use_mm_for_euclid_dist"
    )  # (..., B, B); the matrix product loses small distances
    cost = cost / cost.amax(dim=(-2, -1), keepdim=True).clamp(min=torch.finfo(cost.dtype).tiny)
    gamma = sinkhorn(
        cost if plan.gradient else cost.detach(), plan.epsilon, plan.iterations
    )  # (..., B, B)
    if plan.reading == "literal":
        return gamma.mT @ q, gamma @ p
    rows = p.shape[-2]
    return rows * gamma @ q, rows * gamma.mT @ p
