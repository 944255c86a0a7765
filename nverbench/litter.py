"""What a process that is killed leaves behind: files that are not whole yet, and how the next process knows them.

A name holds the machine and the process that writes. On the same machine the end of that process is certain, so that its litter goes at once; what
another machine left in a shared folder goes after a day.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WRITING = ".writing-"
"""Begins the name of a file that is not whole yet; its writer follows."""
PASSING = "nverbench-passing-"
"""Begins the name of a temporary folder; its maker follows."""
DAY = 86_400

_swept: set[tuple[int, Path]] = set()


def writing() -> str:
    """A new name for a file that is not whole yet: ``.writing-PROCESS-MACHINE-RANDOM``."""
    return f"{WRITING}{os.getpid()}-{_machine()}-{secrets.token_hex(8)}"


@contextmanager
def passing_folder() -> Iterator[Path]:
    """A temporary folder, removed at the end; one that a killed process left is removed by the next one made here."""
    root = Path(tempfile.gettempdir())
    sweep(root, PASSING)
    with tempfile.TemporaryDirectory(prefix=f"{PASSING}{os.getpid()}-{_machine()}-", dir=root) as folder:
        yield Path(folder)


def sweep(folder: Path, begins: str = WRITING) -> None:
    """Clear a folder, once in a process, of what dead processes left; what cannot be removed (somebody else's) stays."""
    if (os.getpid(), folder) in _swept:
        return
    _swept.add((os.getpid(), folder))
    for left in folder.glob(f"{begins}*"):
        with suppress(OSError):  # gone: its writer finished, or another process cleared it
            if _abandoned(left, left.name.removeprefix(begins)):
                _remove(left)


def _remove(left: Path) -> None:
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left)
    else:
        left.unlink()


def _abandoned(left: Path, maker: str) -> bool:
    process, _, rest = maker.partition("-")
    here = rest.partition("-")[0] == _machine()
    return not lives(process) and (here or time.time() - left.stat().st_mtime > DAY)


def lives(process: str) -> bool:
    """Whether a process of that id runs on this machine; a name that is no id belongs to nobody."""
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it runs, as somebody else
        return True
    return True


@functools.cache
def _machine() -> str:
    """This boot of this kernel and this numbering of processes (a container has its own); elsewhere than on Linux the host's name."""
    try:
        known = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii") + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        known = platform.node()
    return hashlib.sha256(known.encode()).hexdigest()[:12]
