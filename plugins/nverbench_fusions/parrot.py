"""PARROT (arXiv:2506.01138): Hadamard product and optimal transport of two frozen backbones'
branches, side by side.

    R_i = branch_i(x_i)    HP = R_p * R_q    F_p = [R_q->p, R_p]    F_q = [R_p->q, R_q]    [HP, F_p,
    F_q] -> dense 128 -> logits

Branch: conv 64, ReLU, max-pool, conv 128, ReLU, max-pool, flatten, linear to 120 (paper). Axes: b
clips, w = width, m streams, k classes. The ablations leave out HP ("OT only") or the F ("Hadamard
only"); the baseline has neither, [R_p, R_q]. Open in the paper: where dropout acts and its rate.
Ours: after the dense layer's ReLU; rate from the re-implementation. More than two streams (ours):
HP is the sum of products over pairs, and F_i = [sum of what the others send to i, R_i].
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from nverbench import Batch, Output
from nverbench_fusions.heads import dense_layers
from nverbench_fusions.reno import Branch
from nverbench_fusions.transport import Plan, Transport


class Parrot(nn.Module):
    """PARROT, its ablations (``hadamard=False`` or ``plan=None``) and its baseline (both). Views
    are the R_i.
    """

    def __init__(
        self,
        dims: Sequence[int],
        classes: int,
        width: int,
        conv1: int,
        conv2: int,
        dense: int,
        dropout: float,
        *,
        hadamard: bool,
        plan: Plan | None,
    ) -> None:
        super().__init__()
        self.hadamard = hadamard
        self.streams = (
            Transport(dims, width, conv1, conv2, plan)
            if plan
            else Branches(dims, width, conv1, conv2)
        )
        blocks = hadamard + (2 if plan else not hadamard) * len(
            dims
        )  # of width features each: parrot 5 at two streams
        self.dense = dense_layers(blocks * width, classes, (dense,), dropout)

    def forward(self, batch: Batch) -> Output:
        views, received = self.streams(
            batch
        )  # m x (b, w) each; received is empty without transport
        parts = [hadamard(views)] if self.hadamard else []  # HP (b, w)
        for sent, own in zip(received, views, strict=False):
            parts += [sent, own]  # F_p, F_q
        return Output(self.dense(torch.cat(parts or views, dim=1)), views)  # (b, 5 w) -> (b, k)

    def remember(self, batch: Batch, generator: torch.Generator) -> None:
        """Training rows for the transport bank, where there is one."""
        if isinstance(self.streams, Transport):
            self.streams.remember(batch, generator)


class Branches(nn.Module):
    """Streams -> views m x (b, w), and nothing received."""

    def __init__(self, dims: Sequence[int], width: int, conv1: int, conv2: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Branch(dim, width, conv1, conv2, nn.Identity) for dim in dims)

    def forward(self, batch: Batch) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        return (
            tuple(
                branch(stream) for branch, stream in zip(self.branches, batch.streams, strict=True)
            ),
            [],
        )


def hadamard(views: Sequence[Tensor]) -> Tensor:
    """(b, w) sum over pairs of R_p * R_q; at two streams the product itself."""
    return torch.stack([views[p] * views[q] for p, q in combinations(range(len(views)), 2)]).sum(0)
