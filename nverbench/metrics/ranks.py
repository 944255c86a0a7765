"""Rank groups: which rows of one field differ, with one error rate for all pairs of them
(``docs/protocol.md``, "Intervals and differences").

Axes: ``m`` rows, ``g`` units, ``b`` sign patterns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nverbench.metrics.intervals import (
    MIN_EFFECTIVE,
    MIN_GROUPS,
    quantile,
    standard_error,
    zero_rounding,
)
from nverbench.metrics.jackknife import Decisions, leave_one_out
from nverbench.metrics.scores import PRIMARY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

PATTERNS = 1024
"""Sign patterns of the test: all of them up to 11 units, of more units a seeded draw."""
PRIOR = 10
"""The squares of a pair's differences are moderated as if so many further units had the median
spread of all pairs (Smyth 2004, "Linear models and empirical Bayes methods", equation 3.1, with
prior degrees of freedom fixed): with few units the spread of a single pair is badly known. Signs do
not change these squares, so that the error rate holds for any number. A larger one finds more where
all pairs differ alike, a smaller one where two rows are nearly the same.
"""
EQUAL = 1 - 1e-9
"""Two statistics whose ratio is above this are equal but for rounding."""


def rank_groups(
    rows: Mapping[str, Decisions], *, metric: str = PRIMARY, alpha: float = 0.05
) -> dict[str, int | None]:
    """The place of each row of one dataset, folds and protocol: name -> 1, 2, ..., or None for a
    row that cannot be compared.

    The best row (of equal ones the first by name) and all rows that are not significantly below it
    get the place. This repeats with the remaining rows until none remains. A row is significantly
    below another one where two tests agree: the paired interval of their difference, t(n_eff - 1),
    excludes 0, and ``differing_pairs`` holds, which corrects for the number of pairs and for the
    choice of the best row. With five units all rows share the first place.

    Rows are compared over the same clips, labels and groups, five groups or more: the set that most
    rows share (of equally frequent sets the larger one, then the one with the first name); the
    other rows get None.

    A row whose difference has a wider interval may share the place of the best row while a row with
    a higher score does not: places follow significance, not the order of the scores. Two rows that
    share a place need not be equal. Of 18 equally good rows, one or more gets a lower place on 2 to
    5% of simulated corpora (18 to 38% with Holm's correction over comparisons with the best row,
    the rule before). The price is power: with 24 speakers, a row that is 6 points better is told
    apart from 7% of 17 others and from 21% of 4 others (20% and 35% before;
    ``benchmarks/science/stats_ranks.py``). A comparison of two rows that were chosen beforehand
    (``significance.compare``) finds more.
    """
    places: dict[str, int | None] = dict.fromkeys(rows)
    names = _comparable(rows)
    if not names:
        return places
    units = rows[names[0]].counted_units()
    parts = [leave_one_out(rows[name]) for name in names]
    values = np.array([whole[metric] for whole, _ in parts])  # (m,)
    without = np.array([w[metric] for _, w in parts])  # (m, g)
    order = np.argsort(-values, kind="stable")
    names, values, without = [names[i] for i in order], values[order], without[order]
    apart = differing_pairs(values, without, rows[names[0]].sizes(), alpha)  # (m, m)
    apart &= units.effective >= MIN_EFFECTIVE
    critical = quantile(1 - alpha, max(units.effective, MIN_EFFECTIVE))
    remaining, place = np.arange(len(names)), 1
    while len(remaining):
        best, others = remaining[0], remaining[1:]
        ahead = zero_rounding(values[best] - values[others])  # (others,)
        errors = standard_error(zero_rounding(without[best] - without[others]))  # (others,)
        below = apart[best, others] & (ahead > critical * errors)
        places |= {names[i]: place for i in (best, *others[~below])}
        remaining, place = others[below], place + 1
    return places


def differing_pairs(
    values: Numbers, without: Numbers, sizes: NDArray[np.int64], alpha: float
) -> NDArray[np.bool_]:
    """Which pairs of rows differ; for all pairs together, the probability that one or more of equal
    rows is called different is at most ``alpha``: (m, m), symmetric.

    Under equality the two systems of a pair could be swapped within any unit, which changes the
    sign of that unit's contribution to their difference. The statistic of a pair is the squared sum
    of contributions over the (moderated) sum of their squares; its largest value over all pairs,
    under the same sign pattern for all, gives the critical value (maxT). Pairs that differ are
    taken out, and the critical value is computed again from the others until no further pair
    differs (step-down: Romano and Wolf 2005, "Exact and approximate stepdown methods for multiple
    hypothesis testing").

    The contribution of unit g with a share w of the clips is w v + (1 - w) (v - v_(-g)). For
    accuracy it is the share of all clips that are of g and right; for other metrics it is the
    linear part.

    Args:
        values: (m,) scores v.
        without: (m, g) scores v_(-g) without each unit.
        sizes: (g,) clips of each unit.
        alpha: the error rate.
    """
    share = sizes / sizes.sum()  # (g,)
    parts = share * values[:, None] + (1 - share) * (values[:, None] - without)  # (m, g)
    # Units in an order that does not depend on their names: the drawn patterns do not either.
    parts = parts[:, np.lexsort((*parts[::-1], sizes))]
    sums = parts @ sign_patterns(len(sizes)).T  # (m, b); pattern 0 changes no sign
    weights = _inverse_squares(parts)  # (m, m)
    observed = (sums[:, None, 0] - sums[None, :, 0]) ** 2 * weights  # (m, m)
    apart = np.zeros(weights.shape, dtype=bool)
    while True:
        largest = np.sort(_largest(sums, np.where(apart, 0.0, weights)))  # (b,)
        reached = len(largest) - np.searchsorted(largest, observed * EQUAL)  # (m, m)
        found = (reached / len(largest) < alpha) & ~apart
        if not found.any():
            return apart
        apart |= found


def sign_patterns(units: int) -> Numbers:
    """Signs of the units (b, g): every pattern once but for the sign of all, or a seeded draw; the
    first is all +1.
    """
    if 2 ** (units - 1) <= PATTERNS:
        bits = np.arange(2 ** (units - 1))[:, None] >> np.arange(units) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, (PATTERNS, units))
        bits[0] = 0
    return np.where(bits == 0, 1.0, -1.0)


def _inverse_squares(parts: Numbers) -> Numbers:
    """1 / the moderated sum over units of the squared difference of two rows (m, m); 0 for rows
    that do not differ in any unit.
    """
    squares = np.zeros((len(parts), len(parts)))
    for i, row in enumerate(parts):
        squares[i, i + 1 :] = (zero_rounding(parts[i + 1 :] - row) ** 2).sum(-1)
    squares += squares.T
    degrees, differ = parts.shape[1] - 1, squares > 0
    if not differ.any():
        return squares
    moderated = (PRIOR * np.median(squares[differ]) + degrees * squares) / (PRIOR + degrees)
    found: Numbers = np.divide(1.0, moderated, out=np.zeros_like(squares), where=differ)
    return found


def _largest(sums: Numbers, weights: Numbers) -> Numbers:
    """The largest statistic of each pattern (b,) over pairs with a weight above 0."""
    largest = np.zeros(sums.shape[1])
    for i, row in enumerate(sums):
        pairs = i + 1 + np.flatnonzero(weights[i, i + 1 :])
        if len(pairs):
            statistic = (sums[pairs] - row) ** 2 * weights[i, pairs, None]  # (pairs, b)
            np.maximum(largest, statistic.max(0), out=largest)
    return largest


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
