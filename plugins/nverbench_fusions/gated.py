"""Gated sum of streams, after the gated multimodal unit (Arevalo et al., arXiv:1702.01992).

    h_i = tanh(W_i x_i),    z = softmax over i of V_i [x_1, ..., x_m],    h = sum_i z_i * h_i
    (feature by feature)

Axes: b clips, d_i features of backbone i, m streams, a = align_dim, k classes. Where it differs
from the paper: its bimodal unit has one gate, z h_1 + (1 - z) h_2 with a sigmoid z; a softmax over
two is the sigmoid of the difference, so this is the same family, and it takes any number of streams
(the paper's multimodal unit has independent sigmoids instead). Biases, align_dim and the dense
layers behind are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from nverbench import Batch, Output
from nverbench_fusions.heads import dense_layers


class Gated(nn.Module):
    """Views are the h_i, so that alignment losses can be tried."""

    def __init__(
        self,
        dims: Sequence[int],
        classes: int,
        align_dim: int,
        sizes: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(dim, align_dim) for dim in dims)  # W_i
        self.gates = nn.ModuleList(nn.Linear(sum(dims), align_dim) for _ in dims)  # V_i
        self.dense = dense_layers(align_dim, classes, sizes, dropout)

    def forward(self, batch: Batch) -> Output:
        hidden = torch.stack(
            [layer(stream).tanh() for layer, stream in zip(self.hidden, batch.streams, strict=True)]
        )  # (m, b, a)
        everything = torch.cat(batch.streams, dim=1)  # (b, sum of d_i)
        shares = torch.stack([gate(everything) for gate in self.gates]).softmax(
            dim=0
        )  # (m, b, a), sums to 1 over streams
        mixed = (shares * hidden).sum(0)  # (b, a)
        return Output(self.dense(mixed), hidden.unbind(0))
