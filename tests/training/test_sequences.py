"""Training on frames: whole conversations or clip by clip, no leakage from other parts, shuffles that
keep every turn, and resumed epochs.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nverbench import Fusion, Recipe
from nverbench.pipeline.executors.processes import ProcessExecutor
from nverbench.plugin.types import UNSCORED
from nverbench.training import checkpoints as checkpoints_module
from nverbench.training.folds import fit_fold, fit_folds
from nverbench.training.records import TrainingSetup
from nverbench.training.sequences import ClipData, ConversationData, scaler
from nverbench.training.turn_order import shuffled
from support.sequences import CONVERSATION, FOLD, OTHER, TURNS, UTTERANCE, Context, corpus
from support.training import CLASSES, ENTROPY, QUICK


def training(fusion: Fusion = CONVERSATION, **changes: Any) -> TrainingSetup:
    return dataclasses.replace(TrainingSetup(fusion, {}, ENTROPY, {}, QUICK, CLASSES), **changes)


def same(a: Any, b: Any) -> bool:
    return a.curves == b.curves and np.array_equal(a.probabilities, b.probabilities)


@pytest.mark.parametrize("fusion", [CONVERSATION, UTTERANCE])
def test_what_is_separable_is_learned_and_predictions_stand_in_the_order_of_the_rows(
    tmp_path: Path, fusion: Fusion
) -> None:
    spoken, target = corpus(tmp_path)
    longer = dataclasses.replace(fusion.recipe_for({}), epochs=30, patience=30, lr=0.05)
    plan = training(dataclasses.replace(fusion, recipe=longer))
    fitted = fit_fold(plan, spoken, target, FOLD, 0)
    assert (fitted.probabilities.argmax(-1) == target[list(FOLD.test)]).mean() > 0.8


@pytest.mark.parametrize("fusion", [CONVERSATION, UTTERANCE])
def test_nothing_fitted_changes_when_test_turns_change(tmp_path: Path, fusion: Fusion) -> None:
    tested = tuple(range(4 * TURNS, 6 * TURNS))
    one, other = (
        fit_fold(training(fusion), *corpus(tmp_path, changed=c), FOLD, 0) for c in ((), tested)
    )
    assert one.curves == other.curves
    assert not np.array_equal(one.probabilities, other.probabilities)


def test_the_scaler_sees_the_frames_of_training_conversations_with_unscored_turns(
    tmp_path: Path,
) -> None:
    spoken, target = corpus(tmp_path)
    stream = spoken.streams[0]
    frames = np.concatenate([stream.frames(turn) for turn in range(3 * TURNS)]).astype(np.float64)
    mean, sd = scaler(stream, range(3 * TURNS))
    assert mean.numpy() == pytest.approx(frames.mean(0), abs=1e-12)
    assert sd.numpy() == pytest.approx(frames.std(0), rel=1e-9)
    from nverbench.training.sequences import prepared

    material = prepared(
        training(), spoken, torch.from_numpy(target), FOLD, 0, scaled=True, dtype=torch.float32
    )
    assert torch.equal(material.scalers[0][0], mean)


def test_an_unscored_turn_is_context_but_has_no_target(tmp_path: Path) -> None:
    spoken, target = corpus(tmp_path)
    talks = ConversationData(
        spoken,
        torch.from_numpy(target),
        range(15),
        scaled=False,
        dtype=torch.float32,
        seed=0,
        shuffle="none",
    )
    step = talks.steps(torch.tensor(FOLD.train), 1, torch.Generator().manual_seed(0))[0]
    assert (talks.target(step) == UNSCORED).tolist() == [False] * 4 + [True]
    batch = talks.batch(step)
    assert batch.turns is not None
    assert [len(batch.turns[0]), int(batch.turns[0][-1, 1])] == [TURNS, batch.streams[0].shape[1]]
    heard = fit_fold(
        training(), *corpus(tmp_path / "x", changed=(29,)), FOLD, 0
    )  # the heard-only turn of a test conversation
    assert not np.array_equal(
        heard.probabilities[4:], fit_fold(training(), spoken, target, FOLD, 0).probabilities[4:]
    )


def test_an_epoch_steps_through_every_training_conversation_once_in_an_order_of_the_generators(
    tmp_path: Path,
) -> None:
    spoken, target = corpus(tmp_path)
    talks = ConversationData(
        spoken,
        torch.from_numpy(target),
        range(15),
        scaled=False,
        dtype=torch.float32,
        seed=0,
        shuffle="none",
    )
    orders = {
        tuple(
            int(s[0])
            for s in talks.steps(torch.tensor(FOLD.train), 1, torch.Generator().manual_seed(i))
        )
        for i in range(12)
    }
    assert {tuple(sorted(o)) for o in orders} == {(0, TURNS, 2 * TURNS)}
    assert len(orders) > 1


def test_single_clips_are_padded_with_zeros_behind_their_end(tmp_path: Path) -> None:
    spoken, target = corpus(tmp_path)
    clips = ClipData(spoken, torch.from_numpy(target), range(15), scaled=False, dtype=torch.float32)
    batch = clips.batch(torch.tensor([0, 1, 2]))
    assert batch.lengths is not None
    assert batch.lengths[0].tolist() == [2, 3, 4]
    assert bool((batch.streams[0][0, 2:] == 0).all())
    assert batch.streams[0][1, :3].numpy() == pytest.approx(spoken.streams[0].frames(1))


@pytest.mark.parametrize("how", ["none", "intra", "inter-speaker", "inter"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_shuffle_uses_every_turn_once_and_keeps_the_length_of_every_conversation(
    how: str, seed: int
) -> None:
    talks = [(0, 1, 2, 3), (4, 5), (6, 7, 8, 9, 10)]
    speakers = ["ab"[i % 2] for i in range(11)]
    made = shuffled(talks, speakers, how, seed)
    assert sorted(t for talk in made for t in talk) == list(range(11))
    assert list(map(len, made)) == list(map(len, talks))
    assert (made == talks) == (how == "none")
    if how == "intra":
        assert [sorted(m) for m in made] == [list(t) for t in talks]
    if how == "inter-speaker":
        assert [speakers[m] for talk in made for m in talk] == [
            speakers[t] for talk in talks for t in talk
        ]


def test_a_shuffle_reaches_training_conversations_only(tmp_path: Path) -> None:
    spoken, target = corpus(tmp_path)
    talks = ConversationData(
        spoken,
        torch.from_numpy(target),
        range(15),
        scaled=False,
        dtype=torch.float32,
        seed=3,
        shuffle="inter",
    )
    tested = [part.step.tolist() for part in talks.parts(torch.tensor(FOLD.test))]
    assert tested == [list(spoken.talks[4]), list(spoken.talks[5])]
    trained = [
        t for s in talks.steps(torch.tensor(FOLD.train), 1, torch.Generator()) for t in s.tolist()
    ]
    assert set(trained) <= set(range(15))
    assert not same(
        *(fit_fold(training(shuffle=how), spoken, target, FOLD, 0) for how in ("none", "inter"))
    )


@pytest.mark.parametrize("fusion", [CONVERSATION, UTTERANCE])
@pytest.mark.parametrize("after", [1, 3])
def test_a_training_that_was_killed_goes_on_with_the_numbers_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fusion: Fusion, after: int
) -> None:
    spoken, target = corpus(tmp_path)
    straight = fit_fold(training(fusion), spoken, target, FOLD, 0)
    plan, epochs = training(fusion, checkpoints=tmp_path / "kept"), list[int]()
    write = checkpoints_module.write

    def killed(path: Path, state: dict[str, Any]) -> None:
        write(path, state)
        epochs.append(state["epoch"])
        if len(epochs) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints_module, "write", killed)
    monkeypatch.setattr(checkpoints_module, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        fit_fold(plan, spoken, target, FOLD, 0)
    resumed = fit_fold(plan, spoken, target, FOLD, 0)
    assert epochs == sorted(set(epochs))
    assert same(straight, resumed)
    assert same(
        straight, fit_fold(plan, spoken, target, FOLD, 0)
    )  # finished: nothing is trained again
    assert epochs == sorted(set(epochs))


def test_a_damaged_checkpoint_costs_time_only(tmp_path: Path) -> None:
    spoken, target = corpus(tmp_path)
    plan = training(checkpoints=tmp_path / "kept")
    straight = fit_fold(plan, spoken, target, FOLD, 0)
    (file,) = (tmp_path / "kept").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert same(straight, fit_fold(plan, spoken, target, FOLD, 0))


def test_processes_give_the_bits_of_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.training import plan

    spoken, target = corpus(tmp_path)
    parts = [FOLD, OTHER]
    fusion = dataclasses.replace(CONVERSATION, build=travelling, recipe=Recipe(unit="conversation"))
    built = dataclasses.replace(plan(), fusion=fusion, fusion_options={})
    found = []
    for way in ("one", "processes"):
        monkeypatch.setenv("NVERBENCH_FIT", way)
        with ProcessExecutor(2) as own:
            found.append(fit_folds(built, spoken, target, parts, 1, workers=own)[0])
    assert all(same(a, b) for a, b in zip(*found, strict=True))


def travelling(dims: tuple[int, ...], classes: int) -> torch.nn.Module:
    """A module that a worker can build."""
    return Context(dims, classes)
