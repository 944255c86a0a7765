"""Frames of turns as material: single clips in padded batches, or whole conversations, one per
step.

Frames stay in the store, memory-mapped, so that a corpus larger than the memory can be trained on.
The scaler is fitted on the frames of the training part, of which each turn's mean and sum of
squares are known beforehand. Shapes as in ``material.py``; ``t`` frames of a turn.
"""

from __future__ import annotations

from collections import defaultdict
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

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELD = 1_000_000_000
"""Bytes of frames up to which a process keeps them in memory."""
EVALUATED = 32
"""Single clips that are evaluated together."""


@dataclass(frozen=True)
class FrameStream:
    """One backbone's frames of all heard turns."""

    root: Path
    """Of the store."""
    keys: tuple[str, ...]
    """(turns,)"""
    lengths: tuple[int, ...]
    """(turns,) frames of each."""
    dim: int

    def frames(self, turn: int) -> NDArray[np.float32]:
        """(t, d) of one turn."""
        found = _opened(self.root).open(self.keys[turn])
        if found is None:
            raise ArtifactError(
                f"frames {self.keys[turn][:12]} left the cache ({self.root}) while in use; run"
                " again"
            )
        return np.asarray(found[0], dtype=np.float32)

    @property
    def bytes(self) -> int:
        """In memory, as float32."""
        return 4 * self.dim * sum(self.lengths)


@dataclass(frozen=True)
class TurnFrames:
    """Every heard turn, and what belongs together; it travels to workers by name of file, not by
    content.
    """

    streams: tuple[FrameStream, ...]
    rows: tuple[int, ...]
    """(turns,) the scored row of each turn; -1: heard only."""
    talks: tuple[tuple[int, ...], ...] = ()
    """The turns of each conversation in order of time; empty where clips stand alone."""
    speakers: tuple[str, ...] = ()
    """(turns,)"""


@lru_cache(maxsize=4)
def _opened(root: Path) -> EmbeddingCache:
    return EmbeddingCache(root)


@lru_cache(maxsize=2)
def _held(stream: FrameStream) -> tuple[NDArray[np.float32], ...]:
    return tuple(stream.frames(turn) for turn in range(len(stream.keys)))


def moments(stream: FrameStream) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each turn's mean, and its sum of squares around it: (turns, d) both."""
    return _moments(stream)


@lru_cache(maxsize=4)
def _moments(stream: FrameStream) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means, squares = (
        np.empty((len(stream.keys), stream.dim)),
        np.empty((len(stream.keys), stream.dim)),
    )
    for turn in range(len(stream.keys)):
        wide = stream.frames(turn).astype(np.float64)
        means[turn] = wide.mean(0)
        squares[turn] = ((wide - means[turn]) ** 2).sum(0)
    return means, squares


