"""A difference of means with its delete-one-unit jackknife interval (docs/protocol.md, "Intervals
and differences").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nverbench.metrics.intervals import Interval, Units, paired_interval, zero_rounding

if TYPE_CHECKING:
    from numpy.typing import NDArray


def difference(
    value: float, without: NDArray[np.float64], level: float = 0.95, *, units: Units | None = None
) -> Interval:
    """``value`` +- t(n_eff - 1) se, from the values (u,) without each unit; no interval with fewer
    than five units.

    Args:
        value: the difference.
        without: (u,) the difference without each unit.
        level: of confidence.
        units: the number of units and the effective one; None: all have equally many clips.
    """
    value = float(zero_rounding(np.asarray(value)))
    units = units or Units.equal(len(without))
    return paired_interval(value, zero_rounding(without), units, level)
