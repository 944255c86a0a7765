"""Uploads ranks to MLflow after a run: of its results and of those that they compete with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from nverbench.errors import TrackingError
from nverbench.leaderboard.rows import competitors, field_of, rows
from nverbench.results import tracking
from nverbench.results.record import Result
from nverbench.results.store import ResultStore
from nverbench.results.tracking.upload_state import UploadState

MAX_ROWS = 400
"""Rows of one field that a run ranks (about ten seconds); larger fields are ranked only by
``nverbench leaderboard push``.
"""


def upload_ranks(
    results: Sequence[Result], folder: ResultStore, uri: str, say: Callable[[str], None]
) -> None:
    """Upload the ranks in the fields of results that the server knows; an error of the server is
    reported in one line and costs no result.
    """
    fields = {
        field_of(r)
        for r in results
        if UploadState(folder, r.id, uri).get("result") == r.result_digest
    }
    found = competitors(folder, fields) if fields else []
    for field, count in Counter(field_of(one.result) for one in found).items():
        if count > MAX_ROWS:
            found = [one for one in found if field_of(one.result) != field]
            say(
                f"ranks are not uploaded to MLflow after every run where {count} rows compete;"
                " nverbench leaderboard push uploads them"
            )
    if not found:
        return
    try:
        tracking.log_ranks(rows(found), uri)
    except TrackingError as error:
        say(str(error))
