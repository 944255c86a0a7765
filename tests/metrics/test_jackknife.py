"""Intervals by leaving one group out, compared with a plain loop, and their coverage
of 95%.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from nverbench.metrics import scores
from nverbench.metrics.jackknife import (
    Decisions,
    Interval,
    bootstrap,
    difference,
    jackknife,
    mean_sd,
    per_group,
)


def drawn(
    seed: int,
    *,
    groups: int = 6,
    n: int = 60,
    classes: int = 3,
    replicates: int = 2,
    right: float = 0.6,
) -> Decisions:
    """Predictions right about ``right`` of the time."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, n)
    predicted = np.where(
        rng.random((replicates, n)) < right, target, rng.integers(0, classes, (replicates, n))
    )
    return Decisions(target, predicted, tuple(f"g{i % groups}" for i in range(n)), classes)


def value_without(p: Decisions, group: str | None, name: str) -> float:
    keep = np.array([g != group for g in p.groups])
    return float(
        np.mean(
            [
                scores.scores(scores.confusion(p.target[keep], predicted[keep], p.classes))[name]
                for predicted in p.predicted
            ]
        )
    )


def by_loop(p: Decisions, name: str, level: float) -> tuple[float, float, float]:
    """Value, standard error and half width, deleting one group at a time."""
    names = sorted({g for g in p.groups if g is not None})
    left = [value_without(p, g, name) for g in names]
    se = float(np.sqrt((len(names) - 1) / len(names) * sum((v - np.mean(left)) ** 2 for v in left)))
    return value_without(p, None, name), se, float(t.ppf((1 + level) / 2, len(names) - 1)) * se


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), groups=st.integers(5, 12), level=st.sampled_from((0.9, 0.95)))
@pytest.mark.parametrize("name", scores.NAMES)
def test_the_jackknife_equals_a_plain_loop_of_deletions(
    name: str, seed: int, groups: int, level: float
):
    p = drawn(seed, groups=groups)
    value, se, half = by_loop(p, name, level)
    interval = jackknife(p, level=level)[name]
    expected = (value, max(0.0, value - half), min(1.0, value + half), se)
    assert (interval.value, interval.low, interval.high, interval.se) == pytest.approx(
        expected, abs=1e-12
    )


@given(seed=st.integers(0, 10_000), groups=st.integers(5, 12), right=st.floats(0, 1))
def test_an_interval_holds_its_value_and_stays_within_0_and_1(seed: int, groups: int, right: float):
    for interval in jackknife(drawn(seed, groups=groups, right=right)).values():
        assert interval.low is not None
        assert interval.high is not None
        assert 0 <= interval.low <= interval.value <= interval.high <= 1


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_fewer_than_five_groups_give_no_interval(groups: int):
    assert {(i.low, i.high, i.se is None) for i in jackknife(drawn(0, groups=groups)).values()} == {
        (None, None, False)
    }


def test_a_single_group_gives_a_value_alone():
    assert {(i.low, i.high, i.se) for i in jackknife(drawn(0, groups=1)).values()} == {
        (None, None, None)
    }


def test_clips_are_the_unit_where_there_are_no_groups():
    p = drawn(3, n=40)
    alone = Decisions(p.target, p.predicted, (None,) * 40, p.classes)
    named = Decisions(p.target, p.predicted, tuple(f"c{i:02d}" for i in range(40)), p.classes)
    assert jackknife(alone)["accuracy"].se == pytest.approx(jackknife(named)["accuracy"].se)


def test_the_jackknife_of_accuracy_over_equal_groups_is_the_standard_error_of_their_means():
    p = drawn(5, groups=10, n=100, replicates=1)
    means = list(per_group(p).values())
    half = t.ppf(0.975, 9) * np.std(means, ddof=1) / np.sqrt(10)
    interval = jackknife(p)["accuracy"]
    assert (interval.value - half, interval.value + half) == pytest.approx(
        (interval.low, interval.high)
    )


def test_replicates_are_averaged():
    p = drawn(1, replicates=3)
    single = [
        jackknife(Decisions(p.target, predicted[None], p.groups, p.classes))
        for predicted in p.predicted
    ]
    assert {n: i.value for n, i in jackknife(p).items()} == pytest.approx(
        {n: np.mean([s[n].value for s in single]) for n in scores.NAMES}
    )


@given(seed=st.integers(0, 1000), data=st.data())
def test_the_order_of_the_rows_does_not_matter(seed: int, data: st.DataObject):
    p = drawn(seed, n=20, groups=5)
    order = data.draw(st.permutations(range(20)))
    shuffled = Decisions(
        p.target[order], p.predicted[:, order], tuple(p.groups[i] for i in order), p.classes
    )
    assert jackknife(shuffled) == jackknife(p)


