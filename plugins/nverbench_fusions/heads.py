"""Heads on one frozen backbone: ``linear``, and ``fcn`` and ``cnn`` in RENO's and PARROT's sizes.
They give logits and no views; softmax belongs to the loss.

RENO's parameters with 6 classes, for 768 / 960 / 1920 / 3840 features: fcn 0.46 / 0.56 / 1.05 /
2.03 M, cnn 6.4 / 7.9 / 15.8 / 31.5 M. It prints 0.7-1 M and 0.9-1.1 M, which its own layers cannot
give; we build the layers. Open in the paper: where dropout acts and its rate, the activation,
padding and pool size. Ours: dropout after each dense layer's ReLU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from nverbench import Batch, Output
from nverbench_fusions.conv import ConvBlock, positions

ORDER_SEED = 0  # ours: one permutation per number of features, the same in every fold and replicate


def dense_layers(inputs: int, classes: int, sizes: Sequence[int], dropout: float) -> nn.Sequential:
    """(b, inputs) -> dense layers of these sizes, 512 and 128 in RENO (paper) -> logits (b, k);
    ReLU and dropout after each (ours).
    """
    layers: list[nn.Module] = []
    for size in sizes:
        layers += [nn.Linear(inputs, size), nn.ReLU(), nn.Dropout(dropout)]
        inputs = size
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


class Linear(nn.Module):
    """One linear layer on the pooled features."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, classes)

    def forward(self, batch: Batch) -> Output:
        return Output(self.linear(batch.streams[0]))  # (b, d) -> (b, k)


class Fcn(nn.Module):
    """Dense layers on the pooled features: RENO's 512 and 128, PARROT's 128."""

    def __init__(self, dim: int, classes: int, sizes: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.dense = dense_layers(dim, classes, sizes, dropout)

    def forward(self, batch: Batch) -> Output:
        return Output(self.dense(batch.streams[0]))  # (b, d) -> (b, k)


class JoinedFcn(nn.Module):
    """Dense layers on the concatenated features of all streams."""

    def __init__(
        self, dims: Sequence[int], classes: int, sizes: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.dense = dense_layers(sum(dims), classes, sizes, dropout)

    def forward(self, batch: Batch) -> Output:
        return Output(self.dense(torch.cat(batch.streams, dim=1)))  # m x (b, d_i) -> (b, k)


class Cnn(nn.Module):
    """Conv block, flatten, dense layers: RENO's 32, 64, 512 and 128, PARROT's 64, 128 and 128.
    ``permute``: features in a fixed random order.
    """

    def __init__(
        self,
        dim: int,
        classes: int,
        conv1: int,
        conv2: int,
        sizes: Sequence[int],
        dropout: float,
        *,
        permute: bool,
    ) -> None:
        super().__init__()
        order = (
            torch.randperm(dim, generator=torch.Generator().manual_seed(ORDER_SEED))
            if permute
            else None
        )  # (d,)
        self.register_buffer("order", order)
        self.block = ConvBlock(conv1, conv2)
        self.dense = dense_layers(positions(dim) * conv2, classes, sizes, dropout)

    def forward(self, batch: Batch) -> Output:
        features = batch.streams[0]  # (b, d)
        x = self.block(
            features if self.order is None else features[:, self.order]
        )  # (b, d // 4, 64)
        return Output(self.dense(x.flatten(1)))  # (b, d // 4 * 64) -> (b, k)
