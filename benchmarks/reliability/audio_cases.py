"""Audio files by kind and fault, the same for the same seed: a few encoded by ffmpeg, and their bytes
changed as copying, cutting, joining and careless programs change them.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
KINDS: dict[str, tuple[str, str]] = {
    "wav u8": ("wav", "-c:a pcm_u8"),
    "wav s16": ("wav", "-c:a pcm_s16le"),
    "wav s24": ("wav", "-c:a pcm_s24le"),
    "wav s32": ("wav", "-c:a pcm_s32le"),
    "wav float": ("wav", "-c:a pcm_f32le"),
    "wav mu-law": ("wav", "-c:a pcm_mulaw"),
    "wav a-law": ("wav", "-c:a pcm_alaw"),
    "wav ima adpcm": ("wav", "-c:a adpcm_ima_wav"),
    "wav ms adpcm": ("wav", "-c:a adpcm_ms"),
    "rf64": ("wav", "-c:a pcm_s16le -rf64 always"),
    "w64": ("w64", "-c:a pcm_s16le"),
    "aiff": ("aiff", "-c:a pcm_s16be"),
    "au": ("au", "-c:a pcm_s16be"),
    "caf": ("caf", "-c:a pcm_s16le"),
    "flac": ("flac", "-c:a flac"),
    "ogg vorbis": ("ogg", "-c:a libvorbis"),
    "ogg opus": ("ogg", "-c:a libopus -ar 48000"),
    "mp3 cbr": ("mp3", "-c:a libmp3lame -b:a 64k"),
    "mp3 vbr": ("mp3", "-c:a libmp3lame -q:a 4"),
    "mp3 cbr, no length": ("mp3", "-c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0"),
    "mp3 vbr, no length": ("mp3", "-c:a libmp3lame -q:a 4 -write_xing 0"),
    "mp2": ("mp2", "-c:a mp2 -b:a 64k"),
    "mp3 in wav": ("wav", "-c:a libmp3lame -b:a 64k"),
    "m4a": ("ipod", "-c:a aac"),
    "m4a, index first": ("ipod", "-c:a aac -movflags +faststart"),
    "aac": ("adts", "-c:a aac"),
    "webm opus": ("webm", "-c:a libopus -ar 48000"),
    "mka vorbis": ("matroska", "-c:a libvorbis"),
    "wma": ("asf", "-c:a wmav2"),
}
"""Kind -> ffmpeg's muxer and options."""
TO_FLOAT = ["-map", "0:a:0", "-c:a", "pcm_f32le", "-bitexact", "-f", "wav", "-"]
STATES = tuple(
    k
    for k in KINDS
    if "no length" not in k and k not in ("mp2", "mp3 in wav", "aac", "ogg opus", "ogg vorbis")
)
"""Kinds whose header states the length."""
BOXES = ("m4a", "m4a, index first", "webm opus", "mka vorbis", "wma")
RIFF = tuple(k for k in KINDS if k.startswith("wav"))
PCM = ("wav u8", "wav s16", "wav s24", "wav s32", "wav float", "wav mu-law", "wav a-law")
MPEG = tuple(k for k in KINDS if k.startswith("mp") and "in wav" not in k)


@dataclass(frozen=True)
class Base:
    """A sound file, and its samples (s, channels) as ffmpeg decodes them."""

    kind: str
    data: bytes
    samples: Samples
    rate: int


@dataclass(frozen=True)
class Case:
    """A changed file. ``parts`` whole sounds are in it; None: as much as ffmpeg decodes."""

    kind: str
    fault: str
    data: bytes
    base: Base
    parts: int | None


Fault = tuple[Callable[[Base, np.random.Generator], bytes], tuple[str, ...], int | None]


