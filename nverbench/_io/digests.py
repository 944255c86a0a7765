"""Digests of JSON values, and of files, cached by path, size and modification time."""

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

BATCH = 500
"""Paths in one query: fewer than the 999 variables that every SQLite allows."""
SHA256 = re.compile(r"[0-9a-f]{64}")


def digest_of(thing: Any) -> str:
    """The sha256 of canonical JSON (sorted keys, no spaces): the same on every machine and
    Python.
    """
    text = json.dumps(thing, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(paths: Iterable[Path]) -> dict[Path, str]:
    """The sha256 of each file; a file whose path, size and modification time are cached is not read
    again.
    """
    # keys are bytes: not every file name is UTF-8
    keys = {path: os.fsencode(path.absolute()) for path in sorted(set(paths))}
    place = home() / "file-digests.sqlite"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        cache, known = _cache(place, list(keys.values()))
    except (OSError, sqlite3.OperationalError) as error:
        raise cannot_write(place, error) from error
    try:
        found, fresh = {}, []
        for path, key in keys.items():
            stat = path.stat()
            size, mtime, sha = known.get(key, (-1, -1, ""))
            if (size, mtime) != (stat.st_size, stat.st_mtime_ns):
                sha = file_sha256(path)
                fresh.append((key, stat.st_size, stat.st_mtime_ns, sha))
            found[path] = sha
        with suppress(sqlite3.DatabaseError), cache:  # a full disk: they are read again next time
            cache.executemany("INSERT OR REPLACE INTO digest_of_bytes VALUES (?, ?, ?, ?)", fresh)
    finally:
        cache.close()
    return found


def _cache(
    path: Path, keys: list[bytes]
) -> tuple[sqlite3.Connection, dict[bytes, tuple[int, int, str]]]:
    """The database and its rows for ``keys``; a damaged file is removed and created again."""
    cache = sqlite3.connect(path, timeout=60)
    try:
        cache.execute(
            "CREATE TABLE IF NOT EXISTS digest_of_bytes (path BLOB PRIMARY KEY, size INTEGER, mtime"
            " INTEGER, sha256 TEXT)"
        )
        return cache, dict(_cached(cache, keys))
    except sqlite3.DatabaseError as error:
        cache.close()
        operational = isinstance(error, sqlite3.OperationalError)
        if operational and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise  # locked, or a full disk: not damage
        path.unlink()
        return _cache(path, keys)


def _cached(
    cache: sqlite3.Connection, keys: list[bytes]
) -> Iterator[tuple[bytes, tuple[int, int, str]]]:
    """Path, and its size, time and digest, for the cached ones of ``keys``: the database may hold
    millions of others.
    """
    for i in range(0, len(keys), BATCH):
        some = keys[i : i + BATCH]
        query = f"SELECT * FROM digest_of_bytes WHERE path IN ({', '.join('?' * len(some))})"
        for path, size, mtime, sha in cache.execute(query, some):
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
