"""A source-filter voice: glottal pulses and breath noise through the resonances of a vocal tract
(Fant 1960).

A :class:`Gesture` is the course of a clip over time, a :class:`Voice` its speaker. The radiation at the
lips is a differentiator; being linear it is applied to the glottal flow, before the tract (Klatt
1980). Shapes: ``s`` samples at 16 kHz, ``c`` control points, 200 a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    Track = NDArray[np.float64]

RATE = 16000
CONTROL_RATE = 200
# the pulse is drawn at 48 kHz, so that the corners of a scream's pulses do not fold back (ours)
OVERSAMPLING = 3
SOUND_SPEED = 35000.0  # cm/s in warm moist air (Fant 1960)
RESONANCES = 5
RISE, FALL = 0.40, 0.16  # of the period: the pulse that listeners preferred (Rosenberg 1971)
FADE = 0.012  # seconds at both ends, against clicks (ours)


@dataclass(frozen=True)
class Voice:
    """One speaker."""

    f0: float
    """Hz, resting pitch."""
    tract: float
    """cm, length of the vocal tract; adults about 13 to 18 (Fitch and Giedd 1999)."""
    breathiness: float
    """Share of breath noise that this voice adds to every voiced sound."""
    tempo: float
    """Speed of movements, 1 for the average speaker."""
    tilt: float
    """-1 (dull) to 1 (sharp): the recording chain of this speaker."""
    floor: float
    """dB below the clip's peak: the noise of this speaker's room."""


@dataclass(frozen=True, kw_only=True)
class Gesture:
    """What one clip does: tracks over time (c,), and how irregular the folds are."""

    f0: Track
    """Hz."""
    voicing: Track
    """Amplitude of the pulses, 0 to 1."""
    breath: Track
    """Amplitude of the breath noise, 0 to 1."""
    darkness: Track
    """0: the breath noise is white; 1: it falls by 6 dB per octave above 500 Hz."""
    f1: Track
    """First resonance, relative to the neutral tract: above 1 for an open jaw."""
    f2: Track
    """Second resonance, relative to the neutral tract."""
    jitter: float
    """Standard deviation of a period, relative."""
    shimmer: float
    """Standard deviation of a pulse's amplitude, relative."""
    subharmonic: float = 0.0
    """0 to 1: how much weaker and later every other pulse is."""
    rough_rate: float = 0.0
    """Hz of the amplitude modulation."""
    rough_depth: float = 0.0
    """0 to 1."""
    peak: float = 0.7
    """Largest sample of the clip, of full scale."""


def render(voice: Voice, gesture: Gesture, rng: Generator) -> Track:
    """The clip (s,), float64, with its largest sample at ``gesture.peak``."""
    import numpy as np

    samples = len(gesture.f0) * RATE // CONTROL_RATE
    voicing, breath = _at(gesture.voicing, samples), _at(gesture.breath, samples)  # (s,)
    pulses = _pulses(gesture, samples, rng)  # (s,)
    noise = _noise(_at(gesture.darkness, samples), rng)  # (s,)
    source = voicing * pulses + (breath + voice.breathiness * voicing) * noise
    wave = _record(voice, _tract(voice, gesture, source))
    if gesture.rough_depth > 0:
        wander = np.cumsum(rng.normal(0, 0.02, samples))  # the modulation is not a pure tone
        beat = np.sin(2 * np.pi * gesture.rough_rate * np.arange(samples) / RATE + wander)
        wave *= 1 - gesture.rough_depth * (0.5 + 0.5 * beat)
    wave *= np.clip(np.minimum(np.arange(samples), np.arange(samples)[::-1]) / (FADE * RATE), 0, 1)
    wave /= np.abs(wave).max()
    wave += 10 ** (-voice.floor / 20) * rng.normal(0, 0.3, samples)
    return np.asarray(wave * gesture.peak / np.abs(wave).max())


def _at(track: Track, samples: int) -> Track:
    """A control track (c,) at the sample rate (s,)."""
    import numpy as np

    return np.interp(np.linspace(0, len(track) - 1, samples), np.arange(len(track)), track)