def scaler(stream: FrameStream, turns: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (d,) of all frames of some turns (Chan, Golub and LeVeque 1983:
    of parts, from their means and squares).
    """
    means, squares = moments(stream)
    chosen = list(turns)
    counts = np.array([stream.lengths[t] for t in chosen], dtype=np.float64)[:, None]
    mean = (counts * means[chosen]).sum(0) / counts.sum()
    variance = (
        squares[chosen].sum(0) + (counts * (means[chosen] - mean) ** 2).sum(0)
    ) / counts.sum()
    sd = np.sqrt(variance)
    return torch.from_numpy(mean), torch.from_numpy(np.where(sd < LEAST_SD, 1.0, sd))


class FrameData:
    """Turns as frames, scaled for a fold; what single clips and conversations share."""

    def __init__(
        self,
        spoken: TurnFrames,
        labels: Tensor,
        heard_in_training: Sequence[int],
        *,
        scaled: bool,
        dtype: torch.dtype,
        seed: int = 0,
    ) -> None:
        self.spoken, self.labels, self.dtype, self.seed = spoken, labels, dtype, seed
        self.scalers = [scaler(s, heard_in_training) for s in spoken.streams] if scaled else []
        self.rows = np.array(spoken.rows)
        self.turn_of = {int(row): turn for turn, row in enumerate(spoken.rows) if row >= 0}

    @property
    def dims(self) -> tuple[int, ...]:
        """Features of each stream."""
        return tuple(s.dim for s in self.spoken.streams)

    @property
    def layers(self) -> tuple[int | None, ...]:
        """None: frames are of one layer."""
        return tuple(None for _ in self.spoken.streams)

    def frames(self, stream: int, turn: int) -> Tensor:
        """(t, d) of a turn, scaled, on the device."""
        own = self.spoken.streams[stream]
        array = _held(own)[turn] if own.bytes <= HELD else own.frames(turn)
        x = torch.tensor(
            array, dtype=torch.float64 if self.scalers else self.dtype
        )  # a copy: the store's arrays are read-only
        if self.scalers:
            mean, sd = self.scalers[stream]
            x = ((x - mean) / sd).to(self.dtype if self.dtype == torch.float64 else torch.float32)
        return x.to(self.labels.device)

    def remembered(self, rows: Tensor) -> None:
        """Frames of a whole corpus are no batch."""


class ClipData(FrameData):
    """Single clips, padded to the longest of their batch."""

    def steps(self, rows: Tensor, size: int, order: torch.Generator) -> list[Tensor]:
        """Rows (size,) of each step."""
        return list(full_batches(rows, size, order).unbind())

    def batch(self, step: Tensor) -> Batch:
        """Streams (b, t, d), zero behind the end of each clip."""
        turns = [self.turn_of[int(row)] for row in step]
        streams, lengths = [], []
        for i in range(len(self.spoken.streams)):
            own = [self.frames(i, turn) for turn in turns]
            streams.append(torch.nn.utils.rnn.pad_sequence(own, batch_first=True))
            lengths.append(torch.tensor([len(x) for x in own], device=self.labels.device))
        return Batch(tuple(streams), tuple(lengths))

    def target(self, step: Tensor) -> Tensor:
        """(b,)"""
        return self.labels[step.to(self.labels.device)]

    def parts(self, rows: Tensor) -> Iterable[EvaluationBatch]:
        """A few clips each, in their order: neighbours are of one speaker and of like length."""
        for at in torch.split(torch.arange(len(rows)), EVALUATED):
            yield EvaluationBatch(rows[at].cpu(), at, torch.arange(len(at)))


class ConversationData(FrameData):
    """Whole conversations, one per step. A step is a number of turns, in order."""

    def __init__(
        self,
        spoken: TurnFrames,
        labels: Tensor,
        heard_in_training: Sequence[int],
        *,
        scaled: bool,
        dtype: torch.dtype,
        seed: int,
        shuffle: str,
    ) -> None:
        """``shuffle``: how the turns of training conversations are put out of order, once, by
        ``seed``; test conversations never are.
        """
        super().__init__(spoken, labels, heard_in_training, scaled=scaled, dtype=dtype, seed=seed)
        heard = set(heard_in_training)
        training = [talk for talk in spoken.talks if talk[0] in heard]
        self.shuffled = dict(
            zip(training, shuffled(training, spoken.speakers, shuffle, seed), strict=True)
        )

    def steps(self, rows: Tensor, size: int, order: torch.Generator) -> list[Tensor]:
        """The training conversations that hold these rows."""
        wanted = {int(row) for row in rows}
        talks = [
            own
            for talk, own in self.shuffled.items()
            if wanted.intersection(self.rows[list(talk)].tolist())
        ]
        scored = [
            own for own in talks if (self.rows[list(own)] >= 0).any()
        ]  # out of order, one may hold nothing that is scored
        return [torch.tensor(scored[int(i)]) for i in torch.randperm(len(scored), generator=order)]

    def batch(self, step: Tensor) -> Batch:
        """Streams (1, T, d): the frames of all turns, one turn after the other."""
        streams, lengths, turns = [], [], []
        for i in range(len(self.spoken.streams)):
            own = [self.frames(i, int(turn)) for turn in step]
            ends = np.cumsum([len(x) for x in own])
            streams.append(torch.cat(own)[None])
            lengths.append(torch.tensor([int(ends[-1])], device=self.labels.device))
            turns.append(
                torch.tensor(
                    np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1),
                    device=self.labels.device,
                )
            )
        return Batch(tuple(streams), tuple(lengths), tuple(turns))

    def target(self, step: Tensor) -> Tensor:
        """(u,)"""
        rows = torch.from_numpy(self.rows[step.numpy()]).to(self.labels.device)
        return torch.where(rows >= 0, self.labels[rows.clamp(min=0)], UNSCORED)

    def parts(self, rows: Tensor) -> Iterable[EvaluationBatch]:
        """Each conversation that holds some of these rows, as it was spoken."""
        places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        where = {int(row): place for place, row in enumerate(rows)}
        for number, talk in enumerate(self.spoken.talks):
            places[number] = [
                (where[row], i)
                for i, turn in enumerate(talk)
                if (row := int(self.rows[turn])) in where
            ]
        for number, found in places.items():
            if found:
                wanted, outputs = zip(*found, strict=True)
                yield EvaluationBatch(
                    torch.tensor(self.spoken.talks[number]),
                    torch.tensor(wanted),
                    torch.tensor(outputs),
                )


def shuffled(
    talks: Sequence[tuple[int, ...]], speakers: Sequence[str], how: str, seed: int
) -> list[tuple[int, ...]]:
    """The conversations with their turns out of order; every turn is used once and every
    conversation keeps its number of turns.

    Args:
        how: none; intra: within each conversation; inter: over all conversations; inter-speaker:
            over all, but where somebody spoke the same person still does.
    """
    rng = np.random.default_rng(seed)
    if how == "none":
        return list(talks)
    if how == "intra":
        return [tuple(rng.permutation(talk).tolist()) for talk in talks]
    turns = [turn for talk in talks for turn in talk]
    drawn = np.array(turns)
    people = np.array([speakers[turn] if how == "inter-speaker" else "" for turn in turns])
    for person in np.unique(people):
        own = np.flatnonzero(people == person)
        drawn[own] = rng.permutation(drawn[own])
    ends = np.cumsum([len(talk) for talk in talks])[:-1]
    return [tuple(part.tolist()) for part in np.split(drawn, ends)]


def prepared(
    training: TrainingSetup,
    spoken: TurnFrames,
    labels: Tensor,
    fold: Fold,
    replicate: int,
    *,
    scaled: bool,
    dtype: torch.dtype,
) -> ClipData | ConversationData:
    """The frames as a fold trains on them: conversations where the recipe wants them, else clip by
    clip.

    Heard-only turns of a training conversation count as heard in training; those of the validation
    and test parts do not.
    """
    train = set(fold.train)
    if training.recipe.unit != "conversation":
        turns = [turn for turn, row in enumerate(spoken.rows) if row in train]
        return ClipData(spoken, labels, turns, scaled=scaled, dtype=dtype)
    heard = [
        turn
        for talk in spoken.talks
        if any(spoken.rows[turn] in train for turn in talk)
        for turn in talk
    ]
    seed = seed_of(training.protocol.seed, "shuffle", fold.name, replicate)
    return ConversationData(
        spoken, labels, heard, scaled=scaled, dtype=dtype, seed=seed, shuffle=training.shuffle
    )
