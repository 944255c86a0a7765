"""Frames of turns as the data of a fold: single clips in padded batches, or whole conversations,
one per step.

Frames stay in the cache, memory-mapped, so that a corpus larger than the memory can be trained on.
The scaler is fitted on the frames of the training part, from each turn's mean and sum of squares,
which are computed once. Shapes as in ``data.py``; ``t`` frames of a turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nverbench.data.folds.assign import Fold
from nverbench.embedding.cache import EmbeddingCache
from nverbench.errors import ArtifactError
from nverbench.plugin.types import UNSCORED, Batch
from nverbench.training.data import EvaluationBatch, full_batches
from nverbench.training.records import TrainingSetup
from nverbench.training.scaling import LEAST_SD
from nverbench.training.seeds import seed_of
from nverbench.training.turn_order import Turns, shuffled

if TYPE_CHECKING:
    from numpy.typing import NDArray

IN_MEMORY = 1_000_000_000
"""Bytes of a stream's frames up to which a process keeps them in memory."""
EVALUATION_CLIPS = 32
"""Single clips that are evaluated together."""


@dataclass(frozen=True)
class FrameStream:
    """One backbone's frames of all turns."""

    root: Path
    """Folder of the embedding cache."""
    keys: tuple[str, ...]
    """(turns,)"""
    lengths: tuple[int, ...]
    """(turns,) frames of each."""
    dim: int

    def frames(self, turn: int) -> NDArray[np.float32]:
        """The frames (t, d) of one turn."""
        found = _cache(self.root).open(self.keys[turn])
        if found is None:
            key = self.keys[turn][:12]
            raise ArtifactError(
                f"frames {key} left the cache ({self.root}) while in use; run again"
            )
        return np.asarray(found[0], dtype=np.float32)

    @property
    def bytes(self) -> int:
        """Bytes in memory, as float32."""
        return 4 * self.dim * sum(self.lengths)


@dataclass(frozen=True)
class TurnFrames:
    """The frames of every turn, and the conversations; workers receive names of files, not their
    content.
    """

    streams: tuple[FrameStream, ...]
    rows: tuple[int, ...]
    """(turns,) the scored row of each turn; -1: a turn without a score, context only."""
    talks: tuple[Turns, ...] = ()
    """The turns of each conversation in order of time; empty where clips are single."""
    speakers: tuple[str, ...] = ()
    """(turns,)"""


@lru_cache(maxsize=4)
def _cache(root: Path) -> EmbeddingCache:
    return EmbeddingCache(root)


@lru_cache(maxsize=2)
def _in_memory(stream: FrameStream) -> tuple[NDArray[np.float32], ...]:
    return tuple(stream.frames(turn) for turn in range(len(stream.keys)))


@lru_cache(maxsize=4)
def _moments(stream: FrameStream) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each turn's mean, and its sum of squares around it: (turns, d) both."""
    shape = (len(stream.keys), stream.dim)
    means, squares = np.empty(shape), np.empty(shape)
    for turn in range(len(stream.keys)):
        wide = stream.frames(turn).astype(np.float64)
        means[turn] = wide.mean(0)
        squares[turn] = ((wide - means[turn]) ** 2).sum(0)
    return means, squares


