"""What a killed process left goes with the next one on its machine; what may still be written
stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nverbench._io import tempfiles
from nverbench._io.atomic import write_atomically
from nverbench._io.tempfiles import DAY, FILE_PREFIX, FOLDER_PREFIX

PROCESS, MACHINE = tempfiles.process_tag().split("-")


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("process", "machine", "age", "kept"),
    [
        ("DEAD.1", MACHINE, 0, False),
        ("DEAD.1", "elsewhere", 0, True),
        (PROCESS, "elsewhere", 2 * DAY, False),
        (PROCESS, MACHINE, 2 * DAY, True),
        (f"{os.getpid()}.1", MACHINE, 0, False),
        ("1", MACHINE, 2 * DAY, True),
        ("", MACHINE, 0, False),
        ("9" * 30, MACHINE, 0, False),
    ],
    ids=[
        "dead here",
        "of another machine",
        "of another machine, old",
        "alive",
        "the id is another process's by now",
        "another user's process",
        "no id",
        "no id of this system",
    ],
)
def test_only_what_a_dead_process_left_goes(
    tmp_path: Path, dead: int, process: str, machine: str, age: float, kept: bool
) -> None:
    path = tmp_path / f"{FILE_PREFIX}{process.replace('DEAD', str(dead))}-{machine}-01"
    path.touch()
    os.utime(path, (time.time() - age, time.time() - age))
    write_atomically(tmp_path / "note.json", b"{}")
    assert path.exists() is kept
    assert (tmp_path / "note.json").read_bytes() == b"{}"


def test_a_process_that_only_waits_for_its_parent_to_notice_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    try:
        deadline = time.monotonic() + 30
        while tempfiles.is_running(str(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.returncode is None  # nobody waited for it yet
        assert not tempfiles.is_running(str(process.pid))
    finally:
        process.wait()


def test_processes_that_write_and_sweep_at_once_never_take_each_others_files(
    tmp_path: Path,
) -> None:
    write = """
import sys, pathlib
from nverbench._io import atomic, tempfiles
for i in range(300):
    tempfiles._cleared.clear()
    atomic.write_atomically(pathlib.Path(sys.argv[1]) / f"{sys.argv[2]}-{i % 7}", bytes(4096))
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", write, str(tmp_path), str(n)], stderr=subprocess.PIPE
        )
        for n in range(3)
    ]
    assert [(p.communicate()[1], p.returncode) for p in writers] == [(b"", 0)] * 3
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        f"{n}-{i}" for n in range(3) for i in range(7)
    )


@pytest.mark.parametrize("begins", [".making-", ".adding-", ".building-"])
def test_the_folder_of_a_maker_that_was_killed_goes_with_the_next(
    tmp_path: Path, dead: int, begins: str
) -> None:
    (tmp_path / f"{begins}{dead}.1-{MACHINE}-x" / "deep").mkdir(parents=True)
    (tmp_path / f"{begins}{PROCESS}-{MACHINE}-y").mkdir()
    with tempfiles.temporary_folder(tmp_path, begins) as folder:
        folder.rename(tmp_path / "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{begins}{PROCESS}-{MACHINE}-y", "whole"]


def test_a_temporary_folder_goes_at_the_end_and_a_dead_processs_with_the_next(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfiles.tempfile, "gettempdir", lambda: str(tmp_path))
    left = tmp_path / f"{FOLDER_PREFIX}{dead}.1-{MACHINE}-01"
    (left / "deep").mkdir(parents=True)
    with tempfiles.temporary_folder() as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_removed_and_what_it_points_to_stays(tmp_path: Path, dead: int) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / f"{FILE_PREFIX}{dead}.1-{MACHINE}-01").symlink_to(tmp_path / "precious")
    tempfiles.remove_stale(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "precious"]
