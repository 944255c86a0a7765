"""Several processes that upload the same result to one server from their own folders: one finished
run remains, and no process deletes the run of a living one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nverbench._io import tempfiles
from nverbench.results.tracking import log, push
from nverbench.results.tracking.client import RemoteRun, connect, tracking_errors
from nverbench.results.tracking.fields import DIGEST
from nverbench.results.tracking.log_results import HOUR, WRITER, abandoned
from support.paths import ROOT
from support.tracking_results import folder, result, states

MACHINE = tempfiles.process_tag().partition("-")[2]
UPLOAD = """
import sys
from pathlib import Path
from nverbench.results.store import ResultStore
from nverbench.results.tracking import log
from nverbench.results.tracking.client import connect, tracking_errors
from support.tracking_results import states, result

with tracking_errors("", ""):
    connect(sys.argv[2])  # the slow part
print("ready", flush=True)
sys.stdin.readline()
log(result(), ResultStore(Path(sys.argv[1])), sys.argv[2])
"""


@pytest.fixture
def living() -> Iterator[str]:
    """The writer tag of another process of this machine, which is alive."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    yield f"{process.pid}.{tempfiles._start(process.pid)}-{MACHINE}"
    process.communicate()


def begun(uri: str, maker: str | None, age: float = 0.0) -> str:
    """An unfinished run of ``result()``, with a fold."""
    server, r = connect(uri), result()
    experiment = server.experiment(f"{r.protocol} / {r.entry.dataset}", "")
    tags = {DIGEST: r.result_digest} | (
        {} if maker is None else {WRITER: f"{maker} {int(time.time() - age)}"}
    )
    parent = server.begin(experiment, "begun", tags, 0)
    server.begin(experiment, "fold", {"mlflow.parentRunId": parent}, 0)
    return parent


def test_the_run_of_a_living_process_stays_and_one_run_remains_once_both_are_finished(
    uri: str, tmp_path: Path, living: str
) -> None:
    theirs, here = begun(uri, living), folder(tmp_path)
    assert log(result(), here, uri) is True
    assert states(uri) == [("FINISHED", 2), ("RUNNING", 1)]
    connect(uri).end(theirs, 1, without=WRITER)
    done = push(here, uri, print)
    assert (done.told, done.known, [status for status, _ in states(uri)]) == (0, 1, ["FINISHED"])


@pytest.mark.parametrize(
    ("maker", "age", "gone"),
    [
        (f"999999999.1-{MACHINE}", 0, True),
        ("1.1-elsewhere", 0, False),
        ("1.1-elsewhere", 2 * HOUR, True),
        ("1.1-elsewhere", -2 * HOUR, True),
        (tempfiles.process_tag(), 0, True),
        (None, 0, True),
    ],
    ids=[
        "dead",
        "of another machine",
        "of another machine, silent",
        "of another machine, in the future",
        "our own of before",
        "unsigned",
    ],
)
@pytest.mark.parametrize("how", ["log", "push"])
def test_the_upload_of_an_abandoned_run_starts_again(
    uri: str, tmp_path: Path, how: str, maker: str | None, age: float, gone: bool
) -> None:
    begun(uri, maker, age)
    here = folder(tmp_path)
    log(result(), here, uri) if how == "log" else push(here, uri, print)
    assert states(uri) == [("FINISHED", 2), *([] if gone else [("RUNNING", 1)])]


@pytest.mark.parametrize("how", ["log", "push"])
def test_an_abandoned_run_of_an_uploaded_result_is_deleted(
    uri: str, tmp_path: Path, how: str
) -> None:
    log(result(), folder(tmp_path / "theirs"), uri)
    begun(uri, f"999999999.1-{MACHINE}")
    here = folder(tmp_path / "here")
    log(result(), here, uri) if how == "log" else push(here, uri, print)
    assert states(uri) == [("FINISHED", 2)]


def test_a_finished_run_does_not_name_its_writer(uri: str, tmp_path: Path) -> None:
    log(result(), folder(tmp_path), uri)
    with tracking_errors("", ""):
        runs = list(connect(uri).runs("", connect(uri).experiments()))
    assert [r.tags for r in runs if WRITER in r.tags] == []


@pytest.mark.parametrize(
    "since", ["", "x", "9" * 400, "\u00b2"], ids=["none", "a word", "too long", "no digit"]
)
def test_a_malformed_writer_tag_is_no_error(since: str) -> None:
    assert (
        abandoned(RemoteRun("run", "1", "RUNNING", "", {WRITER: f"1.1-elsewhere {since}"}, {}))
        is True
    )


def test_three_processes_that_upload_at_once_from_their_own_folders_leave_one_run(
    uri: str, tmp_path: Path
) -> None:
    words = [[str(folder(tmp_path / str(n)).root.parent), uri] for n in range(3)]
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPLOAD, *own],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            **pipes,
        )
        for own in words
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], printed
    assert states(uri) == [("FINISHED", 2)]
