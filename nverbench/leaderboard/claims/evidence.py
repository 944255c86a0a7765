"""The rows that count as evidence for papers' claims: official and ranked rows, no controls, one
per combination and field.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nverbench.errors import ResultError
from nverbench.leaderboard.claims.spec import METRIC, SystemScore
from nverbench.leaderboard.rows import NOT_RERUN, RANKED, Field, StoredResult, field_of
from nverbench.metrics.intervals import Units
from nverbench.metrics.jackknife import Decisions, leave_one_out
from nverbench.pipeline.standing import OFFICIAL
from nverbench.results.record import Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTROLS = "only controls (untrained or synthetic) were measured"
Reasons = dict[tuple[str, SystemScore], str]
"""Corpus and cell -> why a row is no evidence."""


@dataclass(frozen=True)
class FieldEvidence:
    """The rows of one field that count, over the same clips."""

    result: Result
    """Any of them."""
    cells: list[SystemScore]
    """Their scores are values of the primary metric."""
    whole: Mapping[str, Mapping[str, float]]
    """Id -> metric -> score."""
    without: Mapping[str, Mapping[str, NDArray[np.float64]]]
    """Id -> metric -> the scores without each group (G,)."""
    units: Units

    def scored_by(self, metric: str) -> list[SystemScore]:
        """The cells, with their values of another metric as scores."""
        return [dataclasses.replace(c, score=self.whole[c.id][metric]) for c in self.cells]


def evidence(filed: Iterable[StoredResult]) -> tuple[dict[Field, FieldEvidence], Reasons]:
    """The fields with the rows that count, and why other rows do not count."""
    fields: dict[Field, dict[tuple[object, ...], StoredResult]] = defaultdict(dict)
    reasons: Reasons = {}
    # Of one combination the row with the most replicates counts, then the newest.
    for one in sorted(filed, key=lambda f: (f.result.seeds, f.result.created, f.result.id)):
        r = one.result
        if why := _objection(one):
            reasons[r.entry.dataset, _cell(r)] = why
        else:
            fields[field_of(r)][tuple(r.entry.backbones), _fusion(r), r.entry.loss] = one
    found = {key: _field(list(rows.values())) for key, rows in fields.items()}
    return {key: field for key, field in found.items() if field is not None}, reasons


def _objection(one: StoredResult) -> str:
    """Why a row is no evidence; empty where it is evidence."""
    r = one.result
    if r.control:
        return CONTROLS
    if one.level not in RANKED:
        return NOT_RERUN
    if r.standing != OFFICIAL:
        return f"not official ({'; '.join(r.standing_reasons) or r.standing})"
    return ""


def _cell(r: Result) -> SystemScore:
    e, score = r.entry, r.scores[METRIC].value
    names = tuple(e.backbones), tuple(e.families)
    return SystemScore(*names, _fusion(r), e.loss, e.dataset, score, r.id)


def _fusion(r: Result) -> str:
    """The fusion; one that was trained on shuffled turns has a name of its own, because it is
    another system.
    """
    return r.entry.fusion if r.shuffle == "none" else f"{r.entry.fusion} (shuffle={r.shuffle})"


def _field(rows: Sequence[StoredResult]) -> FieldEvidence | None:
    """The rows that share the clips, labels and groups of most rows; None where no predictions can
    be read.
    """
    alike: dict[tuple[object, ...], list[tuple[Result, Decisions]]] = defaultdict(list)
    for one in rows:
        try:
            p = one.predictions().decisions(len(one.result.labels))
        except ResultError:  # its row says so in the table
            continue
        alike[p.groups, p.target.tobytes(), p.classes].append((one.result, p))
    if not alike:
        return None
    kept = max(alike.values(), key=len)
    parts = {r.id: leave_one_out(p) for r, p in kept}
    return FieldEvidence(
        kept[0][0],
        [_cell(r) for r, _ in kept],
        {i: whole for i, (whole, _) in parts.items()},
        {i: without for i, (_, without) in parts.items()},
        kept[0][1].counted_units(),
    )
