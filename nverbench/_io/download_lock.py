"""One download at a time: a lock that other processes wait for, and the name of the file that an
address gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout


def file_name(address: str) -> str:
    """A plain name for what lies at an address, the one it has there where that is plain."""
    return (
        re.sub(r"[^\w.-]", "_", urlsplit(address).path.rsplit("/", 1)[-1])[-100:].lstrip(".")
        or "download"
    )


@contextmanager
def exclusive(path: Path, sentence: str, say: Callable[[str], None]) -> Iterator[bool]:
    """No other process downloads the same; gives whether one did until now (``sentence`` is then
    said).
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
