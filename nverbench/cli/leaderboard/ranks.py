"""Ranks after a run: of its results and of those they compete with, told to MLflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nverbench.cli.common import echo_err
from nverbench.errors import ResultError, TrackingError

if TYPE_CHECKING:
    from nverbench.leaderboard.rows import Field, StoredResult
    from nverbench.results.record import Result
    from nverbench.results.store import ResultStore

MOST = 400
"""Rows of one field that a run ranks by itself: about ten seconds; with more only ``nverbench
leaderboard push`` does.
"""


def tell_ranks(results: Sequence[Result], out: Path, uri: str) -> None:
    """Tell MLflow the ranks in the fields of results that it was just told of; what goes wrong is
    one line, and costs no result.
    """
    from nverbench.leaderboard.rows import field_of, rows
    from nverbench.results import tracking
    from nverbench.results.store import ResultStore
    from nverbench.results.tracking.upload_state import UploadState

    folder = ResultStore(out)
    fields = {
        field_of(r)
        for r in results
        if UploadState(folder, r.id, uri).get("result") == r.result_digest
    }
    found = competitors(folder, fields) if fields else []
    for field, count in Counter(field_of(one.result) for one in found).items():
        if count > MOST:
            found = [one for one in found if field_of(one.result) != field]
            echo_err(
                f"ranks are not told to MLflow after every run where {count} rows compete;"
                " nverbench leaderboard push tells them"
            )
    if not found:
        return
    try:
        tracking.log_ranks(rows(found), uri)
    except TrackingError as error:
        echo_err(str(error))


def competitors(folder: ResultStore, fields: set[Field]) -> list[StoredResult]:
    """The readable results of a folder in some fields. Files that do not even mention the folds are
    not parsed: a folder may hold thousands.
    """
    from nverbench.cli.compare import filed_at
    from nverbench.leaderboard.rows import field_of

    cuts, found = {field[1].encode() for field in fields}, []
    for path in sorted(folder.root.glob("*.json")):
        try:
            content = path.read_bytes()
            one = filed_at(path) if any(cut in content for cut in cuts) else None
        except (ResultError, OSError):  # named by whatever shows the folder
            continue
        found += [one] if one is not None and field_of(one.result) in fields else []
    return found
