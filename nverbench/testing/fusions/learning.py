"""The rule that the harness can train a fusion: it learns linearly separable classes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nverbench import registry
from nverbench.data.folds.assign import Fold
from nverbench.embedding.cache import EmbeddingCache, cache_key
from nverbench.errors import NverbenchError
from nverbench.plugin.options import resolve
from nverbench.plugin.records import Loss, Recipe
from nverbench.testing.check import Pass, Skip, rule, violation
from nverbench.testing.fusions.subject import FusionSubject, K
from nverbench.training.folds import fit_fold
from nverbench.training.records import TrainingSetup
from nverbench.training.sequences import FrameStream, TurnFrames

EPOCHS, CLIPS, RATE = 20, 48, 3e-3
LEARNT = 0.9
"""Accuracy on the training clips."""


@rule(
    "learns",
    f"The harness trains it to over {LEARNT:.0%} on {K} separable classes in {EPOCHS} epochs.",
)
def learns(subject: FusionSubject) -> Pass | Skip:
    if subject.loss is None:
        return Skip(f"its default loss {subject.part.default_loss} is not installed")
    rng = np.random.default_rng(3)
    target = np.arange(CLIPS) % K
    whole = tuple(range(CLIPS))
    training = _training(subject, subject.loss)
    with tempfile.TemporaryDirectory() as folder:
        data = (
            _turns(subject, Path(folder), target, rng)
            if subject.framed
            else [_separable(target, dim, rng) for dim in subject.dims()]
        )
        try:
            fitted = fit_fold(training, data, target, Fold("check", whole, (), whole, True), 0)
        except NverbenchError as error:
            do = "correct forward or the recipe"
            raise violation(subject, "a training that ends", str(error), do) from error
    accuracy = float((fitted.probabilities.argmax(1) == target).mean())
    if not accuracy > LEARNT:
        do = "check the scale of the first weights, where gradients go, and what may saturate"
        goal = f"{LEARNT:.0%} of {CLIPS} clips of {K} separable classes"
        expected = f"over {goal} learnt in {EPOCHS} epochs"
        raise violation(subject, expected, f"{accuracy:.0%}", do)
    learnt = f"{accuracy:.0%} of {CLIPS} training clips"
    return Pass(f"{learnt} after {EPOCHS} epochs, {fitted.seconds:.1f} s")


def _training(subject: FusionSubject, loss: Loss) -> TrainingSetup:
    """A short training with the default protocol that keeps the last epoch."""
    unit = subject.part.recipe_for(subject.options).unit
    recipe = Recipe(lr=RATE, batch=16, epochs=EPOCHS, patience=EPOCHS, unit=unit)
    protocol = registry.load().protocol(registry.DEFAULT_PROTOCOL)
    return TrainingSetup(
        replace(subject.part, recipe=recipe),
        subject.options,
        loss,
        resolve(loss, subject.part.default_loss).full,
        protocol.model_copy(update={"selection": "last", "epochs": EPOCHS}),
        K,
        subject.device,
    )


def _separable(
    target: np.ndarray[Any, Any], dim: int, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Pooled embeddings (n, dim): each class has its own direction, three times the noise."""
    directions = np.linalg.qr(rng.standard_normal((dim, dim)))[0][:K] * 3 * np.sqrt(dim)
    drawn: np.ndarray[Any, np.dtype[np.float32]] = (
        directions[target] + rng.standard_normal((len(target), dim))
    ).astype(np.float32)
    return drawn


def _turns(
    subject: FusionSubject, folder: Path, target: np.ndarray[Any, Any], rng: np.random.Generator
) -> TurnFrames:
    """The same embeddings as frames: two to five per clip, six turns per conversation."""
    streams = []
    for number, dim in enumerate(subject.dims()):
        root = folder / str(number)
        store, keys, lengths = EmbeddingCache(root), [], []
        for turn, mean in enumerate(_separable(target, dim, rng)):
            frames = (mean + 0.5 * rng.standard_normal((2 + turn % 4, dim))).astype(np.float32)
            keys.append(cache_key({"stream": number, "turn": turn}))
            store.put(keys[-1], frames, 100)
            lengths.append(len(frames))
        streams.append(FrameStream(root, tuple(keys), tuple(lengths), dim))
    turns = tuple(range(len(target)))
    conversations = (
        tuple(turns[i : i + 6] for i in range(0, len(turns), 6)) if subject.conversational else ()
    )
    return TurnFrames(tuple(streams), turns, conversations, tuple("ab"[turn % 2] for turn in turns))


CHECKS = (learns,)
