"""Pages of an Ogg file (RFC 3533): whether it is whole, and whether it is one stream."""

from __future__ import annotations

from dataclasses import dataclass

FIRST, LAST = 2, 4
"""Flags of a page: the first and the last one of a stream."""
KNOWN = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC")
"""First packets of the codecs that libsndfile decodes."""


@dataclass(frozen=True)
class Pages:
    """The pages of a file."""

    codecs: tuple[bytes, ...]
    """The first bytes of every stream."""
    links: int
    """Streams one after another."""
    cut: bool
    """The file ends inside a page."""


def scan(data: bytes) -> Pages:
    """The pages of a file's bytes, as far as they follow one another."""
    at, links, begins, cut = 0, 0, False, False
    codecs: list[bytes] = []
    while data[at : at + 4] == b"OggS":
        count = data[at + 26] if at + 26 < len(data) else 256
        body = at + 27 + count
        end = body + sum(data[at + 27 : body])
        if body > len(data) or end > len(data):
            cut = True
            break
        first = bool(data[at + 5] & FIRST)
        if first:
            codecs.append(data[body : body + 8])
            links += not begins  # several first pages in a row begin streams side by side
        begins, at = first, end
    return Pages(tuple(codecs), links, cut)
