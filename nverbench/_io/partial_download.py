"""A download that is not whole yet: its bytes, what the server said of the file, and whether more
of the same may be appended to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nverbench._io.atomic import write_atomically
from nverbench.errors import ArtifactError

Headers = Mapping[str, str]


@dataclass
class Partial:
    """``target.part`` and, beside it, ``target.part.json``: address, validator (``tag``) and total
    size, as the first answer gave them.
    """

    target: Path
    address: str
    pinned: str | None = None
    """The sha256 that the whole file must have, where known."""
    size: int | None = None
    """The bytes that it must have, where known."""
    _said: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            said = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            said = None
        fits = (
            isinstance(said, dict)
            and said.get("address") == self.address
            and isinstance(said.get("tag"), str)
        )
        self._said = said if fits and isinstance(said.get("total", ""), int | None) else {}

    @property
    def path(self) -> Path:
        """Where the bytes lie."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def _note(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part.json")

    @property
    def length(self) -> int:
        """Bytes that came so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def total(self) -> int | None:
        """Bytes of the whole file: as pinned, else as announced; None: not known before it ends."""
        announced: int | None = self._said.get("total")
        return self.size if self.size is not None else announced

    @property
    def tag(self) -> str:
        """What ``If-Range`` takes: a strong ETag, else the date of the last modification, else
        nothing.
        """
        return str(self._said.get("tag", ""))

    @property
    def whole(self) -> bool:
        """Whether all bytes are there; they may still be the wrong ones."""
        return bool(self._said) and self.path.exists() and self.total == self.length

    def resumable(self) -> int:
        """Bytes that may be continued. Those that may not are removed: of another address, more
        than there should be, or nobody could tell whether the rest is of the same file (neither the
        server nor a pinned digest would).
        """
        have = self.length
        if (
            not self._said
            or not (self.tag or self.pinned)
            or (self.total is not None and have >= self.total)
        ):
            self.drop()
            return 0
        return have

    def begin(self, headers: Headers) -> None:
        """From zero, under what the server says of the file now.

        Raises:
            ArtifactError: it says another size than is pinned, or so little that an end too early
                would look like the end.
        """
        length = _number(headers.get("Content-Length"))
        if self.size is not None and length is not None and length != self.size:
            kind = headers.get("Content-Type", "unknown")
            raise ArtifactError(
                f"expected {self.size} bytes, the server has {length} (type {kind}); not taken:"
                " another version, or a page about it"
            )
        chunked = "chunked" in headers.get("Transfer-Encoding", "")
        if length is None and not chunked and self.size is None and self.pinned is None:
            raise ArtifactError(
                "expected a server that says how long the file is, got none; nothing was taken:"
                " what is cut off would look whole"
            )
        self.drop()
        self._said = {"address": self.address, "tag": _tag(headers), "total": length}
        write_atomically(self._note, json.dumps(self._said).encode())
        self.path.touch()

    def continues(self, headers: Headers, have: int) -> bool:
        """Whether the answer is the rest of this file, from byte ``have`` on."""
        found = re.fullmatch(
            r"bytes (\d+)-(\d+)/(\d+|\*)", headers.get("Content-Range", "").strip()
        )
        if found is None or int(found[1]) != have or int(found[2]) < have:
            return False
        told = None if found[3] == "*" else int(found[3])
        if told is None and self.total is None:  # nobody would know when it is whole
            return False
        if told is not None and (
            int(found[2]) >= told or (self.total is not None and told != self.total)
        ):
            return False
        if _number(headers.get("Content-Length")) not in (None, int(found[2]) - have + 1):
            return False
        if self.total is None:
            self._said["total"] = told
        now = _tag(headers)
        # a server that was given an ETag has to repeat it (RFC 9110, 15.3.7); a pinned digest would
        # tell anyway
        if not now:
            return bool(self.pinned) or not self.tag.startswith('"')
        return not self.tag or now == self.tag

    def ended(self) -> None:
        """The server says that this was all; where it had not said how much there would be, that is
        the size.
        """
        if self.total is None:
            self._said["total"] = self.length

    def drop(self) -> None:
        """Removes what came, first the bytes: they never lie under what is said of others."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self._said = {}

    def keep(self) -> None:
        """The bytes get the target's name."""
        if self.path.exists():
            self.path.replace(self.target)
        self._note.unlink(missing_ok=True)


def _tag(headers: Headers) -> str:
    for text in (headers.get("ETag", ""), headers.get("Last-Modified", "")):
        if re.fullmatch(
            r'"[\x21\x23-\x7e]*"|[A-Z][a-z]{2},[ -~]+', text
        ):  # never W/"...": If-Range takes strong ones only
            return text
    return ""


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\d{1,18}", text.strip()) else None
