"""One clip, decoded once: its level, clipping, silence and size, and what its copies are found by.
Nothing in a file makes this raise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from nverbench.data.audio import SILENCE, SLOWEST
from nverbench.data.audit import fingerprint as signals
from nverbench.data.audit.records import Measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL_SCALE = 0.99
RUN = 3
"""A run of this many equal samples at full scale is clipped: a voice never stays at one value
there.
"""
QUIET = 0.02
"""A peak below this (-34 dBFS) leaves a 16-bit recording ten bits."""
ACTIVE_DB = 40.0
FASTEST = 768_000
"""Hz: no converter is faster; a header that says more lies."""
BLOCK = 1 << 20
"""Values read at once."""
PROMISED = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)
"""What libsndfile notes of a wav whose data chunk is not as long as its header says."""
STREAMED = 0x7FFFF000
"""Programs that write to a pipe cannot know the length and promise about this much or more: that is
no lie.
"""
LONGEST = 1 << 26
"""Values listened to (23 minutes of mono at 48 kHz): a clip cannot fill the memory."""


@dataclass(frozen=True)
class Place:
    """Where a clip is: what a worker needs of it."""

    id: str
    path: Path
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Measurement:
    """What a decode leaves: numbers, and for a clip that can be compared its fingerprint (752,) and
    its signal at 8 kHz.
    """

    measured: Measured
    fingerprint: NDArray[np.float32] | None = None
    signal: NDArray[np.int16] | None = None


@dataclass
class _Sums:
    """Running sums over the blocks of a clip."""

    values: int = 0
    peak: float = 0.0
    energy: float = 0.0
    full: int = 0
    runs: int = 0
    non_finite: int = 0
    mono: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, block: NDArray[np.float32]) -> None:
        """Take in (s, channels) samples; those that are not finite count as zeros."""
        bad = ~np.isfinite(block)
        if bad.any():
            self.non_finite += int(bad.sum())
            block = np.where(bad, np.float32(0), block)
        self.values += block.size
        loudest = float(np.abs(block).max(initial=0.0))
        self.peak = max(self.peak, loudest)
        self.energy += float(np.square(block, dtype=np.float64).sum())
        if loudest >= FULL_SCALE:
            self.full += int((np.abs(block) >= FULL_SCALE).sum())
            self.runs += sum(clipped_runs(channel) for channel in block.T)
        self.mono.append(block.mean(axis=1, dtype=np.float64).astype(np.float32))


def measure(place: Place) -> Measurement:
    """What one clip is. A file that cannot be decoded gives its reason, in the words of ``nverbench
    run``.
    """
    found = Measured(place.id)
    try:
        with soundfile.SoundFile(str(place.path)) as file:
            found = replace(
                found, rate=file.samplerate, channels=file.channels, absent=_absent(file)
            )
            if file.samplerate < 1 or file.channels < 1:
                raise ValueError(f"{file.samplerate} Hz, {file.channels} channels")
            sums, unheard = _listen(file, place)
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError, OverflowError) as error:
        text = (
            getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
        )
        return Measurement(
            replace(
                found,
                reason=(
                    "cannot be decoded"
                    f" ({' '.join(str(text).split()).rstrip('.') or type(error).__name__})"
                ),
            )
        )
    return _described(replace(found, unheard=unheard / file.samplerate), sums)


def _absent(file: soundfile.SoundFile) -> int:
    """Bytes that the header promises beyond what the file holds."""
    noted = PROMISED.search(file.extra_info)
    promised, held = (int(n) for n in noted.groups()) if noted else (0, 0)
    return promised - held if held < promised < STREAMED else 0


def _listen(file: soundfile.SoundFile, place: Place) -> tuple[_Sums, int]:
    """The sums of a segment, and how many samples at its end were not listened to.

    Raises:
        ValueError: the file ends before its header says; the words are those of
            ``nverbench.data.audio.read``.
    """
    first = round((place.start or 0.0) * file.samplerate)
    last = (
        file.frames if place.end is None else min(file.frames, round(place.end * file.samplerate))
    )
    if 0 < first < file.frames:
        file.seek(first)
    wanted = max(0, last - first)
    heard, most, sums = 0, min(wanted, LONGEST // file.channels), _Sums()
    while heard < most:
        block = file.read(
            min(most - heard, max(1, BLOCK // file.channels)), dtype="float32", always_2d=True
        )
        if not len(block):
            raise ValueError(f"{heard} of {wanted} samples, then nothing")
        sums.add(block)
        heard += len(block)
    return sums, wanted - heard


def _described(found: Measured, sums: _Sums) -> Measurement:
    """Level, silence and activity; the parts to compare by, where there is something to hear."""
    mono = np.concatenate(sums.mono) if sums.mono else np.zeros(0, np.float32)
    rate = found.rate or 1
    heard = float(np.abs(mono).max(initial=0.0))
    reason = None
    if not len(mono):
        reason = "is empty (no samples)"
    elif sums.non_finite:
        reason = "holds samples that are not finite numbers"
    elif heard < SILENCE:
        cancel = (
            f": its channels, which peak at {sums.peak:.1e}, cancel each other"
            if sums.peak >= SILENCE
            else ""
        )
        reason = f"is silent (peak {heard:.1e} < {SILENCE:.0e}{cancel})"
    silent = reason is not None and reason.startswith("is silent")
    found = replace(
        found,
        reason=reason,
        seconds=len(mono) / rate,
        peak=sums.peak,
        non_finite=sums.non_finite,
        full_scale=sums.full / max(1, sums.values),
        clipped_runs=sums.runs,
        rms_db=10 * float(np.log10(sums.energy / sums.values)) if sums.energy > 0 else None,
        dc=float(mono.mean(dtype=np.float64)) if len(mono) else 0.0,
        silent=silent,
        quiet=len(mono) > 0 and not silent and sums.peak < QUIET,
    )
    if heard < SILENCE or not SLOWEST <= rate <= FASTEST:
        return Measurement(found)
    active, leading, trailing = activity(mono, rate)
    found = replace(found, active=active, leading=leading, trailing=trailing)
    begin = round(leading * rate)
    low = signals.lowered(mono[begin : begin + round(signals.KEPT * rate)] / heard, rate)
    return Measurement(found, signals.fingerprint(low), signals.packed(low))


def activity(mono: NDArray[np.float32], rate: int) -> tuple[float, float, float]:
    """Share of 10 ms frames within 40 dB of the loudest, and the seconds before the first and after
    the last of them.
    """
    hop = max(1, rate // 100)
    frames = np.add.reduceat(np.square(mono, dtype=np.float64), np.arange(0, len(mono), hop))
    active = np.flatnonzero(frames >= frames.max() * 10 ** (-ACTIVE_DB / 10))
    return (
        len(active) / len(frames),
        active[0] * hop / rate,
        max(0, len(mono) - (int(active[-1]) + 1) * hop) / rate,
    )


def clipped_runs(channel: NDArray[np.float32]) -> int:
    """How many runs of at least 3 equal samples at |x| >= 0.99 a channel (s,) holds."""
    same = (channel[1:] == channel[:-1]) & (
        np.abs(channel[1:]) >= FULL_SCALE
    )  # a pair of equal neighbours at full scale
    edges = np.diff(np.concatenate([[False], same, [False]]).astype(np.int8))
    lengths = (
        np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1) + 1
    )  # n pairs in a row are n + 1 samples
    return int((lengths >= RUN).sum())
