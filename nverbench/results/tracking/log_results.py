"""A finished result, told to a tracking server: a parent run per job, a nested run per fold.

A server may be anybody's, so only the published form is told (``publishing``): no name of a file, a
clip or a person. The parent is marked finished last, and until then it says which process tells it:
one whose process died is begun again, one that is still told by somebody else is left alone. Who
finishes looks around once more, so that of a result told by two at once one run stays.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence

from nverbench._io import tempfiles
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import publish
from nverbench.results.record import Result
from nverbench.results.store import ResultStore
from nverbench.results.tracking import backoff, curves, fields
from nverbench.results.tracking.client import DIGEST, Server, connect, tracking_errors
from nverbench.results.tracking.client import RemoteRun as Run
from nverbench.results.tracking.description import NOT, description
from nverbench.results.tracking.escaping import markdown, plain
from nverbench.results.tracking.upload_state import UploadState, upload_lock

WRITER = "nverbench.writer"
"""Of a run that is not finished: which process tells it, since when."""
HOUR = 3600.0
"""After which a run that a process of another machine began, and did not finish, is begun again."""


def log(result: Result, folder: ResultStore, uri: str) -> bool:
    """Tell MLflow of a result, once per tracking server; False when it already knows, or is left
    alone for now.

    Raises:
        TrackingError: the server cannot be reached or written; the result on disk is safe, and
            ``nverbench leaderboard push`` tells it later.
    """
    told = UploadState(folder, result.id, uri)
    if told.get("result") == result.result_digest or backoff.backing_off(uri):
        return False
    safe = (
        f"the result is safe in {folder.path(result.id)}, nverbench leaderboard push tells it later"
    )
    with backoff.with_backoff(uri), tracking_errors(uri, safe), upload_lock(folder):
        if told.get("result") == result.result_digest:  # another process was first
            return False
        public, predictions = publish(result, folder.predictions(result))
        run, new = upload(connect(uri), public, predictions)
    told.note(result=result.result_digest, run=run)
    return new


def upload(server: Server, result: Result, predictions: Predictions) -> tuple[str, bool]:
    """The run of a result in its published form, and whether the server did not know it yet."""
    name = f"{plain(result.protocol)} / {plain(result.entry.dataset)}"
    experiment = server.experiment(name[:400], f"{markdown(name)}. {NOT}")
    known = remove_duplicates(server, _known(server, experiment, result))
    if known is not None:
        return known, False
    own = _upload(server, experiment, result, predictions)
    kept = remove_duplicates(server, _known(server, experiment, result)) or own
    return kept, kept == own


def _known(server: Server, experiment: str, result: Result) -> list[Run]:
    return list(server.runs(f"tags.`{DIGEST}` = '{result.digest()}'", [experiment]))


def remove_duplicates(server: Server, known: Sequence[Run]) -> str | None:
    """The one run of a result that stays, of those that are finished: whoever finishes last sees
    all, and everybody chooses the same.

    The others are removed, and what nobody will finish; runs that a living process still tells are
    left alone.
    """
    finished = sorted((run for run in known if run.status == "FINISHED"), key=lambda run: run.run)
    for run in [*filter(abandoned, known), *finished[1:]]:
        forget(server, run)
    return finished[0].run if finished else None


def abandoned(run: Run) -> bool:
    """Whether nobody will finish a run: its process died, is this one, or is elsewhere and silent
    for an hour.
    """
    maker, _, since = run.tags.get(WRITER, "").partition(" ")
    age = abs(time.time() - int(since)) if since.isdecimal() and len(since) < 12 else 2 * HOUR
    return run.status != "FINISHED" and (
        maker == tempfiles.process_tag() or tempfiles.abandoned(maker, age, patience=HOUR)
    )


def forget(server: Server, parent: Run) -> None:
    """Remove a run with its folds: what a process left behind that died while it told, or what
    another told too.
    """
    for child in list(
        server.runs(f"tags.`mlflow.parentRunId` = '{parent.run}'", [parent.experiment])
    ):
        server.forget(child.run)
    server.forget(parent.run)


def _upload(server: Server, experiment: str, result: Result, predictions: Predictions) -> str:
    start, end = _times(result)
    name = (  # the table cuts its end off
        f"{result.entry.fusion}: {' + '.join(result.entry.backbones)} / {result.folds.kind}"
    )
    tags = fields.tags(result) | {
        "mlflow.note.content": description(result),
        WRITER: f"{tempfiles.process_tag()} {int(time.time())}",
    }
    parent = server.begin(experiment, plain(name), tags, start)
    server.write(
        parent,
        fields.points(result) + curves.mean(result.per_fold),
        fields.params(result),
        when=end,
    )
    server.dataset(parent, **fields.dataset(result))
    for name in dict.fromkeys(fold.fold for fold in result.per_fold):
        _upload_fold(server, experiment, parent, result, name, (start, end))
    with tempfiles.temporary_folder() as passing:
        public = ResultStore(passing)
        public.write(result, predictions)
        server.attach(parent, public.root)
    server.end(parent, end, without=WRITER)
    return parent


def _upload_fold(
    server: Server, experiment: str, parent: str, result: Result, name: str, times: tuple[int, int]
) -> None:
    start, end = times
    replicates = [fold for fold in result.per_fold if fold.fold == name]
    tags = {
        "mlflow.parentRunId": parent,
        "nverbench.id": result.id,
        "nverbench.fold": plain(name),
        "nverbench.replicates": str(len(replicates)),
    }
    run = server.begin(experiment, plain(f"fold {name}"), tags, start)
    server.write(run, curves.of_fold(replicates), when=end)
    server.end(run, end)


def _times(result: Result) -> tuple[int, int]:
    """When the job began and ended, in milliseconds since 1970; now, where the result does not say
    it in ISO 8601.
    """
    try:
        end = datetime.datetime.fromisoformat(result.created).timestamp()
        start = max(end - result.timings.fit - sum(result.timings.embed.values()), 0.0)
    except (ValueError, OverflowError):
        start = end = time.time()
    return int(1000 * start), int(1000 * max(end, start))
