"""Loads finished and submitted results and ranks them: the rows of every table and page of the
leaderboard.

A result is compared only with those of its field: the same clips, labels, groups and folds under
the same protocol and selection. Controls, optimistic rows, rows of fewer than five replicates and
rows that no other party has rerun are shown but not ranked.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nverbench.errors import ResultError
from nverbench.metrics.jackknife import MIN_GROUPS
from nverbench.metrics.jackknife import Decisions as Decisions
from nverbench.metrics.ranks import rank_groups
from nverbench.metrics.scores import PRIMARY
from nverbench.metrics.significance import Comparison, compare
from nverbench.results.predictions import Predictions
from nverbench.results.published import Published, reported
from nverbench.results.record import Result
from nverbench.results.speaker_gap import Gap
from nverbench.results.status import CONTROL, OPTIMISTIC
from nverbench.results.store import ResultStore, predictions_of, read_result, reread

if TYPE_CHECKING:
    from nverbench.plugin.catalog import Catalog
    from nverbench.registry import Registry

Level = Literal["own", "self-consistent", "rerun", "reproduced"]
"""own: computed on this machine. self-consistent: submitted, and every number follows from the
predictions, which could still be invented. rerun: submitted by the maintainers, who trained the
heads again from pinned embeddings, or ran everything from audio; no other party did. reproduced:
another party did.
"""
LEVELS: tuple[Level, ...] = ("self-consistent", "own", "rerun", "reproduced")
"""From the weakest to the strongest: of two copies of one result the stronger is shown."""
RANKED: tuple[Level, ...] = ("own", "rerun", "reproduced")
NOT_RERUN = "neither the maintainers nor another party has rerun it"
"""The reason why a row of another level is not ranked."""
REPLICATES = 5
"""The fewest replicates of a ranked row: with fewer, the spread over seeds is hardly known."""


@dataclass(frozen=True)
class StoredResult:
    """A result with access to its predictions, and how far its numbers were verified."""

    result: Result
    predictions: Callable[[], Predictions]
    """Reads the predictions; ResultError when they are missing or damaged."""
    level: Level = "own"
    attested_by: tuple[str, ...] = ()
    """The other parties that reproduced the result."""
    submitter: str = ""
    """The submitter's name; empty for own results and for anonymous submissions."""
    citation: str = ""
    """The citation that the submitter requests for this row."""
    reread: Callable[[], Result] | None = None
    """Reads the result again where ``result`` has no learning curves: ten thousand rows with them
    would not fit into memory.
    """

    @property
    def whole(self) -> Result:
        """The result with its learning curves; ResultError when its file is missing or damaged."""
        return self.reread() if self.reread is not None else self.result


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard."""

    filed: StoredResult
    rank: int | None
    """Rows of one field with the same rank do not differ significantly from the best of them; None:
    not ranked.
    """
    unranked: str
    """The reason why there is no rank; empty for ranked rows."""
    behind: Comparison | None
    """The best ranked row of the field minus this one, paired; None for itself and for unranked
    rows.
    """
    published: Published | None
    gap: Gap | None

    @property
    def result(self) -> Result:
        """The result behind the row."""
        return self.filed.result


Field = tuple[str, str, str, str]
"""Dataset digest, fold digest, protocol, selection: rows are compared where all four agree."""


def field_of(result: Result) -> Field:
    """The field a result competes in."""
    return result.provenance.dataset_digest, result.folds.digest, result.protocol, result.selection


def load_result(path: Path) -> StoredResult:
    """The result in a file, with the predictions next to it; ResultError when it is damaged."""
    return _stored(path, read_result(path).without_curves())


def load_results(folder: ResultStore) -> tuple[list[StoredResult], list[str]]:
    """The results of a folder, computed on this machine, and one message per damaged file."""
    found, problems = folder.results()
    return [_stored(path, result) for path, result in found.items()], problems


def _stored(path: Path, result: Result) -> StoredResult:
    predictions = path.with_name(f"{path.stem}.predictions.npz")
    return StoredResult(
        result,
        functools.partial(predictions_of, result, predictions),
        reread=functools.partial(reread, path, result.result_digest),
    )


def find_result(text: str, out: Path) -> StoredResult:
    """The result that an id, the beginning of an id, or the path of a file names.

    Args:
        text: id, unique beginning of an id in ``out``, or path that ends in ``.json``.
        out: folder of runs, such as ``nverbench-runs``.

    Raises:
        UsageError: no result, or more than one, is named so.
        ResultError: the file is damaged.
    """
    return load_result(ResultStore(out).locate(text))


def load_entries(
    folder: Path | None, rules: Registry, catalog: Catalog
) -> tuple[list[StoredResult], list[str]]:
    """The submitted results of a folder with their levels, and one message per damaged entry;
    nothing when ``folder`` is None.
    """
    from nverbench.leaderboard import submissions

    if folder is None:
        return [], []
    return submissions.load_entries(folder, submissions.Verifier(rules, catalog))


def distinct(results: Iterable[StoredResult]) -> list[StoredResult]:
    """Each result once, sorted by id; of several copies the one with the strongest level."""
    by_level = sorted(results, key=lambda one: LEVELS.index(one.level))
    best = {one.result.id: one for one in by_level}
    return [best[i] for i in sorted(best)]


def competitors(folder: ResultStore, fields: set[Field]) -> list[StoredResult]:
    """The readable results of a folder in some fields.

    A folder may hold thousands of files: those that do not contain the digest of the folds are not
    parsed. Unreadable files are left out; the commands that show the folder report them.
    """
    digests, found = {digest.encode() for _, digest, _, _ in fields}, []
    for path in folder.paths():
        try:
            content = path.read_bytes()
            one = load_result(path) if any(d in content for d in digests) else None
        except (ResultError, OSError):
            continue
        found += [one] if one is not None and field_of(one.result) in fields else []
    return found


def rows(filed: Iterable[StoredResult], gaps: Iterable[Gap] = ()) -> list[Row]:
    """Ranked rows, sorted by dataset, protocol and folds, then by rank and score; rows without a
    rank come last.
    """
    fields: dict[Field, list[StoredResult]] = defaultdict(list)
    for one in filed:
        fields[field_of(one.result)].append(one)
    by_id = {result: gap for gap in gaps for result in (gap.random, gap.disjoint)}
    found = [row for of_field in fields.values() for row in _ranked(of_field, by_id)]
    return sorted(found, key=_order)


def _ranked(filed: list[StoredResult], gaps: dict[str, Gap]) -> list[Row]:
    """The rows of one field."""
    checked = {one.result.id: _decisions(one) for one in filed}
    decisions = {i: found for i, (_, found) in checked.items() if found is not None}
    ranks = rank_groups(decisions)
    scores = {one.result.id: one.result.scores[PRIMARY].value for one in filed}
    ranked = [i for i in decisions if ranks[i] is not None]
    best = max(ranked, key=lambda i: (ranks[i] == 1, scores[i], i), default=None)

    def row(one: StoredResult) -> Row:
        i = one.result.id
        behind = None
        if best is not None and i in ranked and i != best:
            behind = compare(decisions[best], decisions[i])
        rank = ranks.get(i)
        other_rows = "its clips, labels or groups are not those of the other rows"
        reason = checked[i][0] or ("" if rank is not None else other_rows)
        return Row(one, rank, reason, behind, reported(one.result), gaps.get(i))

    return [row(one) for one in filed]


def few_replicates(result: Result) -> str:
    """The reason why a row of too few replicates is not ranked."""
    number = f"{result.seeds} replicate{'s' if result.seeds != 1 else ''}"
    return f"{number}; a ranked row carries {REPLICATES}"


def _decisions(one: StoredResult) -> tuple[str, Decisions | None]:
    """The reason why a row is not ranked, or an empty text and the decisions that rank it."""
    r = one.result
    unit = r.unit if r.unit != "clip" else "group"
    why = {
        f"a {CONTROL}": r.control,
        OPTIMISTIC: r.optimistic,
        NOT_RERUN: one.level not in RANKED,
        f"fewer than {MIN_GROUPS} {unit}s: no claim of significance": (
            0 < r.counts.groups < MIN_GROUPS
        ),
        few_replicates(r): r.seeds < REPLICATES,
    }
    for reason, holds in why.items():
        if holds:
            return reason, None
    try:
        return "", one.predictions().decisions(len(r.labels))
    except ResultError as error:
        return str(error), None


def _order(row: Row) -> tuple[str, str, str, str, bool, float, float, str]:
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
