"""Delete-one-group jackknife intervals of the scores of pooled predictions, and of differences
between two systems.

The unit is the group (speaker): clips of one speaker are not independent. On simulated speakers
(``benchmarks/science/stats.py``) the jackknife with t(G-1) covers the truth in 93-95% from 5 to 91
speakers, where the bootstrap over speakers covers it in 75-79% with 4 and 88-91% with 8 to 11
(``docs/protocol.md``, "Intervals and differences"); the bootstrap is for comparison only. Neither
includes variation of a training run that affects all speakers at once, which the standard deviation
over replicates shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.metrics import scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_GROUPS = 5
"""With fewer groups: values per group, and no claim of significance."""
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
class Decisions:
    """Pooled out-of-fold predictions of r replicates."""

    target: NDArray[np.int64]
    """(n,)"""
    predicted: NDArray[np.int64]
    """(r, n)"""
    groups: tuple[str | None, ...]
    """(n,) group of each row; all None: clips are the unit."""
    classes: int

    def units(self) -> list[str]:
        """(n,) the name of each row's unit; a clip without a group is a unit of its own."""
        return [g if g is not None else f"clip {i}" for i, g in enumerate(self.groups)]

    def stacks(self) -> NDArray[np.int64]:
        """Confusion counts per group and replicate: (G, r, k, k)."""
        names = self.units()
        order = {name: i for i, name in enumerate(sorted(set(names)))}
        unit = np.array([order[name] for name in names])
        replicates, k = len(self.predicted), self.classes
        stacks = np.zeros((len(order), replicates, k, k), dtype=np.int64)
        for r in range(replicates):
            np.add.at(stacks, (unit, np.full(len(unit), r), self.target, self.predicted[r]), 1)
        return stacks


def jackknife(predictions: Decisions, *, level: float = 0.95) -> dict[str, Interval]:
    """The pooled metrics, averaged over replicates, with delete-one-group intervals."""
    whole, without = leave_one_out(predictions)
    return {name: interval(whole[name], without[name], level) for name in scores.NAMES}


def difference(a: Decisions, b: Decisions, *, level: float = 0.95) -> dict[str, Interval]:
    """The paired difference a - b of every metric, for two systems, or one system in two fold
    assignments, on the same clips and groups.

    Raises:
        ValueError: the two are not predictions of the same rows.
    """
    if a.groups != b.groups or not np.array_equal(a.target, b.target):
        raise ValueError(
            "a paired difference needs the same clips, labels and groups on both sides"
        )
    (whole_a, without_a), (whole_b, without_b) = leave_one_out(a), leave_one_out(b)
    wholes = {n: float(zero_rounding(np.asarray(whole_a[n] - whole_b[n]))) for n in scores.NAMES}
    return {
        n: interval(wholes[n], zero_rounding(without_a[n] - without_b[n]), level, bounded=False)
        for n in scores.NAMES
    }


def bootstrap(
    predictions: Decisions, *, seed: int, draws: int = 1000, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of a bootstrap over groups, for comparison with the jackknife; they are
    too narrow with few speakers.
    """
    stacks = predictions.stacks()
    rng, groups = np.random.default_rng(seed), len(stacks)
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=draws)  # (draws, G)
    resampled = np.einsum("dg,grij->drij", weights, stacks)  # (draws, r, k, k)
    values = {name: v.mean(-1) for name, v in scores.scores(resampled).items()}  # (draws,)
    tail = (1 - level) / 2
    return {
        name: (float(np.quantile(v, tail)), float(np.quantile(v, 1 - tail)))
        for name, v in values.items()
    }


def per_group(predictions: Decisions) -> dict[str, float]:
    """Accuracy of every group, which is shown where there are too few groups for an interval."""
    names = sorted(set(predictions.units()))
    accuracy = scores.scores(predictions.stacks())["accuracy"].mean(-1)  # (G,)
    return dict(zip(names, (float(a) for a in accuracy), strict=True))


def leave_one_out(
    predictions: Decisions,
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Each metric of all groups (), and of all groups but one (G,) in the order of their names,
    averaged over replicates.
    """
    stacks = predictions.stacks()
    total = stacks.sum(0)  # (r, k, k)
    whole = {name: float(v.mean()) for name, v in scores.scores(total).items()}
    without = {name: v.mean(-1) for name, v in scores.scores(total - stacks).items()}
    return whole, without


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


@lru_cache(maxsize=1024)
def quantile(level: float, units: int) -> float:
    """The quantile (1 + level) / 2 of Student's t with units - 1 degrees of freedom: half the width
    of an interval in standard errors.
    """
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, units - 1))


def interval(
    value: float, without: NDArray[Any], level: float, *, bounded: bool = True
) -> Interval:
    """The interval value +- t(G-1) se; a bounded one is cut to [0, 1], which costs no coverage,
    because the true value is never outside.
    """
    groups = len(without)
    if groups < 2:
        return Interval(value, None, None, None)
    se = float(standard_error(without))
    if groups < MIN_GROUPS:
        return Interval(value, None, None, se)
    half = quantile(level, groups) * se
    low, high = value - half, value + half
    if bounded:
        low, high = max(0.0, low), min(1.0, high)
    return Interval(value, low, high, se)


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (0 for a single value)."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0
