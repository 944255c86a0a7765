"""A download that is not complete: its bytes, what the server said about the file, and whether an
answer continues it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nverbench._io.atomic import write_atomically
from nverbench.errors import ArtifactError

TAG = re.compile(r'"[\x21\x23-\x7e]*"|[A-Z][a-z]{2},[ -~]+')
"""What If-Range accepts (RFC 9110, 13.1.5): a strong ETag (``W/"..."`` is a weak one) or a date."""


@dataclass
class PartialDownload:
    """An incomplete download: its bytes in ``target.part``; address, validator and total size, as
    the first answer gave them, in ``target.part.json``.
    """

    target: Path
    address: str
    sha256: str | None
    size: int | None
    tag: str | None = None
    """Validator for If-Range, empty where the server sent none; None: no answer is noted."""
    total: int | None = None
    """Bytes of the complete file; None: unknown until it ends."""
    path: Path = field(init=False)
    note: Path = field(init=False)

    def __post_init__(self) -> None:
        self.path = self.target.with_name(f"{self.target.name}.part")
        self.note = self.target.with_name(f"{self.target.name}.part.json")
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(self.note.read_text(encoding="utf-8"))
            address, tag, total = known["address"], known["tag"], known["total"]
            if address == self.address and isinstance(tag, str) and isinstance(total, int | None):
                self.tag, self.total = tag, total if self.size is None else self.size

    @property
    def length(self) -> int:
        """Bytes received so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def complete(self) -> bool:
        """Whether all bytes are there; their digest may still be wrong."""
        return self.tag is not None and self.path.exists() and self.total == self.length

    def resumable(self) -> int:
        """Bytes that the next try can continue. All are removed where neither a validator nor a
        pinned digest could show that the rest belongs to another version of the file.
        """
        have = self.length
        checkable = self.tag or (self.tag is not None and self.sha256)
        if not checkable or (self.total is not None and have >= self.total):
            self.drop()
            return 0
        return have

    def begin(self, headers: Mapping[str, str]) -> None:
        """Starts from byte 0 and notes what the server says about the file.

        Raises:
            ArtifactError: the size is not the pinned one, or a truncated file could not be
                recognised.
        """
        stated = headers.get("Content-Length", "")
        length = int(stated) if re.fullmatch(r"\d{1,18}", stated) else None
        if self.size is not None and length not in (None, self.size):
            kind = headers.get("Content-Type", "unknown")
            raise ArtifactError(
                f"expected {self.size} bytes, the server has {length} (type {kind}); nothing was"
                " downloaded: it is another version, or a page about the file"
            )
        chunked = "chunked" in headers.get("Transfer-Encoding", "")
        if length is None and not chunked and self.size is None and self.sha256 is None:
            raise ArtifactError(
                "expected a server that says how long the file is, got none; nothing was"
                " downloaded: a truncated file could not be recognised"
            )
        self.drop()
        self.tag, self.total = _tag(headers), length if self.size is None else self.size
        note = {"address": self.address, "tag": self.tag, "total": self.total}
        write_atomically(self.note, json.dumps(note).encode())
        self.path.touch()

    def continues(self, headers: Mapping[str, str], have: int) -> bool:
        """Whether a 206 answer is the rest of this file from byte ``have`` on."""
        content_range = headers.get("Content-Range", "").strip()
        found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", content_range)
        if found is None:
            return False
        first, last, stated = int(found[1]), int(found[2]), found[3]
        if self.total is None and stated != "*":
            self.total = int(stated)
        if self.total is None or stated not in ("*", str(self.total)):
            return False
        length, tag = str(last - first + 1), _tag(headers)
        # RFC 9110, 15.3.7: a server repeats its ETag; a pinned digest shows a change anyway
        unchanged = (
            tag == self.tag
            if tag and self.tag
            else self.sha256 or not str(self.tag).startswith('"')
        )
        in_range = first == have <= last < self.total
        return in_range and headers.get("Content-Length", length) == length and bool(unchanged)

    def drop(self) -> None:
        """Removes the bytes, then the note: bytes are never described by another file's note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.tag = self.total = None


def _tag(headers: Mapping[str, str]) -> str:
    """The validator of an answer: its strong ETag, else its date, else nothing."""
    given = (headers.get("ETag", ""), headers.get("Last-Modified", ""))
    return next((tag for tag in given if TAG.fullmatch(tag)), "")
