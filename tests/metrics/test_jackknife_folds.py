"""The corrected resampled t test over folds, and Holm: by hand, against scipy and published
examples.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from nverbench.metrics.jackknife import Interval
from nverbench.metrics.significance import Comparison, corrected_t, holm

# the second opinion over folds


def folds(values: list[float]) -> dict[str, list[float]]:
    return {f"fold {i}": [v] for i, v in enumerate(values)}


NONE = folds([0.0] * 5)
SCORES = st.lists(st.integers(0, 100).map(lambda v: v / 100), min_size=5, max_size=5)


def test_the_corrected_test_of_an_example_by_hand():
    # differences 1..5 points: mean 3, s^2 = 2.5; (1/5 + 1/4) 2.5 = 1.125, se = 1.06066; t = 2.8284
    # on 4 degrees of freedom
    found = corrected_t(folds([0.01, 0.02, 0.03, 0.04, 0.05]), NONE, ratio=0.25, groups=10)
    assert (found.difference.value, found.difference.se) == pytest.approx(
        (0.03, 0.0106066), abs=1e-7
    )
    assert found.p == pytest.approx(
        0.0474, abs=5e-5
    )  # 2 (1 - F(2.8284)), F(t) = 1/2 + 3/8 s (1 - s^2/12), s = t / sqrt(1 + t^2 / 4)
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (0.03 - 2.776445 * 0.0106066, 0.03 + 2.776445 * 0.0106066), abs=1e-7
    )


@given(values=SCORES, other=SCORES)
def test_without_correction_it_is_the_paired_t_test(values: list[float], other: list[float]):
    deltas = np.round(np.subtract(values, other), 6)
    if np.ptp(deltas) == 0:
        return
    found, expected = (
        corrected_t(folds(values), folds(other), ratio=0, groups=10),
        ttest_1samp(deltas, 0),
    )
    interval = expected.confidence_interval()
    assert found.p == pytest.approx(max(expected.pvalue, 2 / 2**10), abs=1e-9)
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (interval.low, interval.high), abs=1e-9
    )


@given(values=SCORES, other=SCORES)
def test_the_correction_never_makes_a_difference_more_certain(
    values: list[float], other: list[float]
):
    plain, corrected = (
        corrected_t(folds(values), folds(other), ratio=r, groups=10) for r in (0, 0.25)
    )
    assert corrected.p >= plain.p  # type: ignore[operator]


def test_replicates_are_averaged_within_folds():
    several = corrected_t(
        {"a": [0.25, 0.75], "b": [0.75]}, {"a": [0.25], "b": [0.125, 0.375]}, ratio=1, groups=5
    )
    assert several == corrected_t(
        {"a": [0.5], "b": [0.75]}, {"a": [0.25], "b": [0.25]}, ratio=1, groups=5
    )


def test_equal_folds_are_a_tie_and_one_fold_makes_no_claim():
    assert corrected_t(NONE, NONE, ratio=0.25, groups=5).p == 1.0
    assert corrected_t({"a": [0.5]}, {"a": [0.4]}, ratio=0.25, groups=5) == Comparison(
        Interval(pytest.approx(0.1), None, None, None), None, None
    )


def test_the_second_opinion_is_never_more_certain_than_the_speakers_allow():
    steady = folds([0.3, 0.3, 0.3, 0.3, 0.3])
    assert corrected_t(steady, NONE, ratio=0.25, groups=8).p == 2 / 2**8
    found = corrected_t(steady, NONE, ratio=0.25, groups=5)
    assert (found.p, found.smallest) == (0.0625, None)
    assert found.difference.low <= 0  # type: ignore[operator]


def test_the_second_opinion_makes_no_claim_where_the_first_does_not():
    found = corrected_t(folds([0.1, 0.2, 0.3, 0.4, 0.5]), NONE, ratio=0.25, groups=4)
    assert (found.difference.low, found.p, found.smallest) == (None, None, None)


@pytest.mark.parametrize(
    "other", [{}, {"a": [0.1]}, {"a": [0.1], "c": [0.2]}, {"a": [0.1], "b": []}]
)
def test_other_folds_cannot_be_paired(other: dict[str, list[float]]):
    with pytest.raises(ValueError, match="scores of the same folds on both sides"):
        corrected_t({"a": [0.1], "b": [0.2]}, other, ratio=0.25, groups=5)


# Holm

PS = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(p=PS)
def test_holm_lies_between_no_correction_and_bonferroni(p: list[float]):
    adjusted = holm(p)
    assert np.all((np.array(p) <= adjusted) & (adjusted <= np.minimum(1, np.array(p) * len(p))))


@given(p=PS)
def test_holm_keeps_the_order(p: list[float]):
    assert np.all(np.diff(holm(p)[np.argsort(p, kind="stable")]) >= 0)


@given(p=PS, data=st.data())
def test_holm_does_not_depend_on_the_order_given(p: list[float], data: st.DataObject):
    order = data.draw(st.permutations(range(len(p))))
    assert holm([p[i] for i in order]).tolist() == holm(p)[order].tolist()


def test_holm_on_the_published_example_of_demsar():
    # Demsar 2006, section 3.2.2: "rejects the first and then the second hypothesis"; Bonferroni
    # (0.05 / 3 = 0.017) would keep the second
    assert (holm([0.016, 0.019, 0.607]) < 0.05).tolist() == [True, True, False]
    assert 0.019 * 3 > 0.05


def test_holm_on_the_documented_example_of_multiple_testing_jl():
    assert holm([0.001, 0.01, 0.03, 0.5]) == pytest.approx([0.004, 0.03, 0.06, 0.5])


def test_holm_of_nothing_is_nothing():
    assert holm([]).tolist() == []
