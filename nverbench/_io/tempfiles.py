"""Temporary files and folders, and the removal of those that dead processes left.

A name holds the process that writes and its machine. On the same machine it is known whether that
process still runs, and a stale file is removed at once; another machine's file in a shared folder
is removed after a day. A running writer's file is kept, unless a machine's clock is a day off.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import secrets
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE_PREFIX = ".writing-"
"""Begins the name of an incomplete file; the tag of its process follows."""
FOLDER_PREFIX = "nverbench-passing-"
"""Begins the name of a temporary folder; the tag of its process follows."""
DAY = 86_400
DEAD = "dead"

_cleared: set[tuple[int, str, str]] = set()


def process_tag() -> str:
    """The tag of this process: ``ID.START-MACHINE``; START differs for a later process with the
    same id.
    """
    return _process_tag(os.getpid())


def temporary_name() -> str:
    """A new name for an incomplete file: ``.writing-ID.START-MACHINE-RANDOM``."""
    return f"{FILE_PREFIX}{process_tag()}-{secrets.token_hex(8)}"


@contextmanager
def temporary_folder(within: Path | None = None, begins: str = FOLDER_PREFIX) -> Iterator[Path]:
    """A temporary folder (in the system's, or in ``within``), removed at the end of the block. That
    of a killed process is removed when the next one is made.
    """
    root = within or Path(tempfile.gettempdir())
    remove_stale(root, begins)
    with tempfile.TemporaryDirectory(
        prefix=f"{begins}{process_tag()}-", dir=root, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def remove_stale(folder: Path, begins: str = FILE_PREFIX) -> None:
    """Removes what dead processes left in a folder, once per process; a file that may not be
    removed stays.
    """
    key = os.getpid(), str(folder), begins
    if key in _cleared:
        return
    _cleared.add(key)
    with suppress(OSError), os.scandir(folder) as entries:
        found = [folder / entry.name for entry in entries if entry.name.startswith(begins)]
        for path in found:
            with suppress(OSError):  # gone: its writer finished, or another process removed it
                age = time.time() - path.lstat().st_mtime
                if abandoned(path.name.removeprefix(begins), age):
                    _remove(path)


def abandoned(maker: str, age: float, *, patience: float = DAY) -> bool:
    """Whether a file that is ``age`` seconds old will never be finished: the process with the tag
    ``maker`` died on this machine, or is on another one and the age exceeds ``patience``.
    """
    process, _, rest = maker.partition("-")
    if rest.partition("-")[0] == _machine():
        return not is_running(process)
    return age > patience


def is_running(process: str) -> bool:
    """Whether the process ``ID`` or ``ID.START`` runs on this machine; False for any other name."""
    number, _, start = process.partition(".")
    if not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it runs, as another user
        return True
    now = _start(int(number))
    return now is None or now == start or (start in ("", "0") and now != DEAD)


def _start(process: int) -> str | None:
    """The start of a process in ticks since the boot; ``DEAD`` for a zombie; None: unknown on this
    system.
    """
    try:
        words = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return DEAD if words[0] in (b"Z", b"X") else words[19].decode()


def _remove(left: Path) -> None:
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left)
    else:
        left.unlink()


@functools.cache
def _process_tag(process: int) -> str:
    return f"{process}.{_start(process) or 0}-{_machine()}"


@functools.cache
def _machine() -> str:
    """A digest of this boot of the kernel and of the process namespace (that of a container)."""
    if sys.platform == "linux":
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
            known = f"{boot}{Path('/proc/self/ns/pid').readlink()}"
        except OSError:  # unknown which processes share our ids: no process counts as dead
            known = secrets.token_hex(16)
    else:
        known = f"{uuid.getnode():x}"
    return hashlib.sha256(f"{known} {platform.node()}".encode()).hexdigest()[:12]
