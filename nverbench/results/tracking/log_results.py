"""Uploads a finished result to a tracking server: a parent run per job, a nested run per fold.

A server may be public, so only the published form is uploaded (``publishing``): no name of a file,
a clip or a person. The parent is marked as finished last; until then a tag names the process that
uploads it. If that process died, the upload starts again; if it is alive, its run stays. After an
upload the server is searched once more, so that of two uploads at the same time one run remains.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence

from nverbench._io import tempfiles
from nverbench._io.text import escape_control_characters as escaped
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import publish
from nverbench.results.record import Result
from nverbench.results.store import ResultStore
from nverbench.results.tracking import backoff, fields
from nverbench.results.tracking.addresses import push_command
from nverbench.results.tracking.client import RemoteRun, Server, connect, tracking_errors
from nverbench.results.tracking.description import NOT, description
from nverbench.results.tracking.escaping import markdown
from nverbench.results.tracking.upload_state import UploadState, upload_lock

WRITER = "nverbench.writer"
"""The tag of an unfinished run: which process uploads it, since when."""
HOUR = 3600.0
"""After so many seconds an unfinished run of another machine counts as abandoned."""


def log(result: Result, folder: ResultStore, uri: str) -> bool:
    """Upload a result, once per tracking server; return False where the server has it already, or
    is not used for now.

    Raises:
        TrackingError: the server cannot be reached or written; the result on disk is safe, and
            ``nverbench leaderboard push`` uploads it later.
    """
    state = UploadState(folder, result.id, uri)
    if state.get("result") == result.result_digest or backoff.backing_off(uri):
        return False
    place = folder.path(result.id)
    safe = f"the result is safe in {place}, {push_command(uri)} uploads it later"
    with backoff.with_backoff(uri), tracking_errors(uri, safe), upload_lock(folder):
        if state.get("result") == result.result_digest:  # another process was first
            return False
        public, predictions = publish(result, folder.predictions(result))
        run, new = upload(connect(uri), public, predictions)
    state.note(result=result.result_digest, run=run)
    return new


def upload(server: Server, result: Result, predictions: Predictions) -> tuple[str, bool]:
    """Return the run of a result in its published form, and whether it is a new one."""
    name = f"{escaped(result.protocol)} / {escaped(result.entry.dataset)}"
    experiment = server.experiment(name[:400], f"{markdown(name)}. {NOT}")
    known = remove_duplicates(server, _runs_of(server, experiment, result))
    if known is not None:
        return known, False
    own = _upload(server, experiment, result, predictions)
    kept = remove_duplicates(server, _runs_of(server, experiment, result)) or own
    return kept, kept == own


def _runs_of(server: Server, experiment: str, result: Result) -> list[RemoteRun]:
    return list(server.runs(f"tags.`{fields.DIGEST}` = '{result.digest()}'", [experiment]))


def remove_duplicates(server: Server, known: Sequence[RemoteRun]) -> str | None:
    """Delete all runs of a result but one finished run, and return its id; None where there is
    none. The last process to finish sees all runs, and every process keeps the same one.

    Runs that a living process still uploads stay.
    """
    finished = sorted((run for run in known if run.status == "FINISHED"), key=lambda run: run.run)
    for run in [*filter(abandoned, known), *finished[1:]]:
        _delete(server, run)
    return finished[0].run if finished else None


def abandoned(run: RemoteRun) -> bool:
    """Return whether no process will finish a run: its writer died, is this process, or is on
    another machine and an hour old.
    """
    maker, _, since = run.tags.get(WRITER, "").partition(" ")
    age = abs(time.time() - int(since)) if since.isdecimal() and len(since) < 12 else 2 * HOUR
    return run.status != "FINISHED" and (
        maker == tempfiles.process_tag() or tempfiles.abandoned(maker, age, patience=HOUR)
    )


def _delete(server: Server, parent: RemoteRun) -> None:
    """Delete a run and the runs of its folds."""
    query = f"tags.`mlflow.parentRunId` = '{parent.run}'"
    for child in list(server.runs(query, [parent.experiment])):
        server.delete(child.run)
    server.delete(parent.run)


def _upload(server: Server, experiment: str, result: Result, predictions: Predictions) -> str:
    start, end = _times(result)
    e = result.entry
    name = f"{e.fusion}: {' + '.join(e.backbones)} / {result.folds.kind}"  # the table cuts its end
    tags = fields.tags(result) | {
        "mlflow.note.content": description(result),
        WRITER: f"{tempfiles.process_tag()} {int(time.time())}",
    }
    parent = server.begin(experiment, escaped(name), tags, start)
    metrics = fields.points(result) + fields.mean_curves(result.per_fold)
    server.write(parent, metrics, fields.params(result), when=end)
    server.dataset(parent, **fields.dataset(result))
    for fold in dict.fromkeys(fold.fold for fold in result.per_fold):
        replicates = [one for one in result.per_fold if one.fold == fold]
        tags = {
            "mlflow.parentRunId": parent,
            "nverbench.id": result.id,
            "nverbench.fold": escaped(fold),
            "nverbench.replicates": str(len(replicates)),
        }
        run = server.begin(experiment, escaped(f"fold {fold}"), tags, start)
        server.write(run, fields.fold_points(replicates), when=end)
        server.end(run, end)
    with tempfiles.temporary_folder() as temporary:
        public = ResultStore(temporary)
        public.write(result, predictions)
        server.attach(parent, public.root)
    server.end(parent, end, without=WRITER)
    return parent


def _times(result: Result) -> tuple[int, int]:
    """Return when the job began and ended, in milliseconds since 1970; now, where the date in the
    result is not in ISO 8601.
    """
    try:
        end = datetime.datetime.fromisoformat(result.created).timestamp()
        start = max(end - result.timings.fit - sum(result.timings.embed.values()), 0.0)
    except (ValueError, OverflowError):
        start = end = time.time()
    return int(1000 * start), int(1000 * max(end, start))
