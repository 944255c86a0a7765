"""A finished result, told to a tracking server: a parent run per job, a nested run per fold.

A server may be anybody's, so only the published form is told (``publishing``): no name of a file, a clip or a person. The parent is marked finished
last: one that is not was begun by a process that died, and is begun again.
"""

from __future__ import annotations

import datetime
import time

from nverbench.folder import Folder
from nverbench.litter import passing_folder
from nverbench.predictions import Predictions
from nverbench.publishing import publish
from nverbench.results import Result
from nverbench.tracking import curves, facts
from nverbench.tracking.client import DIGEST, Server, connect, speaking
from nverbench.tracking.description import NOT, description
from nverbench.tracking.plain import markdown, plain
from nverbench.tracking.told import Told, telling


def log(result: Result, folder: Folder, uri: str) -> bool:
    """Tell MLflow of a result, once per tracking server; False when it already knows.

    Raises:
        TrackingError: the server cannot be reached or written; the result on disk is safe, and ``nverbench leaderboard push`` tells it later.
    """
    told = Told(folder, result.id, uri)
    if told.get("result") == result.result_digest:
        return False
    safe = f"the result is safe in {folder.path(result.id)}, nverbench leaderboard push tells it later"
    with speaking(uri, safe), telling(folder):
        if told.get("result") == result.result_digest:  # another process was first
            return False
        public, predictions = publish(result, folder.predictions(result))
        run, new = tell(connect(uri), public, predictions)
    told.note(result=result.result_digest, run=run)
    return new


def tell(server: Server, result: Result, predictions: Predictions) -> tuple[str, bool]:
    """The run of a result in its published form, and whether the server did not know it yet."""
    name = f"{plain(result.protocol)} / {plain(result.entry.dataset)}"
    experiment = server.experiment(name[:400], f"{markdown(name)}. {NOT}")
    for known in list(server.runs(f"tags.`{DIGEST}` = '{result.digest()}'", [experiment])):
        if known.status == "FINISHED":
            return known.run, False
        _forget(server, known.run, experiment)
    return _tell(server, experiment, result, predictions), True


def _forget(server: Server, parent: str, experiment: str) -> None:
    """Remove what a process left behind that died while it told."""
    for child in list(server.runs(f"tags.`mlflow.parentRunId` = '{parent}'", [experiment])):
        server.forget(child.run)
    server.forget(parent)


def _tell(server: Server, experiment: str, result: Result, predictions: Predictions) -> str:
    start, end = _times(result)
    name = f"{result.entry.fusion}: {' + '.join(result.entry.backbones)} / {result.folds.kind}"  # the table cuts its end off
    parent = server.begin(experiment, plain(name), facts.tags(result) | {"mlflow.note.content": description(result)}, start)
    server.write(parent, facts.points(result) + curves.mean(result.per_fold), facts.params(result), when=end)
    server.dataset(parent, **facts.dataset(result))
    for name in dict.fromkeys(fold.fold for fold in result.per_fold):
        _tell_fold(server, experiment, parent, result, name, (start, end))
    with passing_folder() as passing:
        public = Folder(passing)
        public.write(result, predictions)
        server.attach(parent, public.root)
    server.end(parent, end)
    return parent


def _tell_fold(server: Server, experiment: str, parent: str, result: Result, name: str, times: tuple[int, int]) -> None:
    start, end = times
    replicates = [fold for fold in result.per_fold if fold.fold == name]
    tags = {"mlflow.parentRunId": parent, "nverbench.id": result.id, "nverbench.fold": plain(name), "nverbench.replicates": str(len(replicates))}
    run = server.begin(experiment, plain(f"fold {name}"), tags, start)
    server.write(run, curves.of_fold(replicates), when=end)
    server.end(run, end)


def _times(result: Result) -> tuple[int, int]:
    """When the job began and ended, in milliseconds since 1970; now, where the result does not say it in ISO 8601."""
    try:
        end = datetime.datetime.fromisoformat(result.created).timestamp()
        start = max(end - result.timings.fit - sum(result.timings.embed.values()), 0.0)
    except (ValueError, OverflowError):
        start = end = time.time()
    return int(1000 * start), int(1000 * max(end, start))
