"""A contrast of a claim in one field, tested: the paired difference of means over our rows with its
jackknife interval, and one p value.

A contrast against the best of several rivals shows the difference to the rival with the highest
test score, which is biased: of equal systems the luckiest one is chosen. Its p value therefore
compares with every rival. Where the system is above all of them, p is the largest of their p values
(it must be significantly above each: an intersection-union test, Berger 1982). Else p is the
smallest of the p values, after Holm's correction, of those rivals that it is below (it must be
significantly below one). Among equal systems such a p is below 0.05 on at most 5 % of corpora
(docs/protocol.md, "Claims").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nverbench.leaderboard.claims import spec as claims
from nverbench.leaderboard.claims.evidence import FieldEvidence
from nverbench.leaderboard.claims.spec import Contrast, SystemScore
from nverbench.leaderboard.difference import difference
from nverbench.metrics.intervals import Interval, Units
from nverbench.metrics.significance import holm, minimum_detectable_difference, p_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pairs = Sequence[tuple[SystemScore, Sequence[SystemScore]]]
"""Cells of side a, each with its counterparts."""


@dataclass(frozen=True)
class Tested:
    """The difference of one contrast in one field by one metric; values as fractions."""

    metric: str
    difference: Interval
    """a minus b; against the best of several rivals, b is the one with the highest score."""
    p: float | None
    """Two-sided; against the best of several rivals, over all. None: no claim can be made."""
    above: bool
    """Whether a is above b, and above every rival."""
    smallest: float | None
    """The smallest difference that would have been significant, without correction."""
    a: float
    b: float
    cells: tuple[int, int]
    """Number of rows of each side."""
    rivals: int
    """Number of rivals; 0 for a contrast of means."""
    systems: frozenset[tuple[tuple[str, ...], str, str]]
    """Backbones, fusion and loss of all rows that were compared."""


def tested(contrast: Contrast, field: FieldEvidence, metric: str) -> Tested | None:
    """A contrast in one field; None where it lacks a side."""
    cells = field.scored_by(metric)
    pairs = claims.matched_pairs(contrast, cells)
    if not pairs:
        return None
    found = claims.candidates(contrast, cells)
    a, b = claims.means(pairs, lambda cell: cell.score)
    d = _difference(pairs, field, metric)
    rivals = _rivals(found, field, metric) if contrast.against in claims.BEST else []
    all_of = [d, *rivals]
    return Tested(
        metric=metric,
        difference=d,
        p=p_over_rivals(d, rivals, field.units) if rivals else p_value(d, field.units),
        above=all(one.value > 0 for one in all_of),
        smallest=minimum_detectable_difference(d, field.units),
        a=a,
        b=b,
        cells=claims.counted(pairs),
        rivals=len(rivals),
        systems=frozenset(
            (c.backbones, c.fusion, c.loss) for cell, others in found for c in (cell, *others)
        ),
    )


def p_over_rivals(best: Interval, rivals: Sequence[Interval], units: Units) -> float | None:
    """The p value of a contrast against the best of several rivals (see the module); None where no
    claim can be made.

    Args:
        best: the difference to the best rival.
        rivals: the differences to all rivals.
        units: the groups.
    """
    p = [one for d in rivals if (one := p_value(d, units)) is not None]
    of_best = p_value(best, units)
    if of_best is None or len(p) < len(rivals):
        return None
    if all(d.value > 0 for d in (best, *rivals)):
        return max(of_best, *p)
    below = [one for d, one in zip(rivals, holm(p), strict=True) if d.value < 0]
    return min(map(float, below), default=1.0)


def _difference(pairs: Pairs, field: FieldEvidence, metric: str) -> Interval:
    """The mean over the cells of a, minus the mean over their counterparts, with its interval."""

    def parts(cell: SystemScore) -> NDArray[np.float64]:
        """The score of all groups, then those without each group (G + 1,)."""
        whole = field.whole[cell.id][metric]
        return np.concatenate([[whole], field.without[cell.id][metric]])

    a, b = claims.means(pairs, parts)
    return difference(float(a[0] - b[0]), a[1:] - b[1:], units=field.units)


def _rivals(found: Pairs, field: FieldEvidence, metric: str) -> list[Interval]:
    """The difference to every rival. Where several cells of a have rivals of their own, the first
    rivals of all cells are averaged, then the second ones, and so on: their order does not depend
    on scores. A cell with fewer rivals is left out of the later averages.
    """
    most = max(len(others) for _, others in found)
    return [
        _difference(
            [(cell, [others[i]]) for cell, others in found if i < len(others)], field, metric
        )
        for i in range(most)
    ]
