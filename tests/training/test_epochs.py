"""Epochs and contracts: full batches, early stopping, recipes; a broken fusion or loss is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nverbench import Batch, Fusion, Loss, Losses, Output, PartError, Recipe
from nverbench.errors import FitError
from nverbench.training.data import full_batches
from nverbench.training.folds import fit_fold
from support.training import FOLD, LINEAR, Net, build_loss, data, fit, training

# --- epochs


@settings(deadline=None)
@given(
    rows=st.lists(st.integers(0, 10_000), min_size=1, max_size=90, unique=True),
    size=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_every_batch_is_full_and_every_row_comes_at_least_once(
    rows: list[int], size: int, seed: int
) -> None:
    batches = full_batches(torch.tensor(rows), size, torch.Generator().manual_seed(seed))
    counts = np.unique(batches.numpy(), return_counts=True)
    assert batches.shape == (-(-len(rows) // size), size)
    assert counts[0].tolist() == sorted(rows)
    assert counts[1].max() - counts[1].min() <= 1


def test_fewer_rows_than_a_batch_still_train() -> None:
    assert len(fit(training(batch=64), fold=replace(FOLD, train=(0, 1, 2))).curves) >= 1


def test_early_stopping_restores_the_best_epoch() -> None:
    x, target = data(apart=0.3)
    stopped = fit_fold(training(lr=0.5, epochs=30, patience=4), [x], target, FOLD, 0)
    best = stopped.best_epoch
    assert 1 <= best == len(stopped.curves) - 4  # went on for its patience, then went back
    straight = fit_fold(training(lr=0.5, epochs=best, selection="last"), [x], target, FOLD, 0)
    assert np.array_equal(stopped.probabilities, straight.probabilities)
    watched = [c["watched_cross_entropy"] for c in stopped.curves]
    assert watched[best - 1] == min(watched)


def test_last_runs_every_epoch_and_watches_nothing() -> None:
    fitted = fit(training(selection="last", epochs=6, patience=1))
    assert (len(fitted.curves), fitted.best_epoch) == (6, 6)
    assert "watched_cross_entropy" not in fitted.curves[0]


def test_a_recipe_overrides_the_protocol() -> None:
    fusion = replace(LINEAR, recipe=Recipe(epochs=2, batch=36, patience=1, lr=0.5))
    plan = training(fusion, selection="last")
    assert (plan.epochs, plan.batch, plan.patience) == (2, 36, 1)
    direct = fit(training(selection="last", epochs=2, batch=36, lr=0.5))
    assert fit(plan).curves == direct.curves


# --- broken parts


def nan_from(step: int) -> Loss:
    """Two terms; the second is NaN from that step on (an epoch has five)."""
    steps: list[int] = []

    def build(classes: int, counts: torch.Tensor) -> Any:
        def later(output: Output, target: torch.Tensor) -> Losses:
            steps.append(1)
            value = output.logits.sum() * (float("nan") if len(steps) >= step else 0.0)
            return Losses({"fine": output.logits.square().mean(), "odd": value})

        return later

    return Loss(name="nan-later", build=build)


def test_a_loss_that_is_not_finite_is_named_with_fold_epoch_and_term() -> None:
    with pytest.raises(
        FitError, match=r"^fold a, epoch 2: odd of loss nan-later is not a finite number"
    ):
        fit(training(loss=nan_from(step=10)))


def test_the_term_that_broke_first_is_the_one_that_is_named() -> None:
    with pytest.raises(FitError, match="epoch 2: odd of loss"):
        fit(training(loss=nan_from(step=6)))


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (lambda out: Output(out.logits[:, :2]), r"\(8, 2\)"),
        (lambda out: Output(out.logits[:-1]), r"\(7, 3\)"),
        (lambda out: Output(out.logits[None]), r"\(1, 8, 3\)"),
        (lambda out: out.logits, "Tensor"),
    ],
    ids=["classes", "rows", "dimensions", "type"],
)
def test_logits_of_another_shape_are_the_fusions_error(answer: Any, got: str) -> None:
    class Odd(Net):
        def forward(self, batch: Batch) -> Output:
            return answer(super().forward(batch))

    with pytest.raises(
        PartError, match=rf"fusion odd: expected Output with logits \(n=8, k=3\), got {got}"
    ):
        fit(training(Fusion(name="odd", arity=(1, 1), build=Odd)))


def test_a_fusion_without_the_views_a_loss_needs_is_named() -> None:
    class Blind(Net):
        def forward(self, batch: Batch) -> Output:
            return Output(super().forward(batch).logits)

    with pytest.raises(PartError, match="fusion blind: loss views needs 1 views, got 0"):
        fit(
            training(
                Fusion(name="blind", arity=(1, 1), build=Blind),
                Loss(name="views", build=build_loss, needs="views"),
            )
        )


def test_an_unknown_optimizer_is_named() -> None:
    with pytest.raises(PartError, match="optimizer 'sgd' is not one"):
        fit(training(replace(LINEAR, recipe=Recipe(optimizer="sgd"))))


def test_logits_that_are_not_finite_in_evaluation_are_an_error() -> None:
    class Nan(Net):
        def forward(self, batch: Batch) -> Output:
            logits = super().forward(batch).logits
            return Output(logits if self.training else logits * float("nan"))

    with pytest.raises((FitError, PartError)):
        fit(training(Fusion(name="nan", arity=(1, 1), build=Nan)))


def test_the_gradient_shares_of_two_terms_add_up_to_one_and_one_term_has_none():
    def two(classes: int, counts: torch.Tensor) -> Any:
        return lambda output, target: Losses(
            {
                "ce": torch.nn.functional.cross_entropy(output.logits, target),
                "size": output.logits.square().mean(),
            }
        )

    curves = fit(training(loss=Loss(name="two", build=two), epochs=6, patience=6)).curves
    looked = {epoch: c for epoch, c in enumerate(curves, 1) if "gradient_share_ce" in c}
    assert list(looked) == [1, 5]
    assert all(
        c["gradient_share_ce"] + c["gradient_share_size"] == pytest.approx(1)
        for c in looked.values()
    )
    assert all("gradient_share_ce" not in c for c in fit(training()).curves)
