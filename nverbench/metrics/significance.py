"""Comparisons of systems on the same clips: paired differences with p values, a second test over
folds, and rank groups (``docs/protocol.md``, "Intervals and differences").

The unit of the first test is the group (speaker), of the second the fold. With fewer than five
groups no claim is made: there is no p value and no rank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.metrics.jackknife import (
    MIN_GROUPS,
    Decisions,
    Interval,
    difference,
    leave_one_out,
    quantile,
    standard_error,
    zero_rounding,
)
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
    """The smallest difference that would be significant here (minimum detectable difference)."""


def compare(
    a: Decisions, b: Decisions, *, metric: str = PRIMARY, level: float = 0.95
) -> Comparison:
    """The paired jackknife difference a - b of one metric over groups.

    Raises:
        ValueError: the two are not predictions of the same rows.
    """
    return _comparison(difference(a, b, level=level)[metric], len(set(a.units())), level)


def p_value(difference: Interval, units: int) -> float | None:
    """Two-sided p of a paired difference over ``units`` groups (or folds), |d| / se on t(units -
    1); None where it has no interval.
    """
    if difference.low is None or difference.se is None:
        return None
    return float(_p_values(np.asarray(difference.value), np.asarray(difference.se), units))


def minimum_detectable_difference(
    difference: Interval, units: int, *, level: float = 0.95
) -> float | None:
    """t(units - 1) se: a difference of this size would have just been significant, and a true one
    of this size is found about half of the time.

    None where no claim can be made.
    """
    if difference.low is None or difference.se is None:
        return None
    return quantile(level, units) * difference.se


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
    variance of the k differences, on t(k - 1). A ratio of 0 is the plain paired t test.

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
    if groups < MIN_GROUPS:
        return _comparison(Interval(value, None, None, se), k, level)
    half = quantile(level, k) * se
    return _comparison(Interval(value, value - half, value + half, se), k, level)


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


def rank_groups(
    rows: Mapping[str, Decisions], *, metric: str = PRIMARY, alpha: float = 0.05
) -> dict[str, int | None]:
    """The place of each row of one dataset, folds and protocol: name -> 1, 2, ..., or None for a
    row that cannot be compared.

    The best row (of equal ones the first by name) is compared with each other row by the paired
    jackknife difference, with Holm's correction over these comparisons. It and all rows that are
    not significantly below it get the place. This repeats with the remaining rows until none
    remains. Rows are compared over the same clips, labels and groups, five groups or more: the set
    that most rows share (of equally frequent sets the larger one, then the one with the first
    name); the other rows get None.

    A row whose difference has a wider interval may share the place of the best row while a row with
    a higher score does not: places follow significance, not the order of the scores. Two rows that
    share a place need not be equal. The best row is selected by its score, which Holm's correction
    does not include: of ten equally good rows, one or more gets a lower place on about 15% of
    simulated corpora (2% of the rows; ``benchmarks/science/stats.py``).
    """
    places: dict[str, int | None] = dict.fromkeys(rows)
    names = _comparable(rows)
    if not names:
        return places
    parts = [leave_one_out(rows[name]) for name in names]
    values = np.array([whole[metric] for whole, _ in parts])  # (n,)
    without = np.array([w[metric] for _, w in parts])  # (n, G)
    remaining, place = np.argsort(-values, kind="stable"), 1
    while len(remaining):
        best, others = remaining[0], remaining[1:]
        ahead = zero_rounding(values[best] - values[others])  # (m,)
        errors = standard_error(zero_rounding(without[best] - without[others]))  # (m,)
        below = holm(_p_values(ahead, errors, without.shape[-1])) < alpha
        places |= {names[i]: place for i in (best, *others[~below])}
        remaining, place = others[below], place + 1
    return places


def _comparable(rows: Mapping[str, Decisions]) -> list[str]:
    """Names of the rows that can be compared with each other, sorted."""
    alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for name in sorted(rows):
        row = rows[name]
        alike[row.groups, row.target.tobytes(), row.classes].append(name)
    if not alike:
        return []
    names = min(alike.values(), key=lambda own: (-len(own), -len(rows[own[0]].target), own[0]))
    return names if len(set(rows[names[0]].units())) >= MIN_GROUPS else []


def _comparison(difference: Interval, units: int, level: float) -> Comparison:
    smallest = minimum_detectable_difference(difference, units, level=level)
    return Comparison(difference, p_value(difference, units), smallest)


def _p_values(differences: NDArray[Any], errors: NDArray[Any], units: int) -> NDArray[np.float64]:
    """Two-sided p values (...); a difference of 0 has p = 1 and one without any spread p = 0."""
    from scipy.stats import t

    infinite = np.where(differences == 0, 0.0, np.inf)
    statistic = np.divide(np.abs(differences), errors, out=infinite, where=errors > 0)
    p: NDArray[np.float64] = np.asarray(2 * t.sf(statistic, units - 1))
    return p
