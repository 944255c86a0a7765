"""Containers that state the length of their sound in a header: WAV, RF64, W64, AIFF, AU, CAF and
NIST SPHERE. The length that is stated is compared with the bytes that are there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO, Literal

Order = Literal["little", "big"]
SLACK = 64
"""Bytes by which a length may be wrong: some programs count the header (44 bytes) as sound, or
leave it out.
"""
STREAMED = 0x7F000000
"""Bytes: programs that write to a pipe do not know the length and state about this much or more
(sox 0x7F000000 in AIFF and 0x7FFFF000 in WAV, ffmpeg 0xFFFFFFFF).
"""
MOST = 1000
"""Chunks that are walked through."""
NAME = re.compile(rb"[A-Za-z_(][A-Za-z0-9_ .)-]{3}")
FILES = (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"caff", b"riff", b"NIST")
"""First bytes of another file."""
W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
W64_FORM = b"fmt \xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


@dataclass(frozen=True)
class Layout:
    """Where the sound of a file lies."""

    at: int
    """First byte of the sound."""
    stated: int | None
    """Bytes of sound in the header; None: the writer did not know."""
    held: int
    """Bytes from the first byte of the sound to the end of the file."""
    per_second: int = 0
    """Bytes; 0: not stated."""
    codec: int = 0
    """Format tag of a WAV."""
    size_at: int = 0
    """Place of the 32-bit length in the header."""
    order: Order = "little"
    chunked: bool = True
    """Chunks may follow the sound."""
    name: int = 4
    """Bytes of a chunk's name."""
    head: int = 8
    """Bytes of a chunk's name and length."""
    before: int = 0
    """Bytes that the stated length counts in addition to the sound."""

    def time(self, size: int) -> str:
        """Bytes as seconds, where the header states how many a second has."""
        return f"{size / self.per_second:.2f} s" if self.per_second else f"{size:,} bytes"


def layout(file: BinaryIO, size: int) -> Layout | None:
    """The layout of a file of ``size`` bytes; None where no sound is found."""
    head = file.read(40)
    readers = {b"RIFF": _riff, b"RIFX": _riff, b"RF64": _riff, b"BW64": _riff}
    readers |= {b"FORM": _aiff, b".snd": _au, b"dns.": _au, b"caff": _caf, b"riff": _w64}
    reader = readers.get(head[:4], _nist if head[:7] == b"NIST_1A" else None)
    return reader(file, head, size) if reader else None


def _riff(file: BinaryIO, head: bytes, size: int) -> Layout | None:
    order: Order = "big" if head[:4] == b"RIFX" else "little"
    wide: int | None = None
    per_second = codec = 0
    at = 12
    for _ in range(MOST):
        file.seek(at)
        start = file.read(8 + 16)
        if len(start) < 8:
            return None
        name, length = start[:4], _int(start[4:8], order)
        if name == b"fmt ":
            codec, per_second = _int(start[8:10], order), _int(start[16:20], order)
        elif name == b"ds64" and head[:4] in (b"RF64", b"BW64"):
            wide = _int(start[16:24], order)
        elif name == b"data":
            stated = wide if wide is not None else length
            unknown = (wide is None and stated >= STREAMED) or wide in (0, 2**64 - 1)
            return Layout(
                at + 8, None if unknown else stated, size - at - 8, per_second, codec, at + 4, order
            )
        at += 8 + length + length % 2
    return None


