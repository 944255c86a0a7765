"""Counting of the frames of an MPEG audio stream (ISO 11172-3 and 13818-3): the length of an MP3 is
written nowhere but in the optional frame of Xing, Info or VBRI, and a decoder that does not find it
guesses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nverbench.data.audio.magic import id3_size

KBPS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""(version, layer) -> kbit/s by index; versions 2 and 2.5 share theirs."""
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Version bits (3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5) -> Hz by index."""
FIELDS = {1: 4, 2: 4, 4: 100, 8: 4}
"""Flag of a Xing header -> bytes of its field: frames, bytes, table of contents, quality."""
SYNC = re.compile(rb"\xff[\xe2-\xff]")
CHAIN = 3
"""Frames in a row from which bytes after a gap are sound, and not chance."""


@dataclass(frozen=True)
class Frame:
    """The header of a frame."""

    size: int
    samples: int
    rate: int
    layer: int
    channels: int
    low: bool
    """MPEG-2 or 2.5."""

    @property
    def stream(self) -> tuple[int, int, int, int]:
        """What all frames of one stream share."""
        return self.rate, self.samples, self.layer, self.channels


@dataclass(frozen=True)
class Stream:
    """The frames that a file holds."""

    first: Frame
    largest: int
    """Bytes of its largest frame."""
    runs: tuple[tuple[int, int], ...]
    """(start, end) in bytes of frames without a gap, after the frame that states the length."""
    frames: int
    stated: int | None
    """Frames that the header states."""
    trims: bool
    """The header also states samples to leave out at both ends."""
    tagged: bool
    """There is a frame of Xing, Info or VBRI."""
    several: bool
    """Frames of another rate or number of channels follow."""

    @property
    def seconds(self) -> float:
        return self.frames * self.first.samples / self.first.rate


def frame(data: bytes, at: int) -> Frame | None:
    """The frame whose header begins at a byte; None where none does, or its size is not stated
    (free format).
    """
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    second, third = data[at + 1], data[at + 2]
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    index, rate_index = third >> 4, third >> 2 & 3
    if version == 1 or layer == 4 or index in (0, 15) or rate_index == 3:
        return None
    return _frame(version, layer, index, rate_index, third >> 1 & 1, data[at + 3] >> 6 == 3)


def _frame(version: int, layer: int, index: int, rate_index: int, pad: int, mono: bool) -> Frame:
    rate, low = RATES[version][rate_index], version != 3
    bits = 1000 * KBPS[2 if low else 1, layer][index]
    if layer == 1:
        size, samples = (12 * bits // rate + pad) * 4, 384
    else:
        samples = 576 if low and layer == 3 else 1152
        size = samples // 8 * bits // rate + pad
    return Frame(size, samples, rate, layer, 1 if mono else 2, low)


def scan(data: bytes) -> Stream | None:
    """The stream of MPEG frames in a file's bytes; None where there is none whose frames state
    their size.
    """
    at = id3_size(data) if data[:3] == b"ID3" and len(data) >= 10 else 0
    start = _chain(data, at)
    first = frame(data, start) if start is not None else None
    if start is None or first is None:
        return None
    stated, trims, tagged = _stated(data, start, first)
    at = start + first.size if tagged else start
    runs, frames, largest, several = [], 0, first.size, False
    while True:
        count, end, size = _run(data, at, first)
        largest = max(largest, size)
        if count:
            frames += count
            runs.append((at, end))
        found = _chain(data, end)
        if found is None:
            break
        after = frame(data, found)
        if after is None or after.stream != first.stream:
            several = True
            break
        at = found
    return Stream(first, largest, tuple(runs), frames, stated, trims, tagged, several)


def _run(data: bytes, at: int, first: Frame) -> tuple[int, int, int]:
    """The number of whole frames in a row from a byte, the byte after them, and the bytes of the
    largest.
    """
    count, known, stream = 0, {}, first.stream
    while at + 4 <= len(data):
        # what decides about size and stream: 12 bits of the header and the channel mode
        mark = (data[at], data[at + 1], data[at + 2], data[at + 3] >> 6)
        if mark not in known:
            found = frame(data, at)
            known[mark] = found.size if found and found.stream == stream else 0
        size = known[mark]
        if not size or at + size > len(data):
            break
        count, at = count + 1, at + size
    return count, at, max(known.values(), default=0)


def _chain(data: bytes, at: int) -> int | None:
    """The first byte at or after ``at`` where frames of one stream begin: three in a row, or as
    many as there are to the end of the file.
    """
    for match in SYNC.finditer(data, at):
        begin = place = match.start()
        first = frame(data, begin)
        if first is None:
            continue
        count = 0
        while count < CHAIN:
            found = frame(data, place)
            if found is None or found.stream != first.stream or place + found.size > len(data):
                break
            place, count = place + found.size, count + 1
        if count == CHAIN or (count and place == len(data)):
            return begin
    return None


def _stated(data: bytes, start: int, first: Frame) -> tuple[int | None, bool, bool]:
    """The frames that the first frame states, whether it also states a trimming, and whether it is
    such a frame at all.
    """
    if first.layer != 3:
        return None, False, False
    side = _side(first)
    body = data[start : start + first.size]
    mark = body[4 + side : 8 + side]
    if mark in (b"Xing", b"Info"):
        flags = int.from_bytes(body[8 + side : 12 + side], "big")
        count = int.from_bytes(body[12 + side : 16 + side], "big") if flags & 1 else 0
        at = 12 + side + sum(size for bit, size in FIELDS.items() if flags & bit)
        trims = any(body[at + 21 : at + 24])  # after 9 bytes of the encoder's name and 12 more
        return count or None, trims, True
    if body[36:40] == b"VBRI":
        return int.from_bytes(body[50:54], "big") or None, False, True
    return None, False, False


def _side(first: Frame) -> int:
    """Bytes of the side information of layer III."""
    if first.low:
        return 9 if first.channels == 1 else 17
    return 17 if first.channels == 1 else 32
