"""Delete-one-group jackknife intervals of the scores of pooled predictions, and of differences
between two systems.

The unit is the group (speaker): clips of one speaker are not independent. On simulated speakers
with about equally many clips (``benchmarks/science/stats.py``) the jackknife with t(G-1) covers the
truth in 93-95% from 5 to 91 speakers, where the bootstrap over speakers covers it in 75-79% with 4
and 88-91% with 8 to 11 (``docs/protocol.md``, "Intervals and differences"); the bootstrap is for
comparison only. With very unequal numbers of clips, or near 100%, t(G-1) covers less
(``benchmarks/science/stats_hard.py``): ``metrics.score_intervals`` has the rules for that. No
interval includes variation of a training run that affects all speakers at once, which the standard
deviation over replicates shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nverbench.metrics import scores
from nverbench.metrics.intervals import MIN_GROUPS as MIN_GROUPS
from nverbench.metrics.intervals import ROUNDING as ROUNDING
from nverbench.metrics.intervals import Interval as Interval
from nverbench.metrics.intervals import Units as Units
from nverbench.metrics.intervals import interval, paired_interval
from nverbench.metrics.intervals import quantile as quantile
from nverbench.metrics.intervals import zero_rounding as zero_rounding

if TYPE_CHECKING:
    from numpy.typing import NDArray


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

    def sizes(self) -> NDArray[np.int64]:
        """(G,) clips of each unit, in the order of their names."""
        counts = Counter(self.units())
        return np.array([counts[name] for name in sorted(counts)])

    def counted_units(self) -> Units:
        """The number of units, and the effective number by their clips."""
        return Units.of(self.sizes())

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
    """The pooled metrics, averaged over replicates, with delete-one-group intervals, t(G - 1)."""
    whole, without = leave_one_out(predictions)
    return {name: interval(whole[name], without[name], level) for name in scores.NAMES}


def difference(a: Decisions, b: Decisions, *, level: float = 0.95) -> dict[str, Interval]:
    """The paired difference a - b of every metric, for two systems, or one system in two fold
    assignments, on the same clips and groups: t(n_eff - 1).

    Raises:
        ValueError: the two are not predictions of the same rows.
    """
    if a.groups != b.groups or not np.array_equal(a.target, b.target):
        raise ValueError(
            "a paired difference needs the same clips, labels and groups on both sides"
        )
    (whole_a, without_a), (whole_b, without_b) = leave_one_out(a), leave_one_out(b)
    wholes = {n: float(zero_rounding(np.asarray(whole_a[n] - whole_b[n]))) for n in scores.NAMES}
    units = a.counted_units()
    return {
        n: paired_interval(wholes[n], zero_rounding(without_a[n] - without_b[n]), units, level)
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
    return without_each(predictions.stacks())


def without_each(
    stacks: NDArray[np.int64],
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """As :func:`leave_one_out`, from confusion counts per group and replicate (G, r, k, k)."""
    total = stacks.sum(0)  # (r, k, k)
    whole = {name: float(v.mean()) for name, v in scores.scores(total).items()}
    without = {name: v.mean(-1) for name, v in scores.scores(total - stacks).items()}
    return whole, without


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (0 for a single value)."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0
