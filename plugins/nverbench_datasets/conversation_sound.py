"""How a turn of the procedural dialogues sounds: noise with four broad bands, one per label, as
loud as the evidence for that label says.

The levels of the four bands relative to each other are all that a turn says of its label. Its
length, its level and the hum that makes each speaker recognisable are drawn without regard to it. 8
bits are enough for that (the noise of quantisation lies 33 dB or more below the turn), halve the
disk, and make the same bytes on machines whose last bits differ. Axes: ``s`` samples at 16 kHz,
``k`` labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

RATE = 16000
LOWEST, HIGHEST = 400.0, 6400.0
"""Hz: centres of the first and the last band; the others lie between them in equal steps of the mel
scale.
"""
DECIBEL = 4.0
"""dB that one standard deviation of evidence lifts a band."""
LEVEL = (0.10, 0.18)
"""RMS of a turn, of full scale: a matter of distance and gain."""
HUM = {"f": 170.0, "m": 110.0}
"""Hz, below every band; each session adds ``STEP`` Hz."""
STEP = 9.0
HUM_LEVEL = 0.4
"""RMS of the hum, relative to the noise."""
FADE = 0.005
"""Seconds at both ends, against clicks."""


def sound(
    session: int, speaker: str, hundredths: int, evidence: Sequence[float], rng: Generator
) -> NDArray[np.uint8]:
    """One turn (s,), unsigned 8 bit."""
    import numpy as np

    samples = hundredths * RATE // 100
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    noise = np.fft.irfft(spectrum * 10 ** (_decibel(hertz, evidence) / 20), samples)
    phase = 2 * np.pi * (rng.random() + (HUM[speaker] + STEP * session) * np.arange(samples) / RATE)
    wave = noise / noise.std() + HUM_LEVEL * np.sqrt(2) * np.sin(phase)
    wave *= np.clip(np.minimum(np.arange(samples), np.arange(samples)[::-1]) / (FADE * RATE), 0, 1)
    wave *= rng.uniform(*LEVEL) / np.sqrt(np.mean(wave**2))
    return np.clip(np.round(128 + 127 * wave), 0, 255).astype(np.uint8)


def _decibel(hertz: NDArray[np.float64], evidence: Sequence[float]) -> NDArray[np.float64]:
    """Gain at each frequency: pink, and the evidence for each label in its band, crossing over to
    the next one's.
    """
    import numpy as np

    centres = np.linspace(_mel(np.array(LOWEST)), _mel(np.array(HIGHEST)), len(evidence))
    pink = -10 * np.log10(hertz + 100)  # as many dB in every band of a mel scale, about
    return (
        DECIBEL * np.interp(_mel(hertz), centres, np.asarray(evidence) - np.mean(evidence)) + pink
    )


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """The HTK mel scale."""
    import numpy as np

    return np.asarray(2595 * np.log10(1 + hertz / 700))
