"""Audio files whose container states another length than it holds, and all other kinds of
audio_cases.py: what nverbench decodes, against ffmpeg.

``python benchmarks/reliability/audio_containers.py [variants] [rounds] [seed]``. Every file must be
decoded as ffmpeg does, whole, or be refused in one line. Exit code: 1 where one is neither.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from audio_cases import Case, Samples, bases, cases, decoded

from nverbench.data import audio
from nverbench.errors import AudioError

FRAME = 1152
"""Samples by which decoders of MPEG may differ at a cut."""


def outcome(case: Case, path: Path) -> tuple[str, str]:
    """``same``, ``refused``, ``different`` or ``refused, though sound``, and the details."""
    path.write_bytes(case.data)
    try:
        with audio.opened(path) as file:
            held = next(file.blocks(0, file.frames))
            rate = file.rate
        seconds = audio.duration(path)
        audio.read(path, 16000)
    except AudioError as error:
        line = str(error)
        fine = case.fault in SOUND and case.parts == 1
        word = "refused, though sound" if fine else "refused"
        return ("different" if "\n" in line or not line else word), line
    finally:
        if path.exists() and path.is_file():
            reference, native = (
                decoded(path)
                if case.parts is None
                else (np.concatenate([case.base.samples] * case.parts), case.base.rate)
            )
    wrong = _difference(case, held, rate, reference, native)
    if abs(seconds - len(held) / rate) > 1e-9:
        wrong = f"duration {seconds}, held {len(held) / rate}"
    return ("different", wrong) if wrong else ("same", "")


SOUND = (
    "none",
    "length 0xFFFFFFFF",
    "length 0x7FFFF000",
    "chunk before the sound",
    "chunk after the sound",
    "ID3v1 at the end",
    "ID3v2 at the start",
    "random tail",
    "zero tail",
    "few stray bytes",
)
"""Faults of no consequence: the file must be decoded."""


UNKNOWN = ("length 0xFFFFFFFF", "length 0x7FFFF000", "length 0", "all lengths 0")


def _difference(case: Case, held: Samples, rate: int, reference: Samples, native: int) -> str:
    """Where the samples (s, channels) differ from those of the reference; empty: nowhere."""
    slack = FRAME + 1 if case.kind.startswith("mp") and case.parts is None else 1
    if case.fault in UNKNOWN:
        slack = 4  # the byte of padding after an odd number counts as sound
    if "vorbis" in case.kind:
        slack = 1024  # ffmpeg keeps the padding of the last block
    if case.fault == "few stray bytes":
        slack = 32
    if abs(len(held) / rate - len(reference) / native) > slack / min(rate, native):
        return f"{len(held) / rate:.4f} s, ffmpeg {len(reference) / native:.4f} s"
    if rate != native:
        return ""
    n = min(len(held), len(reference)) - (FRAME if case.parts is None else 0)
    if held.shape[1] != reference.shape[1]:
        return f"{held.shape[1]} channels, ffmpeg {reference.shape[1]}"
    apart = np.abs(held[: max(0, n)] - reference[: max(0, n)])
    if case.parts == 2:  # the first frames of the second part overlap with the first part
        apart[len(case.base.samples) - 1 :][: 2 * FRAME] = 0
    worst = float(apart.max(initial=0.0))
    return f"samples differ by {worst:.2g}" if worst > 2e-3 else ""


def main(variants: int = 2, rounds: int = 2, seed: int = 0) -> int:
    """Run all cases and print the table."""
    began, counts, shown = time.perf_counter(), Counter[tuple[str, str, str]](), []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        every = list(cases(bases(Path(folder), seed, variants), seed, rounds))
        paths = [Path(folder) / f"case-{i}" for i in range(len(every))]
        for case, (word, details) in zip(every, pool.map(outcome, every, paths), strict=True):
            counts[case.kind, case.fault, word] += 1
            if word not in ("same", "refused"):
                shown.append(f"{case.kind}, {case.fault}: {word}: {details}")
    words = ("same", "refused", "refused, though sound", "different")
    print(f"| fault | files | {' | '.join(words)} |\n|---|{'---:|' * (len(words) + 1)}")
    for fault in (*dict.fromkeys(fault for _, fault, _ in counts), "all"):
        row = Counter[str]()
        for (_, name, word), n in counts.items():
            row[word] += n * (fault in (name, "all"))
        print(f"| {fault} | {row.total():,} | {' | '.join(f'{row[w]:,}' for w in words)} |")
    print(f"\nseed {seed}, {time.perf_counter() - began:.0f} s", *shown[:60], sep="\n")
    return 1 if any(word == "different" for _, _, word in counts) else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
