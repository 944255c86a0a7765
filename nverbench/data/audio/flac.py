"""The number of samples in a FLAC file (RFC 9639), from the header and from the last frame."""

from __future__ import annotations

from dataclasses import dataclass

LAST = 1 << 31
"""Flag of the last block of metadata. The first block is of type 0 and has 34 bytes."""
SIZES = {1: 192} | {i: 144 << i for i in range(2, 6)} | {i: 1 << i for i in range(8, 16)}
"""Code of a block size -> samples."""
TAIL = 1 << 16
"""Bytes at the end that are searched for the last frame."""


@dataclass(frozen=True)
class Length:
    """Samples of a FLAC file."""

    stated: int
    """In the header; 0: the writer did not know."""
    held: int | None
    """Up to the end of the last frame; None: no frame was found."""
    rate: int
    several: bool
    """Another FLAC file follows."""
    total_at: int
    """The byte at which the 8 bytes that hold the total begin."""


def scan(data: bytes, start: int = 0) -> Length | None:
    """The length of the file whose ``fLaC`` is at ``start``; None where it has no header."""
    if (
        len(data) < start + 42
        or data[start + 4] & 0x7F
        or data[start + 5 : start + 8] != b"\0\0\x22"
    ):
        return None
    at = start + 18
    fields = int.from_bytes(data[at : at + 8], "big")
    block = int.from_bytes(data[start + 10 : start + 12], "big")  # the largest of a fixed stream
    again = data.find(b"fLaC\x00\x00\x00\x22", start + 42) >= 0
    again = again or data.find(b"fLaC\x80\x00\x00\x22", start + 42) >= 0
    return Length(fields & (1 << 36) - 1, _held(data, block), fields >> 44, again, at)


def _held(data: bytes, block: int) -> int | None:
    """Samples up to the end of the last frame."""
    reach = TAIL
    while True:
        low = max(0, len(data) - reach)
        at = len(data)
        while (at := data.rfind(b"\xff", low, at)) >= 0:
            found = _end(data, at, block)
            if found is not None:
                return found
        if low == 0:
            return None
        reach *= 8


def _end(data: bytes, at: int, block: int) -> int | None:
    """The sample after the frame whose header begins at a byte; None where no header does."""
    if len(data) < at + 6 or data[at + 1] & 0xFE != 0xF8 or data[at + 3] & 1:
        return None
    code, rate = data[at + 2] >> 4, data[at + 2] & 15
    number, place = _number(data, at + 4)
    if code in (0,) or rate == 15 or number is None:
        return None
    if code in (6, 7):
        samples = int.from_bytes(data[place : place + code - 5], "big") + 1
        place += code - 5
    else:
        samples = SIZES[code]
    place += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if place >= len(data) or _crc8(data[at:place]) != data[place]:
        return None
    return (number if data[at + 1] & 1 else number * block) + samples


def _number(data: bytes, at: int) -> tuple[int | None, int]:
    """The coded number at a byte (as UTF-8, up to 7 bytes), and the byte after it."""
    first = data[at]
    if first < 0x80:
        return first, at + 1
    ones = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= ones <= 7 or at + ones > len(data):
        return None, at
    value = first & (0xFF >> (ones + 1))
    for byte in data[at + 1 : at + ones]:
        if byte & 0xC0 != 0x80:
            return None, at
        value = value << 6 | byte & 0x3F
    return value, at + ones


def _crc8(data: bytes) -> int:
    """The checksum of a header: polynomial x^8 + x^2 + x + 1."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
