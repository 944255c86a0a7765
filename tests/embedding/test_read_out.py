"""Layers mixed by a trained softmax, and projection to a common width: both are fitted on clips of
the training part only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nverbench import Batch, Fusion, Output, UsageError
from nverbench.training.folds import fit_fold
from nverbench.training.layer_weights import LayerWeights
from nverbench.training.scaling import project
from support.training import CLASSES, FOLD, ROWS, Net, data, fit, garbage, training


def wide(width: int = 40) -> np.ndarray[Any, Any]:
    """Correlated features (n, width)."""
    features, _ = data()
    return (features @ np.random.default_rng(1).standard_normal((features.shape[1], width))).astype(
        np.float32
    )


# --- projection


def test_directions_come_from_training_rows_only() -> None:
    x = np.random.default_rng(0).standard_normal((ROWS, 20)).astype(np.float32)
    honest, changed = (
        project(x, FOLD.train, 5),
        project(garbage(x, FOLD.validation + FOLD.test), FOLD.train, 5),
    )
    np.testing.assert_array_equal(honest[list(FOLD.train)], changed[list(FOLD.train)])


def test_garbage_in_the_test_part_changes_nothing_that_is_fitted() -> None:
    plan = replace(training(), widths=(5,))
    honest, changed = fit(plan, wide()), fit(plan, garbage(wide(), FOLD.test))
    assert honest.curves == changed.curves
    assert honest.best_epoch == changed.best_epoch


def test_projection_keeps_distances_when_no_variance_is_lost() -> None:
    x = wide()  # of rank 6
    z = project(x, range(ROWS), 10)
    assert z.shape == (ROWS, 10)
    np.testing.assert_allclose(
        np.linalg.norm(z[0] - z[1:], axis=1), np.linalg.norm(x[0] - x[1:], axis=1), rtol=1e-4
    )


def test_columns_that_too_few_training_rows_cannot_give_are_zero() -> None:
    z = project(wide(), range(4), 10)
    assert z.shape == (ROWS, 10)
    assert not z[:, 4:].any()


def test_what_is_trained_on_top_has_the_same_size_for_every_backbone() -> None:
    sizes = {
        fit(replace(training(), widths=(5,)), wide(width)).parameters for width in (8, 40, 300)
    }
    assert len(sizes) == 1


# --- layers


def layered(informative: int, layers: int = 4) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(n, L, d): class means in one layer, noise in the others; and the targets."""
    features, target = data(apart=3.0)
    stack = (
        np.random.default_rng(2)
        .standard_normal((ROWS, layers, features.shape[1]))
        .astype(np.float32)
    )
    stack[:, informative] = features
    return stack, target


class Keeper(Net):
    """Remembers how wide the rows were that it was shown."""

    def remember(self, batch: Batch, generator: torch.Generator) -> None:
        self.shapes = [tuple(s.shape) for s in batch.streams]


@pytest.mark.parametrize("informative", [0, 2])
def test_training_moves_weight_to_the_layer_that_knows(informative: int) -> None:
    built: list[LayerWeights] = []
    stack, target = layered(informative)

    class Watched(LayerWeights):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            built.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nverbench.training.loop.LayerWeights", Watched)
        fit_fold(training(epochs=20, lr=0.05, patience=20), [stack], target, FOLD, 0)
    (weight,) = built[0].weights.values()
    assert int(weight.argmax()) == informative
    assert float(weight.detach().softmax(0).sum()) == pytest.approx(1.0)


def test_equal_layers_give_what_one_of_them_gives() -> None:
    features, target = data()
    stack = np.repeat(features[:, None], 3, axis=1)
    one, many = (
        fit_fold(training(), [features], target, FOLD, 0),
        fit_fold(training(), [stack], target, FOLD, 0),
    )
    np.testing.assert_allclose(one.probabilities, many.probabilities, atol=1e-5)
    assert many.parameters == one.parameters + 3


def test_streams_with_and_without_layers_go_together_and_remembering_sees_mixed_rows() -> None:
    stack, target = layered(1)
    kept: list[Keeper] = []

    def build(dims: tuple[int, ...], classes: int) -> nn.Module:
        kept.append(Keeper(dims, classes))
        return kept[-1]

    plan = training(Fusion(name="keeper", arity=(1, None), build=build))
    fit_fold(plan, [stack[:, 0], stack], target, FOLD, 0)
    assert kept[0].shapes == [(len(FOLD.train), 6), (len(FOLD.train), 6)]


def test_a_mixed_row_depends_on_its_own_clip_only() -> None:
    module = LayerWeights(_Sum(), [4]).eval()
    x = torch.randn(5, 4, 3)
    torch.testing.assert_close(module(Batch((x,))).logits[2:3], module(Batch((x[2:3],))).logits)


class _Sum(nn.Module):
    def forward(self, batch: Batch) -> Output:
        return Output(batch.streams[0].sum(1, keepdim=True).expand(-1, CLASSES))


def test_projecting_to_a_width_that_is_no_smaller_is_refused() -> None:
    with pytest.raises(UsageError, match="project=40: the embeddings have 40 columns already"):
        project(wide(), FOLD.train, 40)
