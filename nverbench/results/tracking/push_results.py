"""``nverbench leaderboard push``: every finished result that a tracking server does not know
yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nverbench.errors import ResultError
from nverbench.results import speaker_gap
from nverbench.results.publishing import publish
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, read_result
from nverbench.results.tracking.client import DIGEST, TOLD, Server, connect, tracking_errors
from nverbench.results.tracking.client import RemoteRun as Run
from nverbench.results.tracking.log_results import WRITER, remove_duplicates, upload
from nverbench.results.tracking.ranks import log_gap
from nverbench.results.tracking.upload_state import UploadState, upload_lock


@dataclass
class Pushed:
    """What became of a folder's results."""

    told: int = 0
    known: int = 0
    """The server had them already."""
    damaged: int = 0
    results: list[Result] = field(default_factory=list)
    """All that the server knows now, without their folds."""


def push(folder: ResultStore, uri: str, say: Callable[[str], None]) -> Pushed:
    """Tell a server what it does not know, by asking it: what this machine remembers may be of a
    database that is gone.

    Interrupted, it goes on where it was: a result is told whole or, the next time, again. Damaged
    results cost a line each.

    Raises:
        TrackingError: the server cannot be reached or written; what was told stays told.
    """
    done = Pushed()
    safe = f"results are safe in {folder.root}, the same command goes on from here"
    with tracking_errors(uri, safe):
        server = connect(uri)
        there = _there(server)
    for path in sorted(folder.root.glob("*.json")):
        try:
            result = read_result(path)
            memory, known = UploadState(folder, result.id, uri), there.get(result.result_digest, [])
            run = known[0].run if known else None
            if run is None:
                public, predictions = publish(result, folder.predictions(result))
        except ResultError as error:
            done.damaged += 1
            say(str(error))
            continue
        if run is None:
            with tracking_errors(uri, safe), upload_lock(folder):
                run, _ = upload(server, public, predictions)
            done.told += 1
        else:
            with tracking_errors(uri, safe):
                run = remove_duplicates(server, known) or run
            done.known += 1
        memory.note(result=result.result_digest, run=run)
        done.results.append(result.model_copy(update={"per_fold": []}))
    for gap in speaker_gap.speaker_gaps(done.results, folder.predictions, say):
        log_gap(gap, folder, uri)
    return done


def _there(server: Server) -> dict[str, list[Run]]:
    """What a server knows, by digest: the finished run first, then what ought not to be there,
    doubles and what dead processes left.
    """
    found: dict[str, list[Run]] = {}
    for run in server.runs(TOLD, server.experiments()):
        bare = replace(run, tags={WRITER: run.tags.get(WRITER, "")}, metrics={})
        found.setdefault(run.tags.get(DIGEST, ""), []).append(bare)
    for runs in found.values():
        runs.sort(key=lambda run: (run.status != "FINISHED", run.run))
    return {digest: runs for digest, runs in found.items() if runs[0].status == "FINISHED"}
