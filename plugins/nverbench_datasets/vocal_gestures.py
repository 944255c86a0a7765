"""Six vocal bursts over time: the physiological signature of each, with wide variation from
clip to clip.

Numbers without a source are ours, set so that the classes can be learnt and yet overlap (laugh and
cry share a voiced vowel, cry and scream a high one, sigh and gasp breath). None is a claim about
how often people produce them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nverbench_datasets.source_filter import CONTROL_RATE, Gesture, Voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    Track = NDArray[np.float64]

SHORTEST, LONGEST = 0.5, 1.95  # seconds


def laugh(voice: Voice, rng: Generator) -> Gesture:
    """Voiced bursts, h-a-h-a, 4 to 6 a second, pitch and energy falling over the bout (Bachorowski,
    Smoski and Owren 2001).
    """
    import numpy as np

    u, seconds = _time(rng, 0.8, 1.9)
    rate = np.clip(rng.uniform(4, 6) * voice.tempo, 3.5, 6.5)
    beat = 0.5 - 0.5 * np.cos(2 * np.pi * rate * u * seconds)  # one hump per burst
    energy = np.exp(-rng.uniform(0.3, 2.0) * u)
    voiced = rng.uniform(0.15, 1.0)  # from breathy to sung (ours)
    return Gesture(
        f0=voice.f0 * rng.uniform(1.2, 2.6) * (1 - rng.uniform(0.05, 0.4) * u) * (1 + 0.12 * beat),
        voicing=voiced * energy * beat ** rng.uniform(0.7, 2.0),
        breath=energy * (rng.uniform(0.04, 0.25) + 0.2 * (1 - voiced)) * (1 - 0.6 * beat),
        darkness=_flat(u, rng.uniform(0.0, 0.7)),
        f1=_flat(u, rng.uniform(0.9, 1.5)),
        f2=_flat(u, rng.uniform(0.85, 1.2)),
        jitter=rng.uniform(0.005, 0.04),
        shimmer=rng.uniform(0.02, 0.12),
        peak=_peak(rng),
    )


def cry(voice: Voice, rng: Generator) -> Gesture:
    """A sustained vowel whose pitch rises and falls, with tremor of 5 to 8 Hz and some sobbing."""
    import numpy as np

    u, seconds = _time(rng, 0.8, 1.95)
    tremor = np.sin(2 * np.pi * rng.uniform(5, 8) * u * seconds + rng.uniform(0, 6))
    arch = np.sin(np.pi * u ** rng.uniform(0.6, 1.5))
    return Gesture(
        f0=voice.f0
        * rng.uniform(1.3, 3.0)
        * (0.85 + rng.uniform(0.1, 0.4) * arch)
        * (1 + rng.uniform(0.01, 0.05) * tremor),
        voicing=(0.35 + 0.65 * arch)
        * (1 - rng.uniform(0.05, 0.6) * (0.5 + 0.5 * tremor))
        * rng.uniform(0.4, 1.0),
        breath=_flat(u, rng.uniform(0.01, 0.15)),
        darkness=_flat(u, rng.uniform(0.0, 0.7)),
        f1=0.9 + rng.uniform(0.0, 0.6) * arch,
        f2=_flat(u, rng.uniform(0.85, 1.25)),
        jitter=rng.uniform(0.005, 0.05),
        shimmer=rng.uniform(0.02, 0.15),
        rough_rate=rng.uniform(30, 80),
        rough_depth=rng.uniform(0.0, 0.35),
        peak=_peak(rng),
    )


def sigh(voice: Voice, rng: Generator) -> Gesture:
    """A long breath out: little or no voice, the noise gets darker and weaker as the flow falls."""
    import numpy as np

    u, _ = _time(rng, 0.6, 1.95)
    onset = np.clip(u / rng.uniform(0.05, 0.4), 0, 1)
    fall = onset * np.exp(-rng.uniform(0.8, 3.0) * u)
    return Gesture(
        f0=voice.f0 * rng.uniform(0.9, 1.5) * (1 - rng.uniform(0.1, 0.4) * u),
        voicing=fall * rng.uniform(0.0, 0.35) * np.exp(-2 * u),
        breath=fall * rng.uniform(0.25, 0.8),
        darkness=rng.uniform(0.1, 0.5) + rng.uniform(0.0, 0.5) * u,
        f1=1.3 - rng.uniform(0.0, 0.5) * u,
        f2=1.1 - rng.uniform(0.0, 0.3) * u,
        jitter=0.02,
        shimmer=0.1,
        peak=_peak(rng),
    )


def scream(voice: Voice, rng: Generator) -> Gesture:
    """High, bright and rough: amplitude modulated at 30 to 150 Hz (Arnal et al. 2015), jaw wide
    open.
    """
    import numpy as np

    u, _ = _time(rng, 0.6, 1.9)
    arch = np.sin(np.pi * (0.1 + 0.8 * u))
    return Gesture(
        f0=np.minimum(voice.f0 * rng.uniform(2.2, 4.5), 1100) * (0.8 + 0.3 * arch),
        voicing=0.4 + 0.6 * arch,
        breath=_flat(u, rng.uniform(0.02, 0.25)),
        darkness=_flat(u, rng.uniform(0.0, 0.5)),
        f1=_flat(u, rng.uniform(1.1, 1.9)),
        f2=_flat(u, rng.uniform(0.9, 1.25)),
        jitter=rng.uniform(0.005, 0.07),
        shimmer=rng.uniform(0.03, 0.2),
        rough_rate=rng.uniform(30, 150),
        rough_depth=rng.uniform(0.15, 0.8),
        peak=_peak(rng),
    )


def growl(voice: Voice, rng: Generator) -> Gesture:
    """Low and irregular: every other pulse weaker (subharmonics), strong jitter, a rounded
    tract.
    """
    import numpy as np

    u, _ = _time(rng, 0.6, 1.9)
    swell = np.sin(np.pi * u ** rng.uniform(0.5, 1.5)) ** 0.5
    return Gesture(
        f0=voice.f0 * rng.uniform(0.5, 1.5) * (1 + rng.uniform(-0.2, 0.2) * u),
        voicing=swell * rng.uniform(0.4, 1.0),
        breath=swell * rng.uniform(0.02, 0.3),
        darkness=_flat(u, rng.uniform(0.2, 0.9)),
        f1=_flat(u, rng.uniform(0.7, 1.2)),
        f2=_flat(u, rng.uniform(0.7, 1.1)),
        jitter=rng.uniform(0.03, 0.15),
        shimmer=rng.uniform(0.1, 0.35),
        subharmonic=rng.uniform(0.1, 0.7),
        rough_rate=rng.uniform(20, 60),
        rough_depth=rng.uniform(0.0, 0.5),
        peak=_peak(rng),
    )


def gasp(voice: Voice, rng: Generator) -> Gesture:
    """A short breath in: noise that swells, resonances that rise as the jaw opens; now and then a
    voiced onset.
    """
    import numpy as np

    u, _ = _time(rng, 0.5, 1.1)
    swell = u ** rng.uniform(0.3, 1.5) * np.clip((1 - u) / rng.uniform(0.1, 0.5), 0, 1)
    return Gesture(
        f0=voice.f0 * rng.uniform(1.2, 2.5) * (1 + 0.3 * u),
        voicing=swell * rng.uniform(0.0, 0.35) * (u < rng.uniform(0.2, 1.0)),
        breath=swell * rng.uniform(0.3, 0.9),
        darkness=0.5 - rng.uniform(0.0, 0.5) * u,
        f1=0.9 + rng.uniform(0.1, 0.6) * u,
        f2=0.9 + rng.uniform(0.0, 0.3) * u,
        jitter=0.03,
        shimmer=0.1,
        peak=_peak(rng),
    )


def _time(rng: Generator, shortest: float, longest: float) -> tuple[Track, float]:
    """Control points (c,) from 0 to 1, and the seconds they span, within the corpus's bounds."""
    import numpy as np

    seconds = float(np.clip(rng.uniform(shortest, longest), SHORTEST, LONGEST))
    points = int(seconds * CONTROL_RATE)
    return np.linspace(0, 1, points), points / CONTROL_RATE


def _flat(u: Track, value: float) -> Track:
    import numpy as np

    return np.full(len(u), value)


def _peak(rng: Generator) -> float:
    """Level of a clip: a matter of distance and gain, not of class (16 dB of range)."""
    return float(rng.uniform(0.15, 0.95))


GESTURES: dict[str, Callable[[Voice, Generator], Gesture]] = {
    "laugh": laugh,
    "cry": cry,
    "sigh": sigh,
    "scream": scream,
    "growl": growl,
    "gasp": gasp,
}
