"""State of this machine between runs, as JSON: local copies, first digests, speeds, costs."""

from __future__ import annotations

import json
from typing import Any

from filelock import FileLock

from nverbench._io.atomic import cannot_write, write_atomically
from nverbench._io.paths import home
from nverbench.errors import ArtifactError, abbreviated

STATE_SCHEMA: dict[str, dict[str, Any]] = {
    "corpora": {"paths": str},
    "lock": {"weights": str, "archives": str, "folds": list},
    "speeds": {"embed": int | float, "fit": int | float},
    "costs": {"parameters": int | None, "speed": dict},
}
"""The types of keys and values by section: a file that was edited by hand may hold anything."""


def read_state(name: str) -> dict[str, Any]:
    """The state ``name`` (``corpora``: local copies; ``lock``: digests first seen here)."""
    path = home() / f"{name}.json"
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error.strerror}); correct its permission, or move the home"
            " with NVERBENCH_HOME"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path}: expected JSON, but it cannot be read ({error}); repair or delete it, then add"
            " what it held again"
        ) from error
    if not isinstance(notes, dict) or any(not isinstance(n, dict) for n in notes.values()):
        raise ArtifactError(
            f"{path}: expected a JSON object of objects; repair or delete it, then add what it held"
            " again"
        )
    for section, values in notes.items():
        kind = STATE_SCHEMA.get(name, {}).get(section, object)
        for key, value in values.items():
            words = value if kind is list and isinstance(value, list) else []
            if not isinstance(value, kind) or not all(isinstance(word, str) for word in words):
                raise ArtifactError(
                    f"{path}: {section}, {key}: got {abbreviated(value)}; delete this line, then"
                    " add what it held again"
                )
    return notes


def write_state(name: str, section: str, key: str, value: Any) -> None:
    """Stores ``value`` under ``section`` and ``key``, under a lock against other processes.

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
