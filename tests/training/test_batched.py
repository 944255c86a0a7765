"""Folds and seeds trained as one batched model: the numbers of one by one, or a refusal before
anything has changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nverbench import Batch, Fusion, Losses, Output
from nverbench.data.folds.assign import Fold
from nverbench.errors import FitError
from nverbench.plugin import discovery
from nverbench.training.folds import fit_folds
from nverbench.training.records import FoldPredictions
from support.training import ENTROPY, LINEAR, Net, data, training

ROWS = 90
BANKED = {"parrot", "parrot-ot", "mata"}
"""Slow alone: an epoch of them is enough."""
PAIR = {"concat", "reno"} | BANKED


def folds() -> list[Fold]:
    """Three folds of unlike sizes: 5, 4 and 4 steps of 8 an epoch."""
    rows = np.random.default_rng(3).permutation(ROWS)
    tests = [rows[:20], rows[20:56], rows[56:]]
    made = []
    for i, test in enumerate(tests):
        rest = [int(r) for r in rows if r not in set(test.tolist())]
        made.append(
            Fold(
                str(i),
                tuple(sorted(rest[12:])),
                tuple(sorted(rest[:12])),
                tuple(sorted(int(r) for r in test)),
                False,
            )
        )
    return made


def both(
    monkeypatch: pytest.MonkeyPatch, plan: Any, streams: Any, replicates: int = 2
) -> tuple[list[FoldPredictions], list[FoldPredictions]]:
    """One by one, and jointly."""
    _, target = data(ROWS)
    found = []
    for way in ("one", "joint"):
        monkeypatch.setenv("NVERBENCH_FIT", way)
        found.append([f for r in fit_folds(plan, streams, target, folds(), replicates) for f in r])
    return found[0], found[1]


def jointly(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the last joint attempt was one."""
    from nverbench.training import batched

    went: list[bool] = []
    real = batched.train_jointly

    def spied(runs: Any) -> list[FoldPredictions]:
        went.append(False)
        fitted = real(runs)
        went[-1] = True
        return fitted

    monkeypatch.setattr(batched, "train_jointly", spied)
    return went


def part(name: str) -> Fusion:
    return discovery.discover().fusion(name)


