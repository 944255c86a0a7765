"""Where things live on this machine: caches, corpora, weights, and the lock of digests first seen
here.

Everything sits under the user's cache directory; the environment variable ``NVERBENCH_HOME`` moves
it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs
from filelock import FileLock

from nverbench._io import tempfiles
from nverbench.errors import ArtifactError, DiskError, abbreviated

STATE_SCHEMA: dict[str, dict[str, Any]] = {
    "corpora": {"paths": str},
    "lock": {"weights": str, "archives": str, "folds": list},
    "speeds": {"embed": int | float, "fit": int | float},
    "costs": {"parameters": int | None, "speed": dict},
}
"""What the notes that others rely on hold, by section: a file that somebody mended by hand may hold
anything.
"""


PACKAGE = Path(__file__).parents[1]


def packaged(name: str) -> Path:
    """A file or folder that ships with nverbench: inside the installed package, or at the top of a
    checkout.
    """
    inside = PACKAGE / "_files" / name
    return inside if inside.exists() else PACKAGE.parent / name


def home() -> Path:
    """The folder that holds everything this machine keeps between runs."""
    moved = os.environ.get("NVERBENCH_HOME")
    return (
        Path(moved).expanduser().resolve()
        if moved
        else Path(platformdirs.user_cache_dir("nverbench", appauthor=False))
    )


def embeddings_folder() -> Path:
    """The content-addressed store of embeddings."""
    return home() / "embeddings"


def weights_folder(name: str) -> Path:
    """The folder of one backbone's weights."""
    return home() / "weights" / name


def engines_folder() -> Path:
    """What was compiled on this machine for this machine."""
    return home() / "engines"


def corpus_folder(name: str) -> Path:
    """Where a procedural corpus is made."""
    return home() / "corpora" / name


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


def read_state(name: str) -> dict[str, Any]:
    """What is remembered under ``name`` (``corpora``: local copies; ``lock``: digests first seen
    here).
    """
    path = home() / f"{name}.json"
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error.strerror}); mend its permission, or move the home with"
            " NVERBENCH_HOME"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path}: expected JSON, but it cannot be read ({error}); repair or delete it, then add"
            " what it held again"
        ) from error
    if not isinstance(notes, dict) or not all(
        isinstance(section, dict) for section in notes.values()
    ):
        raise ArtifactError(
            f"{path}: expected a JSON object of objects; repair or delete it, then add what it held"
            " again"
        )
    for section, kept in notes.items():
        kind = STATE_SCHEMA.get(name, {}).get(section, object)
        for key, value in kept.items():
            if not isinstance(value, kind) or (
                kind is list and not all(isinstance(word, str) for word in value)
            ):
                raise ArtifactError(
                    f"{path}: {section}, {key}: got {abbreviated(value)}; delete this line, then"
                    " add what it held again"
                )
    return notes


def write_state(name: str, section: str, key: str, value: Any) -> None:
    """Remember ``value`` under ``section`` and ``key``; safe when several processes do so at once.

    Raises:
        DiskError: it cannot be written.
    """
    path = home() / f"{name}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=60):
            notes = read_state(name)
            notes.setdefault(section, {})[key] = value
            write_atomically(path, json.dumps(notes, indent=1, sort_keys=True).encode())
    except OSError as error:  # of the folder or the lock
        raise cannot_write(path, error) from error
