"""Recordings: any bytes are a wave of finite numbers at the requested rate, or an AudioError of one
line; headers that lie cost no memory.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from nverbench.data import audio
from support.foreign_text import lawful, often, spoilt_bytes

RATE = 16000
TONE = 0.3 * np.sin(np.arange(4000) / 5)
FORMATS: dict[str, tuple[str, str | None]] = {
    "wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "flac": ("FLAC", None),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", None),
    "aiff": ("AIFF", None),
}


def encoded(name: str, rate: int = RATE, channels: int = 1) -> bytes:
    kind, subtype = FORMATS[name]
    buffer = io.BytesIO()
    soundfile.write(
        buffer, np.repeat(TONE[:, None], channels, axis=1), rate, format=kind, subtype=subtype
    )
    return buffer.getvalue()


FILES = {name: encoded(name) for name in FORMATS}
TIMES = st.one_of(
    st.none(),
    st.sampled_from([0.0, -1.0, 0.1, 0.25, 1e9, -1e9, float("inf"), float("nan"), 1e308, 5e-324]),
    st.floats(),
)


def heard(
    path: Path, start: float | None = None, end: float | None = None, rate: int = RATE
) -> Any:
    """The rule for a wave that was read."""
    wave = lawful("audio: bytes", lambda: audio.read(path, rate, start, end))
    if wave is not None:
        assert wave.dtype == np.float32
        assert wave.ndim == 1
        assert len(wave)
        assert np.isfinite(wave).all()
    seconds = lawful("audio: lengths", lambda: audio.duration(path, start, end))
    assert seconds is None or isinstance(seconds, float)
    return wave


@given(st.sampled_from(sorted(FILES)), st.data())
@often(250)
def test_recordings_of_spoilt_bytes_are_heard_or_refused(
    room: Path, name: str, data: st.DataObject
) -> None:
    path = room / f"a.{name.rpartition('.')[2]}"
    path.write_bytes(data.draw(spoilt_bytes(FILES[name])))
    heard(path)


@given(st.sampled_from(["wav", "mp3", "flac"]), TIMES, TIMES)
@often(80)
def test_segments_of_any_times_are_heard_or_refused(
    room: Path, name: str, start: float | None, end: float | None
) -> None:
    (room / "s").write_bytes(FILES[name])
    heard(room / "s", start, end)


def wav(
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    kind: int = 1,
    data: bytes = b"\x00\x40" * 2000,
    declared: int | None = None,
) -> bytes:
    """A WAV file with these values in its header."""
    size, align = len(data) if declared is None else declared, channels * bits // 8
    form = struct.pack(
        "<HHIIHH", kind, channels, rate % 2**32, rate * align % 2**32, align % 2**16, bits
    )
    return (
        b"RIFF"
        + struct.pack("<I", (36 + size) % 2**32)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
        + data
    )


LIES = {
    "no rate": wav(rate=0),
    "rate 1": wav(rate=1),
    "a huge rate": wav(rate=2**31 - 1),
    "a negative rate": wav(rate=2**32 - 1),
    "an odd rate": wav(rate=999_983),
    "prime rate": wav(rate=191_999),
    "no channels": wav(channels=0),
    "255 channels": wav(channels=255),
    "65535 channels": wav(channels=65535),
    "1024 channels": wav(channels=1024, data=bytes(2 * 1024) * 4),
    "gigabytes": wav(declared=2**32 - 1),
    "2 GiB": wav(declared=2**31),
    "odd bits": wav(bits=7),
    "no bits": wav(bits=0),
    "NaN": wav(bits=32, kind=3, data=struct.pack("<f", float("nan")) * 1000),
    "infinity": wav(bits=32, kind=3, data=struct.pack("<f", float("inf")) * 1000),
    "1e38": wav(bits=32, kind=3, data=struct.pack("<f", 3e38) * 1000),
    "1e308": wav(bits=64, kind=3, data=struct.pack("<d", 1e308) * 1000),
    "opposite infinities": wav(
        channels=2, bits=32, kind=3, data=struct.pack("<ff", float("inf"), -float("inf")) * 1000
    ),
    "tiny": wav(bits=32, kind=3, data=struct.pack("<f", 1e-40) * 1000),
    "nothing": b"",
    "header only": wav(data=b""),
    "one sample": wav(data=b"\x00\x40"),
    "half a sample": wav(data=b"\x00"),
    "silence": wav(data=bytes(4000)),
    "text": b"hello" * 100,
    "zip": b"PK\x03\x04" + bytes(100),
    "elf": b"\x7fELF" + bytes(100),
    "caf": b"caff" + bytes(60),
    "raw-like": bytes(range(256)) * 10,
    "unknown codec": wav(kind=0xFFFF),
    "wav64": b"riff" + bytes(200),
    "au": b".snd" + b"\xff" * 100,
    "MIDI": b"MThd" + bytes(50),
    "sds": b"\xf0\x7e" + bytes(200),
    "flac, endless": b"fLaC\x00\x00\x00\x22" + b"\xff" * 34,
    "ogg": b"OggS" + bytes(60),
}


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_costs_a_line_and_no_memory(room: Path, name: str) -> None:
    (room / "lie.wav").write_bytes(LIES[name])
    for rate in (RATE, 32000):
        heard(room / "lie.wav", rate=rate)


@pytest.mark.parametrize(
    "path",
    ["", ".", "/", "\x00", "a\nb", "nothing", "x" * 5000, "/dev/null", "/dev/null/x", "\ud800.wav"],
)
def test_a_recording_that_is_no_file_costs_a_line(path: str) -> None:
    assert heard(Path(path)) is None


@given(
    st.sampled_from(["wav", "flac", "ogg"]),
    st.sampled_from([1000, 8000, 11025, 16000, 22050, 44100, 48000, 96000]),
    st.integers(1, 8),
)
@often(40)
def test_what_was_written_is_heard_at_its_length(
    room: Path, name: str, rate: int, channels: int
) -> None:
    (room / "w").write_bytes(encoded(name, rate, channels))
    wave = heard(room / "w")
    assert abs(len(wave) - len(TONE) * RATE / rate) <= max(2, 2 * RATE / rate)
