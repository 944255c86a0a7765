"""The records of verdicts: by one metric, and of one contrast on one corpus."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from nverbench.leaderboard.claims.spec import METRIC, NOT_MEASURED, PublishedMargin


@dataclass(frozen=True)
class MetricVerdict:
    """A contrast by one metric; values as fractions."""

    metric: str
    verdict: str
    """holds, fails, cannot tell, depends on the recipe or not measured."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """The ends of the 95 % interval, which is not corrected."""
    p: float | None = None
    """Two-sided p value; against the best of several rivals, over all of them."""
    p_adjusted: float | None = None
    """p after Holm's correction over the claims of the paper, or over their controls."""
    smallest: float | None = None
    """The smallest difference that would have been significant, without correction."""
    a: float | None = None
    b: float | None = None


@dataclass(frozen=True)
class ClaimVerdict:
    """One contrast of a claim on one corpus and cut: under one protocol, or over the tracks that
    measured it; values as fractions.
    """

    claim: str
    paper: str
    sentence: str
    contrast: str
    control: bool
    """Whether it is one of the claim's own controls, not the claim."""
    corpus: str
    folds: str = ""
    protocol: str = ""
    """Empty for a verdict over tracks."""
    selection: str = ""
    tracks: tuple[str, ...] = ()
    """Of a verdict over tracks: the protocols that were measured; their own verdicts follow."""
    metric: str = METRIC
    verdict: str = NOT_MEASURED
    """holds, fails, cannot tell, depends on the recipe or not measured; from here to ``b`` as in
    :class:`MetricVerdict`.
    """
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    smallest: float | None = None
    a: float | None = None
    b: float | None = None
    cells: tuple[int, int] | None = None
    """Number of rows of each side."""
    accuracy: MetricVerdict | None = None
    """The same contrast by accuracy, the metric of the papers, corrected likewise."""
    note: str = ""
    published: PublishedMargin | None = None
    """The same contrast on the paper's own table, in accuracy."""

    def record(self) -> dict[str, object]:
        """The verdict as JSON."""
        return dataclasses.asdict(self)
