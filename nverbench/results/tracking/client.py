"""The client of a tracking server. Only this file imports MLflow, and only when it first connects.

MLflow's own timeouts are minutes; here a server that does not answer costs about 20 seconds and one
line: results are safe on disk.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock

from nverbench._io.digests import digest_of
from nverbench.errors import TrackingError
from nverbench.results.tracking.addresses import address, database_of, failure
from nverbench.results.tracking.backoff import check_listening, check_speed
from nverbench.results.tracking.fields import DIGEST, EXPERIMENT_TAGS, Point, view_link

WRITE_AHEAD_LOG = "PRAGMA journal_mode = WAL"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
METRICS, OTHERS = 1000, 100
"""The most that MLflow accepts in one call: metrics, and params or tags."""
LONGEST = 5000
"""Characters of a param or tag; MLflow accepts 6,000."""
JOBS = f"tags.`{DIGEST}` LIKE '%'"
"""The filter for runs of jobs; the runs of other projects on the same server do not match."""
FINISHED = f"{JOBS} AND attributes.status = 'FINISHED'"
"""The filter for runs of jobs that were uploaded completely."""


@dataclass(frozen=True)
class RemoteRun:
    """A run as the server describes it: untrusted text, to be checked."""

    run: str
    experiment: str
    status: str
    artifacts: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


class Server:
    """One tracking server; each experiment is looked up once.

    Args:
        client: MLflow's.
        folder: of a SQLite database, where artifacts are stored too; None for a server.
    """

    def __init__(self, client: Any, uri: str, folder: Path | None) -> None:
        self.uri, self._mlflow, self._folder = uri, client, folder
        self._experiments: dict[str, str] = {}

    @property
    def _client(self) -> Any:
        """MLflow's client, for one request."""
        check_speed()
        return self._mlflow

    def experiment(self, name: str, note: str) -> str:
        """Return the id of an experiment; it is created if it does not exist."""
        if name not in self._experiments:
            found = self._client.get_experiment_by_name(name)
            self._experiments[name] = (
                str(found.experiment_id) if found else self._new_experiment(name, note)
            )
        return self._experiments[name]

    def _new_experiment(self, name: str, note: str) -> str:
        from mlflow.exceptions import MlflowException

        place = (self._folder / "mlruns" / digest_of(name)[:12]).as_uri() if self._folder else None
        try:
            made = str(self._client.create_experiment(name, place, EXPERIMENT_TAGS))
        except MlflowException:
            found = self._client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)  # another process created it first
        self._client.set_experiment_tag(made, "mlflow.note.content", f"{view_link(made)} {note}")
        return made

    def begin(self, experiment: str, name: str, tags: Mapping[str, str], start: int) -> str:
        """Create a run with its tags (start in milliseconds since 1970) and return its id."""
        cut = {key: value[:LONGEST] for key, value in tags.items()}
        return str(self._client.create_run(experiment, start, cut, name[:250]).info.run_id)

    def write(
        self,
        run: str,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        *,
        when: int | None = None,
    ) -> None:
        """Add metrics, params and tags to a run, in as few calls as MLflow allows.

        Args:
            when: milliseconds since 1970 (None: now); of two values at one step, MLflow shows the
                one with the later time.
        """
        from mlflow.entities import Metric, Param, RunTag

        stamp = int(1000 * time.time()) if when is None else when
        metrics = [Metric(name, value, stamp, step) for name, value, step in points]
        texts = [Param(key, value[:LONGEST]) for key, value in (params or {}).items()]
        labels = [RunTag(key, value[:LONGEST]) for key, value in (tags or {}).items()]
        while metrics or texts or labels:
            first = metrics[: METRICS - 2 * OTHERS] if texts or labels else metrics[:METRICS]
            self._client.log_batch(run, metrics=first, params=texts[:OTHERS], tags=labels[:OTHERS])
            metrics, texts, labels = metrics[len(first) :], texts[OTHERS:], labels[OTHERS:]

    def dataset(
        self, run: str, name: str, digest: str, source: str, schema: str, profile: str
    ) -> None:
        """Log the dataset that a run was evaluated on."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(name[:500], digest[:36], "nverbench", source, schema[:1_000_000], profile)
        context = [InputTag("mlflow.data.context", "evaluation")]
        self._client.log_inputs(run, datasets=[DatasetInput(data, context)])

    def attach(self, run: str, folder: Path) -> None:
        """Upload every file of a folder as an artifact of a run."""
        self._client.log_artifacts(run, str(folder))

    def end(self, run: str, when: int, *, without: str | None = None) -> None:
        """Mark a run as finished (milliseconds since 1970) and delete a tag that only unfinished
        runs have.
        """
        self._client.set_terminated(run, end_time=when)
        if without is not None:
            self._client.delete_tag(run, without)

    def runs(self, query: str, experiments: Sequence[str]) -> Iterator[RemoteRun]:
        """Yield every active run that a filter matches, page by page, newest first."""
        for start in range(0, len(experiments), 100):
            some = list(experiments[start : start + 100])
            for run in self._pages("search_runs", some, query):
                i, data = run.info, run.data
                place = i.artifact_uri or ""
                yield RemoteRun(i.run_id, i.experiment_id, i.status, place, data.tags, data.metrics)

    def experiments(self) -> list[str]:
        """Return the ids of all active experiments."""
        return [str(found.experiment_id) for found in self._pages("search_experiments")]

    def _pages(self, method: str, *words: Any) -> Iterator[Any]:
        """Yield the results of a search of MLflow's client, page by page."""
        token, more = None, True
        while more:
            page = getattr(self._client, method)(*words, max_results=500, page_token=token)
            yield from page
            token = page.token
            more = bool(token)

    def delete(self, run: str) -> None:
        """Delete a run (MLflow keeps it in its trash)."""
        self._client.delete_run(run)

    def fetch(self, run: RemoteRun, name: str, to: Path) -> None:
        """Download one file of a run to a path that this package chose; no text of the server names
        a file on this machine.

        Raises:
            TrackingError: a remote server says that the artifacts are in a folder of this machine.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        server, place = urlsplit(self.uri), urlsplit(run.artifacts)
        remote = server.scheme in ("http", "https") and server.hostname not in LOOPBACK
        if remote and place.scheme in ("", "file"):
            raise TrackingError(
                f"run {run.run[:64]!r}: its artifacts lie in a folder of the server; start it with"
                " --serve-artifacts"
            )
        # MLflow's public download lists the files first, and names local files after the listing.
        get_artifact_repository(run.artifacts, tracking_uri=self.uri)._download_file(name, str(to))


def connect(uri: str) -> Server:
    """Return the server of an address, connected once per process, with timeouts short enough for
    a run.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "9")
    os.environ.setdefault("PGCONNECT_TIMEOUT", "9")
    database = database_of(uri)
    return _connected(address(uri) if database is None else f"sqlite:///{database}", database)


