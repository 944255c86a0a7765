"""Several processes that tell one server of the same result from folders of their own: one finished
run stays, and nobody takes a living one's.
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
TELL = """
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
def somebody() -> Iterator[str]:
    """Another process of this machine that lives, as it signs a run."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    yield f"{process.pid}.{tempfiles._start(process.pid)}-{MACHINE}"
    process.communicate()


def begun(uri: str, maker: str | None, age: float = 0.0) -> str:
    """A run of ``result()`` that somebody has begun, with a fold."""
    server, r = connect(uri), result()
    experiment = server.experiment(f"{r.protocol} / {r.entry.dataset}", "")
    tags = {DIGEST: r.result_digest} | (
        {} if maker is None else {WRITER: f"{maker} {int(time.time() - age)}"}
    )
    parent = server.begin(experiment, "begun", tags, 0)
    server.begin(experiment, "fold", {"mlflow.parentRunId": parent}, 0)
    return parent


def test_a_run_that_a_living_process_tells_is_left_alone_and_one_stays_once_both_are_finished(
    uri: str, tmp_path: Path, somebody: str
) -> None:
    theirs, here = begun(uri, somebody), folder(tmp_path)
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
def test_a_run_that_nobody_will_finish_is_begun_again(
    uri: str, tmp_path: Path, how: str, maker: str | None, age: float, gone: bool
) -> None:
    begun(uri, maker, age)
    here = folder(tmp_path)
    log(result(), here, uri) if how == "log" else push(here, uri, print)
    assert states(uri) == [("FINISHED", 2), *([] if gone else [("RUNNING", 1)])]


@pytest.mark.parametrize("how", ["log", "push"])
def test_what_was_left_of_a_result_that_is_known_is_removed(
    uri: str, tmp_path: Path, how: str
) -> None:
    log(result(), folder(tmp_path / "theirs"), uri)
    begun(uri, f"999999999.1-{MACHINE}")
    here = folder(tmp_path / "here")
    log(result(), here, uri) if how == "log" else push(here, uri, print)
    assert states(uri) == [("FINISHED", 2)]


def test_a_finished_run_does_not_say_who_told_it(uri: str, tmp_path: Path) -> None:
    log(result(), folder(tmp_path), uri)
    with tracking_errors("", ""):
        runs = list(connect(uri).runs("", connect(uri).experiments()))
    assert [r.tags for r in runs if WRITER in r.tags] == []


@pytest.mark.parametrize(
    "since", ["", "x", "9" * 400, "\u00b2"], ids=["none", "a word", "too long", "no digit"]
)
def test_a_signature_that_is_none_is_no_error(since: str) -> None:
    assert (
        abandoned(RemoteRun("run", "1", "RUNNING", "", {WRITER: f"1.1-elsewhere {since}"}, {}))
        is True
    )


def test_three_processes_that_tell_at_once_from_folders_of_their_own_leave_one_run(
    uri: str, tmp_path: Path
) -> None:
    words = [[str(folder(tmp_path / str(n)).root.parent), uri] for n in range(3)]
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    tellers = [
        subprocess.Popen(
            [sys.executable, "-c", TELL, *own],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            **pipes,
        )
        for own in words
    ]
    for teller in tellers:
        assert teller.stdout is not None
        assert teller.stdout.readline() == "ready\n", teller.communicate()
    for teller in tellers:
        assert teller.stdin is not None
        teller.stdin.write("\n")
        teller.stdin.flush()
    said = [teller.communicate(timeout=120) for teller in tellers]
    assert [teller.returncode for teller in tellers] == [0, 0, 0], said
    assert states(uri) == [("FINISHED", 2)]
