"""The audit measured: its time on real clips, and how well planted copies are told from recordings
that are merely alike.

    python benchmarks/science/audit.py EMOGATOR_FOLDER

1. ``nverbench data audit emogator`` from a fresh home: wall time, processor time, its verdict.
2. Of 90 clips each, a changed copy is planted beside the corpus: mp3 at about 64 kbit/s, resampled
  to 16 kHz, 12 dB softer, 0.2 s trimmed, 0.2 s padded, with noise at 30 dB signal to noise, and all
  of it. Printed: per treatment how many were candidates and the lowest correlations; among all
  other pairs of real clips the highest; recall and false pairs at the threshold in use.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import resample_poly

from nverbench import Clip, Dataset, LabelCard, Misfit
from nverbench.data.audit import audit
from nverbench.data.audit import duplicates as copies
from nverbench.data.audit.records import Pair
from nverbench.plugin import discovery
from nverbench.plugin.options import resolve

EACH = 90
Treated = tuple[Any, int, str]
"""Wave, rate, suffix of the file."""


def resampled(wave: Any, rate: int) -> Any:
    """At 16 kHz, by a filter that is not ours."""
    return resample_poly(wave, 16000 // gcd(rate, 16000), rate // gcd(rate, 16000))


def noisy(wave: Any) -> Any:
    """With white noise 30 dB below it."""
    noise = np.random.default_rng(len(wave)).standard_normal(len(wave))
    return wave + noise * np.sqrt(np.mean(wave**2)) * 10 ** (-30 / 20)


TREATMENTS: dict[str, Callable[[Any, int], Treated]] = {
    "mp3": lambda x, r: (x, r, ".mp3"),
    "16 kHz": lambda x, r: (resampled(x, r), 16000, ".wav"),
    "-12 dB": lambda x, r: (x * 10 ** (-12 / 20), r, ".wav"),
    "trimmed": lambda x, r: (x[r // 5 :], r, ".wav"),
    "padded": lambda x, r: (np.pad(x, (r // 5, 0)), r, ".wav"),
    "noise": lambda x, r: (noisy(x), r, ".wav"),
    "all of it": lambda x, r: (
        resampled(np.pad(noisy(x[r // 5 :]), (0, r // 5)) * 10 ** (-12 / 20), r),
        16000,
        ".mp3",
    ),
}


def write(path: Path, wave: Any, rate: int) -> None:
    """A float wav, or an mp3 at about 64 kbit/s (libsndfile takes a fraction of the range of its
    MPEG version).
    """
    if path.suffix == ".wav":
        soundfile.write(path, wave, rate, subtype="FLOAT")
        return
    low, high = (32, 320) if rate >= 32000 else (8, 160)
    level = (high - 64) / (high - low)
    with soundfile.SoundFile(
        path, "w", rate, 1, format="MP3", bitrate_mode="CONSTANT", compression_level=level
    ) as file:
        file.write(wave)


def plant(clips: list[Clip], folder: Path) -> list[Clip]:
    """A changed copy of EACH clips per treatment, no clip twice; of the copy's name the original's
    id is the last part.
    """
    chosen = np.random.default_rng(0).permutation(len(clips))
    planted = []
    for n, (name, treat) in enumerate(TREATMENTS.items()):
        for row in sorted(chosen[n * EACH : (n + 1) * EACH]):
            clip = clips[row]
            samples, rate = soundfile.read(clip.path, always_2d=True)
            wave, rate, suffix = treat(samples.mean(axis=1), rate)
            path = folder / f"{n}-{clip.id}{suffix}"
            write(path, wave, rate)
            planted.append(Clip(f"{name}/{clip.id}", path, clip.label, clip.speaker))
    return planted


def study(emogator: Path) -> None:
    """Part 2."""
    known = discovery.discover(()).dataset("emogator")
    clips = [
        c for c in known.load(emogator) if not isinstance(c, Misfit) and c.id not in known.defects
    ]
    copies.SAME = 0.0  # every candidate's correlation is wanted
    with tempfile.TemporaryDirectory() as name:
        planted = plant(clips, Path(name))

        def load(root: Path | None) -> Iterator[Clip]:
            yield from [*clips, *planted]

        dataset = Dataset(
            name="planted", load=load, label_card=LabelCard(kind="portrayed", setting="acted")
        )
        pairs = audit(
            dataset, resolve(dataset, "planted"), None, k=5, seed=20250602
        ).report.copies.near
    true = {
        (p.first, p.second): p
        for p in pairs
        if p.first.rpartition("/")[2] == p.second.rpartition("/")[2]
    }
    say(planted, true, [p for p in pairs if (p.first, p.second) not in true])


def say(planted: list[Clip], true: dict[tuple[str, str], Pair], other: list[Pair]) -> None:
    """The table of the study."""
    print(
        f"\n{len(planted)} planted copies, {len(true) + len(other)} candidates; threshold"
        f" {THRESHOLD}"
    )
    print(f"  {'treatment':12}{'planted':>8}{'candidates':>11}{'found':>7}   lowest correlations")
    for name in TREATMENTS:
        found = sorted(
            p.correlation
            for p in true.values()
            if p.first.startswith(f"{name}/") or p.second.startswith(f"{name}/")
        )
        print(
            f"  {name:12}{EACH:8}{len(found):11}{sum(c >= THRESHOLD for c in found):7}  "
            f" {', '.join(f'{c:.3f}' for c in found[:4])}"
        )
    other.sort(key=lambda p: -p.correlation)
    print(
        f"  false pairs {sum(p.correlation >= THRESHOLD for p in other)} of {len(other)}; the"
        " highest correlations of different recordings:"
    )
    for p in other[:10]:
        print(
            f"    {p.correlation:.3f}  {p.first}  {p.second}  (speaker {p.relation.speakers}, label"
            f" {p.relation.labels}, {p.lag:+.2f} s)"
        )


def timed(emogator: Path) -> None:
    """Part 1."""
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, "NVERBENCH_HOME": str(Path(name) / "home")}
        for words in (["add", "emogator", str(emogator)], ["audit", "emogator"]):
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "nverbench", "data", *words]
            done = subprocess.run(
                command, cwd=name, env=environment, capture_output=True, text=True
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            wall = time.perf_counter() - began
            print(
                f"$ nverbench data {words[0]} emogator    [{wall:.1f} s wall, {cpu:.1f} s of"
                f" {os.cpu_count()} processors, exit {done.returncode}]"
            )
            if done.returncode:
                sys.exit(done.stderr)
        print(
            "".join(
                f"    {line.strip()}\n"
                for line in done.stderr.splitlines()
                if ": " in line and " in " in line
            ),
            end="",
        )
        print(done.stdout.partition("\n\ncopies: ")[0])


THRESHOLD = copies.SAME

if __name__ == "__main__":
    timed(Path(sys.argv[1]).resolve())
    study(Path(sys.argv[1]).resolve())
