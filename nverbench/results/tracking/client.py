"""A tracking server as this package uses one: the only file that imports MLflow, and only once
something is told or asked.

MLflow's own waits are minutes; here a server that does not answer costs about 20 seconds and one
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
from nverbench.results.tracking import backoff, table_view
from nverbench.results.tracking.addresses import address, database_of, shown

LOOPBACK = ("localhost", "127.0.0.1", "::1")
METRICS, OTHERS = 1000, 100
"""What MLflow takes in one call: metrics, and params or tags."""
LONGEST = 5000
"""Characters of a param or tag; MLflow takes 6,000."""
DIGEST = "nverbench.result_digest"
TOLD = f"tags.`{DIGEST}` LIKE '%'"
FINISHED = f"{TOLD} AND attributes.status = 'FINISHED'"
"""Which runs are results: parents that were told whole. What others keep on the same server is left
alone.
"""

Point = tuple[str, float, int]
"""Metric, value, step."""


@dataclass(frozen=True)
class RemoteRun:
    """A run as the server tells it: text of somebody else, to be checked."""

    run: str
    experiment: str
    status: str
    artifacts: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


class Server:
    """One tracking server; experiments are looked up once."""

    def __init__(self, client: Any, uri: str, beside: Path | None) -> None:
        self.uri, self._client, self._beside = uri, backoff.Timed(client), beside
        self._experiments: dict[str, str] = {}

    def experiment(self, name: str, note: str) -> str:
        """The id of an experiment, made if it is not there; the artifacts of a SQLite database lie
        beside it.
        """
        if name not in self._experiments:
            found = self._client.get_experiment_by_name(name)
            self._experiments[name] = (
                str(found.experiment_id) if found else self._new_experiment(name, note)
            )
        return self._experiments[name]

    def _new_experiment(self, name: str, note: str) -> str:
        from mlflow.exceptions import MlflowException

        place = (self._beside / "mlruns" / digest_of(name)[:12]).as_uri() if self._beside else None
        try:
            made = str(self._client.create_experiment(name, place, table_view.TAGS))
        except MlflowException:
            found = self._client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)  # another process was first
        self._client.set_experiment_tag(
            made, "mlflow.note.content", f"{table_view.link(made)} {note}"
        )
        return made

    def begin(self, experiment: str, name: str, tags: Mapping[str, str], start: int) -> str:
        """A new run with its tags (milliseconds since 1970); its id."""
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
        """Metrics, params and tags of a run, in as few calls as MLflow allows; of two values at one
        step MLflow takes the later for the latest.
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
        """Log what a run was judged on as its input."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        told = Dataset(name[:500], digest[:36], "nverbench", source, schema[:1_000_000], profile)
        self._client.log_inputs(
            run, datasets=[DatasetInput(told, [InputTag("mlflow.data.context", "evaluation")])]
        )

    def attach(self, run: str, folder: Path) -> None:
        """Give every file of a folder to a run."""
        self._client.log_artifacts(run, str(folder))

    def end(self, run: str, when: int, *, without: str | None = None) -> None:
        """The run is finished (milliseconds since 1970); a tag that only an unfinished one needs is
        taken from it.
        """
        self._client.set_terminated(run, end_time=when)
        if without is not None:
            self._client.delete_tag(run, without)

    def runs(self, wanted: str, experiments: Sequence[str]) -> Iterator[RemoteRun]:
        """Every active run that a filter matches, page by page, newest first."""
        for start in range(0, len(experiments), 100):
            token = None
            while True:
                page = self._client.search_runs(
                    list(experiments[start : start + 100]),
                    wanted,
                    max_results=500,
                    page_token=token,
                )
                for run in page:
                    yield RemoteRun(
                        run.info.run_id,
                        run.info.experiment_id,
                        run.info.status,
                        run.info.artifact_uri or "",
                        run.data.tags,
                        run.data.metrics,
                    )
                token = page.token
                if not token:
                    break

    def experiments(self) -> list[str]:
        """The ids of every active experiment, page by page."""
        found, token = [], None
        while True:
            page = self._client.search_experiments(max_results=500, page_token=token)
            found += [str(e.experiment_id) for e in page]
            token = page.token
            if not token:
                return found

    def forget(self, run: str) -> None:
        """Delete a run (MLflow keeps it in its bin)."""
        self._client.delete_run(run)

    def fetch(self, told: RemoteRun, name: str, to: Path) -> None:
        """Download one file of a run to a path of our own choice; nothing the server says names a
        file here.

        Raises:
            TrackingError: the run says that its files lie on this machine, though the server does
                not.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        remote, place = urlsplit(self.uri), urlsplit(told.artifacts)
        if (
            remote.scheme in ("http", "https")
            and place.scheme in ("", "file")
            and remote.hostname not in LOOPBACK
        ):
            raise TrackingError(
                f"run {told.run[:64]!r}: its artifacts lie in a folder of the server; start it with"
                " --serve-artifacts"
            )
        # MLflow's download of an artifact asks the server for a listing first, and names files
        # after it; this fetches one file.
        get_artifact_repository(told.artifacts, tracking_uri=self.uri)._download_file(name, str(to))


def connect(uri: str) -> Server:
    """The server of an address; a SQLite database is made once, under a lock: processes that make
    one at the same time crash.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "9")
    os.environ.setdefault("PGCONNECT_TIMEOUT", "9")
    database = database_of(uri)
    return _connected(address(uri) if database is None else f"sqlite:///{database}", database)


@functools.cache
def _connected(uri: str, database: Path | None) -> Server:
    from mlflow.tracking import MlflowClient

    if database is None:
        backoff.check_listening(uri)
        return Server(MlflowClient(tracking_uri=uri), uri, None)
    with _alone(database):
        _open(database)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)  # the first call creates and migrates the tables
    return Server(client, uri, database.parent)


@contextlib.contextmanager
def _alone(database: Path | None) -> Iterator[None]:
    """One process at a time writes to a SQLite file: of two that read, then write, SQLite tells one
    at once that it is locked.
    """
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(
        database.with_name(f".{database.name}.lock"), timeout=120, is_singleton=True
    ):  # singleton: it may be taken again inside
        yield


def _open(database: Path) -> None:
    """Raise at once where a database cannot be opened: MLflow would try again for a hundred
    seconds.

    A new one has a write-ahead log: a commit waits for one disk write instead of three, and who
    reads waits for nobody.
    """
    new = not database.exists()
    opened = sqlite3.connect(database)
    try:
        opened.execute("PRAGMA journal_mode = WAL" if new else "SELECT count(*) FROM sqlite_master")
    finally:
        opened.close()


def away(error: BaseException | None) -> bool:
    """Whether an error says that the server itself cannot be reached, or is broken."""
    from mlflow.exceptions import MlflowException
    from requests import ConnectionError, HTTPError, Timeout

    while error is not None:
        if isinstance(error, ConnectionError | Timeout) or (
            isinstance(error, MlflowException) and "API request to" in str(error)
        ):
            return True
        if (
            isinstance(error, HTTPError)
            and error.response is not None
            and error.response.status_code >= 500
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def tracking_errors(uri: str, safe: str) -> Iterator[None]:
    """Whatever MLflow, its store or the network raises becomes one line that ends with what is safe
    and what to do.
    """
    try:
        with _quiet(), _alone(database_of(uri)):
            yield
    except TrackingError:
        raise
    except Exception as error:
        reason = shown(" ".join(str(error).split()))[:200]
        raise TrackingError(
            f"mlflow {shown(uri)}: {type(error).__name__}: {reason}; {safe}"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """MLflow's migration log and warnings do not belong between our lines."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
