"""What a killed process left goes with the next one on its machine; what may still be written stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nverbench import litter
from nverbench.home import write_atomically
from nverbench.litter import DAY, PASSING, WRITING

MACHINE = litter.writing().removeprefix(WRITING).split("-")[1]


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("alive", "machine", "age", "kept"),
    [(False, MACHINE, 0, False), (False, "elsewhere", 0, True), (False, "elsewhere", 2 * DAY, False), (True, MACHINE, 2 * DAY, True)],
    ids=["dead here", "of another machine", "of another machine, old", "alive"],
)
def test_only_what_a_dead_process_left_goes(tmp_path: Path, dead: int, alive: bool, machine: str, age: float, kept: bool) -> None:
    path = tmp_path / f"{WRITING}{os.getpid() if alive else dead}-{machine}-01"
    path.touch()
    os.utime(path, (time.time() - age, time.time() - age))
    write_atomically(tmp_path / "note.json", b"{}")
    assert path.exists() is kept
    assert (tmp_path / "note.json").read_bytes() == b"{}"


def test_a_temporary_folder_goes_at_the_end_and_a_dead_processs_with_the_next(tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litter.tempfile, "gettempdir", lambda: str(tmp_path))
    left = tmp_path / f"{PASSING}{dead}-{MACHINE}-01"
    (left / "deep").mkdir(parents=True)
    with litter.passing_folder() as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_removed_and_what_it_points_to_stays(tmp_path: Path, dead: int) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / f"{WRITING}{dead}-{MACHINE}-01").symlink_to(tmp_path / "precious")
    litter.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "precious"]
