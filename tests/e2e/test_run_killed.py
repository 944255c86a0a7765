"""A conversation job that is killed in the middle of its training: the same command goes on from
the last finished epoch, to the same result.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nverbench._io.state import write_state
from support.iemocap_tree import write_tree

pytestmark = pytest.mark.slow

EPOCHS, PAUSE_AFTER = 60, 20
"""Of erc-mean's recipe; and the epoch after which the process to be killed waits for it."""
COMMAND = """
import json, sys, time
from nverbench.results import tracking
from nverbench.training import checkpoints, loop
from nverbench.cli import main

tracking.log, checkpoints.SECONDS = (lambda *a: True), 0.0
epoch, pause = loop.one_epoch, int(sys.argv.pop(1))

def noted(run, optimizer, number):
    with open(sys.argv[1], "a") as file:
        print(number, file=file, flush=True)
    while number == pause:
        time.sleep(0.05)
    return epoch(run, optimizer, number)

loop.one_epoch = noted
main(sys.argv[2:])
"""
WORDS = (
    "run",
    "--backbone",
    "logmel-stats",
    "--dataset",
    "iemocap-6",
    "--fusion",
    "erc-mean:dim=8,hidden=8,layers=0",
    "--folds",
    "holdout=Ses05",
)


def begun(root: Path, out: str, *, pause: int = 0) -> subprocess.Popen[str]:
    """The command line in a process of its own, which notes every epoch that it begins in
    ``OUT.epochs``; ``pause``: and waits at that one.
    """
    command = [sys.executable, "-c", COMMAND, str(pause), f"{out}.epochs", *WORDS, "--out", out]
    return subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NVERBENCH_FIT": "one"},
    )


def ended(process: subprocess.Popen[str]) -> None:
    said = process.communicate(timeout=300)
    assert process.returncode == 0, said


def epochs(root: Path, out: str) -> list[int]:
    path = root / f"{out}.epochs"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def result(root: Path, out: str) -> dict[str, Any]:
    (path,) = (root / out / "results").glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_tree(tmp_path / "IEMOCAP", dialogues=2, turns=4)
    write_state("corpora", "paths", "iemocap", str(tmp_path / "IEMOCAP"))
    return tmp_path


def test_a_checkpoint_that_cannot_be_written_costs_no_training(tree: Path) -> None:
    (tree / "full").mkdir()
    (tree / "full" / "checkpoints").write_text(
        "a file where a folder is needed: nothing can be written into it"
    )
    ended(begun(tree, "full"))
    assert epochs(tree, "full") == list(range(1, EPOCHS + 1))
    assert result(tree, "full")


def test_a_killed_job_goes_on_at_its_last_epoch_to_the_same_result(tree: Path) -> None:
    process = begun(tree, "killed", pause=PAUSE_AFTER + 1)
    while epochs(tree, "killed")[-1:] != [PAUSE_AFTER + 1]:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not list((tree / "killed" / "results").glob("*.json"))
    assert list((tree / "killed" / "checkpoints").rglob("*.pt"))
    (tree / "killed.epochs").unlink()

    ended(begun(tree, "killed"))
    assert epochs(tree, "killed") == list(range(PAUSE_AFTER + 1, EPOCHS + 1))
    assert not list((tree / "killed" / "checkpoints").rglob("*.pt"))
    ended(begun(tree, "straight"))
    assert epochs(tree, "straight") == list(range(1, EPOCHS + 1))
    assert result(tree, "killed")["result_digest"] == result(tree, "straight")["result_digest"]