def _aiff(file: BinaryIO, head: bytes, size: int) -> Layout | None:
    per_second, at = 0, 12
    for _ in range(MOST):
        file.seek(at)
        start = file.read(8 + 18)
        if len(start) < 8:
            return None
        name, length = start[:4], _int(start[4:8], "big")
        if name == b"COMM":
            channels, bits = _int(start[8:10], "big"), _int(start[14:16], "big")
            exponent, mantissa = _int(start[16:18], "big") & 0x7FFF, _int(start[18:26], "big")
            rate = mantissa >> max(0, 16383 + 63 - exponent) if exponent < 16383 + 64 else 0
            per_second = rate * channels * (-(-bits // 8))
        elif name == b"SSND":
            # offset and block size come before the sound
            stated = None if length >= STREAMED else max(0, length - 8)
            return Layout(at + 16, stated, size - at - 16, per_second, 0, at + 4, "big", before=8)
        at += 8 + length + length % 2
    return None


AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}
"""Encoding of an AU file -> bytes of a sample."""


def _au(file: BinaryIO, head: bytes, size: int) -> Layout | None:
    order: Order = "big" if head[:4] == b".snd" else "little"
    at, stated, encoding, rate, channels = (_int(head[i : i + 4], order) for i in range(4, 24, 4))
    per_second = AU_BYTES.get(encoding, 0) * rate * channels
    return Layout(
        at,
        None if stated >= STREAMED else stated,
        max(0, size - at),
        per_second,
        0,
        8,
        order,
        False,
    )


def _caf(file: BinaryIO, head: bytes, size: int) -> Layout | None:
    at, per_second = 8, 0
    for _ in range(MOST):
        file.seek(at)
        start = file.read(12 + 32)
        if len(start) < 12:
            return None
        name, length = start[:4], _int(start[4:12], "big")
        if name == b"desc":
            import struct

            rate, _, _, packet, frames = struct.unpack(">dIIII", start[12:36])
            per_second = round(rate * packet / frames) if frames and abs(rate) < 1e9 else 0
        elif name == b"data":
            stated = None if length >= 2**63 else max(0, length - 4)  # after the edit count
            return Layout(at + 16, stated, size - at - 16, per_second, order="big", head=12)
        at += 12 + length
    return None


def _w64(file: BinaryIO, head: bytes, size: int) -> Layout | None:
    at, per_second = 40, 0
    for _ in range(MOST):
        file.seek(at)
        start = file.read(24 + 16)
        if len(start) < 24:
            return None
        name, length = start[:16], _int(start[16:24], "little")
        if name == W64_FORM:
            per_second = _int(start[32:36], "little")
        elif name == W64_DATA:
            stated = None if length >= 2**63 or length < 24 else length - 24
            return Layout(at + 24, stated, size - at - 24, per_second, name=16, head=24)
        at += max(24, length + -length % 8)
    return None


def _nist(file: BinaryIO, head: bytes, size: int) -> Layout | None:
    file.seek(0)
    text = file.read(4096).decode("latin-1")
    found = {
        name: int(value)
        for name, value in re.findall(r"^(\w+) -i (\d{1,15})\s*$", text, re.MULTILINE)
    }
    lines = text.split("\n")
    start = int(lines[1]) if len(lines) > 1 and lines[1].strip().isdigit() else 0
    frame = found.get("channel_count", 1) * found.get("sample_n_bytes", 0)
    if not start or "sample_count" not in found or not frame or "shorten" in text:
        return None
    stated, rate = found["sample_count"] * frame, found.get("sample_rate", 0)
    return Layout(start, stated, max(0, size - start), rate * frame, chunked=False)


def is_file(rest: bytes) -> bool:
    """Whether another file begins here, after at most one byte of padding."""
    return any(rest[at : at + 4] in FILES for at in (0, 1))


def is_tail(rest: bytes, found: Layout) -> bool:
    """Whether the bytes after the sound are chunks, a tag, or zeros, and no sound."""
    for pad in (0, 1):
        at = pad
        while found.chunked and (step := _step(rest, at, found)):
            at += step
        if at > pad and len(rest) - SLACK <= at:
            return True
        tail = rest[at:]
        if tail.startswith((b"ID3", b"TAG", b"APETAGEX")) or not any(tail):
            return True
    return False


def _step(rest: bytes, at: int, found: Layout) -> int:
    """Bytes of the chunk that begins here; 0 where none does."""
    name, size = rest[at : at + 4], rest[at + found.name : at + found.head]
    if len(size) < found.head - found.name or not NAME.fullmatch(name) or name in FILES:
        return 0
    step = int.from_bytes(size, found.order) + (found.head if found.name == 4 else 0)  # W64: all
    return step + step % 2 if at + step <= len(rest) + SLACK else 0


def _int(data: bytes, order: Order) -> int:
    return int.from_bytes(data, order)
