"""Intervals of scores by the rule of a protocol (``docs/protocol.md``, "Intervals and
differences").

``groups`` is the jackknife with t(G - 1). ``effective`` has these rules. Simulated coverage of
accuracy and macro-F1 over eleven populations with 5, 11 and 24 speakers is 91 to 100% (66 to 96%
with ``groups``; ``benchmarks/science/stats_hard.py``); it is lowest where speakers with many clips
are harder than others.

- The interval of Korn and Graubard with the jackknife's standard error and t(n_eff - 1). Unlike
  value +- t se it is not symmetric, and it holds near 0 and 1 too.
- Where no unit differs from the others (a perfect classifier), the standard error is 0. The
  interval is that of Clopper and Pearson, over units and not over clips: how errors cluster in
  speakers is unknown where no error was seen. Of all scores in [0, 1] with one mean, those that are
  0 or 1 vary most, so that it is wide enough for any distribution over units.
- No interval of macro-F1 and UAR where a class has clips of fewer than five units.
- With fewer than five groups, the interval is over clips. It says nothing of other speakers, its
  ``method`` says so, and it is never used for a comparison or a rank.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nverbench.metrics import scores
from nverbench.metrics.intervals import (
    MIN_EFFECTIVE,
    MIN_GROUPS,
    ROUNDING,
    Interval,
    Rule,
    Units,
    clopper_pearson,
    share_interval,
    standard_error,
)
from nverbench.metrics.jackknife import Decisions, jackknife, without_each

if TYPE_CHECKING:
    from numpy.typing import NDArray

MACRO = ("macro_f1", "uar")
"""Metrics that average over classes."""
CLIPS = "clips, for these speakers only"
"""The method of an interval over clips of fewer than five speakers."""


@dataclass(frozen=True)
class ScoreInterval(Interval):
    """The interval of a score."""

    method: str = ""
    """How the interval was made, or why there is none; empty for the usual way of the rule."""


def score_intervals(
    predictions: Decisions, *, rule: Rule, level: float = 0.95
) -> dict[str, ScoreInterval]:
    """The pooled metrics, averaged over replicates, with their intervals.

    Args:
        predictions: pooled out-of-fold predictions.
        rule: a protocol's ``intervals``.
        level: of confidence.
    """
    if rule == "groups":
        found = jackknife(predictions, level=level)
        return {name: ScoreInterval(i.value, i.low, i.high, i.se) for name, i in found.items()}
    known = {g for g in predictions.groups if g is not None}
    if not known or len(set(predictions.units())) >= MIN_GROUPS:
        return _effective(predictions, "group" if known else "clip", level)
    alone = replace(predictions, groups=(None,) * len(predictions.groups))
    return {
        name: replace(i, method="; ".join(filter(None, [CLIPS, i.method])))
        for name, i in _effective(alone, "clip", level).items()
    }


def _effective(predictions: Decisions, unit: str, level: float) -> dict[str, ScoreInterval]:
    stacks = predictions.stacks()  # (G, r, k, k)
    whole, without = without_each(stacks)
    per_class = stacks[:, 0].sum(-1)  # (G, k)
    found = {}
    for name in scores.NAMES:
        value = whole[name]
        if len(stacks) < 2:
            found[name] = ScoreInterval(value, None, None, None)
            continue
        se = float(standard_error(without[name]))
        low, high, method = _bounds(name, value, se, per_class, level)
        found[name] = ScoreInterval(value, low, high, se, method.format(unit=unit))
    return found


def _bounds(
    name: str, value: float, se: float, per_class: NDArray[np.int64], level: float
) -> tuple[float | None, float | None, str]:
    """The ends of one interval and its method.

    Args:
        name: of the metric.
        value, se: the score and its standard error.
        per_class: (G, k) clips of each unit and class.
        level: of confidence.
    """
    units, clips = Units.of(per_class.sum(-1)), int(per_class.sum())
    if units.number < MIN_GROUPS:
        return None, None, ""
    if units.effective < MIN_EFFECTIVE:
        return None, None, "no interval: nearly all clips are of one {unit}"
    if name in MACRO and (per_class > 0).sum(0).min() < MIN_GROUPS:
        return None, None, f"no interval: a class has fewer than {MIN_GROUPS} {{unit}}s"
    if se > ROUNDING:
        return *share_interval(value, se, units.effective, clips, level), ""
    classes = per_class.T if name in MACRO else [per_class.sum(-1)]
    fewest = min(Units.of(sizes).effective for sizes in classes)
    return *clopper_pearson(value, fewest, level), "Clopper-Pearson over {unit}s"