def wave(seconds: float, channels: int, seed: int) -> Samples:
    """A voice-like sound at 48 kHz whose level and spectrum change, (s, channels)."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * 48000)) / 48000
    tone = sum(np.sin(2 * np.pi * rng.uniform(100, 3000) * t) for _ in range(4)) / 4
    shape = np.interp(t, np.linspace(0, seconds, 6), rng.uniform(0.02, 1, 6))
    noise = rng.normal(0, 0.05, (len(t), channels)) * (t > seconds * 0.6)[:, None]
    return (0.5 * (tone * shape)[:, None] + noise).astype(np.float32)


def decoded(path: Path) -> tuple[Samples, int]:
    """The samples (s, channels) that ffmpeg decodes and their rate; none where it refuses."""
    made = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "quiet", "-threads", "1", "-i", str(path), *TO_FLOAT],
        capture_output=True,
        check=False,
    ).stdout
    at = made.find(b"data")
    if at < 0:
        return np.zeros((0, 1), np.float32), 1
    channels, rate = struct.unpack("<HI", made[22:28])
    found = np.frombuffer(made[at + 8 :], "<f4")
    return found[: len(found) // channels * channels].reshape(-1, channels), rate


def bases(folder: Path, seed: int, variants: int) -> list[Base]:
    """Every kind, ``variants`` times, at different rates, channels and lengths."""
    rng = np.random.default_rng(seed)
    jobs = []
    for variant in range(variants):
        for kind in KINDS:
            rate = int(rng.choice([16000, 22050, 44100, 48000]))
            jobs.append((kind, rate, int(rng.integers(1, 3)), rng.uniform(0.5, 1.1), variant))
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: _encoded(folder, *job), jobs))


def _encoded(
    folder: Path, kind: str, rate: int, channels: int, seconds: float, variant: int
) -> Base:
    muxer, options = KINDS[kind]
    path = folder / f"{kind}-{variant}".replace(" ", "_").replace(",", "")
    given = wave(seconds, channels, variant)
    source = ["-f", "f32le", "-ar", "48000", "-ac", str(channels), "-i", "-"]
    rates = [] if "-ar" in options else ["-ar", str(rate)]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *source, *rates, *options.split(), "-f", muxer, str(path)],
        input=given.tobytes(),
        check=True,
    )
    return Base(kind, path.read_bytes(), *decoded(path))


def cases(made: list[Base], seed: int, rounds: int) -> Iterator[Case]:
    """Every fault of every base, ``rounds`` times."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        for base in made:
            for name, (change, kinds, parts) in FAULTS.items():
                if base.kind in kinds:
                    yield Case(base.kind, name, change(base, rng), base, parts)


def _cut(base: Base, rng: np.random.Generator) -> bytes:
    return base.data[: int(len(base.data) * rng.uniform(0.15, 0.93))]


def _data_at(data: bytes) -> int:
    """Place of a WAV's 32-bit length of data."""
    at = 12
    while data[at : at + 4] != b"data":
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        at += 8 + size + size % 2
    return at + 4


def _stating(value: Callable[[int], int]) -> Callable[[Base, np.random.Generator], bytes]:
    def change(base: Base, rng: np.random.Generator) -> bytes:
        at = _data_at(base.data)
        size = struct.unpack("<I", base.data[at : at + 4])[0]
        return base.data[:at] + struct.pack("<I", value(size)) + base.data[at + 4 :]

    return change


def _without_sizes(base: Base, rng: np.random.Generator) -> bytes:
    data = _stating(lambda size: 0)(base, rng)
    return data[:4] + bytes(4) + data[8:]


def _chunk_before(base: Base, rng: np.random.Generator) -> bytes:
    at = _data_at(base.data) - 4
    return base.data[:at] + _list(rng) + base.data[at:]


def _chunk_after(base: Base, rng: np.random.Generator) -> bytes:
    return base.data + b"\0" * (len(base.data) % 2) + _list(rng)


def _list(rng: np.random.Generator) -> bytes:
    """A LIST chunk with a comment."""
    size = 2 * int(rng.integers(2, 300))
    body = b"INFOICMT" + struct.pack("<I", size) + rng.integers(65, 90, size, np.uint8).tobytes()
    return b"LIST" + struct.pack("<I", len(body)) + body


def _id3_front(base: Base, rng: np.random.Generator) -> bytes:
    size = int(rng.integers(100, 2000))
    return b"ID3\x03\0\0\0\0" + bytes((size >> 7, size & 127)) + bytes(size) + base.data


FAULTS: dict[str, Fault] = {
    "none": (lambda b, r: b.data, tuple(KINDS), 1),
    "cut": (_cut, STATES, 1),
    "cut, no length stated": (_cut, tuple(k for k in KINDS if k not in STATES), None),
    "twice in one": (lambda b, r: b.data + b.data, tuple(k for k in STATES if k not in BOXES), 2),
    "twice in one, no length stated": (
        lambda b, r: b.data + b.data,
        tuple(k for k in KINDS if k not in STATES and k not in ("mp3 in wav", "aac")),
        2,
    ),
    "length too short": (_stating(lambda n: n // 2 // 8 * 8), RIFF, 1),
    "length too long": (_stating(lambda n: n * 2), RIFF, 1),
    "length 0xFFFFFFFF": (_stating(lambda n: 0xFFFFFFFF), RIFF, 1),
    "length 0x7FFFF000": (_stating(lambda n: 0x7FFFF000), RIFF, 1),
    "length 0": (_stating(lambda n: 0), PCM, 1),
    "all lengths 0": (_without_sizes, PCM, 1),
    "chunk before the sound": (_chunk_before, RIFF, 1),
    "chunk after the sound": (_chunk_after, RIFF, 1),
    "ID3v1 at the end": (lambda b, r: b.data + b"TAG" + bytes(125), (*RIFF, *MPEG), 1),
    "ID3v2 at the start": (_id3_front, (*MPEG, "flac"), 1),
    "random tail": (lambda b, r: b.data + r.bytes(int(r.integers(200, 3000))), MPEG, 1),
    "zero tail": (lambda b, r: b.data + bytes(int(r.integers(200, 3000))), (*MPEG, "flac"), 1),
    "few stray bytes": (lambda b, r: b.data + r.bytes(int(r.integers(1, 20))), RIFF, 1),
}
