"""Intervals from a value and the values without each unit: by Student's t, for paired differences,
and for shares of clips.

The unit is the group (speaker), or the clip where no groups are known. Units with unequal numbers
of clips carry less information than their number says: ``Units.effective`` is (sum n)^2 / sum n^2
over their clip counts n (Kish 1965, "Survey Sampling", section 11.7), and t has one degree of
freedom less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rule = Literal["groups", "effective"]
"""How intervals of scores are made; a protocol's ``intervals``. groups: t(G - 1), symmetric.
effective: t(n_eff - 1) and the further rules of ``metrics.score_intervals``.
"""
MIN_GROUPS = 5
"""With fewer groups: values per group, and no claim of significance."""
MIN_EFFECTIVE = 2.0
"""With fewer effective units: no interval, because t has less than one degree of freedom."""
ROUNDING = 1e-12
"""A smaller difference of two scores is rounding: the last bit of a mean over replicates depends on
their order.
"""


@dataclass(frozen=True)
class Interval:
    """A value with a 95% interval; ``low`` and ``high`` are None where no claim can be made."""

    value: float
    low: float | None
    high: float | None
    se: float | None


@dataclass(frozen=True)
class Units:
    """How many units an interval is taken over."""

    number: int
    effective: float
    """(sum n)^2 / sum n^2 over clip counts: ``number`` where all are equal, else less."""

    @classmethod
    def of(cls, sizes: Sequence[float] | NDArray[Any]) -> Units:
        """The units of these clip counts (G,); a unit without clips counts in ``number`` only."""
        n = np.asarray(sizes, dtype=np.float64)
        squares = float((n**2).sum())
        return cls(len(n), float(n.sum()) ** 2 / squares if squares else 0.0)

    @classmethod
    def equal(cls, number: int) -> Units:
        """Units with equal numbers of clips."""
        return cls(number, float(number))


@lru_cache(maxsize=1024)
def quantile(level: float, units: float) -> float:
    """The quantile (1 + level) / 2 of Student's t with units - 1 degrees of freedom: half the width
    of an interval in standard errors.
    """
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, units - 1))


def sign_flip_floor(units: int) -> float:
    """2^(1 - G), the smallest p value of a two-sided sign-flip test over G units: 2 of the 2^G ways
    to swap the systems within units give a difference as large as the largest.
    """
    return float(2.0 ** (1 - units))


def zero_rounding(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """The differences, with 0 for those that are rounding only."""
    return np.where(np.abs(differences) < ROUNDING, 0.0, differences)


def standard_error(without: NDArray[np.float64]) -> NDArray[np.float64]:
    """se^2 = (G-1)/G sum_g (v_(-g) - mean)^2 over the last axis (Efron and Stein 1981): (..., G) ->
    (...).
    """
    groups = without.shape[-1]
    squares = np.sum((without - without.mean(-1, keepdims=True)) ** 2, axis=-1)
    error: NDArray[np.float64] = np.sqrt((groups - 1) / groups * squares)
    return error


def interval(value: float, without: NDArray[Any], level: float) -> Interval:
    """The interval value +- t(G-1) se of a score, cut to [0, 1], which costs no coverage, because
    the true value is never outside.
    """
    groups = len(without)
    if groups < 2:
        return Interval(value, None, None, None)
    se = float(standard_error(without))
    if groups < MIN_GROUPS:
        return Interval(value, None, None, se)
    half = quantile(level, groups) * se
    return Interval(value, max(0.0, value - half), min(1.0, value + half), se)


def paired_interval(value: float, without: NDArray[Any], units: Units, level: float) -> Interval:
    """The interval value +- t(n_eff - 1) se of a paired difference.

    With five units no difference is significant at 5% (``sign_flip_floor``), so its interval is
    widened until it reaches 0. No interval: fewer than five units, or nearly all clips are of one.
    """
    if units.number < 2:
        return Interval(value, None, None, None)
    se = float(standard_error(without))
    if units.number < MIN_GROUPS or units.effective < MIN_EFFECTIVE:
        return Interval(value, None, None, se)
    half = widened(quantile(level, units.effective) * se, value, units.number, level)
    return Interval(value, value - half, value + half, se)


def widened(half: float, value: float, units: int, level: float) -> float:
    """Half the width of an interval, so large that it holds 0 where the smallest p value that these
    units allow is not below 1 - level.
    """
    return max(half, abs(value)) if sign_flip_floor(units) >= 1 - level else half


def share_interval(
    value: float, se: float, effective: float, clips: int, level: float
) -> tuple[float, float]:
    """The interval of a share of clips, or of another score in [0, 1], by Korn and Graubard (1998,
    "Confidence intervals for proportions with small expected number of positive counts estimated
    from survey data", Survey Methodology 24).

    The interval of Clopper and Pearson for n* independent clips, where n* = v(1 - v)/se^2 is the
    number whose standard error would be as large, times (t(clips - 1) / t(effective - 1))^2 for the
    uncertainty of se, and at most ``clips``.

    Args:
        value: the score v.
        se: its standard error, above 0.
        effective: number of effective units, at least 2.
        clips: number of clips.
        level: of confidence.
    """
    correction = quantile(level, clips) / quantile(level, effective)
    return clopper_pearson(value, min(clips, value * (1 - value) * (correction / se) ** 2), level)


def clopper_pearson(value: float, n: float, level: float) -> tuple[float, float]:
    """The interval of Clopper and Pearson (1934) for a share ``value`` of n independent trials; n
    and the number of successes need not be whole.
    """
    from scipy.stats import beta

    tail, hits = (1 - level) / 2, value * n
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if n > hits else 1.0
    return low, high
