"""The data of a fold, as the training loop steps through them: pooled embeddings here; frames of
single clips or whole conversations in ``sequences.py``.

Shapes: ``n`` scored clips, ``m`` streams, ``d_i`` features, ``u`` turns of a conversation; rows
are indices of scored clips.
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
    """The argument of ``FoldData.batch``."""
    places: Tensor
    """Positions of its results among the requested rows."""
    outputs: Tensor
    """Positions of these results among its outputs."""


class FoldData(Protocol):
    """The data of one fold, scaled for it."""

    @property
    def dims(self) -> tuple[int, ...]:
        """Features of each stream."""

    @property
    def layers(self) -> tuple[int | None, ...]:
        """Per stream, the number of layers of which a softmax is learned; None: one layer."""

    def steps(self, rows: Tensor, size: int, order: torch.Generator) -> list[Tensor]:
        """The steps of one epoch over training rows, in an order that the generator draws."""

    def batch(self, step: Tensor) -> Batch:
        """The input of the fusion in a step."""

    def target(self, step: Tensor) -> Tensor:
        """The class of each output of a step; UNSCORED where there is none."""

    def parts(self, rows: Tensor) -> Iterable[EvaluationBatch]:
        """Some rows, in parts that are evaluated together; draws no random numbers."""

    def remembered(self, rows: Tensor) -> Batch | None:
        """All training rows as one batch, for fusions that remember some; None where the data are
        too large.
        """


class PooledData:
    """One vector per clip and stream, in the memory of the device."""

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
        """L of (n, L, d_i) streams, else None."""
        return tuple(d.shape[1] if d.ndim == 3 else None for d in self.data)

    def steps(self, rows: Tensor, size: int, order: torch.Generator) -> list[Tensor]:
        """Rows (size,) of each step, on the device."""
        return list(full_batches(rows, size, order).to(self.labels.device).unbind())

    def batch(self, step: Tensor) -> Batch:
        """The rows (b,) of every stream."""
        return Batch(tuple(d[step] for d in self.data))

    def target(self, step: Tensor) -> Tensor:
        """The classes (b,) of a step."""
        return self.labels[step]

    def parts(self, rows: Tensor) -> Iterable[EvaluationBatch]:
        """At most 256 rows each."""
        for at in torch.split(torch.arange(len(rows)), EVALUATION_ROWS):
            yield EvaluationBatch(rows[at].to(self.labels.device), at, torch.arange(len(at)))

    def remembered(self, rows: Tensor) -> Batch:
        """All training rows as one batch."""
        return self.batch(rows.to(self.labels.device))


def full_batches(rows: Tensor, size: int, order: torch.Generator) -> Tensor:
    """Row indices (steps, size) of one epoch: a permutation, the last batch filled from its
    start.
    """
    shuffled = rows[torch.randperm(len(rows), generator=order)]  # (n,)
    steps = -(-len(rows) // size)
    return shuffled.repeat(-(-steps * size // len(rows)))[: steps * size].view(steps, size)
