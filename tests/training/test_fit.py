"""Training one fold: nothing fitted sees the test part, and numbers come from the seed alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Batch, Fusion, Loss, Output
from nverbench.data.folds.assign import Fold
from nverbench.training.folds import fit_fold
from nverbench.training.records import FoldPredictions
from nverbench.training.scaling import LEAST_SD, Scaler
from nverbench.training.seeds import seed_of
from support.training import (
    CLASSES,
    FOLD,
    QUICK,
    ROWS,
    Net,
    build_loss,
    data,
    fit,
    garbage,
    training,
)

# --- leakage, by construction


@pytest.mark.parametrize("selection", ["inner", "last"])
@pytest.mark.parametrize("scaling", ["z-score", "none"])
def test_nothing_fitted_changes_when_the_test_features_change(selection: str, scaling: str) -> None:
    plan = training(selection=selection, scaling=scaling)
    honest, changed = fit(plan), fit(plan, garbage(data()[0], FOLD.test))
    assert honest.curves == changed.curves  # every term of every epoch, to the bit
    assert honest.best_epoch == changed.best_epoch
    assert not np.array_equal(honest.probabilities, changed.probabilities)


def test_nothing_fitted_changes_when_the_test_labels_change() -> None:
    features, target = data()
    other = target.copy()
    other[list(FOLD.test)] = (other[list(FOLD.test)] + 1) % CLASSES
    a, b = (fit_fold(training(), [features], t, FOLD, 0) for t in (target, other))
    assert a.curves == b.curves
    assert np.array_equal(a.probabilities, b.probabilities)


def test_a_selection_on_the_test_part_depends_on_it() -> None:
    plan = training(selection="test")
    assert fit(plan).curves != fit(plan, garbage(data()[0], FOLD.test)).curves


def test_the_validation_part_decides_when_to_stop_and_trains_nothing() -> None:
    def trained(fitted: FoldPredictions) -> list[float]:
        return [c["train_loss"] for c in fitted.curves]

    honest, changed = (
        fit(training(patience=4)),
        fit(training(patience=4), garbage(data()[0], FOLD.validation)),
    )
    assert trained(honest) == trained(changed)
    assert [c["watched_cross_entropy"] for c in honest.curves] != [
        c["watched_cross_entropy"] for c in changed.curves
    ]


def test_the_scaler_is_fitted_on_the_training_part_without_its_validation_part() -> None:
    x = data()[0]
    honest = Scaler.fit([x], FOLD.train)
    changed = Scaler.fit([garbage(x, FOLD.validation + FOLD.test)], FOLD.train)
    assert np.array_equal(honest.mean, changed.mean)
    assert np.array_equal(honest.sd, changed.sd)
    (scaled,) = honest.apply([x])
    np.testing.assert_allclose(scaled[list(FOLD.train)].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled[list(FOLD.train)].std(0), 1, atol=1e-5)


@pytest.mark.parametrize("spread", [0.0, LEAST_SD / 10])
def test_a_feature_that_is_constant_in_training_is_divided_by_one(spread: float) -> None:
    x = np.full((ROWS, 1), 0.0, dtype=np.float32)
    x[:36:2] = spread
    x[48:] = 5
    (scaled,) = Scaler.fit([x], FOLD.train).apply([x])
    assert scaled[50, 0] == pytest.approx(5, abs=1e-6)
    assert np.isfinite(scaled).all()


def test_loss_counts_are_those_of_the_training_rows() -> None:
    seen: list[list[int]] = []

    def build(classes: int, counts: torch.Tensor) -> Any:
        seen.append(counts.tolist())
        return build_loss(classes, counts)

    fit(training(loss=Loss(name="counting", build=build)), fold=replace(FOLD, train=(0, 1, 3, 6)))
    assert seen == [[3, 1, 0]]


def test_remember_sees_the_training_rows_only_and_before_every_evaluation() -> None:
    banks: list[torch.Tensor] = []

    class Bank(Net):
        def remember(self, batch: Batch, generator: torch.Generator) -> None:
            assert not self.training
            banks.append(batch.streams[0].clone())

    x = data()[0]
    fit(training(Fusion(name="bank", arity=(1, 1), build=Bank), scaling="none", patience=9))
    assert len(banks) == QUICK.epochs + 1  # one per watched epoch, one for the test part
    assert all(torch.equal(b, torch.from_numpy(x[list(FOLD.train)])) for b in banks)


def test_the_test_rows_pass_once_and_at_the_end() -> None:
    nets: list[Net] = []

    def build(dims: tuple[int, ...], classes: int) -> Net:
        nets.append(Net(dims, classes))
        return nets[0]

    x = data()[0]
    fit(training(Fusion(name="seen", arity=(1, 1), build=build), scaling="none"))
    test = torch.from_numpy(x[list(FOLD.test)])
    holds_test = [
        i
        for i, (_, rows) in enumerate(nets[0].seen)
        if bool((rows[:, None] == test[None]).all(-1).any())
    ]
    assert holds_test == [len(nets[0].seen) - 1]
    assert nets[0].seen[-1][0] is False  # in eval mode


# --- what the numbers say


def test_permuted_labels_score_like_chance() -> None:
    rows = 600
    x, target = data(rows, apart=6)
    shuffled = np.random.default_rng(3).permutation(target)
    fold = Fold("a", tuple(range(300)), tuple(range(300, 360)), tuple(range(360, rows)), False)
    right = fit_fold(training(), [x], shuffled, fold, 0).probabilities.argmax(1) == shuffled[360:]
    assert abs(right.mean() - 1 / CLASSES) < 3 * (1 / 3 * 2 / 3 / len(right)) ** 0.5


def test_separable_embeddings_score_one() -> None:
    x, target = data(apart=40)
    predicted = fit_fold(
        training(epochs=10, patience=10), [x], target, FOLD, 0
    ).probabilities.argmax(1)
    assert predicted.tolist() == target[list(FOLD.test)].tolist()


def test_probabilities_sum_to_one_in_float64() -> None:
    probabilities = fit(training()).probabilities
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-12)


# --- determinism


def test_the_same_job_gives_the_same_bits_and_leaves_torch_as_it_was() -> None:
    torch.manual_seed(123)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first = fit(training())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.manual_seed(456)
    second = fit(training())
    assert first.curves == second.curves
    assert np.array_equal(first.probabilities, second.probabilities)


@pytest.mark.parametrize(
    "other",
    [{"replicate": 1}, {"fold": replace(FOLD, name="b")}, {"plan": training(seed=1)}],
    ids=["replicate", "fold", "protocol seed"],
)
def test_another_seed_gives_other_numbers(other: dict[str, Any]) -> None:
    assert fit(training()).curves != fit(**{"plan": training(), **other}).curves


@given(
    purposes=st.lists(
        st.sampled_from(["order", "initialisation", "dropout"]), min_size=2, max_size=2, unique=True
    ),
    seed=st.integers(0, 2**31),
)
def test_the_streams_of_one_fold_differ_and_fit_a_torch_seed(
    purposes: list[str], seed: int
) -> None:
    a, b = (seed_of(seed, p, "1", 0) for p in purposes)
    assert a != b
    assert 0 <= a < 2**63


def test_order_initialisation_and_dropout_depend_on_neither_fusion_nor_backbone() -> None:
    drawn: dict[str, list[Any]] = {}

    def spy(name: str, more: int) -> Fusion:
        class Spy(Net):
            def __init__(self, dims: tuple[int, ...], classes: int) -> None:
                drawn[name] = [torch.rand(3)]  # the initialisation stream begins here
                super().__init__(dims, classes, 0.0)
                self.extra = torch.nn.Linear(4, 4 + more)  # uses up more of it

            def forward(self, batch: Batch) -> Output:
                if self.training:
                    drawn[name] += [
                        torch.rand(3),
                        batch.streams[0][:, 0].clone(),
                    ]  # the dropout stream, and the rows in their order
                return super().forward(batch)

        return Fusion(name=name, arity=(1, 2), build=Spy)

    features, target = data()
    marked = features.copy()
    marked[:, 0] = np.arange(ROWS)
    wide = np.concatenate(
        [marked, np.random.default_rng(1).standard_normal((ROWS, 9)).astype(np.float32)], axis=1
    )
    fit_fold(training(spy("one", 0), scaling="none", selection="last"), [marked], target, FOLD, 0)
    fit_fold(
        training(spy("two", 30), scaling="none", selection="last"), [wide, wide], target, FOLD, 0
    )
    assert len(drawn["one"]) == len(drawn["two"]) > 8
    assert all(torch.equal(a, b) for a, b in zip(drawn["one"], drawn["two"], strict=True))