def _pulses(gesture: Gesture, samples: int, rng: Generator) -> Track:
    """The derivative of the glottal flow (s,), about 1 in amplitude: Rosenberg's trigonometric
    pulse, one per jittered period.
    """
    import numpy as np
    from scipy.signal import resample_poly

    starts, heights = [0.0], list[float]()
    f0 = gesture.f0.tolist()
    seconds = samples / RATE
    while starts[-1] < seconds:
        period = 1 / f0[min(int(starts[-1] * CONTROL_RATE), len(f0) - 1)]
        weak = gesture.subharmonic if len(heights) % 2 else 0.0
        irregular = max(0.3, 1 + gesture.jitter * rng.standard_normal() + 0.15 * weak)
        heights.append(max(0.05, (1 + gesture.shimmer * rng.standard_normal()) * (1 - weak)))
        starts.append(starts[-1] + period * irregular)
    times = np.arange(samples * OVERSAMPLING) / (RATE * OVERSAMPLING)
    cycle = np.interp(times, starts, np.arange(len(starts)))  # which period, and how far into it
    index, phase = np.divmod(cycle, 1.0)
    rising = 0.5 * (1 - np.cos(np.pi * phase / RISE))
    falling = np.cos(0.5 * np.pi * (phase - RISE) / FALL)
    flow = (
        np.where(phase < RISE, rising, np.where(phase < RISE + FALL, falling, 0.0))
        * np.asarray(heights)[index.astype(int)]
    )
    flow = np.diff(flow, prepend=0.0)  # radiation
    return np.asarray(resample_poly(flow / np.abs(flow).max(), 1, OVERSAMPLING))


def _noise(darkness: Track, rng: Generator) -> Track:
    """Breath noise (s,), about 1 in amplitude, that crosses from white to dull as ``darkness`` (s,)
    says.
    """
    import numpy as np
    from scipy.signal import lfilter

    white = rng.standard_normal(len(darkness))
    pole = np.exp(-2 * np.pi * 500 / RATE)  # one pole: -6 dB per octave above 500 Hz
    dull = lfilter([1 - pole], [1, -pole], white)
    return np.asarray(0.3 * ((1 - darkness) * white + darkness * dull / dull.std()))


def _tract(voice: Voice, gesture: Gesture, source: Track) -> Track:
    """The source (s,) through five resonators in cascade, their frequencies renewed at every
    control point (Klatt 1980).
    """
    import numpy as np
    from scipy.signal import lfilter

    neutral = (
        SOUND_SPEED / (4 * voice.tract) * (2 * np.arange(RESONANCES) + 1)
    )  # a tube closed at one end (Fant 1960)
    shape = np.ones((len(gesture.f1), RESONANCES))
    shape[:, 0], shape[:, 1] = gesture.f1, gesture.f2
    hertz = np.clip(neutral * shape, 150, 0.46 * RATE)  # (c, 5)
    # Bandwidths of a tract with open glottis, in Hz (Fant 1972).
    width = 15 * (500 / hertz) ** 2 + 20 * (hertz / 500) ** 0.5 + 5 * (hertz / 500) ** 2
    c = -np.exp(-2 * np.pi * width / RATE)
    b = 2 * np.exp(-np.pi * width / RATE) * np.cos(2 * np.pi * hertz / RATE)
    a = 1 - b - c  # gain 1 at 0 Hz
    step = RATE // CONTROL_RATE
    wave = source.copy()
    for k in range(RESONANCES):
        state = np.zeros(2)
        for i in range(len(hertz)):
            block = slice(i * step, (i + 1) * step)
            wave[block], state = lfilter(
                [a[i, k]], [1.0, -b[i, k], -c[i, k]], wave[block], zi=state
            )
    return wave


def _record(voice: Voice, wave: Track) -> Track:
    """The clip (s,) through the speaker's recording chain: one zero or one pole that lifts or
    lowers the treble.
    """
    import numpy as np
    from scipy.signal import lfilter

    zero, pole = -0.6 * max(voice.tilt, 0.0), 0.6 * min(voice.tilt, 0.0)
    return np.asarray(lfilter([1.0, zero], [1.0, pole], wave))
