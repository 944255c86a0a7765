"""The lock of a download, and the file name of an address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout


def file_name(address: str) -> str:
    """A plain file name for an address: the last step of its path, where that is plain."""
    last = urlsplit(address).path.rsplit("/", 1)[-1]
    return re.sub(r"[^\w.-]", "_", last)[-100:].lstrip(".") or "download"


@contextmanager
def exclusive(path: Path, sentence: str, say: Callable[[str], None]) -> Iterator[bool]:
    """Holds a lock that other processes wait for. Yields whether this process had to wait; then
    ``say`` got the sentence.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
        waited = False
    except Timeout:
        say(sentence)
        lock.acquire()
        waited = True
    try:
        yield waited
    finally:
        lock.release()
