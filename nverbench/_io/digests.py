"""Digests: of files, remembered by path, size and modification time, and of anything that JSON can
hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from nverbench._io.atomic import cannot_write
from nverbench._io.paths import home

ASKED = 500
"""Paths in one question to the memory: fewer than the 999 that every SQLite allows."""
SHA256 = re.compile(r"[0-9a-f]{64}")


def digest_of(thing: Any) -> str:
    """The sha256 of canonical JSON (sorted keys, no spaces): the same on every machine and
    Python.
    """
    return hashlib.sha256(
        json.dumps(
            thing, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
        ).encode()
    ).hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(paths: Iterable[Path]) -> dict[Path, str]:
    """The sha256 of each file; a file whose path, size and modification time are known is not read
    again.
    """
    wanted = sorted(set(paths))
    place = home() / "file-digests.sqlite"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        memory, known = _memory(place, [os.fsencode(path.absolute()) for path in wanted])
    except (OSError, sqlite3.OperationalError) as error:
        raise cannot_write(place, error) from error
    try:
        found, fresh = {}, []
        for path in wanted:
            stat = path.stat()
            size, mtime, sha = known.get(os.fsencode(path.absolute()), (-1, -1, ""))
            if (size, mtime) != (stat.st_size, stat.st_mtime_ns):
                sha = file_sha256(path)
                fresh.append((os.fsencode(path.absolute()), stat.st_size, stat.st_mtime_ns, sha))
            found[path] = sha
        with suppress(sqlite3.DatabaseError), memory:  # a full disk: they are read again next time
            memory.executemany(
                "INSERT OR REPLACE INTO digest_of_bytes (path, size, mtime, sha256) VALUES (?, ?,"
                " ?, ?)",
                fresh,
            )
    finally:
        memory.close()
    return found


def _memory(
    path: Path, wanted: list[bytes]
) -> tuple[sqlite3.Connection, dict[bytes, tuple[int, int, str]]]:
    """The remembered digests; a damaged file is no loss and is begun again. Paths are bytes: not
    every file name is UTF-8.
    """
    memory = sqlite3.connect(path, timeout=60)
    try:
        memory.execute(
            "CREATE TABLE IF NOT EXISTS digest_of_bytes (path BLOB PRIMARY KEY, size INTEGER, mtime"
            " INTEGER, sha256 TEXT)"
        )
        return memory, dict(_known(memory, wanted))
    except sqlite3.DatabaseError as error:
        memory.close()
        if (
            isinstance(error, sqlite3.OperationalError)
            and error.sqlite_errorcode != sqlite3.SQLITE_ERROR
        ):  # locked, or a full disk: not damage
            raise
        path.unlink()
        return _memory(path, wanted)


def _known(
    memory: sqlite3.Connection, wanted: list[bytes]
) -> Iterator[tuple[bytes, tuple[int, int, str]]]:
    """Size, time and digest of those paths that are remembered: asked for by name, because the
    memory may hold millions of others.
    """
    for i in range(0, len(wanted), ASKED):
        some = wanted[i : i + ASKED]
        marks = ", ".join("?" * len(some))
        for path, size, mtime, sha in memory.execute(
            f"SELECT path, size, mtime, sha256 FROM digest_of_bytes WHERE path IN ({marks})", some
        ):
            if isinstance(sha, str) and SHA256.fullmatch(sha):
                yield path, (size, mtime, sha)


def path_digest(path: Path, names: Iterable[str] | None = None) -> str:
    """The digest of a file's bytes, or of the names and contents of a folder's files (only those in
    ``names``, where given).
    """
    if not path.is_dir():
        return file_digests([path])[path]
    files = sorted(
        p
        for p in path.iterdir()
        if p.is_file() and (p.name in names if names is not None else not p.name.startswith("."))
    )
    digests = file_digests(files)
    return digest_of([[p.name, digests[p]] for p in files])