@pytest.mark.parametrize("name", ["linear", "fcn", "cnn", "concat", "reno", "parrot"])
def test_joint_training_in_double_precision_gives_the_numbers_of_one_by_one_throughout(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    went = jointly(monkeypatch)
    features, _ = data(ROWS)
    wide = np.tile(features, (1, 3))
    fusion, parts = part(name), discovery.discover()
    loss = parts.loss(fusion.default_loss.partition(":")[0])
    epochs = 1 if name in BANKED else 3
    plan = replace(training(fusion, loss, lr=1e-3, epochs=epochs), double=True)
    one, joint = both(monkeypatch, plan, [wide, wide[:, ::-1].copy()][: 1 + (name in PAIR)])
    assert went == [True]
    for a, b in zip(one, joint, strict=True):
        assert a.best_epoch == b.best_epoch
        np.testing.assert_allclose(b.probabilities, a.probabilities, rtol=0, atol=1e-8)
        for x, y in zip(a.curves, b.curves, strict=True):
            assert y == pytest.approx(x, abs=1e-8)


def test_joint_training_in_single_precision_is_within_rounding_over_two_epochs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, _ = data(ROWS)
    one, joint = both(monkeypatch, training(part("fcn"), lr=1e-3, epochs=2), [features])
    for a, b in zip(one, joint, strict=True):
        np.testing.assert_allclose(b.probabilities, a.probabilities, rtol=0, atol=1e-4)


def test_each_run_stops_at_its_own_epoch_and_restores_its_own_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, _ = data(ROWS)
    plan = replace(training(lr=0.3, epochs=30, patience=3), double=True)
    one, joint = both(monkeypatch, plan, [features])
    assert len({len(f.curves) for f in one}) > 1
    assert [(f.best_epoch, len(f.curves)) for f in joint] == [
        (f.best_epoch, len(f.curves)) for f in one
    ]
    for a, b in zip(one, joint, strict=True):
        np.testing.assert_allclose(b.probabilities, a.probabilities, rtol=0, atol=1e-8)


def test_dropout_masks_are_those_of_each_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = data(ROWS)
    heavy = Fusion(name="net", arity=(1, None), build=lambda dims, classes: Net(dims, classes, 0.9))
    one, joint = both(
        monkeypatch,
        replace(training(heavy, selection="last", scaling="none"), double=True),
        [features],
    )
    for a, b in zip(one, joint, strict=True):
        np.testing.assert_allclose(b.probabilities, a.probabilities, rtol=0, atol=1e-10)


class Banked(Net):
    """Remembers training rows in a buffer, which is NaN until then, and reads it in evaluation."""

    def __init__(self, dims: tuple[int, ...], classes: int) -> None:
        super().__init__(dims, classes)
        self.register_buffer("bank", torch.full((dims[0],), torch.nan))
        self.bank: torch.Tensor

    def remember(self, batch: Batch, generator: torch.Generator) -> None:
        self.bank.copy_(batch.streams[0].mean(0))

    def forward(self, batch: Batch) -> Output:
        shift = 0.0 if self.training else self.bank
        return Output(self.layer(batch.streams[0] - shift))


def test_a_bank_that_is_nan_until_it_is_filled_is_trained_jointly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A buffer of NaN did not change, though NaN is not equal to NaN. The joint gradients are
    those of each run alone: so are the weights, and with them the probabilities.
    """
    went = jointly(monkeypatch)
    features, _ = data(ROWS)
    fusion = Fusion(name="banked", arity=(1, None), build=Banked)
    plan = replace(training(fusion, lr=1e-2, epochs=3), double=True)
    one, joint = both(monkeypatch, plan, [features])
    assert went == [True]
    for a, b in zip(one, joint, strict=True):
        np.testing.assert_allclose(b.probabilities, a.probabilities, rtol=0, atol=1e-10)


class Counting(torch.nn.Module):
    """A batch norm: what it learns lies in buffers."""

    def __init__(self, dims: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.norm, self.layer = torch.nn.BatchNorm1d(sum(dims)), torch.nn.Linear(sum(dims), classes)

    def forward(self, batch: Batch) -> Output:
        return Output(self.layer(self.norm(batch.streams[0])))


class Branching(Net):
    """Looks at its numbers to decide what to do: nothing a joint model can."""

    def forward(self, batch: Batch) -> Output:
        if float(batch.streams[0].sum()) > 1e9:
            raise RuntimeError("never")
        return Output(self.layer(batch.streams[0]))


class Noisy(Net):
    """Draws random numbers in a way of its own."""

    def forward(self, batch: Batch) -> Output:
        return Output(self.layer(batch.streams[0] + 0.1 * torch.randn(batch.streams[0].shape)))


@pytest.mark.parametrize("build", [Counting, Branching, Noisy])
def test_what_cannot_be_trained_jointly_is_trained_one_by_one(
    monkeypatch: pytest.MonkeyPatch, build: Any
) -> None:
    went = jointly(monkeypatch)
    features, _ = data(ROWS)
    one, joint = both(
        monkeypatch, training(Fusion(name="odd", arity=(1, None), build=build)), [features]
    )
    assert went == [False]
    assert all(
        np.array_equal(a.probabilities, b.probabilities) for a, b in zip(one, joint, strict=True)
    )


def test_a_term_that_is_not_finite_is_named_with_its_fold_and_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def loss(classes: int, counts: torch.Tensor) -> Any:
        return lambda output, target: Losses({"odd": (output.logits.sum() - 1e3).log()})

    monkeypatch.setenv("NVERBENCH_FIT", "joint")
    features, target = data(ROWS)
    with pytest.raises(FitError, match="fold 0, epoch 1: odd of loss ce"):
        fit_folds(training(LINEAR, replace(ENTROPY, build=loss)), [features], target, folds(), 1)
