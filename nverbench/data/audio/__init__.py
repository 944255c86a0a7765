"""Decoding of a recording as a mono float32 wave at a backbone's sampling rate (protocol nver-1,
"Audio"); one that cannot be used raises, and is never replaced.

Mono is the mean of the channels; the wave is resampled once, not trimmed and not normalised.
"""

from __future__ import annotations

from nverbench.data.audio.reading import SILENCE, check, duration, read
from nverbench.data.audio.reasons import why_not_audio
from nverbench.data.audio.resampling import (
    FILTER,
    KAISER,
    SLOWEST,
    SMALL,
    FilterBank,
    convolved,
    filter_bank,
    resample,
    resampler,
)

REVISION = "2"
"""Part of every embedding's cache key; changes whenever decoding could give other numbers."""

__all__ = [
    "FILTER",
    "KAISER",
    "REVISION",
    "SILENCE",
    "SLOWEST",
    "SMALL",
    "FilterBank",
    "check",
    "convolved",
    "duration",
    "filter_bank",
    "read",
    "resample",
    "resampler",
    "why_not_audio",
]
