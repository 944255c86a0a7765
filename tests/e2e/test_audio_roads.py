"""A file that cannot be used is refused with the same reason whatever road it comes by: a table, a
folder, ``embed``, or a corpus that was added.
"""

from __future__ import annotations

import csv
import itertools
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nverbench_datasets.ravdess import sample

RATE = 16_000
TONE = (0.4 * np.sin(np.arange(RATE) / 9) * np.hanning(RATE)).astype(np.float32)


def wav(samples: bytes, stated: int | None = None, extra: bytes = b"") -> bytes:
    """A mono WAV of 16-bit samples whose header states ``stated`` bytes of them."""
    stated = len(samples) if stated is None else stated
    fmt = struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + stated) + b"WAVEfmt " + fmt
    return head + b"data" + struct.pack("<I", stated) + samples + extra


PCM = (TONE * 32767).astype("<i2").tobytes()
BYTES = {
    "a WAV cut in copying": (wav(PCM[:9600], len(PCM)), "its header states 1 s"),
    "a WAV whose header is too short": (wav(PCM, 9600), "its header states 0.3 s"),
    "two WAV files in one": (wav(PCM) + wav(PCM), "several files, one after another"),
    "a pointer of git-lfs": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "a page of a failed download": (b"<!DOCTYPE html><html></html>", "an HTML page"),
    "a zip archive": (b"PK\x03\x04" + bytes(40), "a zip archive: unpack it"),
    "an empty file": (b"", "0 bytes"),
    "zeros": (bytes(5000), "zero bytes only"),
    "silence": (wav(bytes(len(PCM))), "is silent"),
}
WRITTEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "channels that cancel each other": (
        lambda path: soundfile.write(path, np.stack([TONE, -TONE], 1), RATE, format="WAV"),
        "its channels cancel each other",
    ),
    "integers written as floats": (
        lambda path: soundfile.write(path, TONE * 32767, RATE, "FLOAT", format="WAV"),
        "divide them by 32768",
    ),
    "samples that are not numbers": (
        lambda path: soundfile.write(path, TONE * np.nan, RATE, "FLOAT", format="WAV"),
        "not finite",
    ),
}
FAULTS = {*BYTES, *WRITTEN}


def spoil(path: Path, fault: str) -> str:
    """Writes the faulty file; returns what its refusal says."""
    if fault in BYTES:
        path.write_bytes(BYTES[fault][0])
        return BYTES[fault][1]
    WRITTEN[fault][0](path)
    return WRITTEN[fault][1]


def by_embed(world: Any, fault: str) -> tuple[Any, str]:
    said = spoil(world.root / "x.wav", fault)
    return world.run("embed", "tiny-spectrum", "x.wav", "-o", "x.npz"), said


def clips(world: Any) -> list[Path]:
    return sorted(p.relative_to(world.root) for p in world.corpus.glob("*/*.wav"))


def by_table(world: Any, fault: str) -> tuple[Any, str]:
    rows = [(p, p.stem.partition("-")[0], p.parent.name) for p in clips(world)]
    with (world.root / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "speaker"), *rows])
    said = spoil(world.root / clips(world)[3], fault)
    return world.run("data", "check", "table:t.csv"), said


def by_folder(world: Any, fault: str) -> tuple[Any, str]:
    for path in clips(world):
        place = world.root / "own" / path.stem.partition("-")[0] / path.parent.name
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(world.root / path, place)
    said = spoil(sorted((world.root / "own").rglob("*.wav"))[3], fault)
    return world.run("data", "check", "folder:own"), said


def by_corpus(world: Any, fault: str) -> tuple[Any, str]:
    sample(world.root / "ravdess")
    said = spoil(sorted((world.root / "ravdess").rglob("*.wav"))[3], fault)
    added = world.run("data", "add", "ravdess", "ravdess")
    return added if added.code else world.run("data", "check", "ravdess"), said


ROADS = {"embed": by_embed, "table": by_table, "folder": by_folder, "data add": by_corpus}


@pytest.mark.parametrize(("road", "fault"), list(itertools.product(ROADS, sorted(FAULTS))))
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    world: Any, road: str, fault: str
) -> None:
    ran, said = ROADS[road](world, fault)
    # a published corpus with an empty file is partial, and names it
    partial = (road, fault) == ("data add", "an empty file")
    assert ran.code == (0 if partial else 2)
    text = ran.out if partial else ran.err
    assert ("partial copy" in text) is partial
    errors = [line for line in text.splitlines() if said in line]
    assert len(errors) == 1, text
    assert ".wav" in errors[0] or "03-01-" in errors[0]
