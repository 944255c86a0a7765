"""What a process that is killed leaves behind: files that are not whole yet, and how the next
process knows them.

A name holds the process that writes and its machine. On the same machine the end of that process is
certain, so that its litter goes at once; what another machine left in a shared folder goes after a
day. A living writer's file is never taken, except by a machine whose clock is a day off.
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
"""Begins the name of a file that is not whole yet; its writer follows."""
FOLDER_PREFIX = "nverbench-passing-"
"""Begins the name of a temporary folder; its maker follows."""
DAY = 86_400
DEAD = "dead"

_cleared: set[tuple[int, str, str]] = set()


def process_tag() -> str:
    """This process as others may know it: ``ID.START-MACHINE``; START tells it from a later one
    that is given the same id.
    """
    return _process_tag(os.getpid())


def temporary_name() -> str:
    """A new name for a file that is not whole yet: ``.writing-ID.START-MACHINE-RANDOM``."""
    return f"{FILE_PREFIX}{process_tag()}-{secrets.token_hex(8)}"


@contextmanager
def temporary_folder(within: Path | None = None, begins: str = FOLDER_PREFIX) -> Iterator[Path]:
    """A temporary folder (the system's, or ``within`` another), removed at the end; a killed
    process's goes with the next one made there.
    """
    root = within or Path(tempfile.gettempdir())
    remove_stale(root, begins)
    with tempfile.TemporaryDirectory(
        prefix=f"{begins}{process_tag()}-", dir=root, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def remove_stale(folder: Path, begins: str = FILE_PREFIX) -> None:
    """Clear a folder, once in a process, of what dead processes left; what cannot be removed
    (somebody else's) stays.
    """
    asked = os.getpid(), str(folder), begins
    if asked in _cleared:
        return
    _cleared.add(asked)
    with suppress(OSError), os.scandir(folder) as entries:
        left = [entry.name for entry in entries if entry.name.startswith(begins)]
        for name in left:
            with suppress(OSError):  # gone: its writer finished, or another process cleared it
                if abandoned(
                    name.removeprefix(begins), time.time() - (folder / name).lstat().st_mtime
                ):
                    _remove(folder / name)


def abandoned(maker: str, age: float, *, patience: float = DAY) -> bool:
    """Whether what a ``writer()`` began ``age`` seconds ago will never be finished: it died on this
    machine, or is elsewhere and silent too long.
    """
    process, _, rest = maker.partition("-")
    if rest.partition("-")[0] == _machine():
        return not is_running(process)
    return age > patience


def is_running(process: str) -> bool:
    """Whether the process ``ID`` or ``ID.START`` runs on this machine; a name that is no id belongs
    to nobody.
    """
    number, _, start = process.partition(".")
    if not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it runs, as somebody else
        return True
    now = _start(int(number))
    return now is None or now == start or (start in ("", "0") and now != DEAD)


def _start(process: int) -> str | None:
    """When a process began, in ticks since the boot; ``DEAD`` where it only waits for its parent to
    notice; None: not known here.
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
    """This boot of this kernel, and this numbering of processes (a container has its own)."""
    if sys.platform == "linux":
        try:
            known = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii") + str(
                Path("/proc/self/ns/pid").readlink()
            )
        except OSError:  # who shares our numbering cannot be told: nobody's end is certain
            known = secrets.token_hex(16)
    else:
        known = f"{uuid.getnode():x}"
    return hashlib.sha256(f"{known} {platform.node()}".encode()).hexdigest()[:12]
