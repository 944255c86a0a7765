"""A content-addressed cache of arrays: one file per clip and backbone, which the user may copy,
share or delete.

A file holds the sha256 of the rest (32 bytes), the clip's length in samples (8 bytes,
little-endian), and a plain ``.npy``. Writing is atomic and takes no lock: several processes may
share the cache, and a killed process leaves no partial file under a valid name.
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
"""Numbers that are converted, digested and written at once: one or two megabytes of memory."""
HEAD = 40
"""Bytes before the ``.npy``."""
MISMATCH = "its digest does not match its content"


def cache_key(parts: Mapping[str, Any]) -> str:
    """The key of an embedding: the digest of everything that could change its numbers."""
    return digest_of(dict(parts))


@dataclass
class EmbeddingCache:
    """Arrays under ``root``, by key."""

    root: Path
    say: Callable[[str], None] = print
    """Called with a message for every damaged entry."""
    damaged: list[str] = field(default_factory=list)
    _verified: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Key -> inode, size and time of the file whose digest this process has checked."""

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.root / key[:2] / f"{key}{SUFFIX}"

    def get(self, key: str) -> tuple[NDArray[Any], int] | None:
        """The stored array (read-only) and its clip's length in samples, or None; a truncated or
        corrupted entry is reported, and counts as absent.
        """
        import numpy as np

        path = self.path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            if hashlib.sha256(memoryview(content)[32:]).digest() != content[:32]:
                raise ValueError(MISMATCH)
            size = int.from_bytes(content[HEAD + 8 : HEAD + 10], "little")
            header = content[HEAD : HEAD + 10 + size]
            dtype, shape = _layout(header)
            array = np.frombuffer(content, dtype, offset=HEAD + len(header)).reshape(shape)
        except ValueError as error:
            self._is_damaged(key, error)
            return None
        return array, int.from_bytes(content[32:HEAD], "little")

    def open(self, key: str) -> tuple[NDArray[Any], int] | None:
        """The result of ``get``, memory-mapped; the digest is checked when this cache first opens
        the file. Every such array holds a file open.
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
                    raise ValueError(MISMATCH)
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
        """The digest in an entry's file, in hexadecimal; entries with equal digests hold the same
        bytes.
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
        header, descr = io.BytesIO(), np.lib.format.dtype_to_descr(kind)
        layout = {"descr": descr, "fortran_order": False, "shape": array.shape}
        np.lib.format.write_array_header_1_0(header, layout)
        flat, digest = array.reshape(-1), hashlib.sha256()
        pieces = (flat[i : i + PIECE] for i in range(0, flat.size, PIECE))
        numbers = (piece.astype(kind, copy=False).tobytes() for piece in pieces)
        with atomic_open(self.path(key), self.root) as file:
            file.write(bytes(32))
            begin = (samples.to_bytes(8, "little"), header.getvalue())
            for piece in itertools.chain(begin, numbers):
                digest.update(piece)
                file.write(piece)
            file.seek(0)
            file.write(digest.digest())

    def size(self) -> tuple[int, int]:
        """The number of entries, and their bytes."""
        files = self.root.glob(f"*/*{SUFFIX}") if self.root.exists() else ()
        sizes = [path.stat().st_size for path in files]
        return len(sizes), sum(sizes)

    def _is_damaged(self, key: str, error: ValueError) -> None:
        self.damaged.append(key)
        self.say(f"cache entry {self.path(key)} is damaged ({error}); it is computed again")


def _matches(file: BufferedReader) -> bool:
    """Whether a file's content has the digest that it begins with; read in pieces."""
    expected = file.read(32)
    return hashlib.file_digest(file, "sha256").digest() == expected


# Thousands of entries share a few headers, and reading a header takes longer than its array.
@functools.lru_cache(maxsize=1024)
def _layout(header: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The type and shape in a ``.npy`` header; ValueError for another version or layout."""
    import numpy as np

    file = io.BytesIO(header)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("its array is of another format version")
    try:
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:  # numpy reads it as Python text, whose tokenizer has own errors
        raise ValueError("its header cannot be read") from error
    if fortran or dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) >= 1 << 60:
        raise ValueError("its array is of another layout")
    return dtype, shape
