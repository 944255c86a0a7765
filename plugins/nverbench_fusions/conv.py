"""The conv block of RENO (32, 64 channels) and PARROT (64, 128): two stages of convolution and
max-pooling along a clip's features.

Axes: b clips, d features of one backbone, t positions along them, c channels. Tokens last, (b, t,
c), from end to end: the layout attention wants.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNEL = 3  # paper
POOL = 2  # ours: the paper says "max-pooling" and no size
PADDING = 1  # ours: keeps d positions, so that two pools leave exactly d // 4


class ConvBlock(nn.Module):
    """Conv 32, ReLU, pool, conv 64, ReLU, pool (paper; the activation is ours): (b, d) -> (b, d //
    4, 64).
    """

    def __init__(self, conv1: int, conv2: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, conv1, KERNEL, padding=PADDING)
        self.conv2 = nn.Conv1d(conv1, conv2, KERNEL, padding=PADDING)

    def forward(self, features: Tensor) -> Tensor:
        x = features.unsqueeze(2)  # (b, d, 1)
        x = stage(x, self.conv1)  # (b, d // 2, conv1)
        return stage(x, self.conv2)  # (b, d // 4, conv2)


def positions(dim: int) -> int:
    """How many positions the block leaves of ``dim`` features."""
    return dim // POOL // POOL


def stage(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """ReLU(max-pool(conv(x))) of (b, t, c), that is (b, t // 2, conv.out_channels).

    Pooling first is exact (the larger of two survives a rising function) and leaves ReLU half the
    work. The kernel-3 convolution is one matrix product over the three neighbours of every
    position: what ``conv`` computes, in the layout that attention wants.
    """
    around = F.pad(x, (0, 0, PADDING, PADDING))  # (b, t + 2, c)
    taps = torch.cat(
        [around[:, :-2], around[:, 1:-1], around[:, 2:]], dim=2
    )  # (b, t, 3 c), the neighbour slowest
    weight = conv.weight.transpose(1, 2).flatten(1)  # (out, c, 3) -> (out, 3 c), in the same order
    x = F.linear(taps, weight, conv.bias)  # (b, t, out)
    return F.max_pool1d(x.transpose(1, 2), POOL).transpose(1, 2).relu()  # (b, t // 2, out)
