"""MATA (arXiv:2409.14221): optimal transport between two frozen backbones' branches, then
attention.

    R_i = branch_i(x_i)    F_1 = [gamma R_2, R_1]    F_2 = [gamma^T R_1, R_2]    self-attention over
    F_1, F_2 (8 heads) -> dense 128 -> logits

Axes: b clips, w = width, m streams, k classes. Branches and transport are PARROT's, by the same
authors (see transport.py). Where the paper is open, and what we do (all ours): F_1 and F_2 are the
tokens of the attention (over one flattened token its softmax would be 1); residual, and LayerNorm
before attention, as our RENO; dropout after the dense layer's ReLU. More streams: as PARROT's, one
token each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from nverbench import Batch, Output
from nverbench_fusions.heads import dense_layers
from nverbench_fusions.reno import SelfAttention
from nverbench_fusions.transport import Plan, Transport


class Mata(nn.Module):
    """MATA; views are the R_i."""

    def __init__(
        self,
        dims: Sequence[int],
        classes: int,
        width: int,
        heads: int,
        norm: str,
        conv1: int,
        conv2: int,
        dense: int,
        dropout: float,
        *,
        plan: Plan,
    ) -> None:
        super().__init__()
        self.streams = Transport(dims, width, conv1, conv2, plan)
        self.attention = SelfAttention(2 * width, heads=heads, norm=norm)
        self.dense = dense_layers(len(dims) * 2 * width, classes, (dense,), dropout)

    def forward(self, batch: Batch) -> Output:
        views, received = self.streams(batch)  # m x (b, w) each
        tokens = torch.stack(
            [torch.cat(pair, dim=1) for pair in zip(received, views, strict=True)], dim=1
        )  # (b, m, 2 w): F_1, F_2
        tokens = self.attention(tokens)  # (b, m, 2 w)
        return Output(self.dense(tokens.flatten(1)), views)  # (b, 2 m w) -> (b, k)

    def remember(self, batch: Batch, generator: torch.Generator) -> None:
        """Training rows for the transport bank, where there is one."""
        self.streams.remember(batch, generator)
