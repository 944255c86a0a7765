"""A recording becomes a mono float32 wave at a backbone's rate (protocol nver-1, "Audio"); a bad one is named, never replaced.

Mono is the mean of the channels; resampled once; no trimming, no loudness normalisation.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.errors import AudioError
from nverbench.torchaudio_guard import import_torchaudio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REVISION = "1"
"""Part of every embedding's cache key; bumped whenever decoding could give other numbers."""
FILTER = 10_000_000
SILENCE = 1e-3
"""A peak below this (-60 dBFS) is silence."""
SLOWEST = 1000
"""Hz: nothing that was recorded of a voice is sampled slower; a lying header would ask for gigabytes."""
KAISER = {"resampling_method": "sinc_interp_kaiser", "lowpass_filter_width": 64, "rolloff": 0.9475937167399596, "beta": 14.769656459379492}
"""kaiser_best of resampy and librosa: aliases at -145 dB where torchaudio's default filter gives -11 dB (facts/dependencies)."""


def duration(path: Path, start: float | None = None, end: float | None = None) -> float:
    """Seconds of a clip, from the file's header.

    Raises:
        AudioError: the file cannot be opened as audio.
    """
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioError(f"cannot be decoded ({_reason(error)})") from error
    whole = info.frames / info.samplerate
    return float(min(whole, end if end is not None else whole) - (start or 0.0))


def read(path: Path, rate: int, start: float | None = None, end: float | None = None) -> NDArray[np.float32]:
    """The clip as a mono wave at ``rate``.

    Args:
        path: any file libsndfile decodes (wav, flac, ogg, mp3, opus).
        rate: samples per second wanted.
        start, end: seconds of a segment; None: from the first, to the last sample.

    Returns:
        (s,) float32, in [-1, 1] where the file is.

    Raises:
        AudioError: the clip cannot be decoded, is empty, silent (peak < 1e-3) or holds non-finite samples; the message holds the reason alone.
    """
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            first = round((start or 0.0) * file.samplerate)
            last = file.frames if end is None else min(file.frames, round(end * file.samplerate))
            if 0 < first < file.frames:
                file.seek(first)
            samples = file.read(max(0, last - first), dtype="float32", always_2d=True)  # (s, channels)
            native = file.samplerate
            if len(samples) < last - first:
                raise ValueError(f"{len(samples)} of {last - first} samples, then nothing")
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError) as error:
        raise AudioError(f"cannot be decoded ({_reason(error)})") from error
    return resample(check(samples.mean(axis=1)), native, rate)


def check(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same wave, once it is known to be neither empty, non-finite nor silent; else an AudioError that holds the reason."""
    import numpy as np

    if wave.size == 0:
        raise AudioError("is empty (no samples)")
    if not np.isfinite(wave).all():
        raise AudioError("holds samples that are not finite numbers")
    peak = float(np.abs(wave).max())
    if peak < SILENCE:
        raise AudioError(f"is silent (peak {peak:.1e} < {SILENCE:.0e})")
    return wave


def resample(wave: NDArray[np.float32], native: int, rate: int) -> NDArray[np.float32]:
    """The wave (s,) at another sampling rate, by torchaudio's Kaiser-windowed sinc."""
    if native == rate:
        return wave
    if native < SLOWEST:
        raise AudioError(f"has a sampling rate of {native} Hz; expected at least {SLOWEST}: its header lies, or it is no recording of a voice")
    shared = math.gcd(native, rate)
    if (native // shared) * (rate // shared) > FILTER:
        raise AudioError(f"has a sampling rate of {native} Hz, which takes a filter of gigabytes to bring to {rate}; resample it first")
    import torch

    resampled: NDArray[np.float32] = _resampler(native, rate)(torch.from_numpy(wave)).numpy()
    return resampled


@functools.lru_cache(maxsize=16)
def _resampler(native: int, rate: int) -> Any:
    """The filter for a pair of rates, made once: making it costs as much as using it on a two-second clip."""
    return import_torchaudio().transforms.Resample(native, rate, **KAISER)


def _reason(error: BaseException) -> str:
    text = getattr(error, "error_string", None) or str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
