"""Uploads what is known of a result only next to others, after its run: the speaker gap and the
rank group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from nverbench._io.digests import digest_of
from nverbench._io.text import escape_control_characters as escaped
from nverbench.metrics.jackknife import Interval
from nverbench.metrics.significance import Comparison
from nverbench.results.record import Result
from nverbench.results.speaker_gap import Gap
from nverbench.results.store import ResultStore
from nverbench.results.tracking import backoff
from nverbench.results.tracking.client import FINISHED, RemoteRun, connect, tracking_errors
from nverbench.results.tracking.escaping import key
from nverbench.results.tracking.fields import DIGEST, Point
from nverbench.results.tracking.upload_state import UploadState

HEX = re.compile(r"[0-9a-f]+")
"""The characters of a digest; other text must not get into a filter."""


class Ranked(Protocol):
    """A row of the leaderboard (``nverbench.leaderboard.rows.Row``)."""

    @property
    def result(self) -> Result:
        """The measured result."""

    @property
    def rank(self) -> int | None:
        """The rank group; None: not ranked."""

    @property
    def unranked(self) -> str:
        """Why the row is not ranked."""

    @property
    def behind(self) -> Comparison | None:
        """The best ranked row minus this one."""


def log_gap(gap: Gap, folder: ResultStore, uri: str) -> None:
    """Add the metrics of a speaker gap (``speaker_gap/macro_f1``, ``low_...``, ``high_...``) to
    both of its runs, and to each the other's id.

    Raises:
        TrackingError: the server cannot be reached or written.
    """
    values: list[Point] = [
        (f"speaker_gap/{prefix}{key(name)}", value, 0)
        for name, i in gap.values.items()
        for prefix, value in (("", i.value), ("low_", i.low), ("high_", i.high))
        if value is not None
    ]
    safe = f"the gap is safe in {folder.root.parent / 'gaps'}"
    for own, other in ((gap.disjoint, gap.random), (gap.random, gap.disjoint)):
        state = UploadState(folder, own, uri)
        run, digest = state.get("run"), digest_of([other, values])
        if run is None or state.get("gap") == digest or backoff.backing_off(uri):
            continue
        with backoff.with_backoff(uri), tracking_errors(uri, safe):
            connect(uri).write(run, values, tags={"speaker_gap_with": other})
        state.note(gap=digest)


def log_ranks(rows: Iterable[Ranked], uri: str) -> int:
    """Add to every run its rank group among these rows, its distance to the best row and its note;
    a run that has them already is not written.

    Tags ``rank`` and ``rank_note``, metrics ``rank/group`` and ``rank/behind_best`` (fraction of
    macro-F1; its interval is ``rank/low_behind_best`` and ``rank/high_behind_best``).

    Returns:
        The number of runs that changed.

    Raises:
        TrackingError: the server cannot be reached or written.
    """
    rows, changed = list(rows), 0
    by_digest = {row.result.result_digest: row for row in rows}
    if backoff.backing_off(uri):
        return 0
    safe = "results are safe on disk, the next nverbench leaderboard push uploads ranks"
    with backoff.with_backoff(uri), tracking_errors(uri, safe):
        server = connect(uri)
        everywhere = server.experiments()
        found = [run for query in _queries(rows) for run in server.runs(query, everywhere)]
        for run in found:
            row = by_digest.get(run.tags.get(DIGEST, ""))
            if row is not None and not _up_to_date(run, row):
                server.write(run.run, _points(run, row), tags=_tags(row))
                changed += 1
    return changed


def _queries(rows: Sequence[Ranked]) -> list[str]:
    """Return filters that find the runs of rows by their folds, so that thousands of other runs on
    a server are not read.
    """
    folds = sorted({row.result.folds.digest for row in rows})
    if not all(map(HEX.fullmatch, folds)):
        return [FINISHED]
    return [f"{FINISHED} AND tags.`nverbench.fold_digest` = '{digest}'" for digest in folds]


def _up_to_date(run: RemoteRun, row: Ranked) -> bool:
    metrics = {name: value for name, value, _ in _points(run, row)}
    return _tags(row).items() <= run.tags.items() and metrics.items() <= run.metrics.items()


def _tags(row: Ranked) -> dict[str, str]:
    shared = "rows of one rank could not be told apart from the best of them (Holm, 5%)"
    return {
        "rank": str(row.rank) if row.rank is not None else "none",
        "rank_note": escaped(shared if row.rank is not None else row.unranked),
    }


def _points(run: RemoteRun, row: Ranked) -> list[Point]:
    """Return the metrics of a rank. The best row is 0 behind itself; MLflow deletes no metric, so
    that the metrics of a rank that no longer holds become 0.
    """
    if row.rank is None:
        return [(name, 0.0, 0) for name in run.metrics if name.startswith("rank/")]
    d = row.behind.difference if row.behind is not None else Interval(0.0, 0.0, 0.0, 0.0)
    named = {
        "rank/group": float(row.rank),
        "rank/behind_best": d.value,
        "rank/low_behind_best": d.low,
        "rank/high_behind_best": d.high,
    }
    return [(name, value, 0) for name, value in named.items() if value is not None]
