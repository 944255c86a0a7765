"""The critical difference over corpora, against Demsar's published example and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare, studentized_range

from nverbench import UsageError
from nverbench.critical import critical_difference, critical_value

SYSTEMS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
# Demsar 2006, Table 6 (AUC on 14 data sets). Voting: printed as 0.975 twice but ranked 2 and 3, hence the last digit.
AUC = [
    (0.763, 0.768, 0.771, 0.798), (0.599, 0.591, 0.590, 0.569), (0.954, 0.971, 0.968, 0.967), (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898), (0.936, 0.931, 0.916, 0.931), (0.661, 0.668, 0.609, 0.685), (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875), (1.000, 1.000, 1.000, 1.000), (0.940, 0.962, 0.965, 0.962), (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.97501, 0.975), (0.957, 0.978, 0.946, 0.970),
]  # fmt: skip
MATRICES = st.integers(2, 6).flatmap(lambda k: st.lists(st.lists(st.integers(0, 9), min_size=k, max_size=k), min_size=5, max_size=9))


def scores(matrix: list[list[int]] | list[tuple[float, ...]]) -> dict[str, dict[str, float]]:
    """Rows are corpora."""
    return {f"s{j}": {f"c{i}": float(row[j]) for i, row in enumerate(matrix)} for j in range(len(matrix[0]))}


def demsar() -> dict[str, dict[str, float]]:
    return dict(zip(SYSTEMS, scores(AUC).values(), strict=True))


def test_the_published_example_of_demsar():
    found = critical_difference(demsar())
    assert found.mean_ranks == pytest.approx({"C4.5+m+cf": 1.964, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5": 3.143}, abs=5e-4)
    assert list(found.mean_ranks) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    assert found.difference == pytest.approx(1.25, abs=5e-3)
    assert found.bars() == [("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")]
    assert found.p < 0.05  # F_F = 3.69 > F(3, 39) = 2.85: "we reject the null-hypothesis"
    assert found.f > 3.69  # his is not corrected for ties


def test_the_published_example_at_10_percent_has_two_groups():
    found = critical_difference(demsar(), alpha=0.10)
    assert found.difference == pytest.approx(1.12, abs=5e-3)
    assert found.bars() == [("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5")]


def test_friedmans_statistic_of_the_published_ranks():
    ranks = np.array(list(critical_difference(demsar()).mean_ranks.values()))
    chi_square = 12 * 14 / (4 * 5) * ((ranks**2).sum() - 4 * 5**2 / 4)  # Demsar's formula, without correction for ties
    assert chi_square == pytest.approx(9.28, abs=5e-3)
    assert 13 * chi_square / (14 * 3 - chi_square) == pytest.approx(3.69, abs=5e-3)


@pytest.mark.parametrize(("systems", "alpha", "q"), [(2, 0.05, 1.960), (3, 0.05, 2.343), (4, 0.05, 2.569), (10, 0.05, 3.164), (4, 0.10, 2.291)])
def test_critical_values_are_those_of_demsars_table_5(systems: int, alpha: float, q: float):
    assert critical_value(systems, alpha) == pytest.approx(q, abs=1e-3)
    assert critical_value(systems, alpha) == pytest.approx(studentized_range.isf(alpha, systems, np.inf) / np.sqrt(2))


@given(matrix=MATRICES)
def test_friedmans_statistic_is_scipys(matrix: list[list[int]]):
    assume(len(matrix[0]) > 2 and any(len(set(row)) > 1 for row in matrix))
    found, expected = critical_difference(scores(matrix)), friedmanchisquare(*np.array(matrix).T)
    assert (found.chi_square, found.chi_square_p) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)


@given(matrix=MATRICES)
def test_ranks_add_up_and_every_system_is_ranked(matrix: list[list[int]]):
    found = critical_difference(scores(matrix))
    k = len(matrix[0])
    assert sum(found.mean_ranks.values()) == pytest.approx(k * (k + 1) / 2)
    assert list(found.mean_ranks.values()) == sorted(found.mean_ranks.values())


@given(matrix=MATRICES, shift=st.integers(1, 5))
def test_the_scale_of_a_corpus_and_the_order_of_corpora_do_not_matter(matrix: list[list[int]], shift: int):
    moved = [[v * shift + i for v in row] for i, row in enumerate(matrix)][::-1]
    there, here = critical_difference(scores(moved)), critical_difference(scores(matrix))
    assert (there.mean_ranks, there.chi_square, there.difference) == (here.mean_ranks, pytest.approx(here.chi_square), here.difference)


def test_equal_systems_are_equal():
    found = critical_difference(scores([[1, 1, 1]] * 5))
    assert (found.chi_square, found.p) == (0.0, 1.0)
    assert found.bars() == [("s0", "s1", "s2")]


def test_the_same_order_on_every_corpus_is_certain():
    found = critical_difference(scores([[1, 2, 3]] * 30))
    assert (found.p, found.bars()) == (0.0, [])


# refusals


def test_fewer_than_five_corpora_are_refused():
    with pytest.raises(UsageError, match=r"at least 5 corpora, got 4 \(c0, c1, c2, c3\); compare on each corpus instead"):
        critical_difference(scores(AUC[:4]))


def test_a_single_system_is_refused():
    with pytest.raises(UsageError, match="at least two systems, got 1"):
        critical_difference({"a": dict.fromkeys("vwxyz", 0.5)})


def test_a_missing_score_is_named():
    holes = demsar()
    del holes["C4.5+m"]["c3"]
    holes["C4.5"]["c1"] = float("nan")
    with pytest.raises(UsageError, match=r"no score of C4.5 on c1, C4.5\+m on c3: leave out"):
        critical_difference(holes)


def test_many_missing_scores_are_counted():
    with pytest.raises(UsageError, match="no score of a on v, a on w, a on x and 2 more"):
        critical_difference({"a": {}, "b": dict.fromkeys("vwxyz", 0.5)})
