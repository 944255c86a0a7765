"""The last finished epoch of a training, as a file: a training of hours that was killed resumes
after that epoch, and gives the same numbers as one that was not killed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from nverbench._io.atomic import write_atomically
from nverbench.errors import DiskError

SECONDS = 5.0
"""The training time that may be lost: shorter epochs are not written one by one."""


def checkpoint_path(folder: Path, fold: str, replicate: int) -> Path:
    """The file of a training."""
    return folder / f"{fold}-{replicate}.pt".replace("/", "_")


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a training; a full disk does not stop the training."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    with suppress(DiskError):
        write_atomically(path, sealed(buffer.getvalue()))


def read(path: Path) -> dict[str, Any] | None:
    """The state of a training; None where there is no file, or a damaged one."""
    try:
        raw = path.read_bytes()
        if sealed(raw[32:]) != raw:
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(raw[32:]), weights_only=True)
    except Exception:  # torch's readers raise errors of any type; the training starts again
        return None
    return state


def sealed(content: bytes) -> bytes:
    """The content behind its digest, because nothing else shows a flipped bit of a weight."""
    return hashlib.sha256(content).digest() + content
