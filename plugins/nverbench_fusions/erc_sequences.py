"""Frames of several sequences laid end to end, and what runs along each of them, in one direction
or both, in bounded memory.

Axes: t frames of all sequences together, d features, b sequences of like length, l frames of the
longest of them. What works frame by frame sees (t, d): no padding is computed, dropped or learned
from, so that a batch of clips gives what the clips give alone. Only what works along time is
padded, here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

KEPT = 4096
"""Frames of a batch up to which the inner numbers of a mixer are kept for the backward pass;
beyond, they are computed a second time.
"""
TOGETHER = 32_768
"""Frames, padding included, that a mixer is given at a time (the longest conversation of IEMOCAP
has 26,684).
"""

Mixer = Callable[[Tensor], Tensor]
"""(b, l, d) -> (b, l, c), causal: what follows a sequence, padding included, changes nothing in
it.
"""


def recomputed(inner: Mixer, x: Tensor) -> Tensor:
    """``inner(x)``; of long inputs (over ``KEPT`` frames) only ``x`` is kept, and the backward pass
    computes the rest again.

    Nothing inside may draw random numbers: in training the harness gives dropout its masks one
    after the other, and a second forward pass would be given others. So dropout stays outside, and
    the gradients are the same to the bit.
    """
    if x.shape[:-1].numel() <= KEPT:
        return inner(x)
    return checkpoint(inner, x, use_reentrant=False, preserve_rng_state=False)


def along(mixer: Mixer, x: Tensor, sizes: Sequence[int], *, backward: bool = False) -> Tensor:
    """``mixer`` applied to every sequence of x (t, d) by itself: (t, c). ``backward``: from its
    last frame to its first.
    """
    sequences: Sequence[Tensor] = x.split(list(sizes))
    if backward:
        sequences = [sequence.flip(0) for sequence in sequences]
    mixed: list[Tensor] = [x] * len(sizes)
    for group in alike(sizes):
        padded = pad_sequence(
            [sequences[i] for i in group], batch_first=True
        )  # (b, l, d), zeros on the right
        for i, row in zip(group, recomputed(mixer, padded).unbind(0), strict=True):
            mixed[i] = row[: sizes[i]]
    return torch.cat([sequence.flip(0) for sequence in mixed] if backward else mixed)


def alike(sizes: Sequence[int]) -> list[list[int]]:
    """Places of the sequences in groups, longest first, each of at most ``TOGETHER`` frames once
    padded (or of one sequence).
    """
    groups: list[list[int]] = []
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        if groups and sizes[groups[-1][0]] * (len(groups[-1]) + 1) <= TOGETHER:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


class BothWays(nn.Module):
    """One mixer forward in time and one backward: (t, d) -> (t, 2 c), the forward one's features
    first.
    """

    def __init__(self, forward: nn.Module, backward: nn.Module) -> None:
        super().__init__()
        self.ahead, self.back = forward, backward

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        return torch.cat(
            [along(self.ahead, x, sizes), along(self.back, x, sizes, backward=True)], dim=1
        )
