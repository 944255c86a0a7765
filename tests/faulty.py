"""A system that refuses to write: where the package opens, makes, renames or connects is found while it does, and refused there.

Python tells its audit hooks of every file that is opened; a hook that raises is a system call that failed. A site is the function that wanted to
write (not ``home.whole``, through which many do) and how: ``nverbench/cache.py put open``.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1] / "nverbench"
THROUGH = {"home.py", "litter.py", "patience.py"}
"""Files through which others write."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Disk:
    """What was written where, and what is refused."""

    refused: str | None = None
    code: int = 0
    seen: Counter[str] = field(default_factory=Counter)


_watched: list[Disk] = []


@contextmanager
def disk(refused: str | None = None, code: int = 0) -> Iterator[Disk]:
    """Inside, every site that writes is noted, and one of them is refused with an error of the system."""
    if not hasattr(sys, "_nverbench_faulty"):
        sys.addaudithook(_heard)
        sys._nverbench_faulty = True  # type: ignore[attr-defined]  # a hook stays for ever: one is enough
    made = Disk(refused, code)
    _watched.append(made)
    try:
        yield made
    finally:
        _watched.remove(made)


def _heard(event: str, words: tuple[Any, ...]) -> None:
    if not _watched:
        return
    how = _how(event, words)
    site = _site(sys._getframe(1)) if how else None
    if site is None:
        return
    for one in list(_watched):
        one.seen[f"{site} {how}"] += 1
        if one.refused == f"{site} {how}":
            if how == "connect":
                raise sqlite3.OperationalError("unable to open database file")
            raise OSError(one.code, os.strerror(one.code), os.fspath(words[0]))


def _how(event: str, words: tuple[Any, ...]) -> str | None:
    """How something is written, if it is."""
    if event == "open" and isinstance(words[0], str | bytes | os.PathLike) and words[2] & WRITING:
        return None if os.fspath(words[0]) in ("/dev/null", b"/dev/null") or os.fspath(words[0]) == tempfile.gettempdir() else "open"
    if event == "os.mkdir":
        return None if Path(words[0]).is_dir() or "torchinductor" in str(words[0]) else "mkdir"  # there already; and a cache of torch
    return {"os.rename": "rename", "sqlite3.connect": "connect"}.get(event)


def _site(frame: FrameType | None) -> str | None:
    """The innermost function of the package, past those through which others write."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.name not in THROUGH:
            return f"nverbench/{path.relative_to(ROOT)} {frame.f_code.co_name}"
        frame = frame.f_back
    return None
