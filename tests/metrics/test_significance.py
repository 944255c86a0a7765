"""Paired differences over groups: laws first, then scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t, ttest_rel

from nverbench.metrics import jackknife as stats
from nverbench.metrics import scores
from nverbench.metrics.jackknife import Decisions, Interval, difference
from nverbench.metrics.significance import (
    Comparison,
    compare,
    minimum_detectable_difference,
    p_value,
)

SEEDS = st.integers(0, 10_000)


def drawn(
    seed: int,
    *,
    groups: int = 8,
    n: int = 160,
    classes: int = 4,
    replicates: int = 1,
    right: float = 0.6,
) -> Decisions:
    """Predictions of the same clips, right about ``right`` of the time."""
    target, rng = np.random.default_rng(7).integers(0, classes, n), np.random.default_rng([seed, 1])
    predicted = np.where(
        rng.random((replicates, n)) < right, target, rng.integers(0, classes, (replicates, n))
    )
    return Decisions(target, predicted, tuple(f"g{i % groups}" for i in range(n)), classes)


def uneven(p: Decisions) -> Decisions:
    """The same clips, most of them of the first groups."""
    groups = len(set(p.groups))
    return Decisions(
        p.target,
        p.predicted,
        tuple(f"g{i % (1 + i % groups)}" for i in range(len(p.groups))),
        p.classes,
    )


def score_without(p: Decisions, unit: str | None, metric: str, replicate: int) -> float:
    rows = np.array([u != unit for u in p.units()])
    counts = scores.confusion(p.target[rows], p.predicted[replicate][rows], p.classes)
    return float(scores.scores(counts)[metric])


def renamed(p: Decisions) -> Decisions:
    return Decisions(
        p.target, p.predicted, tuple(f"other {9 - int(str(g)[1:])}" for g in p.groups), p.classes
    )


def permuted(p: Decisions, order: np.ndarray) -> Decisions:
    return Decisions(
        p.target[order], p.predicted[:, order], tuple(p.groups[i] for i in order), p.classes
    )


# a paired difference


@given(seed=SEEDS, replicates=st.integers(1, 3))
def test_a_system_against_itself_is_a_tie(seed: int, replicates: int):
    p = drawn(seed, replicates=replicates)
    assert compare(p, p) == Comparison(Interval(0.0, 0.0, 0.0, 0.0), 1.0, 0.0)


@given(seed=SEEDS, data=st.data())
def test_a_system_against_its_own_replicates_in_another_order_is_a_tie(
    seed: int, data: st.DataObject
):
    p = drawn(seed, replicates=3)
    other = Decisions(
        p.target, p.predicted[data.draw(st.permutations(range(3)))], p.groups, p.classes
    )
    assert compare(p, other) == Comparison(Interval(0.0, 0.0, 0.0, 0.0), 1.0, 0.0)


@given(seed=SEEDS)
def test_the_other_way_round_the_sign_changes_and_nothing_else(seed: int):
    there, back = compare(drawn(seed), drawn(seed + 1)), compare(drawn(seed + 1), drawn(seed))
    assert there.difference.value == -back.difference.value
    assert (there.p, there.smallest) == pytest.approx((back.p, back.smallest))


@given(seed=SEEDS, metric=st.sampled_from(scores.NAMES))
def test_p_is_below_5_percent_exactly_where_the_interval_leaves_out_0(seed: int, metric: str):
    found = compare(drawn(seed, right=0.6), drawn(seed + 1, right=0.5), metric=metric)
    assert found.p is not None
    assert (found.p < 0.05) == (not found.difference.low <= 0 <= found.difference.high)  # type: ignore[operator]
    assert (found.p < 0.05) == (abs(found.difference.value) > found.smallest)  # type: ignore[operator]


@given(seed=SEEDS, groups=st.integers(5, 12))
def test_unequal_groups_are_never_more_certain_than_t_of_their_number(seed: int, groups: int):
    a, b = (uneven(drawn(seed + i, groups=groups)) for i in (0, 1))
    found, units = compare(a, b), a.counted_units()
    assert 1 < units.effective <= units.number == groups
    assert found.p >= p_value(found.difference, groups)  # type: ignore[operator]


@given(seed=SEEDS)
@settings(max_examples=20)
def test_the_order_of_the_rows_and_the_names_of_the_groups_change_nothing(seed: int):
    a, b = drawn(seed), drawn(seed + 1)
    order = np.random.default_rng(seed).permutation(len(a.target))
    assert compare(permuted(a, order), permuted(b, order)) == compare(a, b)
    there = compare(renamed(a), renamed(b))
    assert (there.difference.value, there.p) == pytest.approx(
        (compare(a, b).difference.value, compare(a, b).p)
    )


def test_the_p_value_of_accuracy_over_equal_groups_is_that_of_a_paired_t_test_of_their_means():
    a, b = drawn(0, right=0.7), drawn(1, right=0.6)
    left, right = (list(stats.per_group(p).values()) for p in (a, b))
    assert compare(a, b, metric="accuracy").p == pytest.approx(ttest_rel(left, right).pvalue)


def test_the_smallest_difference_is_half_the_interval():
    found = compare(drawn(0), drawn(1))
    assert found.smallest == pytest.approx((found.difference.high - found.difference.low) / 2)  # type: ignore[operator]
    assert found.smallest == pytest.approx(t.ppf(0.975, 7) * found.difference.se)


@given(seed=SEEDS, metric=st.sampled_from(scores.NAMES), groups=st.integers(5, 12))
def test_a_p_value_equals_a_plain_loop_of_deletions(seed: int, metric: str, groups: int):
    a, b = (uneven(drawn(seed + i, groups=groups, right=r)) for i, r in ((0, 0.6), (1, 0.5)))
    units = sorted(set(a.units()))
    left = [score_without(p, unit, metric, 0) for p in (a, b) for unit in units]
    deltas = np.subtract(left[:groups], left[groups:])
    se = np.sqrt((groups - 1) / groups * ((deltas - deltas.mean()) ** 2).sum())
    value = score_without(a, None, metric, 0) - score_without(b, None, metric, 0)
    n = np.array([a.units().count(unit) for unit in units])
    free = n.sum() ** 2 / (n**2).sum() - 1
    found = compare(a, b, metric=metric)
    if abs(value) < 1e-9:
        return
    assert found.p == pytest.approx(max(2 * t.sf(abs(value) / se, free), 2 / 2**groups), abs=1e-12)
    half = t.ppf(0.975, free) * se
    half = max(half, abs(value)) if groups == 5 else half
    ends = (value - half, value + half)
    assert (found.difference.low, found.difference.high) == pytest.approx(ends, abs=1e-12)


@given(value=st.floats(1e-6, 1), se=st.just(0) | st.floats(1e-9, 1), units=st.integers(5, 40))
def test_no_p_value_is_below_that_of_a_sign_flip_test(value: float, se: float, units: int):
    assert p_value(Interval(value, 0.0, 1.0, se), units) >= 2 / 2**units  # type: ignore[operator]


@pytest.mark.parametrize(("groups", "p"), [(5, 0.0625), (6, 0.03125), (10, 2**-9)])
def test_a_difference_without_spread_has_the_p_value_of_a_sign_flip_test(groups: int, p: float):
    target = np.zeros(4 * groups, dtype=np.int64)
    names = tuple(f"g{i % groups}" for i in range(4 * groups))
    right, wrong = (Decisions(target, np.full((1, len(target)), c), names, 2) for c in (0, 1))
    found = compare(right, wrong, metric="accuracy")
    assert (found.difference.value, found.difference.se, found.p) == (1.0, 0.0, p)


@given(seed=SEEDS, metric=st.sampled_from(scores.NAMES))
def test_with_five_groups_no_difference_is_significant_and_every_interval_holds_0(
    seed: int, metric: str
):
    found = compare(
        drawn(seed, groups=5, right=0.9), drawn(seed + 1, groups=5, right=0.2), metric=metric
    )
    assert found.p >= 0.0625  # type: ignore[operator]
    assert found.difference.low <= 0 <= found.difference.high  # type: ignore[operator]
    assert found.smallest is None


def test_nearly_all_clips_of_one_speaker_make_no_claim():
    a, b = (
        Decisions(p.target, p.predicted, tuple(f"g{max(0, i - 140)}" for i in range(160)), 4)
        for p in (drawn(0, right=0.9), drawn(1, right=0.2))
    )
    assert (compare(a, b).difference.low, compare(a, b).p) == (None, None)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_fewer_than_five_groups_make_no_claim(groups: int):
    found = compare(drawn(0, groups=groups), drawn(1, groups=groups))
    assert (found.difference.low, found.p, found.smallest) == (None, None, None)
    assert minimum_detectable_difference(found.difference, groups) is None


def test_without_groups_clips_are_the_unit():
    a, b = (
        Decisions(p.target, p.predicted, (None,) * len(p.groups), p.classes)
        for p in (drawn(0), drawn(1))
    )
    assert compare(a, b).p == p_value(difference(a, b)["macro_f1"], 160)
