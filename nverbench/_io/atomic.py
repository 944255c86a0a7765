"""Atomic writes: other processes see a file complete under its name, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nverbench._io import tempfiles
from nverbench.errors import DiskError


@contextmanager
def atomic_open(path: Path, within: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write; it gets its name when the block ends without an error. It takes no lock.

    Args:
        within: the folder of the temporary file, where not that of ``path``: stale temporary files
            of a large store are then searched for in one folder only.

    Raises:
        DiskError: it cannot be written; no part of it is left.
    """
    folder = within or path.parent
    writing = folder / tempfiles.temporary_name()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfiles.remove_stale(folder)
        with writing.open("xb") as file:
            yield file
        writing.replace(path)
    except OSError as error:
        _discard(writing)
        raise cannot_write(path, error) from error
    except BaseException:
        _discard(writing)
        raise


def cannot_write(path: Path, error: Exception) -> DiskError:
    """The error for a file that the system does not allow to be written."""
    reason = getattr(error, "strerror", None) or error
    return DiskError(
        f"{path}: cannot be written ({reason}); make room or correct the permission, then the same"
        " command goes on from here"
    )


def _discard(writing: Path) -> None:
    """Removes an incomplete file; where that fails, the error that led here says more."""
    with suppress(OSError):
        writing.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file atomically; errors as in :func:`atomic_open`."""
    with atomic_open(path) as file:
        file.write(content)
