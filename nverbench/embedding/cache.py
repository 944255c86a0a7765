"""A content-addressed store of arrays: one file per clip and backbone, which may be copied, shared
or deleted at will.

A file is the sha256 of what follows (32 bytes), the clip's length in samples (8 bytes,
little-endian), then a plain ``.npy``. Writing is atomic and takes no lock, so that several
processes may share the store and a dead one leaves nothing half-written under a valid name.
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench._io.atomic import atomic_open
from nverbench._io.digests import digest_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

SUFFIX = ".embedding"
PIECE = 1 << 18
"""Numbers converted, digested and written at once: an array of any size costs a megabyte or two
beside itself.
"""
HEAD = 40
"""Bytes before the ``.npy``."""


def cache_key(parts: Mapping[str, Any]) -> str:
    """The key of an embedding: the digest of everything that could change its numbers."""
    return digest_of(dict(parts))


@dataclass
class EmbeddingCache:
    """Arrays under ``root``, by key."""

    root: Path
    say: Callable[[str], None] = print
    """Told of every damaged entry."""
    damaged: list[str] = field(default_factory=list)
    _verified: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Key -> inode, size and time of the file whose digest this process has checked."""

    def path(self, key: str) -> Path:
        """Where the array of that key lies."""
        return self.root / key[:2] / f"{key}{SUFFIX}"

    def get(self, key: str) -> tuple[NDArray[Any], int] | None:
        """The stored array (read-only) and its clip's length in samples, or None; a truncated or
        corrupted entry is said, and counts as absent.
        """
        import numpy as np

        path = self.path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            if hashlib.sha256(memoryview(content)[32:]).digest() != content[:32]:
                raise ValueError("its digest does not match its content")
            header = content[
                HEAD : HEAD + 10 + int.from_bytes(content[HEAD + 8 : HEAD + 10], "little")
            ]
            dtype, shape = _layout(header)
            array = np.frombuffer(content, dtype, offset=HEAD + len(header)).reshape(shape)
        except ValueError as error:
            self._is_damaged(key, error)
            return None
        return array, int.from_bytes(content[32:HEAD], "little")

    def open(self, key: str) -> tuple[NDArray[Any], int] | None:
        """What ``get`` gives, memory-mapped: its digest is checked when this store opens it first.
        Every array that lives holds a file open.
        """
        import numpy as np

        try:
            file = self.path(key).open("rb")
        except FileNotFoundError:
            return None
        with file:
            stat = os.fstat(file.fileno())
            known = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            try:
                if self._verified.get(key) != known and not _matches(file):
                    raise ValueError("its digest does not match its content")
                file.seek(32)
                samples = int.from_bytes(file.read(8), "little")
                start = file.read(10)
                header = start + file.read(int.from_bytes(start[8:], "little"))
                dtype, shape = _layout(header)
                array = np.memmap(file, dtype, "r", HEAD + len(header), shape)
            except ValueError as error:
                self._is_damaged(key, error)
                return None
        self._verified[key] = known
        return np.asarray(array), samples

    def digest(self, key: str) -> str:
        """The digest that an entry carries, in hexadecimal: two entries with the same one hold the
        same bytes.
        """
        with self.path(key).open("rb") as file:
            return file.read(32).hex()

    def put(
        self, key: str, array: NDArray[Any], samples: int, *, dtype: DTypeLike | None = None
    ) -> None:
        """Store an array under its key (as ``dtype``, where given), with the length of its clip
        (samples at the backbone's rate, before padding).
        """
        import numpy as np

        kind = np.dtype(array.dtype if dtype is None else dtype)
        if kind.hasobject:
            raise ValueError(f"an array of {kind} would be a pickle; expected numbers")
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header,
            {
                "descr": np.lib.format.dtype_to_descr(kind),
                "fortran_order": False,
                "shape": array.shape,
            },
        )
        flat, digest = array.reshape(-1), hashlib.sha256()
        pieces = (
            flat[i : i + PIECE].astype(kind, copy=False).tobytes()
            for i in range(0, flat.size, PIECE)
        )
        with atomic_open(self.path(key), self.root) as file:
            file.write(bytes(32))
            for piece in itertools.chain(
                (samples.to_bytes(8, "little"), header.getvalue()), pieces
            ):
                digest.update(piece)
                file.write(piece)
            file.seek(0)
            file.write(digest.digest())

    def size(self) -> tuple[int, int]:
        """How many entries the store holds, and their bytes."""
        files = (
            [p.stat().st_size for p in self.root.glob(f"*/*{SUFFIX}")] if self.root.exists() else []
        )
        return len(files), sum(files)

    def _is_damaged(self, key: str, error: ValueError) -> None:
        self.damaged.append(key)
        self.say(f"cache entry {self.path(key)} is damaged ({error}); it is computed again")


def _matches(file: BufferedReader) -> bool:
    """Whether a file's content has the digest it begins with; read in pieces."""
    expected = file.read(32)
    return hashlib.file_digest(file, "sha256").digest() == expected


@functools.lru_cache(
    maxsize=1024
)  # thousands of entries share a handful of headers, and reading one takes longer than its array
def _layout(header: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The type and shape that a ``.npy`` header says; ValueError when it says anything else."""
    import numpy as np

    file = io.BytesIO(header)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("its array is of another format version")
    try:
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except (
        Exception
    ) as error:  # numpy reads it as Python text, whose tokenizer has errors of its own
        raise ValueError("its header cannot be read") from error
    if fortran or dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) >= 1 << 60:
        raise ValueError("its array is of another layout")
    return dtype, shape
