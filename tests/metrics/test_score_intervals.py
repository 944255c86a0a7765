"""Intervals of scores by both rules, recomputed with plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, t
from sklearn.metrics import accuracy_score, f1_score, recall_score

from nverbench.metrics import scores
from nverbench.metrics.intervals import Units, clopper_pearson, share_interval
from nverbench.metrics.jackknife import Decisions, jackknife
from nverbench.metrics.score_intervals import CLIPS, score_intervals

SEEDS = st.integers(0, 10_000)
SCORES = {
    "accuracy": accuracy_score,
    "macro_f1": lambda y, p: f1_score(y, p, labels=range(3), average="macro", zero_division=0),
    "uar": lambda y, p: recall_score(y, p, labels=range(3), average="macro", zero_division=0),
    "weighted_f1": lambda y, p: f1_score(
        y, p, labels=range(3), average="weighted", zero_division=0
    ),
}


def drawn(seed: int, *, groups: int = 8, n: int = 120, right: float = 0.6) -> Decisions:
    """Two replicates of predictions on groups with unequal numbers of clips."""
    rng = np.random.default_rng(seed)
    target = np.arange(n) % 3
    predicted = np.where(rng.random((2, n)) < right, target, rng.integers(0, 3, (2, n)))
    shares = np.linspace(1, 3, groups)
    owner = rng.permutation(
        np.repeat(np.arange(groups), np.ceil(n * shares / shares.sum()).astype(int))[:n]
    )
    return Decisions(target, predicted, tuple(f"g{g:02d}" for g in owner), 3)


def perfect(groups: int, clips: int = 6) -> Decisions:
    target = np.arange(groups * clips) % 3
    return Decisions(target, target[None], tuple(f"g{i // clips}" for i in range(len(target))), 3)


def by_loop(p: Decisions, name: str) -> tuple[float, float, float]:
    """Value and standard error by scikit-learn on every deletion, and (sum n)^2 / sum n^2."""
    groups = sorted(set(p.groups), key=str)

    def value(without: str | None) -> float:
        keep = np.array([g != without for g in p.groups])
        return float(np.mean([SCORES[name](p.target[keep], q[keep]) for q in p.predicted]))

    left, n = np.array([value(g) for g in groups]), [p.groups.count(g) for g in groups]
    variance = (len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum()
    return value("none"), float(np.sqrt(variance)), sum(n) ** 2 / sum(v * v for v in n)


@pytest.mark.parametrize("name", scores.NAMES)
@given(seed=SEEDS, groups=st.integers(5, 12))
@settings(max_examples=6)
def test_an_interval_of_nver_1_equals_a_plain_loop(name: str, seed: int, groups: int):
    p = drawn(seed, groups=groups)
    value, se, _ = by_loop(p, name)
    half = t.ppf(0.975, groups - 1) * se
    found = score_intervals(p, rule="groups")[name]
    expected = (value, max(0, value - half), min(1, value + half), se)
    assert (found.value, found.low, found.high, found.se) == pytest.approx(expected, abs=1e-12)
    assert found.method == ""


@pytest.mark.parametrize("name", scores.NAMES)
@given(seed=SEEDS, groups=st.integers(5, 12))
@settings(max_examples=6)
def test_an_interval_of_nver_2_equals_a_plain_loop(name: str, seed: int, groups: int):
    p = drawn(seed, groups=groups)
    value, se, effective = by_loop(p, name)
    n = value * (1 - value) / se**2 * (t.ppf(0.975, 119) / t.ppf(0.975, effective - 1)) ** 2
    n = min(n, 120)
    low = beta.ppf(0.025, value * n, n - value * n + 1)
    high = beta.ppf(0.975, value * n + 1, n - value * n)
    found = score_intervals(p, rule="effective")[name]
    expected = (value, low, high, se)
    assert (found.value, found.low, found.high, found.se) == pytest.approx(expected, abs=1e-12)
    assert found.method == ""


@given(seed=SEEDS, groups=st.integers(7, 12), right=st.floats(0, 1))
@settings(max_examples=40)
def test_an_interval_of_nver_2_holds_its_value_and_stays_within_0_and_1(
    seed: int, groups: int, right: float
):
    found = score_intervals(drawn(seed, groups=groups, right=right), rule="effective")
    for i in (i for i in found.values() if not i.method.startswith("no interval")):
        assert 0 <= i.low <= i.value <= i.high <= 1  # type: ignore[operator]
        assert i.high - i.low > 0.01  # type: ignore[operator]


@given(seed=SEEDS, groups=st.integers(1, 12))
def test_the_rule_of_nver_1_is_the_jackknife(seed: int, groups: int):
    p = drawn(seed, groups=groups)
    for name, i in jackknife(p).items():
        found = score_intervals(p, rule="groups")[name]
        assert (found.value, found.low, found.high, found.se) == (i.value, i.low, i.high, i.se)


@pytest.mark.parametrize("groups", [5, 10, 24])
@pytest.mark.parametrize("name", scores.NAMES)
def test_a_perfect_classifier_has_the_interval_of_clopper_and_pearson_over_its_speakers(
    groups: int, name: str
):
    found = score_intervals(perfect(groups), rule="effective")[name]
    assert (found.low, found.high) == pytest.approx((0.025 ** (1 / groups), 1.0))
    assert found.method == "Clopper-Pearson over groups"


def test_without_speakers_a_perfect_classifier_has_it_over_its_clips():
    p = perfect(10)
    alone = Decisions(p.target, p.predicted, (None,) * 60, 3)
    found = score_intervals(alone, rule="effective")["accuracy"]
    assert (found.low, found.high) == pytest.approx((0.025 ** (1 / 60), 1.0))
    assert found.method == "Clopper-Pearson over clips"


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_of_fewer_than_five_speakers_the_interval_is_over_clips_and_says_so(groups: int):
    p = drawn(0, groups=groups)
    found = score_intervals(p, rule="effective")
    alone = score_intervals(Decisions(p.target, p.predicted, (None,) * 120, 3), rule="effective")
    assert {i.method for i in found.values()} == {CLIPS}
    assert {n: (i.low, i.high) for n, i in found.items()} == {
        n: (i.low, i.high) for n, i in alone.items()
    }


def test_a_class_of_fewer_than_five_speakers_leaves_macro_averages_without_an_interval():
    p = drawn(0)
    rare = np.array([g in ("g00", "g01", "g02", "g03") for g in p.groups]) & (p.target == 2)
    target = np.where((p.target == 2) & ~rare, 0, p.target)
    found = score_intervals(Decisions(target, p.predicted, p.groups, 3), rule="effective")
    assert [n for n, i in found.items() if i.low is None] == ["macro_f1", "uar"]
    assert found["uar"].method == "no interval: a class has fewer than 5 groups"


def test_nearly_all_clips_of_one_speaker_give_no_interval():
    p = drawn(0)
    one = Decisions(p.target, p.predicted, tuple(f"g{max(0, i - 110)}" for i in range(120)), 3)
    found = score_intervals(one, rule="effective")["accuracy"]
    assert (found.low, found.method) == (None, "no interval: nearly all clips are of one group")


def test_a_single_clip_gives_a_value_alone():
    one = Decisions(np.zeros(1, dtype=np.int64), np.zeros((1, 1), dtype=np.int64), ("a",), 3)
    assert {(i.low, i.high) for i in score_intervals(one, rule="effective").values()} == {
        (None, None)
    }


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_effective_units_are_at_most_their_number_and_equal_it_for_equal_sizes(sizes: list[int]):
    units = Units.of(sizes)
    assert 1 <= units.effective <= units.number + 1e-9
    assert Units.of([sizes[0]] * len(sizes)) == Units.equal(len(sizes))
    assert Units.of([7 * n for n in sizes]).effective == pytest.approx(units.effective)


def test_the_interval_of_clopper_and_pearson_is_the_published_one():
    # Clopper and Pearson 1934, 95% chart: 4 of 20
    assert clopper_pearson(0.2, 20, 0.95) == pytest.approx((0.0573, 0.4366), abs=5e-5)


def test_independent_clips_give_about_the_interval_of_clopper_and_pearson():
    se = np.sqrt(0.2 * 0.8 / 400)
    assert share_interval(0.2, se, 400, 400, 0.95) == pytest.approx(clopper_pearson(0.2, 400, 0.95))