# differences


@given(seed=st.integers(0, 1000), groups=st.integers(5, 9))
def test_a_system_differs_from_itself_by_exactly_0(seed: int, groups: int):
    p = drawn(seed, groups=groups)
    assert difference(p, p) == dict.fromkeys(scores.NAMES, Interval(0.0, 0.0, 0.0, 0.0))


@given(seed=st.integers(0, 1000))
def test_a_difference_the_other_way_round_has_the_other_sign(seed: int):
    p = drawn(seed)
    better = Decisions(
        p.target, np.where(np.arange(60) % 7 == 0, p.target, p.predicted), p.groups, p.classes
    )
    there, back = difference(better, p)["uar"], difference(p, better)["uar"]
    assert (there.value, there.low, there.high) == pytest.approx(
        (-back.value, -back.high, -back.low)
    )  # type: ignore[operator]


def test_a_difference_may_be_below_0():
    p = drawn(2, right=0.2)
    oracle = Decisions(p.target, np.tile(p.target, (2, 1)), p.groups, p.classes)
    assert difference(p, oracle)["accuracy"].low < 0  # type: ignore[operator]


def test_two_systems_with_other_numbers_of_replicates_can_be_compared():
    p = drawn(4, replicates=3)
    first = Decisions(p.target, p.predicted[:1], p.groups, p.classes)
    assert difference(p, first)["accuracy"].value == pytest.approx(
        jackknife(p)["accuracy"].value - jackknife(first)["accuracy"].value
    )


@pytest.mark.parametrize("change", ["groups", "targets", "fewer rows"])
def test_predictions_of_other_rows_cannot_be_paired(change: str):
    p = drawn(0)
    other = {
        "groups": Decisions(p.target, p.predicted, p.groups[1:] + p.groups[:1], p.classes),
        "targets": Decisions((p.target + 1) % 3, p.predicted, p.groups, p.classes),
        "fewer rows": Decisions(p.target[:-1], p.predicted[:, :-1], p.groups[:-1], p.classes),
    }[change]
    with pytest.raises(ValueError, match="needs the same clips, labels and groups on both sides"):
        difference(p, other)


# coverage


def test_the_interval_of_clustered_accuracy_covers_the_truth_about_95_times_in_100():
    draws, groups, clips, truth = 200, 12, 20, 0.7
    rng = np.random.default_rng(20250602)
    groups_of = tuple(f"g{i // clips:02d}" for i in range(groups * clips))
    covered = 0
    for _ in range(draws):
        skill = rng.beta(
            7, 3, groups
        )  # speakers differ: mean 0.7, so that clips of a speaker are not independent
        right = rng.random(groups * clips) < np.repeat(skill, clips)
        target = np.zeros(groups * clips, dtype=np.int64)
        interval = jackknife(Decisions(target, np.where(right, 0, 1)[None], groups_of, 2))[
            "accuracy"
        ]
        covered += interval.low <= truth <= interval.high  # type: ignore[operator]
    assert 0.90 <= covered / draws <= 0.99


# bootstrap and small helpers


def test_the_bootstrap_gives_the_same_for_a_seed_and_other_numbers_for_another():
    p = drawn(0)
    assert bootstrap(p, seed=1) == bootstrap(p, seed=1) != bootstrap(p, seed=2)


@given(seed=st.integers(0, 200), groups=st.integers(5, 10))
@settings(max_examples=20)
def test_a_bootstrap_interval_is_ordered_and_within_0_and_1(seed: int, groups: int):
    assert all(
        0 <= low <= high <= 1
        for low, high in bootstrap(drawn(seed, groups=groups), seed=0, draws=50).values()
    )


def test_a_single_group_has_a_bootstrap_of_no_width():
    assert all(
        low == pytest.approx(high)
        for low, high in bootstrap(drawn(0, groups=1), seed=0, draws=20).values()
    )


def test_the_accuracy_of_every_group_is_that_of_its_own_rows():
    p = drawn(0, groups=3)
    rows = {g: [i for i, name in enumerate(p.groups) if name == g] for g in set(p.groups)}
    assert per_group(p) == pytest.approx(
        {str(g): (p.predicted[:, r] == p.target[r]).mean() for g, r in rows.items()}
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.5], (0.5, 0.0)), ([1.0, 2.0, 3.0], (2.0, 1.0)), ([0.4, 0.4], (0.4, 0.0))],
)
def test_mean_and_sample_deviation(values: list[float], expected: tuple[float, float]):
    assert mean_sd(values) == pytest.approx(expected)
