"""What a corpus of N clips will need: what a clip costs each room is measured here at two sizes,
the rest is arithmetic.

    python benchmarks/scale/sizing.py [--clips 10000 10000000] [--dim 768] [--jobs 150] [--seeds 5]
    [--epochs 20] [--clip-seconds 0.05] [--workers 8]

Measured: planning (files listed, digested, cut into folds), the store (a vector written and read
back), one epoch of ``fcn`` and of ``linear``. Not measured: the network, whose seconds per clip are
``--clip-seconds`` (``nverbench run --dry-run`` says them for this machine), and any size above the
two: that costs grow in proportion is what the two sizes show, as far as they go.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SIZES = (2_000, 20_000)
SPEAKERS, LABELS = 40, 6


@dataclass(frozen=True)
class Cost:
    """What one clip costs a room: the slope between the two sizes."""

    seconds: float
    memory: float
    """Bytes of the process."""


def corpus(root: Path, clips: int) -> Path:
    """A table of short recordings; no two files are alike."""
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + 320,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        16_000,
        32_000,
        2,
        16,
        b"data",
        320,
    )
    table = root / "corpus.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "speaker"))
        for i in range(clips):
            path = root / f"{i % 256:02x}" / f"{i}.wav"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(head + i.to_bytes(8, "little") * 40)
            rows.writerow(
                (path.relative_to(root), f"label{i % LABELS}", f"speaker{i // LABELS % SPEAKERS}")
            )
    return table


def planning(clips: int, *, again: bool) -> float:
    """Seconds of a plan: the first one digests every file, one ``again`` remembers the digests."""
    from nverbench import registry
    from nverbench.pipeline import plan
    from nverbench.pipeline.selection import Selection
    from nverbench.plugin import discovery

    with tempfile.TemporaryDirectory() as folder:
        asked = Selection(
            backbones=("logmel-stats",),
            fusions=("linear",),
            datasets=(f"table:{corpus(Path(folder), clips)}",),
        )
        rules, parts = registry.load(), discovery.discover()
        for _ in range(1 + again):
            began = time.perf_counter()
            made = plan.plan(rules, parts, asked)
            seconds = time.perf_counter() - began
    assert len(made.jobs[0].corpus.clips) == clips
    return seconds


def storing(clips: int, dim: int, *, again: bool) -> float:
    """Seconds of writing a vector per clip into the store, or (``again``) of reading them all back
    as a run does.
    """
    import numpy as np

    from nverbench.embedding import keys, pooled
    from nverbench.embedding.cache import EmbeddingCache
    from nverbench.embedding.weights import PlannedBackbone, Weights
    from nverbench.plugin.options import PartRef
    from nverbench.plugin.records import Backbone, Clip

    part = Backbone(name="wide", family="features", frame_dim=dim, dim=dim, load=print)
    planned, vector = (
        PlannedBackbone(part, PartRef("wide"), Weights(None, "", pinned=False)),
        np.ones(dim, np.float32),
    )
    listed = [Clip(f"{i:08d}", Path(f"{i}.wav"), None) for i in range(clips)]
    digests = {c.id: c.id * 8 for c in listed}
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddingCache(Path(folder))
        began = time.perf_counter()
        for clip in listed:
            store.put(
                keys.embedding_key(planned, clip, digests[clip.id], "float32", part.pool),
                vector,
                16_000,
            )
        if again:
            began = time.perf_counter()
            found = pooled.embed(planned, listed, digests, store, device="cpu")
            assert len(found.ids) == clips
        seconds = time.perf_counter() - began
        if not again:
            blocks = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*.embedding"))
            print(f"disk {blocks / clips}", file=sys.stderr)
    return seconds


def fitting(clips: int, dim: int, fusion: str) -> float:
    """Seconds of one training of one epoch, one thread, all clips but twenty in its training part;
    the best of four.
    """
    import numpy as np

    from nverbench import registry
    from nverbench.data.folds.assign import Fold
    from nverbench.plugin import discovery
    from nverbench.training.folds import fit_fold
    from nverbench.training.records import TrainingSetup

    parts, rules = discovery.discover(), registry.load()
    part = parts.fusion(fusion)
    protocol = rules.protocol("nver-1").model_copy(update={"epochs": 1, "selection": "last"})
    training = TrainingSetup(part, {}, parts.loss(part.default_loss), {}, protocol, LABELS, "cpu")
    rows = np.arange(clips)
    fold = Fold("0", tuple(rows[20:].tolist()), (), tuple(rows[:20].tolist()), speakers_seen=False)
    matrix = np.random.default_rng(0).standard_normal((clips, dim), dtype=np.float32)
    return min(
        fit_fold(training, [matrix], rows % LABELS, fold, 0).seconds for _ in range(4)
    )  # the first one also imports


def measured(words: list[str], home: Path) -> tuple[Cost, float]:
    """The cost of a clip from a process per size, so that each has its own peak memory; and bytes
    of disk, where the room writes any.
    """
    found, disk = [], 0.0
    for clips in SIZES:
        done = subprocess.run(
            [sys.executable, __file__, "--room", *words, "--clips", str(clips)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "NVERBENCH_HOME": str(home / str(clips)), "OMP_NUM_THREADS": "1"},
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
        disk = next(
            (
                float(line.split()[1])
                for line in done.stderr.splitlines()
                if line.startswith("disk ")
            ),
            disk,
        )
    (small, low), (large, high) = found
    between = SIZES[1] - SIZES[0]
    return Cost(max(0.0, large - small) / between, max(0.0, high - low) / between), disk


def room(words: list[str], clips: int, dim: int) -> None:
    """One measurement in this process: seconds and peak bytes."""
    again = words[-1] == "again"
    rooms = {
        "plan": lambda: planning(clips, again=again),
        "store": lambda: storing(clips, dim, again=again),
    }
    seconds = rooms.get(words[0], lambda: fitting(clips, dim, words[0]))()
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))


def lasting(seconds: float) -> str:
    """Seconds in a unit that one can picture."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


