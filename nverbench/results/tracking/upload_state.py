"""The record of what each tracking server knows of a result, in ``<id>.tracked`` next to it: it
saves requests for finished jobs, and is never evidence of what a server holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock

from nverbench._io.atomic import write_atomically
from nverbench.results.store import ResultStore
from nverbench.results.tracking.addresses import shown


class UploadState:
    """What one server knows of one result."""

    def __init__(self, folder: ResultStore, job_id: str, uri: str) -> None:
        self.path, self._uri = folder.root / f"{job_id}.tracked", shown(uri)

    def get(self, what: str) -> str | None:
        """Return the digest of the uploaded ``result``, the id of its ``run``, or the digest of its
        ``gap``; None where there was no upload.
        """
        return self._content().get(self._name(what))

    def note(self, **facts: str) -> None:
        """Record an upload."""
        content = {**self._content(), **{self._name(what): value for what, value in facts.items()}}
        write_atomically(self.path, json.dumps(content, sort_keys=True).encode())

    def _name(self, what: str) -> str:
        return self._uri if what == "result" else f"{what} {self._uri}"

    def _content(self) -> dict[str, str]:
        """Return the facts in the file; none where it is damaged."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        items = content.items() if isinstance(content, dict) else ()
        return {k: v for k, v in items if isinstance(v, str)}


@contextmanager
def upload_lock(folder: ResultStore) -> Iterator[None]:
    """Let one process at a time upload the results of a folder, so that none is uploaded twice; the
    lock of a dead process is free.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.root / ".telling", timeout=120):
        yield
