"""Which systems differ over many corpora: the Friedman test and Nemenyi's critical difference (Demsar 2006, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nverbench.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_CORPORA = 5
"""Protocol nver-1: a critical difference from five corpora up."""


@dataclass(frozen=True)
class Critical:
    """Mean ranks of systems over corpora, and how far apart two must be."""

    mean_ranks: dict[str, float]
    """Best first; 1 would be the best on every corpus, ties share the mean of their ranks."""
    corpora: tuple[str, ...]
    chi_square: float
    """Friedman's statistic, corrected for ties."""
    chi_square_p: float
    f: float
    """Iman and Davenport's, which Demsar prefers: chi-square is too cautious."""
    p: float
    """Of f: how likely such ranks are between equals; the critical difference means something only where this is small."""
    difference: float
    """Two systems whose mean ranks are further apart than this differ significantly (Nemenyi)."""

    def bars(self) -> list[tuple[str, ...]]:
        """The largest sets of two or more systems that cannot be told apart: the bars of a critical-difference diagram."""
        names, found = list(self.mean_ranks), []
        ends = [max(j for j, b in enumerate(names) if self.mean_ranks[b] - self.mean_ranks[a] <= self.difference) for a in names]
        for start, end in enumerate(ends):
            if end > start and (start == 0 or end > ends[start - 1]):
                found.append(tuple(names[start : end + 1]))
        return found


def critical_difference(scores: Mapping[str, Mapping[str, float]], *, alpha: float = 0.05) -> Critical:
    """The mean ranks of systems over corpora with Friedman's test and Nemenyi's critical difference.

    Args:
        scores: system -> corpus -> score, higher is better.

    Raises:
        UsageError: fewer than two systems or five corpora, or a system without a score on one of them.
    """
    systems, corpora = sorted(scores), sorted({corpus for of in scores.values() for corpus in of})
    _check(scores, systems, corpora)
    from scipy.stats import chi2, f, rankdata

    ranks = rankdata(-np.array([[scores[s][c] for s in systems] for c in corpora]), axis=1)  # (N, k)
    n, k = ranks.shape
    mean = ranks.mean(0)  # (k,)
    chi_square = _friedman(ranks)
    rest = n * (k - 1) - chi_square
    statistic = (n - 1) * chi_square / rest if rest > 1e-9 else float("inf")  # every corpus ranks them alike: rest is 0 up to rounding
    order = np.argsort(mean, kind="stable")
    return Critical(
        mean_ranks={systems[i]: float(mean[i]) for i in order}, corpora=tuple(corpora),
        chi_square=chi_square, chi_square_p=float(chi2.sf(chi_square, k - 1)),
        f=statistic, p=float(f.sf(statistic, k - 1, (k - 1) * (n - 1))),
        difference=critical_value(k, alpha) * float(np.sqrt(k * (k + 1) / (6 * n))),
    )  # fmt: skip


def critical_value(systems: int, alpha: float = 0.05) -> float:
    """q_alpha of Demsar's Table 5(a): the studentised range of ``systems`` means with infinite degrees of freedom, over sqrt(2)."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - alpha, systems, np.inf) / np.sqrt(2))


def _friedman(ranks: NDArray[np.float64]) -> float:
    """chi^2_F = (k-1) N^2 sum_j (R_j - m)^2 / sum_ij (r_ij - m)^2, m = (k+1)/2.

    Without ties this is Demsar's formula; with ties his is too small, this one is corrected.
    """
    n, k = ranks.shape
    middle = (k + 1) / 2
    spread = float(((ranks - middle) ** 2).sum())
    return (k - 1) * n**2 * float(((ranks.mean(0) - middle) ** 2).sum()) / spread if spread > 0 else 0.0


def _check(scores: Mapping[str, Mapping[str, float]], systems: list[str], corpora: list[str]) -> None:
    if len(systems) < 2:
        raise UsageError(f"a critical difference needs at least two systems, got {len(systems)}")
    if len(corpora) < FEWEST_CORPORA:
        got = f"{len(corpora)} ({', '.join(corpora)})"
        raise UsageError(f"a critical difference needs at least {FEWEST_CORPORA} corpora, got {got}; compare on each corpus instead")
    missing = [f"{s} on {c}" for s in systems for c in corpora if c not in scores[s] or not np.isfinite(scores[s][c])]
    if missing:
        named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise UsageError(f"a critical difference needs every system on every corpus; no score of {named}: leave out the system or the corpus")
