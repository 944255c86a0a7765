"""The wave of a clip, and its length."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nverbench.data.audio.resampling import resample
from nverbench.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SILENCE = 1e-3
"""A peak below this (-60 dBFS) is silence."""


def duration(path: Path, start: float | None = None, end: float | None = None) -> float:
    """Seconds of a clip, from the file's header.

    Raises:
        AudioError: the file cannot be opened as audio.
    """
    import soundfile

    _check_segment(start, end)
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise AudioError(f"cannot be decoded ({_reason(error)})") from error
    whole = info.frames / info.samplerate
    return float(min(whole, end if end is not None else whole) - (start or 0.0))


def read(
    path: Path, rate: int, start: float | None = None, end: float | None = None
) -> NDArray[np.float32]:
    """The clip as a mono wave at ``rate``.

    Args:
        path: a file that libsndfile decodes (wav, flac, ogg, mp3, opus).
        rate: sampling rate of the result, in Hz.
        start, end: seconds of a segment; None: from the first, to the last sample.

    Returns:
        (s,) float32, in [-1, 1] where the file's samples are.

    Raises:
        AudioError: the clip cannot be decoded, is empty, silent (peak < 1e-3) or holds non-finite
            samples; the message is the reason without the clip.
    """
    import numpy as np
    import soundfile

    _check_segment(start, end)
    try:
        with soundfile.SoundFile(str(path)) as file:
            first = round((start or 0.0) * file.samplerate)
            last = file.frames if end is None else min(file.frames, round(end * file.samplerate))
            if 0 < first < file.frames:
                file.seek(first)
            length, native = max(0, last - first), file.samplerate
            samples = file.read(length, dtype="float32", always_2d=True)  # (s, channels)
            if len(samples) < length:
                raise ValueError(f"{len(samples)} of {length} samples, then nothing")
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError) as error:
        raise AudioError(f"cannot be decoded ({_reason(error)})") from error
    with np.errstate(invalid="ignore", over="ignore"):  # the result is checked below
        wave = resample(check(samples.mean(axis=1)), native, rate)
    if not np.isfinite(wave).all():
        raise AudioError("holds numbers too large to be resampled")
    return wave


def _check_segment(start: float | None, end: float | None) -> None:
    """Raises where a bound is not a number, or more than thirty years."""
    if any(time is not None and not abs(time) < 1e9 for time in (start, end)):
        raise AudioError(f"has no segment from {start} to {end} seconds")


def check(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same wave; an AudioError where it is empty, non-finite or silent."""
    import numpy as np

    if wave.size == 0:
        raise AudioError("is empty (no samples)")
    if not np.isfinite(wave).all():
        raise AudioError("holds samples that are not finite numbers")
    peak = float(np.abs(wave).max())
    if peak < SILENCE:
        raise AudioError(f"is silent (peak {peak:.1e} < {SILENCE:.0e})")
    return wave


def _reason(error: BaseException) -> str:
    text = getattr(error, "error_string", None) or str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
