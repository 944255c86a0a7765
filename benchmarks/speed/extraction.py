"""Real recordings through frozen backbones, from an empty cache and again: wall time, clips per
second, how busy the network was, peak memory.

    python benchmarks/speed/extraction.py EMOGATOR_FOLDER BYOL_S.pth [BACKBONE ...]

EMOGATOR_FOLDER: a clone of fredbuhl/EmoGator or a part of it. Backbones: byol-s, logmel-stats and
audio-mamba-base:untrained unless others are named. Every measurement is a process of its own, so
that peak memory is its own and the second run starts as cold as the first.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BACKBONES = ("byol-s", "logmel-stats", "audio-mamba-base:untrained")


def measure(text: str) -> dict[str, object]:
    """Embed the whole corpus once, as a job does, and print the cost (run in a process of its
    own).
    """
    began = time.perf_counter()
    from nverbench import registry
    from nverbench._io import paths
    from nverbench.data import corpus as corpora
    from nverbench.embedding import cache, devices, pooled, weights
    from nverbench.plugin.discovery import discover
    from nverbench.plugin.options import resolve, split

    parts, rules = discover(), registry.load()
    dataset = parts.dataset("emogator")
    corpus = corpora.load(dataset, resolve(dataset, "emogator"), corpora.local_copy(dataset))
    part = parts.backbone(split(text)[0])
    pin = rules.weights.get(part.name)
    weights = weights.find_weights(part, resolve(part, text), pin.as_source() if pin else None)
    assert isinstance(weights, weights.Weights)
    planned = weights.PlannedBackbone(part, resolve(part, text), weights)
    store = cache.EmbeddingCache(paths.embeddings_folder())
    found = pooled.embed(
        planned, corpus.clips, corpus.sha256, store, device=devices.resolve("auto")
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
    return {
        "clips": len(found.ids),
        "passes": found.forward_passes,
        "wall": time.perf_counter() - began,
        "loop": found.loop,
        "model": found.model,
        "audio": found.computed_audio,
        "decoding": found.decoding,
        "peak": peak,
        "digest": found.digest,
    }


def in_a_process(words: list[str], folder: Path) -> str:
    """Standard output of a Python process whose nverbench home is in ``folder``."""
    environment = {
        **os.environ,
        "NVERBENCH_HOME": str(folder / "home"),
        "OMP_WAIT_POLICY": "passive",
    }
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def main() -> None:
    """A line per backbone and run, as Markdown."""
    emogator, weights, chosen = (
        Path(sys.argv[1]).resolve(),
        Path(sys.argv[2]).resolve(),
        sys.argv[3:] or BACKBONES,
    )
    script = str(Path(__file__).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_a_process(["-m", "nverbench", "data", "add", "emogator", str(emogator)], folder)
        in_a_process(["-m", "nverbench", "weights", "add", "byol-s", str(weights)], folder)
        print(
            "| backbone | run | clips | passes | wall s | clips per s | real-time factor | network"
            " busy | peak memory MB |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for text in chosen:
            runs = [json.loads(in_a_process([script, "--measure", text], folder)) for _ in range(2)]
            for number, r in zip(("first", "second"), runs, strict=True):
                speed = (
                    f"{r['passes'] / r['loop']:.1f} | {r['loop'] / r['audio']:.3f} |"
                    f" {r['model'] / r['loop']:.1%}"
                    if r["passes"]
                    else "- | - | -"
                )
                print(
                    f"| {text} | {number} | {r['clips']} | {r['passes']} | {r['wall']:.1f} |"
                    f" {speed} | {r['peak']:.0f} |",
                    flush=True,
                )
            assert runs[0]["digest"] == runs[1]["digest"]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2])))
    else:
        main()
