"""Rank groups: laws, a plain loop over all sign patterns, and rows that are equal."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from nverbench.metrics.jackknife import Decisions, jackknife
from nverbench.metrics.ranks import PRIOR, differing_pairs, rank_groups, sign_patterns
from nverbench.metrics.significance import compare


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


def contributions(p: Decisions) -> np.ndarray:
    """Each unit's part of macro-F1, by a plain loop of deletions (g,)."""
    whole, found = float(np.mean(macro_f1(p, np.ones(len(p.target), dtype=bool)))), []
    for unit in sorted(set(p.units())):
        rest = np.array([u != unit for u in p.units()])
        share = 1 - rest.mean()
        found.append(share * whole + (1 - share) * (whole - float(np.mean(macro_f1(p, rest)))))
    return np.array(found)


def macro_f1(p: Decisions, rows: np.ndarray) -> list[float]:
    return [
        f1_score(p.target[rows], q[rows], labels=range(p.classes), average="macro", zero_division=0)
        for q in p.predicted
    ]


def differing(rows: dict[str, Decisions]) -> set[frozenset[str]]:
    """Pairs that a step-down over all sign patterns tells apart, one pattern at a time."""
    parts = {name: contributions(p) for name, p in rows.items()}
    pairs = [frozenset(pair) for pair in combinations(rows, 2)]
    deltas = {pair: np.subtract(*(parts[n] for n in sorted(pair))) for pair in pairs}
    squares = {pair: float((d**2).sum()) for pair, d in deltas.items()}
    units = len(next(iter(parts.values())))
    spread = {
        p: (PRIOR * np.median(list(squares.values())) + (units - 1) * s) for p, s in squares.items()
    }
    patterns = [np.array(signs) for signs in product((1, -1), repeat=units)]
    left, found = set(pairs), set()
    while left:
        largest = [max((s @ deltas[p]) ** 2 / spread[p] for p in left) for s in patterns]
        new = set()
        for pair in left:
            own = deltas[pair].sum() ** 2 / spread[pair]
            if np.mean([v >= own * (1 - 1e-9) for v in largest]) < 0.05:
                new.add(pair)
        if not new:
            break
        left, found = left - new, found | new
    return found


@given(skills=SKILLS, seed=st.integers(0, 500))
@settings(max_examples=15)
def test_places_are_those_of_a_plain_loop(skills: list[float], seed: int):
    rows = table(skills, seed, groups=7)
    apart, place = differing(rows), 1
    expected, remaining = (
        {},
        sorted(rows, key=lambda name: -jackknife(rows[name])["macro_f1"].value),
    )
    while remaining:
        best, *others = remaining
        remaining = [
            o for o in others if {best, o} in apart and (compare(rows[best], rows[o]).p or 1) < 0.05
        ]
        expected |= {name: place for name in (best, *others) if name not in remaining}
        place += 1
    assert rank_groups(rows) == expected


def test_a_row_with_a_lower_place_differs_from_the_best_by_the_paired_test_too():
    rows = table([0.9, 0.6, 0.55, 0.5, 0.3], groups=20)
    places = rank_groups(rows)
    best = max(rows, key=lambda name: jackknife(rows[name])["macro_f1"].value)
    lower = [compare(rows[best], rows[n]).p for n, place in places.items() if place != 1]
    assert lower
    assert all(p is not None and p < 0.05 for p in lower)


def test_with_five_speakers_all_rows_share_the_first_place():
    assert rank_groups(table([0.95, 0.05], groups=5)) == {"row 0": 1, "row 1": 1}


def test_nearly_all_clips_of_one_speaker_tell_nothing_apart():
    rows = {
        name: Decisions(p.target, p.predicted, tuple(f"g{max(0, i - 140)}" for i in range(160)), 4)
        for name, p in table([0.95, 0.05]).items()
    }
    assert rank_groups(rows) == {"row 0": 1, "row 1": 1}


@given(units=st.integers(5, 30))
def test_sign_patterns_begin_with_no_change_and_are_all_different_up_to_the_sign(units: int):
    signs = sign_patterns(units)
    assert len(signs) <= 1024
    assert (signs[0] == 1).all()
    assert set(np.unique(signs)) <= {-1, 1}
    if units <= 11:
        assert len({tuple(s * s[-1]) for s in signs}) == 2 ** (units - 1)


@pytest.mark.parametrize(("speakers", "systems"), [(11, 5), (24, 12)])
def test_equal_rows_rarely_get_different_places(speakers: int, systems: int):
    rng, lower, draws = np.random.default_rng(speakers), 0, 150
    for _ in range(draws):
        shares = rng.beta(6, 4, speakers) + 0.1 * rng.standard_normal((systems, speakers))  # (m, g)
        sizes = rng.integers(5, 40, speakers)
        total = sizes.sum()
        values = (shares * sizes).sum(-1) / total
        without = (values[:, None] * total - shares * sizes) / (total - sizes)
        lower += differing_pairs(values, without, sizes, 0.05).any()
    assert lower / draws <= 0.09  # 5% and two and a half standard errors


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
