"""What a training is stepped on: pooled embeddings, frames of single clips, or whole conversations.
The loop asks for steps and knows no more.

Shapes: ``n`` scored clips, ``m`` streams, ``d_i`` features, ``u`` turns of a conversation; rows
count the scored clips.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nverbench.plugin.types import Batch

EVALUATION_ROWS = 256


class EvaluationBatch(NamedTuple):
    """Rows that are evaluated together."""

    step: Tensor
    """What ``batch`` takes."""
    places: Tensor
    """Which of the wanted rows it answers, as positions among them."""
    outputs: Tensor
    """Which of its outputs are those answers."""


class FoldData(Protocol):
    """The data of one fold, scaled for it."""

    @property
    def dims(self) -> tuple[int, ...]:
        """Features of each stream."""

    @property
    def layers(self) -> tuple[int | None, ...]:
        """Per stream, the layers of which a softmax is learned; None: it has one."""

    def steps(self, rows: Tensor, size: int, order: torch.Generator) -> list[Tensor]:
        """The steps of one epoch over training rows, in an order of the generator's."""

    def batch(self, step: Tensor) -> Batch:
        """What the fusion sees in a step."""

    def target(self, step: Tensor) -> Tensor:
        """The class of each output of a step; UNSCORED where there is none."""

    def parts(self, rows: Tensor) -> Iterable[EvaluationBatch]:
        """Some rows, cut into what is evaluated together; the order of rows draws nothing."""

    def remembered(self, rows: Tensor) -> Batch | None:
        """All training rows at once, for fusions that remember some; None where that cannot be."""


class PooledData:
    """One vector per clip and stream, resident on the device."""

    def __init__(self, data: tuple[Tensor, ...], labels: Tensor) -> None:
        """``data``: one (n, d_i) tensor per stream, scaled for this fold; (n, L, d_i) where a
        softmax over layers is to be learned.
        """
        self.data, self.labels = data, labels

    @property
    def dims(self) -> tuple[int, ...]:
        """Features of each stream."""
        return tuple(d.shape[-1] for d in self.data)

    @property
    def layers(self) -> tuple[int | None, ...]:
        """Of (n, L, d_i) streams."""
        return tuple(d.shape[1] if d.ndim == 3 else None for d in self.data)

    def steps(self, rows: Tensor, size: int, order: torch.Generator) -> list[Tensor]:
        """Rows (size,) of each step, on the device."""
        return list(full_batches(rows, size, order).to(self.labels.device).unbind())

    def batch(self, step: Tensor) -> Batch:
        """The rows (b,) of every stream."""
        return Batch(tuple(d[step] for d in self.data))

    def target(self, step: Tensor) -> Tensor:
        """(b,)"""
        return self.labels[step]

    def parts(self, rows: Tensor) -> Iterable[EvaluationBatch]:
        """At most 256 rows each."""
        for at in torch.split(torch.arange(len(rows)), EVALUATION_ROWS):
            yield EvaluationBatch(rows[at].to(self.labels.device), at, torch.arange(len(at)))

    def remembered(self, rows: Tensor) -> Batch:
        """All training rows."""
        return self.batch(rows.to(self.labels.device))


def full_batches(rows: Tensor, size: int, order: torch.Generator) -> Tensor:
    """Row indices (steps, size) of one epoch: a permutation, the last batch filled from its
    start.
    """
    shuffled = rows[torch.randperm(len(rows), generator=order)]  # (n,)
    steps = -(-len(rows) // size)
    return shuffled.repeat(-(-steps * size // len(rows)))[: steps * size].view(steps, size)
