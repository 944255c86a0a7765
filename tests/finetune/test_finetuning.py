"""The rules of docs/fine-tuning.md hold for its reference implementation, on a tiny network and
synthetic clips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nverbench import Clip, LoadContext
from nverbench.data.folds.assign import Fold, make_folds
from nverbench.data.folds.validation import Inner
from nverbench_backbones import speech
from support.finetuning import FoldOutcome, Settings, Trainable, Tuned, digest, finetune, run_fold
from support.tiny_speech import TINY

CHECKPOINT = TINY["wavlm-large"]
CONTEXT = LoadContext("cpu", seed=3)
LABELS = ("high", "low")
CLIPS = [
    Clip(f"{who}-{take}", Path(), LABELS[take % 2], speaker=f"s{who}")
    for who in range(6)
    for take in range(4)
]
FOLDS = make_folds(CLIPS, "speaker", k=3, seed=1, inner=Inner(most=0.3)).folds


def load() -> Trainable:
    return finetune(CHECKPOINT, CONTEXT)


class Clips:
    """Tones in noise, and the rows that were read."""

    def __init__(self) -> None:
        noise = torch.Generator().manual_seed(0)
        self.target = torch.tensor([LABELS.index(str(clip.label)) for clip in CLIPS])
        self.waves = [
            torch.sin(torch.arange(800.0 + 40 * i) * (0.9 if label else 0.1))
            + 0.1 * torch.randn(800 + 40 * i, generator=noise)
            for i, label in enumerate(self.target.tolist())
        ]
        self.read: list[int] = []

    def __call__(self, rows: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        self.read += rows
        lengths = torch.tensor([len(self.waves[i]) for i in rows])
        waves = nn.utils.rnn.pad_sequence([self.waves[i] for i in rows], batch_first=True)
        return waves, lengths, self.target[list(rows)]


@pytest.fixture(scope="module")
def tuned() -> tuple[FoldOutcome, Clips]:
    clips = Clips()
    return run_fold(load, clips, FOLDS[0], 2, Settings()), clips


def weights(model: nn.Module) -> str:
    return digest(list(model.parameters()))


def test_gradients_reach_every_layer_that_is_trained_and_no_other() -> None:
    backbone = load()
    backbone.freeze(1)
    waves, lengths, target = Clips()(range(6))
    model = Tuned(backbone, CHECKPOINT.dim, 2).train()
    nn.functional.cross_entropy(model(waves, lengths), target).backward()
    first, *blocks = backbone.layers
    assert all(p.grad is None for p in first)
    assert len(blocks) == CHECKPOINT.layers - 1
    assert all(sum(float(p.grad.abs().sum()) for p in block) > 0 for block in blocks)
    assert sum(map(len, backbone.layers)) == len(list(backbone.parameters()))


@pytest.mark.parametrize("frozen", [1, 2, CHECKPOINT.layers])
def test_frozen_layers_keep_their_bits_and_the_others_move(frozen: int) -> None:
    found = run_fold(load, Clips(), FOLDS[0], 2, Settings(freeze=frozen, epochs=1))
    moved = [
        digest(now) != digest(was)
        for now, was in zip(found.model.backbone.layers, load().layers, strict=True)
    ]
    assert moved == [number >= frozen for number in range(CHECKPOINT.layers)]


def test_with_every_layer_frozen_embeddings_are_those_of_the_frozen_benchmark() -> None:
    waves, lengths, _ = Clips()(range(5))
    expected = speech.load(CHECKPOINT, CONTEXT)(waves, lengths)
    backbone = load()
    backbone.freeze(CHECKPOINT.layers)
    found = backbone.train()(waves, lengths)
    assert torch.equal(found.frames, expected.frames)
    assert torch.equal(found.layers, expected.layers)


def test_padding_changes_nothing_with_gradients_either() -> None:
    waves, lengths, _ = Clips()([0, 5, 9])
    backbone = load()
    together = backbone(waves, lengths).layers
    alone = [
        backbone(waves[i : i + 1, :n], lengths[i : i + 1]).layers for i, n in enumerate(lengths)
    ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_the_test_part_is_read_once_after_training(tuned: tuple[FoldOutcome, Clips]) -> None:
    fold, (_, clips) = FOLDS[0], tuned
    before = clips.read[: -len(fold.test)]
    assert clips.read[-len(fold.test) :] == list(fold.test)
    assert not set(before) & set(fold.test)
    assert set(before) == {*fold.train, *fold.validation}


def test_no_bit_of_the_weights_depends_on_the_test_part(tuned: tuple[FoldOutcome, Clips]) -> None:
    other = Clips()
    for row in FOLDS[0].test:
        other.waves[row] = torch.full((700,), math.nan)
        other.target[row] = 1 - other.target[row]
    found = run_fold(load, other, FOLDS[0], 2, Settings())
    assert weights(found.model) == weights(tuned[0].model)
    assert found.epoch == tuned[0].epoch
    assert bool(found.logits.isnan().all())


def test_validation_chooses_the_epoch_and_the_refit_trains_on_it_too() -> None:
    fold = FOLDS[0]
    swapped = Clips()
    for row in fold.validation:
        swapped.target[row] = 1 - swapped.target[row]
    one = run_fold(load, Clips(), fold, 2, Settings(epochs=1))
    other = run_fold(load, swapped, fold, 2, Settings(epochs=1))
    assert weights(one.model) != weights(other.model)


def test_each_fold_begins_from_the_checkpoint(tuned: tuple[FoldOutcome, Clips]) -> None:
    clips = Clips()
    run_fold(load, clips, FOLDS[1], 2, Settings(epochs=1))
    again = run_fold(load, clips, FOLDS[0], 2, Settings())
    assert weights(again.model) == weights(tuned[0].model)
    assert torch.equal(again.logits, tuned[0].logits)


def test_a_seed_decides_the_weights_and_the_callers_random_state_stays(
    tuned: tuple[FoldOutcome, Clips],
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    found = run_fold(load, Clips(), FOLDS[0], 2, Settings(seed=1))
    assert torch.equal(torch.rand(3), expected)
    assert weights(found.model) != weights(tuned[0].model)


def test_no_speaker_is_on_two_sides_of_a_fold() -> None:
    def speakers(rows: tuple[int, ...]) -> set[str | None]:
        return {CLIPS[row].speaker for row in rows}

    def sides(fold: Fold) -> list[set[str | None]]:
        return [speakers(part) for part in (fold.train, fold.validation, fold.test)]

    for train, validation, test in map(sides, FOLDS):
        assert not train & validation | train & test | validation & test


def test_training_the_backbone_lowers_the_training_loss_below_that_of_the_head_alone() -> None:
    losses = []
    for frozen in (1, CHECKPOINT.layers):
        clips = Clips()
        settings = Settings(freeze=frozen, epochs=8, backbone_rate=3e-3)
        found = run_fold(load, clips, FOLDS[0], 2, settings)
        waves, lengths, target = clips([*FOLDS[0].train, *FOLDS[0].validation])
        with torch.no_grad():
            logits = found.model(waves, lengths)
        losses.append(float(nn.functional.cross_entropy(logits, target)))
    assert losses[0] < losses[1]
