"""Files that other processes see whole under their name, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nverbench._io import tempfiles
from nverbench.errors import DiskError


@contextmanager
def atomic_open(path: Path, within: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write, which other processes see under its name once it is whole, or never; it
    takes no lock.

    Args:
        within: the folder that it lies in until then, where not its own: what dead processes left
            is looked for in one folder of a large store.

    Raises:
        DiskError: it cannot be written; nothing of it is left.
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
    """What to say of a file that the system does not let us write."""
    reason = getattr(error, "strerror", None) or error
    return DiskError(
        f"{path}: cannot be written ({reason}); make room or mend the permission, then the same"
        " command goes on from here"
    )


def _discard(writing: Path) -> None:
    """What is not whole goes; where it cannot (the folder is gone, or is no folder), the error that
    led here says more.
    """
    with suppress(OSError):
        writing.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that other processes see whole or not at all; errors as :func:`whole`."""
    with atomic_open(path) as file:
        file.write(content)
