"""Conversations of frames for training: a store of six, a fusion that hears a whole one, and two
folds.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nverbench import Batch, Fusion, Output, Recipe
from nverbench.data.folds.assign import Fold
from nverbench.embedding.cache import EmbeddingCache, cache_key
from nverbench.training.sequences import FrameStream, TurnFrames
from support.training import CLASSES

TALKS, TURNS, DIM = 6, 5, 4


class Context(torch.nn.Module):
    """A turn's mean frame and that of its conversation, through one linear layer."""

    def __init__(self, dims: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.dropout, self.layer = torch.nn.Dropout(0.2), torch.nn.Linear(2 * sum(dims), classes)

    def forward(self, batch: Batch) -> Output:
        if batch.turns is None:
            assert batch.lengths is not None
            (x,), (lengths,) = batch.streams, batch.lengths
            turn = x.sum(1) / lengths[:, None]
            whole = turn
        else:
            (x,), (turns,) = batch.streams, batch.turns
            turn = torch.stack([x[0, a:b].mean(0) for a, b in turns.tolist()])
            whole = turn.mean(0, keepdim=True).expand_as(turn)
        return Output(self.layer(self.dropout(torch.cat([turn, whole], dim=1))))


def recipe(options: Any) -> Recipe:
    return Recipe(
        unit="conversation",
        optimizer="radam-schedule-free",
        lr=0.05,
        epochs=4,
        patience=4,
        select="weighted-f1",
    )


CONVERSATION = Fusion(name="context", arity=(1, 1), build=Context, wants="frames", recipe=recipe)
UTTERANCE = dataclasses.replace(CONVERSATION, recipe=Recipe(unit="clip", batch=4, epochs=3))


def corpus(
    root: Path, *, changed: tuple[int, ...] = (), seed: int = 0
) -> tuple[TurnFrames, np.ndarray[Any, Any]]:
    """Six conversations of five turns, the last of each heard only; frames of ``changed`` turns are
    garbage.
    """
    rng, store = np.random.default_rng(seed), EmbeddingCache(root)
    labels, rows, keys, lengths = [], [], [], []
    for turn in range(TALKS * TURNS):
        label, t = turn % CLASSES, 2 + turn % 3
        frames = (np.eye(CLASSES, DIM)[label] * 2 + rng.standard_normal((t, DIM))).astype(
            np.float32
        )
        if turn in changed:
            frames = np.random.default_rng(turn).standard_normal((t, DIM)).astype(np.float32) * 1e3
        keys.append(cache_key({"turn": turn, "changed": turn in changed}))
        store.put(keys[-1], frames, 100)
        lengths.append(t)
        scored = turn % TURNS < TURNS - 1
        rows.append(len(labels) if scored else -1)
        labels += [label] if scored else []
    talks = tuple(tuple(range(i * TURNS, (i + 1) * TURNS)) for i in range(TALKS))
    speakers = tuple("ab"[turn % 2] for turn in range(TALKS * TURNS))
    return TurnFrames(
        (FrameStream(root, tuple(keys), tuple(lengths), DIM),), tuple(rows), talks, speakers
    ), np.array(labels)


def rows_of(*talks: int) -> tuple[int, ...]:
    return tuple(r for t in talks for r in range(t * (TURNS - 1), (t + 1) * (TURNS - 1)))


FOLD = Fold("a", rows_of(0, 1, 2), rows_of(3), rows_of(4, 5), True)
OTHER = Fold("b", rows_of(3, 4, 5), rows_of(2), rows_of(0, 1), True)
