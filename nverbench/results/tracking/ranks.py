"""What is known of a result only beside others, told after its run: the speaker gap and the rank
group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from nverbench._io.digests import digest_of
from nverbench.metrics.jackknife import Interval
from nverbench.metrics.significance import Comparison
from nverbench.results.record import Result
from nverbench.results.speaker_gap import Gap
from nverbench.results.store import ResultStore
from nverbench.results.tracking import backoff
from nverbench.results.tracking.client import DIGEST, FINISHED, Point, connect, tracking_errors
from nverbench.results.tracking.client import RemoteRun as Run
from nverbench.results.tracking.escaping import key, plain
from nverbench.results.tracking.upload_state import UploadState

HEX = re.compile(r"[0-9a-f]+")
"""What a digest is made of; other text does not belong into a filter."""


class Ranked(Protocol):
    """What a row of the leaderboard says of a result (``nverbench.leaderboard.rows.Row``)."""

    @property
    def result(self) -> Result:
        """What was measured."""

    @property
    def rank(self) -> int | None:
        """Its group; None: not ranked."""

    @property
    def unranked(self) -> str:
        """Why not."""

    @property
    def behind(self) -> Comparison | None:
        """The best ranked row minus this one."""


def log_gap(gap: Gap, folder: ResultStore, uri: str) -> None:
    """Give both runs of a speaker gap its metrics (``speaker_gap/macro_f1``, ``low_...``,
    ``high_...``) and the other's id.

    Raises:
        TrackingError: the server cannot be reached or written.
    """
    values: list[Point] = []
    for name, i in gap.values.items():
        parts = (
            (f"speaker_gap/{key(name)}", i.value),
            (f"speaker_gap/low_{key(name)}", i.low),
            (f"speaker_gap/high_{key(name)}", i.high),
        )
        values += [(place, value, 0) for place, value in parts if value is not None]
    for own, other in ((gap.disjoint, gap.random), (gap.random, gap.disjoint)):
        told = UploadState(folder, own, uri)
        run, what = told.get("run"), digest_of([other, values])
        if run is None or told.get("gap") == what or backoff.backing_off(uri):
            continue
        with (
            backoff.with_backoff(uri),
            tracking_errors(uri, f"the gap is safe in {folder.root.parent / 'gaps'}"),
        ):
            connect(uri).write(run, values, tags={"speaker_gap_with": other})
        told.note(gap=what)


def log_ranks(rows: Iterable[Ranked], uri: str) -> int:
    """Tell every run its rank group among these rows, its distance to the best and from how many
    rows; what a run knows is not told again.

    Tags ``rank`` and ``rank_note``, metrics ``rank/group`` and ``rank/behind_best`` (fraction of
    macro-F1; its interval is ``rank/low_behind_best`` and ``rank/high_behind_best``).

    Returns:
        How many runs changed.

    Raises:
        TrackingError: the server cannot be reached or written.
    """
    rows, changed = list(rows), 0
    by_digest = {row.result.result_digest: row for row in rows}
    if backoff.backing_off(uri):
        return 0
    with (
        backoff.with_backoff(uri),
        tracking_errors(
            uri, "results are safe on disk; ranks are told by the next nverbench leaderboard push"
        ),
    ):
        server = connect(uri)
        everywhere = server.experiments()
        for run in [run for wanted in _wanted(rows) for run in server.runs(wanted, everywhere)]:
            row = by_digest.get(run.tags.get(DIGEST, ""))
            if row is None or _knows(run, row):
                continue
            server.write(run.run, _points(run, row), tags=_tags(row))
            changed += 1
    return changed


def _wanted(rows: Sequence[Ranked]) -> list[str]:
    """Filters that find the runs of rows: by the folds they share, so that a server with thousands
    of other runs is not read through.
    """
    cuts = sorted({row.result.folds.digest for row in rows})
    return (
        [f"{FINISHED} AND tags.`nverbench.fold_digest` = '{cut}'" for cut in cuts]
        if all(map(HEX.fullmatch, cuts))
        else [FINISHED]
    )


def _knows(run: Run, row: Ranked) -> bool:
    told = {name: value for name, value, _ in _points(run, row)}
    return all(run.tags.get(k) == v for k, v in _tags(row).items()) and all(
        run.metrics.get(k) == v for k, v in told.items()
    )


def _tags(row: Ranked) -> dict[str, str]:
    shared = "rows of one rank could not be told apart from the best of them (Holm, 5%)"
    return {
        "rank": str(row.rank) if row.rank is not None else "none",
        "rank_note": plain(shared if row.rank is not None else row.unranked),
    }


def _points(run: Run, row: Ranked) -> list[Point]:
    """The best row is 0 behind itself; MLflow deletes no metric, so that a rank which was taken
    away becomes 0.
    """
    if row.rank is None:
        return [(name, 0.0, 0) for name in run.metrics if name.startswith("rank/")]
    d = row.behind.difference if row.behind is not None else Interval(0.0, 0.0, 0.0, 0.0)
    named = (
        ("rank/behind_best", d.value),
        ("rank/low_behind_best", d.low),
        ("rank/high_behind_best", d.high),
    )
    return [
        ("rank/group", float(row.rank), 0),
        *((name, value, 0) for name, value in named if value is not None),
    ]
