"""The wave of a clip, and its length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.data.audio import ffmpeg, signals
from nverbench.data.audio.resampling import resample
from nverbench.data.audio.source import COUNTED, Plan, plan, reason_of
from nverbench.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PAST = 0.05
"""Seconds by which a segment may end after its file: times are rounded."""


@dataclass(frozen=True)
class Recording:
    """An open file: its header, and its samples."""

    rate: int
    channels: int
    frames: int
    """Samples of a channel."""
    file: Any
    """The open ``soundfile.SoundFile``; None where ``samples`` holds all."""
    samples: NDArray[np.float32] | None = None
    seeks: bool = True

    def blocks(self, first: int, last: int, size: int = 0) -> Iterator[NDArray[np.float32]]:
        """The samples first ... last - 1 in blocks (s, channels) of ``size`` (0: in one).

        Raises:
            ValueError: the file ends earlier.
        """
        length, done = max(0, last - first), 0
        if self.samples is None and 0 < first < self.frames:
            self._skip(first)
        while done < length or not done:
            count = min(length - done, size or length)
            if self.samples is not None:
                block = self.samples[first + done : first + done + count]
            else:
                block = self.file.read(count, dtype="float32", always_2d=True)
            done += len(block)
            if len(block) < count:
                raise ValueError(f"{done} of {length} samples, then nothing")
            yield block
            if not count:
                return

    def _skip(self, first: int) -> None:
        """Continue at a sample. MPEG without an index is decoded up to there."""
        if self.seeks:
            self.file.seek(first)
        else:
            self.file.read(first, dtype="float32")


@contextmanager
def opened(path: Path) -> Iterator[Recording]:
    """The file, open.

    Raises:
        AudioError: it cannot be decoded, here or while it is read in the block.
    """
    import soundfile

    way = plan(path)
    if way.kind.demuxer:
        sound = ffmpeg.decode(path, way.kind.demuxer)
        yield Recording(sound.rate, sound.samples.shape[1], len(sound.samples), None, sound.samples)
        return
    try:
        with soundfile.SoundFile(_given(path, way)) as file:
            frames = file.frames if way.frames is None else way.frames
            seeks = way.decoder != COUNTED
            if file.samplerate < 1 or file.channels < 1:
                raise ValueError(f"{file.samplerate} Hz, {file.channels} channels")
            yield Recording(file.samplerate, file.channels, frames, file, seeks=seeks)
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError, OverflowError) as error:
        raise AudioError(f"cannot be decoded ({reason_of(error)})") from error


def _given(path: Path, way: Plan) -> str | BytesIO:
    """What libsndfile opens: the file, or its pieces."""
    if not way.pieces:
        return str(path)
    data = path.read_bytes()
    pieces = (p if isinstance(p, bytes) else memoryview(data)[p[0] : p[1]] for p in way.pieces)
    return BytesIO(b"".join(pieces))


def duration(path: Path, start: float | None = None, end: float | None = None) -> float:
    """Seconds of a clip, as ``read`` decodes it.

    Raises:
        AudioError: the file cannot be opened as audio, or the segment lies past its end.
    """
    _check_segment(start, end)
    rate, frames = _length(path)
    whole = frames / rate
    _check_inside(whole, start, end)
    return float(min(whole, end if end is not None else whole) - (start or 0.0))


def _length(path: Path) -> tuple[int, int]:
    """Sampling rate and samples of a file."""
    with opened(path) as file:
        return file.rate, file.frames


def read(
    path: Path, rate: int, start: float | None = None, end: float | None = None
) -> NDArray[np.float32]:
    """The clip as a mono wave at ``rate``.

    Args:
        path: a file that libsndfile decodes (wav, flac, ogg, mp3, opus), or an installed ffmpeg
            (m4a, mp4, webm, wma, amr).
        rate: sampling rate of the result, in Hz.
        start, end: seconds of a segment; None: from the first, to the last sample.

    Returns:
        (s,) float32, in [-1, 1] where the file's samples are.

    Raises:
        AudioError: the clip cannot be decoded, is empty, silent (peak < 1e-3), holds non-finite
            samples, or ends after its file; the message is the reason without the clip.
    """
    import numpy as np

    _check_segment(start, end)
    with opened(path) as file:
        native = file.rate
        first, last = bounds(file, start, end)
        samples = next(file.blocks(first, last))  # (s, channels)
    with np.errstate(invalid="ignore", over="ignore"):  # the result is checked below
        wave = resample(mixed(samples), native, rate)
    if not np.isfinite(wave).all():
        raise AudioError("holds numbers too large to be resampled")
    return wave


def mixed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean (s,) of the channels (s, c); an AudioError where it cannot be used."""
    import numpy as np

    mono: NDArray[np.float32] = samples.mean(axis=1)
    loudest = float(np.abs(samples).max(initial=0.0))
    lost = 0.0
    if samples.shape[1] > 1 and np.isfinite(loudest):
        energy = sum(signals.power(channel) for channel in samples.T)
        lost = signals.cancelled(mono, energy, samples.shape[1])
    if (reason := signals.fault(mono, loudest, lost)) is not None:
        raise AudioError(reason)
    return mono


def bounds(file: Recording, start: float | None, end: float | None) -> tuple[int, int]:
    """First sample of a segment, and the one after its last.

    Raises:
        AudioError: the segment lies past the end of the file.
    """
    _check_inside(file.frames / file.rate, start, end)
    first = round((start or 0.0) * file.rate)
    last = file.frames if end is None else min(file.frames, round(end * file.rate))
    return first, last


def _check_segment(start: float | None, end: float | None) -> None:
    """Raises where a bound is not a number, or more than thirty years."""
    if any(time is not None and not abs(time) < 1e9 for time in (start, end)):
        raise AudioError(f"has no segment from {start} to {end} seconds")


def _check_inside(whole: float, start: float | None, end: float | None) -> None:
    """Raises where a segment begins or ends after its file."""
    for word, time in (("starts", start), ("ends", end)):
        if time is not None and time > whole + PAST:
            raise AudioError(f"{word} at {time:.10g} s, but the file holds {whole:.3f} s")
