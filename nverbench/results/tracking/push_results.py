"""``nverbench leaderboard push``: uploads every finished result that a tracking server lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nverbench.errors import ResultError
from nverbench.results import speaker_gap
from nverbench.results.publishing import publish
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, read_result
from nverbench.results.tracking.client import JOBS, RemoteRun, Server, connect, tracking_errors
from nverbench.results.tracking.fields import DIGEST
from nverbench.results.tracking.log_results import WRITER, remove_duplicates, upload
from nverbench.results.tracking.ranks import log_gap
from nverbench.results.tracking.upload_state import UploadState, upload_lock


@dataclass
class Pushed:
    """The outcome of a push."""

    told: int = 0
    """Results uploaded."""
    known: int = 0
    """Results that the server had already."""
    damaged: int = 0
    results: list[Result] = field(default_factory=list)
    """All results that the server has now, without their folds."""


def push(folder: ResultStore, uri: str, say: Callable[[str], None]) -> Pushed:
    """Upload the results that a server lacks. The server itself is asked: the records of this
    machine may be of a database that was deleted.

    After an interruption the next push goes on: a result is uploaded completely or again. A damaged
    result costs one line.

    Raises:
        TrackingError: the server cannot be reached or written; finished uploads stay.
    """
    done = Pushed()
    safe = f"results are safe in {folder.root}, the same command goes on from here"
    with tracking_errors(uri, safe):
        server = connect(uri)
        known = _finished_runs(server)
    for path in folder.paths():
        try:
            result = read_result(path)
            runs = known.get(result.result_digest, [])
            job = None if runs else publish(result, folder.predictions(result))
        except ResultError as error:
            done.damaged += 1
            say(str(error))
            continue
        if job is not None:
            with tracking_errors(uri, safe), upload_lock(folder):
                run, _ = upload(server, *job)
            done.told += 1
        else:
            with tracking_errors(uri, safe):
                run = remove_duplicates(server, runs) or runs[0].run
            done.known += 1
        UploadState(folder, result.id, uri).note(result=result.result_digest, run=run)
        done.results.append(result.model_copy(update={"per_fold": []}))
    for gap in speaker_gap.speaker_gaps(done.results, folder.predictions, say):
        log_gap(gap, folder, uri)
    return done


def _finished_runs(server: Server) -> dict[str, list[RemoteRun]]:
    """Return the runs of each result that has a finished one, by digest: the finished run first,
    then duplicates and unfinished runs.
    """
    found: dict[str, list[RemoteRun]] = {}
    for run in server.runs(JOBS, server.experiments()):
        small = replace(run, tags={WRITER: run.tags.get(WRITER, "")}, metrics={})
        found.setdefault(run.tags.get(DIGEST, ""), []).append(small)
    for runs in found.values():
        runs.sort(key=lambda run: (run.status != "FINISHED", run.run))
    return {digest: runs for digest, runs in found.items() if runs[0].status == "FINISHED"}
