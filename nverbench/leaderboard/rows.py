"""Results, wherever they lie -> ranked rows: what every table and page of the leaderboard is made
of.

A result is compared with those of its field only: the same clips, labels, groups and folds under
the same protocol and selection. Controls, optimistic rows and rows that nobody vouches for are
shown, never ranked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from nverbench.errors import ResultError
from nverbench.metrics.jackknife import MIN_GROUPS
from nverbench.metrics.jackknife import Decisions as Decisions
from nverbench.metrics.scores import PRIMARY
from nverbench.metrics.significance import Comparison, compare, rank_groups
from nverbench.results.predictions import Predictions
from nverbench.results.published import Published, reported
from nverbench.results.record import Result
from nverbench.results.speaker_gap import Gap

Level = Literal["own", "self-consistent", "rerun", "reproduced"]
"""own: made on this machine. self-consistent: submitted, and every number follows from the
predictions, which could still be invented. rerun: submitted by the maintainers, who trained the
heads again from pinned embeddings, or ran all from audio; no other party did. reproduced: another
party did.
"""
RANKED: tuple[Level, ...] = ("own", "rerun", "reproduced")
NOT_RERUN = "neither the maintainers nor another party has rerun it"
"""Why a row of another level is not ranked."""


@dataclass(frozen=True)
class StoredResult:
    """A result where it lies, and what its numbers are worth."""

    result: Result
    predictions: Callable[[], Predictions]
    """Reads them; ResultError when they are gone or damaged."""
    level: Level = "own"
    attested_by: tuple[str, ...] = ()
    """The other parties who reproduced it."""
    submitter: str = ""
    """Who submitted it; empty for one's own, and where nobody is named."""
    citation: str = ""
    """What its submitter asks to cite for this row."""
    reread: Callable[[], Result] | None = None
    """Reads the result again, where ``result`` is without learning curves: ten thousand rows would
    not fit the memory with them.
    """

    @property
    def whole(self) -> Result:
        """The result with its learning curves; ResultError when its file is gone or damaged."""
        return self.reread() if self.reread is not None else self.result


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard."""

    filed: StoredResult
    rank: int | None
    """Rows of one field with the same rank could not be told apart from the best of them; None: not
    ranked.
    """
    unranked: str
    """Why there is no rank; empty where there is one."""
    behind: Comparison | None
    """The best ranked row of the field minus this one, paired; None for itself and for unranked
    rows.
    """
    published: Published | None
    gap: Gap | None

    @property
    def result(self) -> Result:
        """What was measured."""
        return self.filed.result


Field = tuple[str, str, str, str]
"""Dataset digest, fold digest, protocol, selection: what rows must share to be compared."""


def field_of(result: Result) -> Field:
    """The field a result competes in."""
    return result.provenance.dataset_digest, result.folds.digest, result.protocol, result.selection


def rows(filed: Iterable[StoredResult], gaps: Iterable[Gap] = ()) -> list[Row]:
    """Ranked rows: by dataset, protocol and folds, then by rank and score; what is not ranked
    stands last.
    """
    fields: dict[Field, list[StoredResult]] = defaultdict(list)
    for one in filed:
        fields[field_of(one.result)].append(one)
    by_id = {result: gap for gap in gaps for result in (gap.random, gap.disjoint)}
    found = [row for of_field in fields.values() for row in _ranked(of_field, by_id)]
    return sorted(found, key=_place)


def _ranked(filed: list[StoredResult], gaps: dict[str, Gap]) -> list[Row]:
    """The rows of one field."""
    reasons, decisions = {}, {}
    for one in filed:
        reason, own = _decisions(one)
        reasons[one.result.id] = reason
        if own is not None:
            decisions[one.result.id] = own
    ranks = rank_groups(decisions)
    placed = [i for i in decisions if ranks[i] is not None]
    scores = {one.result.id: one.result.scores[PRIMARY].value for one in filed}
    best = max(placed, key=lambda i: (ranks[i] == 1, scores[i], i), default=None)
    found = []
    for one in filed:
        own_id = one.result.id
        behind = (
            compare(decisions[best], decisions[own_id])
            if best is not None and own_id in placed and own_id != best
            else None
        )
        rank = ranks.get(own_id)
        reason = reasons[own_id] or (
            ""
            if rank is not None
            else "its clips, labels or groups are not those of the other rows"
        )
        found.append(Row(one, rank, reason, behind, reported(one.result), gaps.get(own_id)))
    return found


def _decisions(one: StoredResult) -> tuple[str, Decisions | None]:
    """What a row is ranked by; or why it is not."""
    r = one.result
    why = {
        "a control, not a result": r.control,
        "optimistic: the stopping epoch was chosen on the test part": r.optimistic,
        NOT_RERUN: one.level not in RANKED,
        f"fewer than {MIN_GROUPS} {r.unit if r.unit != 'clip' else 'group'}s: no claim of significance": (
            0 < r.counts.groups < MIN_GROUPS
        ),
    }
    for reason, holds in why.items():
        if holds:
            return reason, None
    try:
        return "", one.predictions().decisions(len(r.labels))
    except ResultError as error:
        return str(error), None


def _place(row: Row) -> tuple[str, str, str, str, bool, float, float, str]:
    r = row.result
    rank = float("inf") if row.rank is None else float(row.rank)
    return (
        r.entry.dataset,
        r.provenance.dataset_digest,
        r.protocol,
        r.folds.kind,
        r.control,
        rank,
        -r.scores[PRIMARY].value,
        r.id,
    )
