"""The four metrics from confusion counts: equal to scikit-learn, within [0, 1], and independent of
the order of classes.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from nverbench.metrics.scores import NAMES, confusion, recalls, scores

Pair = tuple[NDArray[np.int64], NDArray[np.int64], int]


@st.composite
def pairs(draw: st.DrawFn, classes: int | None = None) -> Pair:
    """True and predicted classes, and the number of classes; some classes may be absent from
    either.
    """
    k, n = classes or draw(st.integers(2, 7)), draw(st.integers(1, 60))
    column = st.lists(st.integers(0, k - 1), min_size=n, max_size=n)
    return np.array(draw(column)), np.array(draw(column)), k


def of(pair: Pair, *, present_only: bool = False) -> dict[str, float]:
    return {
        name: float(v) for name, v in scores(confusion(*pair), present_only=present_only).items()
    }


@given(pairs())
def test_pooled_metrics_equal_scikit_learn_over_the_full_label_set(pair: Pair):
    target, predicted, k = pair
    labels = list(range(k))
    expected = {
        "accuracy": sk.accuracy_score(target, predicted),
        "macro_f1": sk.f1_score(target, predicted, labels=labels, average="macro", zero_division=0),
        "uar": sk.recall_score(target, predicted, labels=labels, average="macro", zero_division=0),
        "weighted_f1": sk.f1_score(
            target, predicted, labels=labels, average="weighted", zero_division=0
        ),
    }
    assert of(pair) == pytest.approx(expected, abs=1e-12)


@given(pairs())
def test_metrics_of_a_fold_equal_scikit_learn_over_the_classes_present_in_it(pair: Pair):
    target, predicted, _ = pair
    present = sorted(set(target.tolist()))
    expected = {
        "accuracy": sk.accuracy_score(target, predicted),
        "macro_f1": sk.f1_score(
            target, predicted, labels=present, average="macro", zero_division=0
        ),
        "uar": sk.recall_score(target, predicted, labels=present, average="macro", zero_division=0),
        "weighted_f1": sk.f1_score(target, predicted, average="weighted", zero_division=0),
    }
    assert of(pair, present_only=True) == pytest.approx(expected, abs=1e-12)


@given(pairs())
def test_confusion_equals_scikit_learn(pair: Pair):
    target, predicted, k = pair
    assert (
        confusion(*pair).tolist()
        == sk.confusion_matrix(target, predicted, labels=range(k)).tolist()
    )


@given(pairs())
def test_recalls_equal_scikit_learn(pair: Pair):
    target, predicted, k = pair
    expected = sk.recall_score(
        target, predicted, labels=list(range(k)), average=None, zero_division=0
    )
    np.testing.assert_allclose(recalls(confusion(*pair)), expected)


@given(pairs(), st.booleans())
def test_every_metric_lies_between_0_and_1(pair: Pair, present_only: bool):
    assert all(0 <= value <= 1 for value in of(pair, present_only=present_only).values())


@given(pairs(), st.booleans(), st.data())
def test_renaming_the_classes_changes_no_metric(
    pair: Pair, present_only: bool, data: st.DataObject
):
    target, predicted, k = pair
    renamed = np.array(data.draw(st.permutations(range(k))))
    assert of((renamed[target], renamed[predicted], k), present_only=present_only) == pytest.approx(
        of(pair, present_only=present_only)
    )


@given(pairs(), st.data())
def test_the_order_of_the_rows_changes_no_metric(pair: Pair, data: st.DataObject):
    target, predicted, k = pair
    order = np.array(data.draw(st.permutations(range(len(target)))))
    assert of((target[order], predicted[order], k)) == of(pair)


@given(pairs())
def test_all_right_is_1_over_the_classes_present(pair: Pair):
    target, _, k = pair
    assert of((target, target, k), present_only=True) == dict.fromkeys(NAMES, 1.0)


@given(pairs())
def test_all_wrong_is_0(pair: Pair):
    target, _, k = pair
    assert of((target, (target + 1) % k, k)) == dict.fromkeys(NAMES, 0.0)


def test_an_absent_class_costs_a_pooled_macro_average_and_not_that_of_a_fold():
    target = np.array([0, 0, 1, 1])
    pooled, fold = of((target, target, 4)), of((target, target, 4), present_only=True)
    assert (pooled["macro_f1"], pooled["uar"], fold["macro_f1"], fold["uar"]) == (
        0.5,
        0.5,
        1.0,
        1.0,
    )


def test_saying_an_absent_class_costs_the_true_one_its_recall():
    assert of((np.array([0, 0]), np.array([0, 2]), 3), present_only=True)["uar"] == 0.5


def test_no_rows_at_all_are_0_and_not_a_division_by_zero():
    assert {name: float(v) for name, v in scores(np.zeros((3, 3))).items()} == dict.fromkeys(
        NAMES, 0.0
    )


@given(st.lists(pairs(classes=3), min_size=1, max_size=4), st.booleans())
def test_a_stack_of_matrices_gives_what_each_gives_alone(stack: list[Pair], present_only: bool):
    together = scores(np.stack([confusion(*pair) for pair in stack]), present_only=present_only)
    alone = [of(pair, present_only=present_only) for pair in stack]
    assert {n: v.tolist() for n, v in together.items()} == {n: [a[n] for a in alone] for n in NAMES}


def test_predictions_that_do_not_match_the_targets_are_refused():
    with pytest.raises(
        ValueError, match=r"expected as many predictions as targets, got \(2,\) and \(3,\)"
    ):
        confusion(np.array([0, 1, 1]), np.array([0, 1]), 2)
