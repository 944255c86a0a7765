"""Paired differences over groups and rank groups: laws first, then scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t, ttest_rel

from nverbench.metrics import jackknife as stats
from nverbench.metrics import scores
from nverbench.metrics.jackknife import Decisions, Interval, difference, jackknife
from nverbench.metrics.significance import (
    Comparison,
    compare,
    holm,
    minimum_detectable_difference,
    p_value,
    rank_groups,
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


def test_a_difference_that_is_the_same_whatever_speaker_is_left_out_is_certain():
    assert p_value(Interval(0.1, 0.1, 0.1, 0.0), 8) == 0.0


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


# rank groups

SKILLS = st.lists(st.sampled_from((0.3, 0.5, 0.55, 0.6, 0.9)), min_size=1, max_size=6)


def table(skills: list[float], seed: int = 0, *, groups: int = 8) -> dict[str, Decisions]:
    return {f"row {i}": drawn(100 * seed + i, right=s, groups=groups) for i, s in enumerate(skills)}


@given(skills=SKILLS, seed=st.integers(0, 500))
@settings(max_examples=40)
def test_the_best_row_is_first_and_places_have_no_gaps(skills: list[float], seed: int):
    rows = table(skills, seed)
    places = rank_groups(rows)
    best = max(rows, key=lambda name: jackknife(rows[name])["macro_f1"].value)
    assert places[best] == 1
    assert set(places.values()) == set(range(1, max(p or 0 for p in places.values()) + 1))


@given(skills=SKILLS, seed=st.integers(0, 500))
@settings(max_examples=40)
def test_places_are_those_of_a_plain_loop(skills: list[float], seed: int):
    rows = table(skills, seed)
    expected, remaining, place = (
        {},
        sorted(rows, key=lambda name: -jackknife(rows[name])["macro_f1"].value),
        1,
    )
    while remaining:
        best, *others = remaining
        adjusted = dict(
            zip(others, holm([compare(rows[best], rows[o]).p or 0.0 for o in others]), strict=True)
        )
        remaining = [o for o in others if adjusted[o] < 0.05]
        expected |= {name: place for name in (best, *others) if name not in remaining}
        place += 1
    assert rank_groups(rows) == expected


@given(skills=SKILLS, seed=st.integers(0, 500), data=st.data())
@settings(max_examples=25)
def test_places_do_not_depend_on_the_order_of_rows_or_clips_or_on_names_of_groups(
    skills: list[float], seed: int, data: st.DataObject
):
    rows = table(skills, seed)
    order = np.random.default_rng(seed).permutation(160)
    assert rank_groups(
        {name: rows[name] for name in data.draw(st.permutations(sorted(rows)))}
    ) == rank_groups(rows)
    assert rank_groups(
        {name: permuted(renamed(row), order) for name, row in rows.items()}
    ) == rank_groups(rows)


def test_the_same_row_twice_shares_a_place():
    assert rank_groups({"a": drawn(0), "b": drawn(0)}) == {"a": 1, "b": 1}


def test_clearly_better_rows_are_told_apart():
    rows = table([0.95, 0.3, 0.95, 0.6, 0.3], groups=20)
    assert rank_groups(rows) == {"row 0": 1, "row 1": 3, "row 2": 1, "row 3": 2, "row 4": 3}


def test_fewer_than_five_groups_have_no_places():
    assert rank_groups(table([0.9, 0.3], groups=4)) == {"row 0": None, "row 1": None}


@pytest.mark.parametrize(
    "change", ["fewer clips", "other labels", "other groups", "another label set"]
)
def test_a_row_over_other_clips_has_no_place(change: str):
    rows = table([0.9, 0.3], groups=20)
    p = rows["row 0"]
    odd = {
        "fewer clips": Decisions(p.target[1:], p.predicted[:, 1:], p.groups[1:], 4),
        "other labels": Decisions((p.target + 1) % 4, p.predicted, p.groups, 4),
        "other groups": Decisions(p.target, p.predicted, p.groups[1:] + p.groups[:1], 4),
        "another label set": Decisions(p.target, p.predicted, p.groups, 5),
    }[change]
    assert rank_groups({"a": odd, **rows}) == {"a": None, "row 0": 1, "row 1": 2}


def test_of_two_rows_over_other_clips_the_one_with_more_has_the_place():
    p = drawn(0, groups=20)
    fewer = Decisions(p.target[1:], p.predicted[:, 1:], p.groups[1:], 4)
    assert rank_groups({"a": fewer, "b": p}) == {"a": None, "b": 1}


def test_no_rows_have_no_places():
    assert rank_groups({}) == {}