def scaler(stream: FrameStream, turns: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (d,) of all frames of some turns, from the means and squares of
    each (Chan, Golub and LeVeque 1983).
    """
    means, squares = _moments(stream)
    chosen = list(turns)
    counts = np.array([stream.lengths[t] for t in chosen], dtype=np.float64)[:, None]
    mean = (counts * means[chosen]).sum(0) / counts.sum()
    between = (counts * (means[chosen] - mean) ** 2).sum(0)
    sd = np.sqrt((squares[chosen].sum(0) + between) / counts.sum())
    return torch.from_numpy(mean), torch.from_numpy(np.where(sd < LEAST_SD, 1.0, sd))


class FrameData:
    """Frames of turns, scaled for a fold: the common part of single clips and conversations."""

    def __init__(
        self,
        turns: TurnFrames,
        labels: Tensor,
        training_turns: Sequence[int],
        *,
        scaled: bool,
        dtype: torch.dtype,
    ) -> None:
        self.turns, self.labels, self.dtype = turns, labels, dtype
        self.scalers = [scaler(s, training_turns) for s in turns.streams] if scaled else []
        self.rows = np.array(turns.rows)
        self.turn_of = {row: turn for turn, row in enumerate(turns.rows) if row >= 0}

    @property
    def dims(self) -> tuple[int, ...]:
        """Features of each stream."""
        return tuple(s.dim for s in self.turns.streams)

    @property
    def layers(self) -> tuple[int | None, ...]:
        """None for each stream: frames are of one layer."""
        return tuple(None for _ in self.turns.streams)

    def frames(self, stream: int, turn: int) -> Tensor:
        """The frames (t, d) of a turn, scaled, on the device."""
        own = self.turns.streams[stream]
        array = _in_memory(own)[turn] if own.bytes <= IN_MEMORY else own.frames(turn)
        # A copy, because the cache's arrays are read-only.
        x = torch.tensor(array, dtype=torch.float64 if self.scalers else self.dtype)
        if self.scalers:
            mean, sd = self.scalers[stream]
            x = ((x - mean) / sd).to(self.dtype if self.dtype == torch.float64 else torch.float32)
        return x.to(self.labels.device)

    def remembered(self, rows: Tensor) -> None:
        """None: the frames of a whole corpus are too large for one batch."""


class ClipData(FrameData):
    """Frames of single clips, padded to the longest of their batch."""

    def steps(self, rows: Tensor, size: int, order: torch.Generator) -> list[Tensor]:
        """Rows (size,) of each step."""
        return list(full_batches(rows, size, order).unbind())

    def batch(self, step: Tensor) -> Batch:
        """Streams (b, t, d), zero behind the end of each clip."""
        turns = [self.turn_of[int(row)] for row in step]
        streams, lengths = [], []
        for i in range(len(self.turns.streams)):
            own = [self.frames(i, turn) for turn in turns]
            streams.append(torch.nn.utils.rnn.pad_sequence(own, batch_first=True))
            lengths.append(torch.tensor([len(x) for x in own], device=self.labels.device))
        return Batch(tuple(streams), tuple(lengths))

    def target(self, step: Tensor) -> Tensor:
        """The classes (b,) of a step."""
        return self.labels[step.to(self.labels.device)]

    def parts(self, rows: Tensor) -> Iterable[EvaluationBatch]:
        """A few clips each, in their order: neighbours have one speaker and similar lengths."""
        for at in torch.split(torch.arange(len(rows)), EVALUATION_CLIPS):
            yield EvaluationBatch(rows[at].cpu(), at, torch.arange(len(at)))


class ConversationData(FrameData):
    """Frames of whole conversations, one per step. A step holds the numbers of turns, in order."""

    def __init__(
        self,
        turns: TurnFrames,
        labels: Tensor,
        training_turns: Sequence[int],
        *,
        scaled: bool,
        dtype: torch.dtype,
        seed: int,
        shuffle: str,
    ) -> None:
        """``shuffle``: how the turns of training conversations are shuffled, once, by ``seed``;
        those of test conversations never are.
        """
        super().__init__(turns, labels, training_turns, scaled=scaled, dtype=dtype)
        chosen = set(training_turns)
        training = [talk for talk in turns.talks if talk[0] in chosen]
        orders = shuffled(training, turns.speakers, shuffle, seed)
        self.shuffled = dict(zip(training, orders, strict=True))

    def steps(self, rows: Tensor, size: int, order: torch.Generator) -> list[Tensor]:
        """The training conversations that hold these rows."""
        chosen = {int(row) for row in rows}
        found = [
            own
            for talk, own in self.shuffled.items()
            if chosen.intersection(self.rows[list(talk)].tolist())
        ]
        # A shuffled conversation may hold no scored turn.
        scored = [own for own in found if (self.rows[list(own)] >= 0).any()]
        return [torch.tensor(scored[int(i)]) for i in torch.randperm(len(scored), generator=order)]

    def batch(self, step: Tensor) -> Batch:
        """Streams (1, T, d): the frames of all turns, one turn after the other."""
        streams, lengths, turns, device = [], [], [], self.labels.device
        for i in range(len(self.turns.streams)):
            own = [self.frames(i, int(turn)) for turn in step]
            ends = np.cumsum([len(x) for x in own])
            spans = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)  # (u, 2)
            streams.append(torch.cat(own)[None])
            lengths.append(torch.tensor([int(ends[-1])], device=device))
            turns.append(torch.tensor(spans, device=device))
        return Batch(tuple(streams), tuple(lengths), tuple(turns))

    def target(self, step: Tensor) -> Tensor:
        """The classes (u,) of the turns of a step; UNSCORED where a turn has none."""
        rows = torch.from_numpy(self.rows[step.numpy()]).to(self.labels.device)
        return torch.where(rows >= 0, self.labels[rows.clamp(min=0)], UNSCORED)

    def parts(self, rows: Tensor) -> Iterable[EvaluationBatch]:
        """Each conversation that holds some of these rows, in the order of time."""
        place_of = {int(row): place for place, row in enumerate(rows)}
        for talk in self.turns.talks:
            own = self.rows[list(talk)].tolist()
            outputs = [i for i, row in enumerate(own) if row in place_of]
            if outputs:
                places = torch.tensor([place_of[own[i]] for i in outputs])
                yield EvaluationBatch(torch.tensor(talk), places, torch.tensor(outputs))


def prepared(
    training: TrainingSetup,
    turns: TurnFrames,
    labels: Tensor,
    fold: Fold,
    replicate: int,
    *,
    scaled: bool,
    dtype: torch.dtype,
) -> ClipData | ConversationData:
    """The frames as a fold trains on them: conversations where the recipe asks for them, else clip
    by clip.

    Unscored turns of a training conversation count as training turns; those of the validation and
    test parts do not.
    """
    train = set(fold.train)
    if training.recipe.unit != "conversation":
        own = [turn for turn, row in enumerate(turns.rows) if row in train]
        return ClipData(turns, labels, own, scaled=scaled, dtype=dtype)
    talks = [talk for talk in turns.talks if any(turns.rows[turn] in train for turn in talk)]
    own = [turn for talk in talks for turn in talk]
    seed = seed_of(training.protocol.seed, "shuffle", fold.name, replicate)
    order = training.shuffle
    return ConversationData(
        turns, labels, own, scaled=scaled, dtype=dtype, seed=seed, shuffle=order
    )
