"""Digests of JSON values; digests and other texts of files, cached by path, size and modification
time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
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
    return of_files("digest_of_bytes", paths, file_sha256, SHA256)


def of_files(
    name: str, paths: Iterable[Path], compute: Callable[[Path], str], valid: re.Pattern[str]
) -> dict[Path, str]:
    """A text that depends on the bytes of a file only, for each file: computed once for each path,
    size and modification time, and cached in this machine's home.

    Args:
        name: the table of the cache, such as ``digest_of_bytes``; another meaning needs another
            name.
        paths: the files.
        compute: the text of a file that is not cached.
        valid: cached texts that do not match are computed again.
    """
    # keys are bytes: not every file name is UTF-8
    keys = {path: os.fsencode(path.absolute()) for path in sorted(set(paths))}
    place = home() / "file-digests.sqlite"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        cache, known = _cache(place, name, list(keys.values()), valid)
    except (OSError, sqlite3.OperationalError) as error:
        raise cannot_write(place, error) from error
    try:
        found, fresh = {}, []
        for path, key in keys.items():
            stat = path.stat()
            size, mtime, text = known.get(key, (-1, -1, ""))
            if (size, mtime) != (stat.st_size, stat.st_mtime_ns):
                text = compute(path)
                fresh.append((key, stat.st_size, stat.st_mtime_ns, text))
            found[path] = text
        with suppress(sqlite3.DatabaseError), cache:  # a full disk: they are read again next time
            cache.executemany(f"INSERT OR REPLACE INTO {name} VALUES (?, ?, ?, ?)", fresh)
    finally:
        cache.close()
    return found


def _cache(
    path: Path, name: str, keys: list[bytes], valid: re.Pattern[str]
) -> tuple[sqlite3.Connection, dict[bytes, tuple[int, int, str]]]:
    """The database and its rows for ``keys``; a damaged file is removed and created again."""
    cache = sqlite3.connect(path, timeout=60)
    try:
        cache.execute(
            f"CREATE TABLE IF NOT EXISTS {name} (path BLOB PRIMARY KEY, size INTEGER, mtime"
            " INTEGER, sha256 TEXT)"
        )
        return cache, dict(_cached(cache, name, keys, valid))
    except sqlite3.DatabaseError as error:
        cache.close()
        operational = isinstance(error, sqlite3.OperationalError)
        if operational and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise  # locked, or a full disk: not damage
        path.unlink()
        return _cache(path, name, keys, valid)


def _cached(
    cache: sqlite3.Connection, name: str, keys: list[bytes], valid: re.Pattern[str]
) -> Iterator[tuple[bytes, tuple[int, int, str]]]:
    """Path, and its size, time and text, for the cached ones of ``keys``: the database may hold
    millions of others.
    """
    for i in range(0, len(keys), BATCH):
        some = keys[i : i + BATCH]
        query = f"SELECT * FROM {name} WHERE path IN ({', '.join('?' * len(some))})"
        for path, size, mtime, text in cache.execute(query, some):
            if isinstance(text, str) and valid.fullmatch(text):
                yield path, (size, mtime, text)


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