def table(asked: argparse.Namespace) -> list[tuple[str, ...]]:
    """Rows of the arithmetic: what, and for each number of clips how much."""
    with tempfile.TemporaryDirectory() as folder:
        first, _ = measured(["plan"], Path(folder) / "a")
        again, _ = measured(["plan", "again"], Path(folder) / "b")
        written, disk = measured(["store"], Path(folder))
        read, _ = measured(["store", "again"], Path(folder))
        epochs = {name: measured([name], Path(folder))[0] for name in ("linear", "fcn")}
    trainings = asked.jobs * asked.seeds * 5
    rows = [("clips", *(f"{n:,}" for n in asked.clips))]
    for what, each in (
        ("first plan: files listed and digested, cut into folds", first),
        ("every later plan", again),
    ):
        rows.append(
            (
                what,
                *(
                    f"{lasting(n * each.seconds)}, {n * each.memory / 1e9:.2f} GB"
                    for n in asked.clips
                ),
            )
        )
    rows.append(
        (
            f"through one network at {asked.clip_seconds} s a clip, {asked.workers} workers",
            *(lasting(n * asked.clip_seconds / asked.workers) for n in asked.clips),
        )
    )
    rows.append(
        (
            f"store, one network, d = {asked.dim}: files, disk",
            *(f"{n:,}, {n * disk / 1e9:.2f} GB" for n in asked.clips),
        )
    )
    rows.append(("  written by the driver", *(lasting(n * written.seconds) for n in asked.clips)))
    rows.append(
        (
            "  read back for training, peak memory",
            *(f"{lasting(n * read.seconds)}, {n * read.memory / 1e9:.2f} GB" for n in asked.clips),
        )
    )
    for name, each in epochs.items():
        seconds = [
            n * 0.8 * each.seconds * asked.epochs for n in asked.clips
        ]  # of five folds four are trained on
        rows.append(
            (
                f"one training of {name}, {asked.epochs} epochs, one core; its memory",
                *(
                    f"{lasting(s)}, {n * each.memory / 1e9:.2f} GB"
                    for s, n in zip(seconds, asked.clips, strict=True)
                ),
            )
        )
        rows.append(
            (
                (
                    f"  {trainings:,} of them ({asked.jobs} jobs x 5 folds x {asked.seeds} seeds),"
                    f" {asked.workers} workers"
                ),
                *(lasting(s * trainings / asked.workers) for s in seconds),
            )
        )
    return rows


def main() -> None:
    """Print the table in Markdown."""
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--clips", type=int, nargs="+", default=[10_000, 10_000_000])
    words.add_argument("--dim", type=int, default=768)
    words.add_argument("--jobs", type=int, default=150)
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--epochs", type=int, default=20)
    words.add_argument("--clip-seconds", type=float, default=0.05)
    words.add_argument("--workers", type=int, default=8)
    words.add_argument("--room", nargs="+", help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.room:
        room(asked.room, asked.clips[0], asked.dim)
        return
    head, *rows = table(asked)
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
