"""A difference of means with its delete-one-unit jackknife interval (docs/protocol.md, "Intervals
and differences").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nverbench.metrics.jackknife import Interval, interval, zero_rounding

if TYPE_CHECKING:
    from numpy.typing import NDArray


def difference(value: float, without: NDArray[np.float64], level: float = 0.95) -> Interval:
    """``value`` +- t(u - 1) se, from the values (u,) without each unit; no interval with fewer than
    five units.
    """
    value = float(zero_rounding(np.asarray(value)))
    return interval(value, zero_rounding(without), level, bounded=False)
