"""Decoding of a recording as a mono float32 wave at a backbone's sampling rate (protocol nver-1,
"Audio"); one that cannot be used raises, and is never replaced.

Mono is the mean of the channels; the wave is resampled once, not trimmed and not normalised.
"""

from __future__ import annotations

from nverbench.data.audio.reading import Recording, bounds, duration, opened, read
from nverbench.data.audio.reasons import why_not_audio
from nverbench.data.audio.resampling import (
    BETA,
    FASTEST,
    FILTER,
    KAISER,
    ROLLOFF,
    SLOWEST,
    SMALL,
    ZEROS,
    FilterBank,
    convolved,
    filter_bank,
    resample,
    resampler,
)
from nverbench.data.audio.signals import SILENCE, cancelled, fault
from nverbench.data.audio.source import decoder, look_up_decoders

REVISION = "2"
"""Part of every embedding's cache key; changes whenever decoding could give other numbers."""

__all__ = [
    "BETA",
    "FASTEST",
    "FILTER",
    "KAISER",
    "REVISION",
    "ROLLOFF",
    "SILENCE",
    "SLOWEST",
    "SMALL",
    "ZEROS",
    "FilterBank",
    "Recording",
    "bounds",
    "cancelled",
    "convolved",
    "decoder",
    "duration",
    "fault",
    "filter_bank",
    "look_up_decoders",
    "opened",
    "read",
    "resample",
    "resampler",
    "why_not_audio",
]
