"""``nverbench leaderboard pull``: rebuilds result files from a tracking server.

The server is not trusted: only an id of 16 hexadecimal digits names a file, a result is read with
the strict schema, must match its digest and its predictions, and never replaces a local one.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nverbench._io.tempfiles import temporary_folder
from nverbench._io.text import escape_control_characters as escaped
from nverbench.errors import ResultError, TrackingError, reason_of
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import publish
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, read_result
from nverbench.results.tracking.addresses import shown
from nverbench.results.tracking.client import (
    FINISHED,
    RemoteRun,
    Server,
    connect,
    tracking_errors,
    unreachable,
)
from nverbench.results.tracking.fields import DIGEST
from nverbench.results.tracking.upload_state import UploadState

ID = re.compile(r"[0-9a-f]{16}")
LARGEST_JSON, LARGEST_ARRAYS = 64 << 20, 1 << 30
"""Bytes of a result and of its unpacked predictions: fifty times the largest job of the
registry.
"""


@dataclass
class Pulled:
    """The outcome of a pull: numbers of runs."""

    written: int = 0
    here: int = 0
    """Already in the folder."""
    damaged: int = 0


def pull(folder: ResultStore, uri: str, say: Callable[[str], None]) -> Pulled:
    """Write the published form of every result on a server that is not in the folder yet; a damaged
    run costs one line.

    Raises:
        TrackingError: the server cannot be reached; finished downloads stay, and the same command
            goes on.
    """
    done = Pulled()
    safe = f"what was pulled is in {folder.root}, the same command goes on from here"
    with tracking_errors(uri, safe):
        server = connect(uri)
        for run in server.runs(FINISHED, server.experiments()):  # newest first: it wins over others
            try:
                _pull_run(server, run, folder, done, say)
            except ResultError as error:
                done.damaged += 1
                say(f"mlflow {shown(uri)}: run {_name(run.run)}: {error}; not taken")
    return done


def _pull_run(
    server: Server, run: RemoteRun, folder: ResultStore, done: Pulled, say: Callable[[str], None]
) -> None:
    job = run.tags.get("nverbench.id", "")
    if not ID.fullmatch(job):
        raise ResultError(f"expected an id of 16 hexadecimal digits, got {_name(job)}")
    if folder.path(job).exists():
        done.here += 1
        _report_difference(run, job, folder, say)
        return
    with temporary_folder() as temporary:
        downloads = ResultStore(temporary)
        downloads.root.mkdir()
        _fetch(server, run, downloads.path(job), LARGEST_JSON)
        _fetch(server, run, downloads.predictions_path(job), LARGEST_ARRAYS)
        result, predictions = _read(downloads, job)
    folder.write(result, predictions)
    UploadState(folder, job, server.uri).note(result=result.result_digest, run=run.run)
    done.written += 1


def _report_difference(
    run: RemoteRun, job: str, folder: ResultStore, say: Callable[[str], None]
) -> None:
    """Report where the server has another result under the id of a local one, which is kept."""
    path = folder.path(job)
    try:
        own = read_result(path).result_digest
    except ResultError as error:
        say(f"{error}, then pull again")
        return
    if own != run.tags.get(DIGEST):
        say(f"run {_name(run.run)}: holds another result {job} than {path}; the one here is kept")


def _fetch(server: Server, run: RemoteRun, to: Path, largest: int) -> None:
    """Download an artifact; a missing one is damage of this run, a dead server ends the pull."""
    try:
        server.fetch(run, to.name, to)
    except TrackingError as error:
        raise ResultError(str(error)) from error
    except Exception as error:
        if unreachable(error):
            raise
        reason = escaped(reason_of(error))[:120]
        raise ResultError(f"its artifact {to.name} cannot be read ({reason})") from error
    if not to.is_file() or to.stat().st_size > largest:
        raise ResultError(f"its artifact {to.name} is no file of at most {largest >> 20} MiB")


def _read(downloads: ResultStore, job: str) -> tuple[Result, Predictions]:
    """Return a downloaded result and its predictions, both checked; errors do not name the
    temporary folder, and do not advise to run the job again.
    """
    try:
        result = read_result(downloads.path(job))
        if _unpacked_size(downloads.predictions_path(job)) > LARGEST_ARRAYS:
            raise ResultError(f"its predictions unpack to more than {LARGEST_ARRAYS >> 20} MiB")
        if result.id != job:
            raise ResultError(f"its tags say {job}, its result {_name(result.id)}")
        if result.names is not None:
            raise ResultError("its result is not the published form: it holds private names")
        predictions = downloads.predictions(result)
        if len(predictions.ids) != result.counts.clips:
            number = len(predictions.ids)
            raise ResultError(
                f"its predictions are of {number} clips, expected {result.counts.clips}"
            )
        return publish(result, predictions)
    except ResultError as error:
        reason = str(error).replace(f"{downloads.root}/", "")
        for advice in ("; delete it and run the job again", "; run the job with --rerun"):
            reason = reason.replace(advice, "")
        raise ResultError(escaped(reason)) from error


def _unpacked_size(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ResultError(f"its predictions are no .npz ({escaped(str(error))[:80]})") from error


def _name(text: str) -> str:
    return repr(escaped(text[:64]))
