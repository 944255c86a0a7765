"""A system that refuses to write: every file that nverbench opens, makes, renames or connects to is
recorded while it does, or refused.

Python tells its audit hooks of every file that is opened; a hook that raises is a system call that
failed. A write is known by what is written and how, ``home/embeddings/*/*.embedding rename``:
digests, random letters and numbers of processes are ``*``.
"""

from __future__ import annotations

import os
import re
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

from nverbench._io.paths import home
from support.paths import ROOT

PACKAGE = ROOT / "nverbench"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
RANDOM = re.compile(
    r"(?<=^\.writing-).*|(?<=^\.making-).*|(?<=^\.adding-).*|(?<=^\.building-).*|(?<=^nverbench-passing-).*|(?<=^tmp)\w{8}|^[0-9a-f](?=\.(?:json|lock)$)|[0-9a-f]{12,}"
)
TWO_LETTERS = re.compile(r"[0-9a-f]{2}")


@dataclass
class Disk:
    """What was written, and what is refused."""

    refused: str | None = None
    code: int = 0
    seen: Counter[str] = field(default_factory=Counter)


_watched: list[Disk] = []


@contextmanager
def disk(refused: str | None = None, code: int = 0) -> Iterator[Disk]:
    """Inside, every write of the package is recorded, and one of them is refused with an error of
    the system.
    """
    if not hasattr(sys, "_nverbench_faulty"):
        sys.addaudithook(_heard)
        # a hook stays for ever: one is enough
        sys._nverbench_faulty = True  # type: ignore[attr-defined]
    made = Disk(refused, code)
    _watched.append(made)
    try:
        yield made
    finally:
        _watched.remove(made)


def _heard(event: str, words: tuple[Any, ...]) -> None:
    if not _watched or not (how := _how(event, words)) or not _ours(sys._getframe(1)):
        return
    write = f"{_label(words[1] if how == 'rename' else words[0])} {how}"
    for one in list(_watched):
        one.seen[write] += 1
        if one.refused == write:
            if how == "connect":
                raise sqlite3.OperationalError("unable to open database file")
            raise OSError(one.code, os.strerror(one.code), os.fspath(words[0]))


def _how(event: str, words: tuple[Any, ...]) -> str | None:
    """How something is written, if it is."""
    if event == "open" and isinstance(words[0], str | bytes | os.PathLike) and words[2] & WRITING:
        return (
            None
            if os.fspath(words[0]) in ("/dev/null", b"/dev/null")
            or Path(os.fsdecode(words[0])).is_dir()
            else "open"
        )  # a file without a name
    if event == "os.mkdir":
        return (
            None if Path(words[0]).is_dir() or "torchinductor" in str(words[0]) else "mkdir"
        )  # there already; and a cache of torch
    return {"os.rename": "rename", "sqlite3.connect": "connect"}.get(event)


def _ours(frame: FrameType | None) -> bool:
    """Whether a function of the package wants it."""
    while frame is not None:
        if Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
            return True
        frame = frame.f_back
    return False


def _label(path: Any) -> str:
    """A path below the temporary, home or working folder, without what is random."""
    full = Path(os.fsdecode(path).removeprefix("file:").partition("?")[0]).absolute()
    for name, root in (("tmp", Path(tempfile.gettempdir())), ("home", home()), ("", Path.cwd())):
        if full.is_relative_to(root):
            parts = [
                TWO_LETTERS.sub("*", part) if len(part) == 2 else RANDOM.sub("*", part)
                for part in full.relative_to(root).parts
            ]
            return "/".join([name, *_short(parts)] if name else _short(parts))
    return str(full)


def _short(parts: list[str]) -> list[str]:
    """Files of one purpose under one name: what lies in a folder that is not finished yet, and the
    files of a page.
    """
    unfinished = next(
        (i for i, part in enumerate(parts) if part.endswith("ing-*") and part != ".writing-*"), None
    )
    if unfinished is not None and len(parts) > unfinished + 1:
        return [*parts[: unfinished + 1], "**"]
    return (
        [
            parts[0],
            *(
                f"*{Path(part).suffix}" if Path(part).suffix in (".js", ".html", ".css") else part
                for part in parts[1:]
            ),
        ]
        if parts
        else parts
    )
