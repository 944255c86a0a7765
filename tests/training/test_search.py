"""The search inside the training part: it sees no test clip, every candidate has the same chances,
and a convex head reaches the optimum that scikit-learn finds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from nverbench import registry
from nverbench.data.folds.inner import inner_folds
from nverbench.errors import FitError, FoldError
from nverbench.plugin import discovery
from nverbench.registry import Protocol
from nverbench.training import convex
from nverbench.training.early_stopping import best_epoch
from nverbench.training.folds import fit_fold, fit_folds
from nverbench.training.records import FoldPredictions, TrainingSetup
from nverbench.training.scaling import Scaler
from support.training import CLASSES, FOLD, data, garbage, training

WHOLE = tuple(sorted({*FOLD.train, *FOLD.validation}))
SPLITS = tuple(WHOLE[part::6][:5] for part in range(6))
SEARCHED = replace(FOLD, train=WHOLE, validation=(), splits=SPLITS)
PARTS = discovery.discover()
LINEAR = PARTS.fusion("linear")


def searching(**constants: object) -> TrainingSetup:
    given = {"rates": [1e-3, 1e-2], "inner_splits": 3, "epochs": 3, "watch": "macro-f1"}
    rules = registry.load().protocol("nver-2").model_copy(update=given | constants)
    return replace(training(), protocol=rules)


def linear(**constants: object) -> TrainingSetup:
    loss = PARTS.loss("cross-entropy")
    return replace(searching(**constants), fusion=LINEAR, fusion_options={}, loss=loss)


BOTH = pytest.mark.parametrize("plan", [searching(), linear()], ids=["gradient", "convex"])


def fit(plan: TrainingSetup, features: np.ndarray | None = None, r: int = 0) -> FoldPredictions:
    known, target = data()
    return fit_fold(plan, [known if features is None else features], target, SEARCHED, r)


# --- leakage, by construction


@BOTH
def test_no_choice_and_no_weight_changes_when_the_test_features_change(plan: TrainingSetup) -> None:
    honest, changed = fit(plan), fit(plan, garbage(data()[0], FOLD.test))
    assert honest.curves == changed.curves
    assert (honest.chosen, honest.tried) == (changed.chosen, changed.tried)
    assert not np.array_equal(honest.probabilities, changed.probabilities)


@BOTH
def test_test_labels_change_nothing(plan: TrainingSetup) -> None:
    features, target = data()
    other = target.copy()
    other[list(FOLD.test)] = (other[list(FOLD.test)] + 1) % CLASSES
    a, b = (fit_fold(plan, [features], t, SEARCHED, 0) for t in (target, other))
    assert (a.curves, a.chosen) == (b.curves, b.chosen)
    assert np.array_equal(a.probabilities, b.probabilities)


def test_each_inner_training_leaves_its_validation_part_out() -> None:
    for replicate in range(2):
        for own in inner_folds(SEARCHED, searching().protocol, replicate):
            assert not set(own.train) & set(own.validation)
            assert sorted({*own.train, *own.validation}) == list(WHOLE)
            assert not set(own.test) & {*own.train, *own.validation}


def test_replicates_have_validation_parts_of_their_own() -> None:
    rules = searching().protocol
    first, second = (
        [own.validation for own in inner_folds(SEARCHED, rules, replicate)] for replicate in (0, 1)
    )
    assert not set(first) & set(second)


def test_a_replicate_without_validation_parts_is_refused() -> None:
    with pytest.raises(FoldError, match="replicate 3 has 0 of 3 validation parts"):
        inner_folds(SEARCHED, searching().protocol, 2)


# --- what is chosen


@BOTH
def test_the_chosen_candidate_is_the_best_on_the_validation_parts(plan: TrainingSetup) -> None:
    found = fit(plan)
    name, value = next(iter(found.chosen.items()))
    assert found.tried[f"{name}={value:g}"] == max(found.tried.values())
    assert best_epoch(found.curves, "macro-f1") == found.best_epoch


def test_the_last_fit_trains_on_the_whole_training_part() -> None:
    """Rows of the validation parts change the weights of the last fit."""
    plan = searching(rates=[1e-3], epochs=1)
    honest = fit(plan)
    changed = fit(plan, garbage(data()[0], SPLITS[0][:1]))
    assert honest.best_epoch == changed.best_epoch == 1
    assert not np.array_equal(honest.probabilities, changed.probabilities)


def test_without_a_search_there_is_one_training() -> None:
    plan = searching(rates=[], inner_splits=1)
    found = fit(plan)
    assert (found.chosen, found.tried) == ({}, {})


@BOTH
def test_a_search_gives_the_same_numbers_twice_and_by_itself(plan: TrainingSetup) -> None:
    features, target = data()
    rows = fit_folds(plan, [features], target, [SEARCHED], 2)
    for replicate in range(2):
        alone = fit(plan, r=replicate)
        assert np.array_equal(rows[replicate][0].probabilities, alone.probabilities)
        assert rows[replicate][0].chosen == alone.chosen


def test_a_protocol_without_recipes_gives_every_head_the_same_budget() -> None:
    own = replace(LINEAR, recipe=replace(LINEAR.recipe, lr=0.5, epochs=99, batch=1, patience=77))
    plan = replace(linear(), fusion=own)
    rules = plan.protocol
    expected = (rules.lr, rules.epochs, rules.batch, rules.patience, "macro-f1")
    assert (plan.lr, plan.epochs, plan.batch, plan.patience, plan.select) == expected


# --- convex heads


def one_penalty(penalty: float) -> Protocol:
    return linear(penalties=[penalty]).protocol


@pytest.mark.parametrize("penalty", [1.0, 0.1, 0.001])
def test_a_linear_head_reaches_the_optimum_of_scikit_learn(penalty: float) -> None:
    features, target = data()
    found = fit(replace(linear(), protocol=one_penalty(penalty)))
    [scaled] = Scaler.fit([features], WHOLE).apply([features])
    known = LogisticRegression(C=1 / (len(WHOLE) * penalty), tol=1e-10, max_iter=10_000)
    known.fit(scaled[list(WHOLE)].astype(np.float64), target[list(WHOLE)])
    expected = known.predict_proba(scaled[list(FOLD.test)].astype(np.float64))
    assert np.abs(found.probabilities - expected).max() < 1e-4
    assert found.chosen["gradient"] <= 10 * convex.CERTIFIED


def test_the_order_of_training_rows_does_not_count() -> None:
    turned = replace(SEARCHED, train=WHOLE[::-1])
    features, target = data()
    a = fit(linear())
    b = fit_fold(linear(), [features], target, turned, 0)
    assert np.abs(a.probabilities - b.probabilities).max() < 1e-5


def test_layers_with_a_softmax_are_no_convex_problem() -> None:
    features, target = data()
    layers = np.stack([features, -features], axis=1)  # (n, 2, d)
    found = fit_fold(linear(), [layers], target, SEARCHED, 0)
    assert "lr" in found.chosen


def test_a_fit_that_does_not_converge_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convex, "STEPS", 1)
    with pytest.raises(FitError, match="the convex fit stopped"):
        fit(linear())


def test_noise_with_a_large_class_gives_the_large_class() -> None:
    """Gradient descent gave 36 % on such data in silence, where the largest class has 80 %."""
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1, 2], [80, 15, 5]).astype(np.int64)
    features = rng.normal(size=(100, 16)).astype(np.float32)
    rows = rng.permutation(100).tolist()
    test, train = tuple(sorted(rows[:20])), tuple(sorted(rows[20:]))
    parts = tuple(tuple(sorted(rng.permutation(train)[:16].tolist())) for _ in range(3))
    fold = replace(FOLD, train=train, validation=(), test=test, splits=parts)
    plan = replace(linear(watch="cross-entropy"), classes=3)
    found = fit_fold(plan, [features], target, fold, 0)
    accuracy = (found.probabilities.argmax(1) == target[list(test)]).mean()
    assert accuracy >= 0.7
