"""Cross-attention between backbones (ours): RENO's branches, where each looks at the others instead
of at itself.

    branch i:  conv block -> x_i + attention(LN(x_i) asks, LN(others) answer) -> flatten -> linear =
    view i all:       concatenate -> dense 512 -> dense 128 -> logits

Axes: b clips, d_i features of backbone i, t_i positions after the conv block, c = 64 channels, a =
align_dim, h heads, k classes, m streams. "Others" are the positions of all other streams, one after
the other: at two streams the usual cross-attention, both ways. Tokens carry no mark of their
position: attention sees a set, and only the flattening behind it keeps order, as in RENO's
branches. LayerNorm before attention, as our RENO.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nverbench import Batch, Output
from nverbench_fusions.conv import ConvBlock, positions
from nverbench_fusions.heads import dense_layers


class CrossAttention(nn.Module):
    """One conv block, attention and alignment per stream, dense layers over all. A view has seen
    the other streams.
    """

    def __init__(
        self,
        dims: Sequence[int],
        classes: int,
        align_dim: int,
        heads: int,
        conv1: int,
        conv2: int,
        sizes: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ConvBlock(conv1, conv2) for _ in dims)
        self.attend = nn.ModuleList(Attend(conv2, heads) for _ in dims)
        self.align = nn.ModuleList(nn.Linear(positions(dim) * conv2, align_dim) for dim in dims)
        self.dense = dense_layers(len(dims) * align_dim, classes, sizes, dropout)

    def forward(self, batch: Batch) -> Output:
        tokens = [
            block(stream) for block, stream in zip(self.blocks, batch.streams, strict=True)
        ]  # m x (b, t_i, c)
        views = []
        for i, (attend, align) in enumerate(zip(self.attend, self.align, strict=True)):
            others = torch.cat(tokens[:i] + tokens[i + 1 :], dim=1)  # (b, sum of t_j without i, c)
            views.append(align(attend(tokens[i], others).flatten(1)))  # (b, t_i, c) -> (b, a)
        return Output(self.dense(torch.cat(views, dim=1)), tuple(views))  # (b, m a) -> (b, k)


class Attend(nn.Module):
    """(b, t, c) tokens and (b, s, c) others -> tokens + attention, (b, t, c)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_others = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key_value, self.out = (
            nn.Linear(dim, dim),
            nn.Linear(dim, 2 * dim),
            nn.Linear(dim, dim),
        )

    def forward(self, tokens: Tensor, others: Tensor) -> Tensor:
        query = (
            self.query(self.norm(tokens)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        )  # (b, h, t, c / h)
        pair = self.key_value(self.norm_others(others)).unflatten(
            2, (2, self.heads, -1)
        )  # (b, s, 2, h, c / h)
        key, value = pair.permute(2, 0, 3, 1, 4)  # 2 x (b, h, s, c / h)
        mixed = F.scaled_dot_product_attention(query, key, value)  # softmax(Q K^T / sqrt(c / h)) V
        return tokens + self.out(mixed.transpose(1, 2).flatten(2))  # (b, t, c)
