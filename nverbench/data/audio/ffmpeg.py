"""Decoding through an installed ffmpeg, for the containers that libsndfile does not open."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nverbench.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROGRAM = "NVERBENCH_FFMPEG"
"""The environment variable that names the program."""
SECONDS = 600
"""Time limit of one file."""
MISSING = 0.5
"""Seconds by which a file may be shorter than its container states: the last packet and the delay
of the codec.
"""
STREAM = re.compile(r"Stream #0:\d+.*?: (Audio|Video)\b(.*)")
STATED = re.compile(r"Duration: (\d+):(\d\d):(\d\d\.\d+)")
STATING = ("mov", "matroska", "asf")
"""Containers that state their duration; ffmpeg guesses that of the others."""
FAULT = re.compile(r"\[(?:error|fatal|panic)\] (.*)")


@dataclass(frozen=True)
class Sound:
    """A decoded file: samples (s, channels), and their rate in Hz."""

    samples: NDArray[np.float32]
    rate: int


def program() -> str | None:
    """The path of ffmpeg: ``$NVERBENCH_FFMPEG``, the one on PATH, or that of imageio-ffmpeg."""
    return _program(os.environ.get(PROGRAM, ""), os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=8)
def _program(chosen: str, path: str) -> str | None:
    if chosen:
        return shutil.which(chosen)
    if found := shutil.which("ffmpeg", path=path):
        return found
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return None
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except RuntimeError:  # the package without its program
        return None


@functools.lru_cache(maxsize=8)
def version(binary: str) -> str:
    """The version as provenance records it, such as ``ffmpeg 5.1.9``; empty where the program does
    not answer.
    """
    try:
        said = subprocess.run(
            [binary, "-version"], capture_output=True, text=True, check=False, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    words = said.split()
    return f"ffmpeg {words[2]}" if words[:2] == ["ffmpeg", "version"] and len(words) > 2 else ""


def installed() -> str:
    """The version of the installed ffmpeg; empty where none works."""
    binary = program()
    return version(binary) if binary else ""


def decode(path: Path, demuxer: str) -> Sound:
    """Every sample of the file's audio stream, at its own rate and channels.

    Raises:
        AudioError: ffmpeg names a fault, the file has no or several audio streams, or it is
            shorter than it states; the message is the reason without the file.
    """
    import numpy as np

    binary = program()
    if binary is None:
        raise AudioError("cannot be decoded (it needs ffmpeg)")
    made = _run(binary, path, demuxer)
    notes = made.stderr.decode("utf-8", "replace")
    given = notes.split("Output #0")[0]
    streams = [kind for kind, rest in STREAM.findall(given) if "attached pic" not in rest]
    if not streams.count("Audio") and "Stream #0" in given:
        raise AudioError("cannot be decoded (it holds no audio)")
    if streams.count("Audio") > 1:
        raise AudioError(
            f"cannot be decoded (it holds {streams.count('Audio')} audio streams; keep one:"
            " ffmpeg -i IN -map 0:a:0 OUT.wav)"
        )
    faults = FAULT.findall(notes)
    if faults or made.returncode:
        raise AudioError(f"cannot be decoded (ffmpeg: {_line(faults, path, made.returncode)})")
    rate, channels, data = _unpacked(made.stdout)
    samples = np.frombuffer(data, "<f4")
    samples = samples[: len(samples) // channels * channels].reshape(-1, channels)
    if demuxer in STATING and "Video" not in streams:
        _check_length(given, len(samples) / rate)
    return Sound(samples.astype(np.float32), rate)


def _run(binary: str, path: Path, demuxer: str) -> subprocess.CompletedProcess[bytes]:
    """The program's WAV of 32-bit floats, and its notes."""
    quiet = ["-hide_banner", "-nostdin", "-nostats", "-v", "level+info", "-threads", "1"]
    source = ["-protocol_whitelist", "file", "-f", demuxer, "-i", f"file:{path}"]
    exact = ["-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1"]
    target = ["-map", "0:a:0", "-c:a", "pcm_f32le", *exact, "-f", "wav", "pipe:1"]
    try:
        return subprocess.run(
            [binary, *quiet, *source, *target],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise AudioError(f"cannot be decoded (ffmpeg took more than {SECONDS} s)") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"cannot be decoded (ffmpeg: {error})") from error


def _line(faults: list[str], path: Path, code: int) -> str:
    """The first fault in one line, without the path."""
    text = faults[0] if faults else f"exit code {code}"
    return " ".join(text.replace(f"file:{path}: ", "").split()).rstrip(".")


def _unpacked(wav: bytes) -> tuple[int, int, bytes]:
    """Rate, channels and data of a WAV that was written to a pipe."""
    at = 12
    rate = channels = 0
    while at + 8 <= len(wav):
        name, size = wav[at : at + 4], int.from_bytes(wav[at + 4 : at + 8], "little")
        if name == b"fmt ":
            channels = int.from_bytes(wav[at + 10 : at + 12], "little")
            rate = int.from_bytes(wav[at + 12 : at + 16], "little")
        if name == b"data" and rate and channels:
            return rate, channels, wav[at + 8 :]
        at += 8 + size + size % 2
    raise AudioError("cannot be decoded (ffmpeg wrote no samples)")


def _check_length(notes: str, held: float) -> None:
    """Raises where a container of audio alone states more than was decoded."""
    found = STATED.search(notes)
    if found is None:
        return
    hours, minutes, seconds = found.groups()
    stated = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    if held < stated - MISSING - 0.02 * stated:
        raise AudioError(
            f"cannot be decoded (its header states {stated:.2f} s, the file holds {held:.2f} s: it"
            " was cut in copying; copy it again)"
        )
