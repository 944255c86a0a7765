"""Recognition of two clips of one recording: a fingerprint finds candidates, a correlation decides.

The thresholds are measured (benchmarks/science/audit.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 8000
"""Hz at which clips are compared. Frequencies above 3.6 kHz are removed: codecs and resamplers
differ there.
"""
KEPT = 16.0
"""Seconds from the first active frame that are compared."""
WINDOW, HOP = 256, 128
BANDS = 16
MODULATIONS = 47
"""Bins 1 to 47 of a 1024-point transform over frames of 16 ms: 0.06 to 2.9 Hz. Bin 0, steady noise,
is left out.
"""
SIZE = BANDS * MODULATIONS
"""Numbers of a fingerprint."""
OVERLAP = (0.15, 0.6)
"""The overlap of two clips must hold the first share of the energy of each and the second share of
one: a copy that was cut at a loud place has lost much of its energy.
"""
SHORTEST = 0.05
"""Seconds of overlap below which a correlation is meaningless."""


def lowered(wave: NDArray[np.floating], native: int) -> NDArray[np.float32]:
    """The wave (s,) at 8 kHz, by truncation of its spectrum: exact at any pair of rates."""
    shared = math.gcd(native, RATE)
    unit = native // shared  # a whole number of samples at both rates
    units = fft.next_fast_len(-(-(len(wave) + native // 20) // unit), real=True)
    spectrum = fft.rfft(wave.astype(np.float32), units * unit)
    samples = units * (RATE // shared)
    kept = np.zeros(samples // 2 + 1, spectrum.dtype)
    n = min(len(spectrum), int(0.45 * samples) + 1)
    kept[:n] = spectrum[:n]
    low = fft.irfft(kept, samples)[: -(-len(wave) * RATE // native)] * (samples / (units * unit))
    return np.asarray(low, np.float32)


def unpacked(signal: NDArray[np.int16]) -> Signal:
    """A stored signal, ready for comparison."""
    return Signal(signal.astype(np.float32) / np.float32(32767))


def packed(wave: NDArray[np.float32]) -> NDArray[np.int16]:
    """The wave scaled to its peak, in 16 bits: correlations do not depend on the scale."""
    peak = max(float(np.abs(wave).max(initial=0.0)), 1e-12)
    return np.round(wave * (32767 / peak)).astype(np.int16)


def fingerprint(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """A unit vector (SIZE,) that a gain, a shift or padding does not change and that noise, codecs
    and short cuts change little.

    The power in 16 mel bands from 150 to 3500 Hz, to the power 1/4 so that loud moments do not
    dominate; then the magnitudes of each band's slow modulations.
    """
    padded = np.pad(wave, (HOP, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # (t, 256)
    power = np.abs(fft.rfft(frames * np.hanning(WINDOW).astype(np.float32))) ** 2  # (t, 129)
    edges = _edges()
    bands = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1) ** 0.25  # (t, 16)
    slow = np.abs(fft.rfft(bands, 1024, axis=0))[1 : MODULATIONS + 1].ravel()  # (752,)
    unit: NDArray[np.float32] = (slow / max(float(np.linalg.norm(slow)), 1e-12)).astype(np.float32)
    return unit


def _edges() -> NDArray[np.int64]:
    """The 17 edges of the bands, in bins of the window's spectrum."""
    low, high = (2595 * math.log10(1 + f / 700) for f in (150.0, 3500.0))  # Hz to mel
    hertz = 700 * (10 ** (np.linspace(low, high, BANDS + 1) / 2595) - 1)
    return np.asarray(np.round(hertz * WINDOW / RATE), np.int64)


@dataclass
class Signal:
    """A wave (s,) at 8 kHz, its energy, and its spectra by length of transform, cached because a
    clip is compared with several others.
    """

    wave: NDArray[np.float32]
    energy: float = field(init=False)
    _spectra: dict[int, NDArray[np.complex64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.energy = _energy(self.wave)

    def spectrum(self, n: int) -> NDArray[np.complex64]:
        """The transform of the wave, zero-padded to n samples."""
        if n not in self._spectra:
            self._spectra[n] = fft.rfft(self.wave, n)
        return self._spectra[n]


def correlation(a: Signal, b: Signal) -> tuple[float, float]:
    """The largest |normalised cross-correlation| of two signals over all shifts, and that shift in
    seconds.

    Normalised by the energy of the overlap, so that a trimmed copy correlates fully; where the
    overlap holds too little of either, by all of it.
    """
    whole = math.sqrt(a.energy * b.energy)
    if whole == 0.0:
        return 0.0, 0.0
    n = fft.next_fast_len(len(a.wave) + len(b.wave), real=True)
    products = fft.irfft(a.spectrum(n) * np.conj(b.spectrum(n)), n)
    best = int(np.argmax(np.abs(products)))
    lag = best if best < len(a.wave) else best - n
    left, right = a.wave[max(0, lag) :], b.wave[max(0, -lag) :]
    shared = min(len(left), len(right))
    shares = _energy(left[:shared]), _energy(right[:shared])
    fewest, most = sorted((shares[0] / a.energy, shares[1] / b.energy))
    enough = fewest >= OVERLAP[0] and most >= OVERLAP[1] and shared >= SHORTEST * RATE
    energy = math.sqrt(shares[0] * shares[1]) if enough else whole
    return min(1.0, abs(float(products[best])) / energy), lag / RATE


def _energy(wave: NDArray[np.float32]) -> float:
    return float(np.square(wave).sum())
