"""A content-addressed store of arrays: one small file per clip and backbone, which may be copied, shared or deleted at will.

A file is the sha256 of what follows (32 bytes), the clip's length in samples (8 bytes, little-endian), then a plain ``.npy``. Writing is atomic,
so that several processes may share the store and a dead one leaves nothing half-written under a valid name.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.digests import digest_of
from nverbench.home import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIX = ".embedding"


def key_of(parts: Mapping[str, Any]) -> str:
    """The key of an embedding: the digest of everything that could change its numbers."""
    return digest_of(dict(parts))


@dataclass
class Store:
    """Arrays under ``root``, by key."""

    root: Path
    say: Callable[[str], None] = print
    """Told of every damaged entry."""
    damaged: list[str] = field(default_factory=list)

    def path(self, key: str) -> Path:
        """Where the array of that key lies."""
        return self.root / key[:2] / f"{key}{SUFFIX}"

    def get(self, key: str) -> tuple[NDArray[Any], int] | None:
        """The stored array and its clip's length in samples, or None; a truncated or corrupted entry is said, and counts as absent."""
        import numpy as np

        path = self.path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            if hashlib.sha256(content[32:]).digest() != content[:32]:
                raise ValueError("its digest does not match its content")
            array: NDArray[Any] = np.load(io.BytesIO(content[40:]), allow_pickle=False)
        except ValueError as error:
            self.damaged.append(key)
            self.say(f"cache entry {path} is damaged ({error}); it is computed again")
            return None
        return array, int.from_bytes(content[32:40], "little")

    def put(self, key: str, array: NDArray[Any], samples: int) -> None:
        """Store an array under its key, with the length of its clip (samples at the backbone's rate, before padding)."""
        import numpy as np

        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        payload = samples.to_bytes(8, "little") + buffer.getvalue()
        write_atomically(self.path(key), hashlib.sha256(payload).digest() + payload)

    def size(self) -> tuple[int, int]:
        """How many entries the store holds, and their bytes."""
        files = [p.stat().st_size for p in self.root.glob(f"*/*{SUFFIX}")] if self.root.exists() else []
        return len(files), sum(files)
