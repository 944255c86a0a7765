"""Recognisers of emotion in conversation: frames -> linear -> a body along time -> turns -> pooling
-> linear; two use context without order.

Axes: b clips, t frames of all sequences end to end, d features of the backbone, u turns (or clips),
k classes. A clip that comes without turns is a conversation of one turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nverbench import Batch, Output


class Heard(NamedTuple):
    """The frames of a batch, which of them hear each other, and which make a turn."""

    frames: Tensor
    """(t, d), sequences end to end, no padding."""
    sequences: list[int]
    """Frames of each sequence, which the body processes separately."""
    turns: list[tuple[int, int]]
    """u ranges of frames."""


def heard(batch: Batch, *, apart: bool) -> Heard:
    """A conversation as one sequence (``apart``: every turn is its own sequence), or each clip as one
    sequence.
    """
    stream, lengths = batch.streams[0], batch.lengths
    assert lengths is not None  # frames come with their lengths (nverbench/plugin/types.py)
    sizes = lengths[0].tolist()
    if batch.turns is None:
        return laid([row[:size] for row, size in zip(stream, sizes, strict=True)])
    turns = [(first, last) for first, last in batch.turns[0].tolist()]
    frames = stream[0, : sizes[0]]
    return (
        laid([frames[first:last] for first, last in turns])
        if apart
        else Heard(frames, sizes, turns)
    )


def laid(sequences: Sequence[Tensor]) -> Heard:
    """The concatenated sequences, each of them one turn."""
    sizes = [len(sequence) for sequence in sequences]
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return Heard(
        torch.cat(list(sequences)),
        sizes,
        [(end - size, end) for end, size in zip(ends, sizes, strict=True)],
    )


def pooled(x: Tensor, turns: Sequence[tuple[int, int]], pool: str) -> Tensor:
    """(u, d): the mean or maximum of every turn's frames; turns may leave frames out or overlap."""
    rows = torch.cat([torch.arange(first, last) for first, last in turns])
    parts = x.index_select(0, rows.to(x.device)).split([last - first for first, last in turns])
    return torch.stack([part.mean(0) if pool == "mean" else part.amax(0) for part in parts])


class Vectors(nn.Module):
    """A batch -> one vector per turn (u, width): linear, body, pooling over the turn's frames."""

    def __init__(self, dim: int, inner: int, body: nn.Module, pool: str, *, apart: bool) -> None:
        super().__init__()
        self.stem = nn.Linear(dim, inner)
        self.body = body
        self.pool, self.apart = pool, apart

    def forward(self, batch: Batch) -> Tensor:
        frames, sequences, turns = heard(batch, apart=self.apart)
        return pooled(self.body(self.stem(frames), sequences), turns, self.pool)


class Recogniser(nn.Module):
    """Turn vectors -> linear -> logits."""

    def __init__(self, vectors: Vectors, width: int, classes: int) -> None:
        super().__init__()
        self.vectors = vectors
        self.head = nn.Linear(width, classes)

    def forward(self, batch: Batch) -> Output:
        return Output(self.head(self.vectors(batch)))  # (u, width) -> (u, k)


class MeanContext(nn.Module):
    """A turn's own vector next to the mean of its conversation's -> two dense layers -> logits;
    vectors are of turns heard alone.
    """

    def __init__(self, vectors: Vectors, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.vectors = vectors
        self.dense = nn.Sequential(
            nn.Linear(2 * width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, classes)
        )

    def forward(self, batch: Batch) -> Output:
        own = self.vectors(batch)  # (u, width)
        return Output(
            self.dense(torch.cat([own, in_common(own, batch)], dim=1))
        )  # (u, 2 width) -> (u, k)


class PriorContext(nn.Module):
    """A turn's own logits plus a learned weight times the mean of its conversation's; turns are
    heard alone.
    """

    def __init__(self, vectors: Vectors, width: int, classes: int) -> None:
        super().__init__()
        self.vectors = vectors
        self.head = nn.Linear(width, classes)
        self.weight = nn.Parameter(torch.ones(()))  # ours: at lr 1e-4 it stays near where it starts

    def forward(self, batch: Batch) -> Output:
        own = self.head(self.vectors(batch))  # (u, k)
        return Output(own + self.weight * in_common(own, batch))


def in_common(rows: Tensor, batch: Batch) -> Tensor:
    """(u, d): the mean over the conversation's turns, for each of them; a clip without turns has
    itself only.
    """
    return rows if batch.turns is None else rows.mean(0).expand_as(rows)
