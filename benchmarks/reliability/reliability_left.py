"""What ``reliability.py`` looks for once its runs are over: processes, half-written files, held
locks, and what MLflow was told.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from nverbench.leaderboard.serve import mlflow_ui

LOCKS = ("*.lock", ".*.lock", ".telling")
BETWEEN = ("<!-- kills -->", "<!-- /kills -->")
"""The lines of the report between which its table stands."""


def processes(home: Path, patience: float = 20.0) -> list[str]:
    """Processes of a run with that home which live on; they have some seconds to notice that their
    parent is gone.
    """
    mark, deadline = os.fsencode(f"NVERBENCH_HOME={home}"), time.monotonic() + patience
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [f"process {number} lives on" for number in found]


def children(parent: int, mark: bytes) -> list[int]:
    """The children of a process whose command line holds a word."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            mother = int((place / "stat").read_bytes().rpartition(b")")[2].split()[1])
            if mother == parent and mark in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return sorted(found)


@contextmanager
def tracking(root: Path, *, server: bool) -> Iterator[str]:
    """The address of a world's database; with ``server`` of an MLflow server on loopback that keeps
    it.
    """
    if not server:
        yield "sqlite:///mlflow.db"
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with mlflow_ui(f"sqlite:///{root}/mlflow.db", root / "artifacts", port) as (address, _):
        yield address.rstrip("/")


def _marked(mark: bytes) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is somebody else's
            if (
                mark in (place / "environ").read_bytes().split(b"\0")
                and b") Z " not in (place / "stat").read_bytes()
            ):
                found.append(place.name)
    return found


def files(root: Path) -> list[str]:
    """Half-written files, and whatever lies in the folder for temporary ones."""
    temporary = [
        path for path in (root / "tmp").iterdir() if not path.name.startswith("torchinductor_")
    ]  # a cache of torch, and meant to stay
    left = [*root.rglob(".writing-*"), *root.rglob(".making-*"), *temporary]
    return [f"{path.relative_to(root)} was left" for path in left]


def locks(root: Path) -> list[str]:
    """Files of locks that somebody holds."""
    held = []
    for path in (found for kind in LOCKS for found in root.rglob(kind)):
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                held.append(f"{path.relative_to(root)} is held")
    return held


def told(database: Path, digests: Iterable[str], folds: int) -> list[str]:
    """What is wrong with a database that must know every result once: a finished parent run and its
    folds.
    """
    query = (
        "SELECT t.value FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid WHERE t.key ="
        " 'nverbench.result_digest' AND r.lifecycle_stage = 'active' AND r.status = 'FINISHED'"
    )
    with closing(sqlite3.connect(database)) as connection:
        parents = sorted(value for (value,) in connection.execute(query))
        (runs,) = connection.execute(
            "SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'"
        ).fetchone()
    expected = sorted(digests)
    wrong = [] if parents == expected else [f"MLflow knows {parents}, expected {expected}"]
    return wrong + (
        []
        if runs == len(expected) * (1 + folds)
        else [f"MLflow has {runs} runs, expected {len(expected) * (1 + folds)}"]
    )


def empty_database(path: Path) -> Path:
    """A database of MLflow without runs."""
    make = (
        "import sys; from nverbench.results.tracking.client import connect, tracking_errors\n"
        "with tracking_errors('', ''): connect(f'sqlite:///{sys.argv[1]}')"
    )
    path.parent.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-c", make, str(path)],
        check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def written(report: Path, table: str) -> None:
    """Put the table where the report has its place."""
    head, _, rest = report.read_text(encoding="utf-8").partition(BETWEEN[0])
    tail = rest.partition(BETWEEN[1])[2]
    report.write_text(f"{head}{BETWEEN[0]}\n{table}\n{BETWEEN[1]}{tail}", encoding="utf-8")
