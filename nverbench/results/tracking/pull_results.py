"""``nverbench leaderboard pull``: result files, rebuilt from any tracking server.

Nothing a server says is trusted: a file is only ever named after an id of 16 hexadecimal digits, it
is read with the strict schema, its content must match its digest and its predictions the result,
and a result that is here already is never touched.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nverbench._io.tempfiles import temporary_folder
from nverbench.errors import ResultError, TrackingError
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import KEY, publish
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, read_result
from nverbench.results.tracking.addresses import shown
from nverbench.results.tracking.client import (
    DIGEST,
    FINISHED,
    RemoteRun,
    Server,
    away,
    connect,
    tracking_errors,
)
from nverbench.results.tracking.escaping import plain
from nverbench.results.tracking.upload_state import UploadState as Memory

ID = re.compile(r"[0-9a-f]{16}")
LARGEST_JSON, LARGEST_ARRAYS = 64 << 20, 1 << 30
"""Bytes of a result and of its predictions, unpacked: fifty times the largest job of the
registry.
"""


@dataclass
class Pulled:
    """What became of a server's runs."""

    written: int = 0
    here: int = 0
    """Already in the folder."""
    damaged: int = 0


def pull(folder: ResultStore, uri: str, say: Callable[[str], None]) -> Pulled:
    """Write every result of a server that is not in the folder yet, in its published form; a
    damaged run costs one line.

    Raises:
        TrackingError: the server cannot be reached; what was pulled stays, and the same command
            goes on.
    """
    done = Pulled()
    with tracking_errors(
        uri, f"what was pulled is in {folder.root}, the same command goes on from here"
    ):
        server = connect(uri)
        for told in server.runs(
            FINISHED, server.experiments()
        ):  # newest first: of two runs of one id the later is taken
            try:
                _one(server, told, folder, done, say)
            except ResultError as error:
                done.damaged += 1
                say(f"mlflow {shown(uri)}: run {_name(told.run)}: {error}; not taken")
    return done


def _one(
    server: Server, told: RemoteRun, folder: ResultStore, done: Pulled, say: Callable[[str], None]
) -> None:
    job = told.tags.get("nverbench.id", "")
    if not ID.fullmatch(job):
        raise ResultError(f"expected an id of 16 hexadecimal digits, got {_name(job)}")
    if folder.path(job).exists():
        done.here += 1
        _mention_another(told, job, folder, say)
        return
    with temporary_folder() as passing:
        arrived = ResultStore(passing)
        arrived.root.mkdir()
        _fetch(server, told, arrived.path(job), LARGEST_JSON)
        _fetch(server, told, arrived.predictions_path(job), LARGEST_ARRAYS)
        result, predictions = _checked(arrived, job)
    folder.write(result, predictions)
    Memory(folder, job, server.uri).note(result=result.result_digest, run=told.run)
    done.written += 1


def _mention_another(
    told: RemoteRun, job: str, folder: ResultStore, say: Callable[[str], None]
) -> None:
    """A result here stays, whatever a server has under its id."""
    try:
        own = read_result(folder.path(job)).result_digest
    except ResultError as error:
        say(f"{error}, then pull again")
        return
    if own != told.tags.get(DIGEST):
        say(
            f"run {_name(told.run)}: holds another result {job} than {folder.path(job)}; the one"
            " here is kept"
        )


def _fetch(server: Server, told: RemoteRun, to: Path, largest: int) -> None:
    try:
        server.fetch(told, to.name, to)
    except TrackingError as error:
        raise ResultError(str(error)) from error
    except (
        Exception
    ) as error:  # a missing artifact is damage of this run; a server that is gone is not
        if away(error):
            raise
        raise ResultError(
            f"its artifact {to.name} cannot be had ({plain(' '.join(str(error).split()))[:120]})"
        ) from error
    if not to.is_file() or to.stat().st_size > largest:
        raise ResultError(f"its artifact {to.name} is no file of at most {largest >> 20} MiB")


def _checked(arrived: ResultStore, job: str) -> tuple[Result, Predictions]:
    """The result and its predictions, in their published form; file names of this passing folder
    mean nothing to a reader.
    """
    try:
        result = read_result(arrived.path(job))
        if _unpacked(arrived.predictions_path(job)) > LARGEST_ARRAYS:
            raise ResultError(f"its predictions unpack to more than {LARGEST_ARRAYS >> 20} MiB")
        predictions = Predictions.read(arrived.predictions_path(job))
    except ResultError as error:
        raise ResultError(_reason(str(error), arrived)) from error
    if result.id != job:
        raise ResultError(f"its tags say {job}, its result {_name(result.id)}")
    if result.names is not None:
        raise ResultError("its result is not the published form: it holds private names")
    _check_shapes(result, predictions)
    return publish(result, predictions)


def _unpacked(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ResultError(f"its predictions are no .npz ({plain(str(error))[:80]})") from error


def _check_shapes(result: Result, predictions: Predictions) -> None:
    """The predictions are of as many replicates, clips and classes as the result says; pseudonyms
    are not checked against names here.
    """
    n, p = len(predictions.ids), predictions
    expected = (result.seeds, n, len(result.labels))
    if (
        p.probabilities.shape != expected
        or {len(p.groups), len(p.folds), len(p.keys)} != {n}
        or p.target.shape not in ((n,), (0,))
    ):
        raise ResultError(
            f"its predictions have shape {p.probabilities.shape}, expected {expected}"
        )
    if n != result.counts.clips or not all(
        isinstance(key, str) and KEY.fullmatch(key) for key in p.keys
    ):
        raise ResultError(
            f"its predictions are of {n} clips, expected {result.counts.clips}, each under a key of"
            " 32 hexadecimal digits"
        )


def _reason(text: str, arrived: ResultStore) -> str:
    """Without the passing folder, and without advice that is for results of one's own."""
    return plain(
        text.replace(f"{arrived.root}/", "")
        .replace("; delete it and run the job again", "")
        .replace("; run the job with --rerun", "")
    )


def _name(text: str) -> str:
    return repr(plain(text[:64]))
