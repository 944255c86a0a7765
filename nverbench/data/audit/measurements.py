"""Measurements of one clip, decoded once: level, clipping, silence, length, and the fingerprint
that its copies are found by. No content of a file makes them raise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nverbench.data import audio
from nverbench.data.audio import FASTEST, SILENCE, SLOWEST
from nverbench.data.audit import fingerprint as signals
from nverbench.data.audit.records import Measured
from nverbench.errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL_SCALE = 0.99
RUN = 3
"""Equal samples at full scale that count as clipped: a voice does not stay at one value there."""
QUIET = 0.02
"""A peak below this (-34 dBFS) uses ten bits of a 16-bit recording."""
ACTIVE_DB = 40.0
BLOCK = 1 << 20
"""Values read at once."""
LONGEST = 1 << 26
"""Values that are decoded (23 minutes of mono at 48 kHz): a clip must not fill the memory."""


@dataclass(frozen=True)
class Place:
    """The file and segment of a clip, as a worker process gets it."""

    id: str
    path: Path
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Measurement:
    """The result of a decode; for a clip that can be compared also its fingerprint (752,) and its
    signal (s,) at 8 kHz.
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
        """Adds (s, channels) samples; those that are not finite count as zeros."""
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
    """The measurement of one clip. For a file that cannot be decoded it has the reason, as
    ``nverbench run`` words it.
    """
    found = Measured(place.id)
    try:
        with audio.opened(place.path) as file:
            found = replace(found, rate=file.rate, channels=file.channels)
            sums, rest = _sums(file, place)
    except AudioError as error:
        return Measurement(replace(found, reason=str(error)))
    return _described(replace(found, unheard=rest / file.rate), sums)


def _sums(file: audio.Recording, place: Place) -> tuple[_Sums, int]:
    """The sums of a segment, and the number of samples at its end that were not decoded."""
    first, last = audio.bounds(file, place.start, place.end)
    heard, sums = min(last, first + LONGEST // file.channels), _Sums()
    for block in file.blocks(first, heard, max(1, BLOCK // file.channels)):
        sums.add(block)
    return sums, max(0, last - heard)


def _described(found: Measured, sums: _Sums) -> Measurement:
    """Level, silence and activity; fingerprint and signal, where the clip is not silent."""
    mono = np.concatenate(sums.mono) if sums.mono else np.zeros(0, np.float32)
    rate = found.rate or 1
    peak = float(np.abs(mono).max(initial=0.0))
    silent = len(mono) > 0 and not sums.non_finite and peak < SILENCE
    lost = audio.cancelled(mono, sums.energy, found.channels or 1)
    reason = audio.fault(mono, sums.peak, lost)
    if sums.non_finite:
        reason = "holds samples that are not finite numbers"
    found = replace(
        found,
        reason=reason,
        seconds=len(mono) / rate,
        peak=sums.peak,
        cancelled=lost,
        non_finite=sums.non_finite,
        full_scale=sums.full / max(1, sums.values),
        clipped_runs=sums.runs,
        rms_db=10 * float(np.log10(sums.energy / sums.values)) if sums.energy > 0 else None,
        dc=float(mono.mean(dtype=np.float64)) if len(mono) else 0.0,
        silent=silent,
        quiet=len(mono) > 0 and not silent and sums.peak < QUIET,
    )
    if peak < SILENCE or not SLOWEST <= rate <= FASTEST:
        return Measurement(found)
    active, leading, trailing = activity(mono, rate)
    found = replace(found, active=active, leading=leading, trailing=trailing)
    begin = round(leading * rate)
    low = signals.lowered(mono[begin : begin + round(signals.KEPT * rate)] / peak, rate)
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
    """The number of runs of at least 3 equal samples at |x| >= 0.99 in a channel (s,)."""
    # pairs of equal neighbours at full scale; n pairs in a row are a run of n + 1 samples
    same = (channel[1:] == channel[:-1]) & (np.abs(channel[1:]) >= FULL_SCALE)
    edges = np.diff(np.concatenate([[False], same, [False]]).astype(np.int8))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1) + 1
    return int((lengths >= RUN).sum())
