"""What each tracking server knows of a result, in ``<id>.tracked`` beside it: a memory that spares
a question, never the truth about a server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from nverbench._io.atomic import write_atomically
from nverbench.results.store import ResultStore
from nverbench.results.tracking.addresses import shown


class UploadState:
    """The memory of one result and one server."""

    def __init__(self, folder: ResultStore, job_id: str, uri: str) -> None:
        self.path, self._uri = folder.root / f"{job_id}.tracked", shown(uri)

    def get(self, what: str) -> str | None:
        """The digest of the ``result`` that was told, the ``run`` it is there, or the digest of the
        ``gap``; None when never told.
        """
        return self._content().get(self._name(what))

    def note(self, **facts: str) -> None:
        """Remember."""
        content = {**self._content(), **{self._name(what): value for what, value in facts.items()}}
        write_atomically(self.path, json.dumps(content, sort_keys=True).encode())

    def _name(self, what: str) -> str:
        return self._uri if what == "result" else f"{what} {self._uri}"

    def _content(self) -> dict[str, str]:
        """A damaged file counts as never told."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return (
            {k: v for k, v in content.items() if isinstance(v, str)}
            if isinstance(content, dict)
            else {}
        )


@contextmanager
def upload_lock(folder: ResultStore) -> Iterator[None]:
    """One process at a time tells of a folder's results, so that none is told twice; a dead process
    holds no lock.
    """
    path: Path = folder.root / ".telling"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path, timeout=120):
        yield