@functools.cache
def _connected(uri: str, database: Path | None) -> Server:
    """Connect; processes that create one SQLite database at the same time crash, so that a lock
    lets only one do it.
    """
    from mlflow.tracking import MlflowClient

    if database is None:
        check_listening(uri)
        return Server(MlflowClient(tracking_uri=uri), uri, None)
    with _locked(database):
        _check_database(database)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)  # the first call creates and migrates the tables
    return Server(client, uri, database.parent)


@contextlib.contextmanager
def _locked(database: Path | None) -> Iterator[None]:
    """Hold the lock of a SQLite file: where two processes read and then write, SQLite refuses one
    of them at once. The lock may be taken again inside.
    """
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    lock = database.with_name(f".{database.name}.lock")
    with FileLock(lock, timeout=120, is_singleton=True):
        yield


def _check_database(database: Path) -> None:
    """Raise at once where a database cannot be opened: MLflow would retry for a hundred seconds.

    A new one gets a write-ahead log: a commit takes one disk write instead of three, and readers
    wait for no writer.
    """
    statement = "SELECT count(*) FROM sqlite_master" if database.exists() else WRITE_AHEAD_LOG
    with contextlib.closing(sqlite3.connect(database)) as opened:
        opened.execute(statement)


def unreachable(error: BaseException | None) -> bool:
    """Return whether an error, or a cause of it, says that the server is down or broken."""
    from mlflow.exceptions import MlflowException
    from requests import ConnectionError, HTTPError, Timeout

    while error is not None:
        response = error.response if isinstance(error, HTTPError) else None
        if (
            isinstance(error, ConnectionError | Timeout)
            or (isinstance(error, MlflowException) and "API request to" in str(error))
            or (response is not None and response.status_code >= 500)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def tracking_errors(uri: str, safe: str) -> Iterator[None]:
    """Turn every error of MLflow, its store or the network into one line.

    Args:
        safe: the end of the line: what is safe, and what to do.
    """
    try:
        with _quiet(), _locked(database_of(uri)):
            yield
    except TrackingError:
        raise
    except Exception as error:
        raise failure(uri, error, safe) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress MLflow's log of migrations and its warnings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
