"""Comparisons of systems on the same clips: paired differences with p values, and a second test
over folds (``docs/protocol.md``, "Intervals and differences").

The unit of the first test is the group (speaker), of the second the fold. With fewer than five
groups no claim is made: there is no p value.

No p value is below 2^(1 - G), the smallest one of a two-sided sign-flip test over G groups. A
smaller value of t would follow from the assumption of normal differences alone, which five speakers
cannot show, and with equal differences t is infinite. With five groups p is therefore 0.0625 or
larger: no difference is significant, and its interval is widened until it reaches 0, so that p is
below 0.05 exactly where the interval excludes 0. On simulated equal systems with five speakers
t(n_eff - 1) without the floor gives p < 0.05 on 0.7 to 3.7% of corpora, t(G - 1) on up to 8%; with
11 and 24 speakers t(n_eff - 1) on 2.3 to 6.0%, t(G - 1) on up to 10%
(``benchmarks/science/stats_hard.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.metrics.intervals import (
    MIN_EFFECTIVE,
    MIN_GROUPS,
    Interval,
    Units,
    quantile,
    sign_flip_floor,
    widened,
    zero_rounding,
)
from nverbench.metrics.jackknife import Decisions, difference
from nverbench.metrics.scores import PRIMARY

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Comparison:
    """A paired difference a - b, as a fraction; where no claim can be made, all but its value and
    standard error are None.
    """

    difference: Interval
    p: float | None
    """Two-sided p value: the probability of a difference at least this large between equal
    systems.
    """
    smallest: float | None
    """The smallest difference that would be significant here (minimum detectable difference); None
    with five groups too, where none is.
    """


def compare(
    a: Decisions, b: Decisions, *, metric: str = PRIMARY, level: float = 0.95
) -> Comparison:
    """The paired jackknife difference a - b of one metric over groups.

    Raises:
        ValueError: the two are not predictions of the same rows.
    """
    return _comparison(difference(a, b, level=level)[metric], a.counted_units(), level)


def p_value(difference: Interval, units: Units | int) -> float | None:
    """Two-sided p of a paired difference, |d| / se on t(n_eff - 1), at least 2^(1 - G); None where
    it has no interval.

    Args:
        difference: with its standard error.
        units: the groups; a number stands for groups with equally many clips.
    """
    if difference.low is None or difference.se is None:
        return None
    units = Units.equal(units) if isinstance(units, int) else units
    return float(_p_values(np.asarray(difference.value), np.asarray(difference.se), units))


def minimum_detectable_difference(
    difference: Interval, units: Units | int, *, level: float = 0.95
) -> float | None:
    """t(n_eff - 1) se: a difference of this size would have just been significant, and a true one
    of this size is found about half of the time.

    None where no claim can be made, and with five groups, where no difference is significant.
    """
    units = Units.equal(units) if isinstance(units, int) else units
    if difference.low is None or difference.se is None:
        return None
    if sign_flip_floor(units.number) >= 1 - level:
        return None
    return quantile(level, units.effective) * difference.se


def corrected_t(
    a: Mapping[str, Sequence[float]],
    b: Mapping[str, Sequence[float]],
    *,
    ratio: float,
    groups: int,
    level: float = 0.95,
) -> Comparison:
    """The second test: the corrected resampled t test over folds (Nadeau and Bengio 2003, "First
    method: approximating rho").

    The training sets of k folds overlap, so that their scores are not independent; with correlation
    rho = n_test / (n_test + n_train), var(mean) = (1/k + n_test/n_train) s^2, s^2 the sample
    variance of the k differences, on t(k - 1). A ratio of 0 is the plain paired t test. Folds of
    the same speakers know no more than these: p is at least 2^(1 - groups).

    Args:
        a, b: fold -> the scores of its replicates, averaged here, as fractions.
        ratio: n_test / n_train in clips (1/(k - 1) in k equal folds), training counted with its
            validation part.
        groups: number of groups of the corpus; with fewer than five no claim is made, for any
            number of folds.

    Raises:
        ValueError: the two have different folds, or a fold has no scores.
    """
    if a.keys() != b.keys() or not a or not all((*a.values(), *b.values())):
        raise ValueError("a paired test over folds needs scores of the same folds on both sides")
    means = np.array([np.mean(a[fold]) - np.mean(b[fold]) for fold in sorted(a)])
    deltas = zero_rounding(means)  # (k,)
    value, k = float(deltas.mean()), len(deltas)
    if k < 2:
        return Comparison(Interval(value, None, None, None), None, None)
    se = float(np.sqrt((1 / k + ratio) * deltas.var(ddof=1)))
    folds = Units(groups, float(k))
    if groups < MIN_GROUPS:
        return _comparison(Interval(value, None, None, se), folds, level)
    half = widened(quantile(level, k) * se, value, groups, level)
    return _comparison(Interval(value, value - half, value + half, se), folds, level)


def holm(p: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """p values adjusted for their number, in the given order (Holm 1979): max over j <= i of (m - j
    + 1) p_(j), at most 1.
    """
    given = np.asarray(p, dtype=np.float64)  # (m,)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _comparison(difference: Interval, units: Units, level: float) -> Comparison:
    smallest = minimum_detectable_difference(difference, units, level=level)
    return Comparison(difference, p_value(difference, units), smallest)


def _p_values(differences: NDArray[Any], errors: NDArray[Any], units: Units) -> NDArray[np.float64]:
    """Two-sided p values (...); a difference of 0 has p = 1."""
    from scipy.stats import t

    infinite = np.where(differences == 0, 0.0, np.inf)
    statistic = np.divide(np.abs(differences), errors, out=infinite, where=errors > 0)
    degrees = max(units.effective, MIN_EFFECTIVE) - 1
    p: NDArray[np.float64] = np.asarray(2 * t.sf(statistic, degrees))
    return np.maximum(p, sign_flip_floor(units.number))
