"""Heads on one frozen backbone: ``linear``, ``fcn`` and ``cnn``. They give logits and no views; softmax belongs to the loss.

Parameters with 6 classes, for 768 / 960 / 1920 / 3840 features: fcn 0.46 / 0.56 / 1.05 / 2.03 M, cnn 6.4 / 7.9 / 15.8 / 31.5 M. RENO prints 0.7-1 M
and 0.9-1.1 M, which its own layers cannot give; we build the layers.
Open in the paper: where dropout acts and its rate, the activation, padding and pool size. Ours: dropout after each dense layer's ReLU.
"""

from __future__ import annotations

from torch import nn

from nverbench import Batch, Output
from nverbench_fusions.conv import ConvBlock, positions


def dense_layers(inputs: int, classes: int, dense1: int, dense2: int, dropout: float) -> nn.Sequential:
    """(b, inputs) -> dense 512 -> dense 128 -> logits (b, k) (paper), ReLU and dropout after each of the two (ours)."""
    return nn.Sequential(
        *(nn.Linear(inputs, dense1), nn.ReLU(), nn.Dropout(dropout)),
        *(nn.Linear(dense1, dense2), nn.ReLU(), nn.Dropout(dropout)),
        nn.Linear(dense2, classes),
    )


class Linear(nn.Module):
    """One linear layer on the pooled features."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, classes)

    def forward(self, batch: Batch) -> Output:
        return Output(self.linear(batch.streams[0]))  # (b, d) -> (b, k)


class Fcn(nn.Module):
    """RENO's FCN: dense 512, dense 128, softmax (in the loss)."""

    def __init__(self, dim: int, classes: int, dense1: int, dense2: int, dropout: float) -> None:
        super().__init__()
        self.dense = dense_layers(dim, classes, dense1, dense2, dropout)

    def forward(self, batch: Batch) -> Output:
        return Output(self.dense(batch.streams[0]))  # (b, d) -> (b, k)


class Cnn(nn.Module):
    """RENO's CNN: conv 32, pool, conv 64, pool, flatten, dense 512, dense 128, softmax (in the loss)."""

    def __init__(self, dim: int, classes: int, conv1: int, conv2: int, dense1: int, dense2: int, dropout: float) -> None:
        super().__init__()
        self.block = ConvBlock(conv1, conv2)
        self.dense = dense_layers(positions(dim) * conv2, classes, dense1, dense2, dropout)

    def forward(self, batch: Batch) -> Output:
        x = self.block(batch.streams[0])  # (b, d) -> (b, d // 4, 64)
        return Output(self.dense(x.flatten(1)))  # (b, d // 4 * 64) -> (b, k)
