"""A tracking server as teams run it: MLflow with PostgreSQL behind it. Skipped where PostgreSQL or
its driver is not installed.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nverbench.leaderboard.rows import StoredResult, rows
from nverbench.leaderboard.serve import end
from nverbench.results.store import ResultStore, read_result
from nverbench.results.tracking import log, log_ranks, pull, push
from nverbench.results.tracking.client import connect, tracking_errors
from support.tracking_processes import free_port
from support.tracking_results import IDS, entry, folder, predictions, result

PROGRAMS = next(
    (
        p
        for p in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        if (p / "initdb").exists()
    ),
    None,
)
if PROGRAMS is None and (found := shutil.which("initdb")):
    PROGRAMS = Path(found).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PROGRAMS is None, reason="PostgreSQL is not installed (Debian: apt install postgresql)"
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("psycopg2") is None,
        reason="psycopg2 is not installed (pip install psycopg2-binary)",
    ),
]


def unprivileged(*words: str) -> list[str]:
    """A command as the user postgres, where tests run as root: PostgreSQL refuses root."""
    return ["runuser", "-u", "postgres", "--", *words] if os.geteuid() == 0 else [*words]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database on a port of its own."""
    place = Path(
        subprocess.run(
            unprivileged("mktemp", "-d", "/tmp/nverbench-pg-XXXXXX"),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    port, data = free_port(), place / "data"
    try:
        initdb = [
            f"{PROGRAMS}/initdb",
            "-D",
            str(data),
            "-A",
            "trust",
            "-U",
            "nverbench",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C",
        ]
        subprocess.run(unprivileged(*initdb), check=True, capture_output=True, cwd=place)
        settings = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={place} -c fsync=off"
        control = [
            f"{PROGRAMS}/pg_ctl",
            "-D",
            str(data),
            "-w",
            "-l",
            str(place / "log"),
            "-o",
            f"-p {port} {settings}",
        ]
        subprocess.run(
            unprivileged(*control, "start"),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=place,
        )
        try:
            yield f"postgresql+psycopg2://nverbench@127.0.0.1:{port}/postgres"
        finally:
            stop = [f"{PROGRAMS}/pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop"]
            subprocess.run(
                unprivileged(*stop),
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=place,
            )
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def server(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server that keeps the artifacts itself."""
    port, place = free_port(), tmp_path_factory.mktemp("server")
    words = [
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        "--backend-store-uri",
        postgres,
    ]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (place / "log").open("w") as printed:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mlflow",
                *words,
                "--artifacts-destination",
                str(place / "artifacts"),
            ],
            cwd=place,
            env={**os.environ, **settings},
            stdout=printed,
            stderr=printed,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 90
        while not healthy(port):
            assert process.poll() is None, (place / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (place / "log").read_text()[-2000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    return False


def test_a_job_goes_to_a_server_with_postgresql_and_comes_back(server: str, tmp_path: Path) -> None:
    hostile = result(
        IDS[1],
        entry=entry(fusion="nul\x00<b>\u202e", dataset="d'; DROP TABLE runs;--\x00"),
        replicates=2,
    )
    plain = result(IDS[0])
    here = folder(tmp_path / "a", plain, hostile)
    assert log(plain, here, server) is True
    assert (push(here, server, print).told, push(here, server, print).told) == (1, 0)
    there, printed = ResultStore(tmp_path / "b"), []
    done = pull(there, server, printed.append)
    assert (done.written, done.damaged, printed) == (2, 0, [])
    assert [read_result(there.path(job)) for job in IDS[:2]] == [plain, hostile]
    assert there.predictions_path(IDS[1]).read_bytes() == here.predictions_path(IDS[1]).read_bytes()
    filed = [StoredResult(plain, lambda: predictions(0))]
    assert (log_ranks(rows(filed), server), log_ranks(rows(filed), server)) == (1, 0)


def test_the_database_itself_can_be_named_without_its_driver(server: str, postgres: str) -> None:
    plain = postgres.replace("+psycopg2", "")
    assert plain.startswith("postgresql://")
    with tracking_errors(plain, ""):
        assert connect(plain).experiments()


def test_a_run_whose_files_are_gone_costs_one_line(server: str, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    one = result(IDS[2])
    push(folder(tmp_path / "a", one), server, print)
    client = MlflowClient(tracking_uri=server)
    (run,) = client.search_runs(
        [e.experiment_id for e in client.search_experiments()],
        f"tags.`nverbench.id` = '{IDS[2]}' AND tags.fusion LIKE '%'",
    )
    client.set_tag(run.info.run_id, "nverbench.id", "00000000000000aa")
    printed: list[str] = []
    done = pull(ResultStore(tmp_path / "b"), server, printed.append)
    assert (done.damaged, len(printed)) == (1, 1)
    assert "00000000000000aa.json cannot be read" in printed[0]
