"""What ``--storage float16`` costs: the error of the stored frames, and what becomes of the
predictions on conversation-demo.

    python benchmarks/science/float16_storage.py [--backbone logmel-stats] [--fusion
    erc-mean:dim=16,hidden=16,layers=0]

The same job (session 5 held out) runs twice through the command line, in a home of its own, with
frames in float32 and in float16. Errors are those of the float32 frames once rounded, which is all
that the storage does to them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from nverbench.embedding.cache import SUFFIX, EmbeddingCache
from nverbench.results.predictions import Predictions

STORAGES = ("float32", "float16")


def ran(folder: Path, backbone: str, fusion: str, storage: str) -> Predictions:
    """The predictions of one job."""
    words = [
        "run",
        "--backbone",
        backbone,
        "--dataset",
        "conversation-demo",
        "--fusion",
        fusion,
        "--folds",
        "holdout=ses5",
        "--storage",
        storage,
        "--out",
        storage,
    ]
    environment = {**os.environ, "NVERBENCH_HOME": str(folder / "home")}
    subprocess.run(
        [sys.executable, "-m", "nverbench", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (path,) = (folder / storage / "results").glob("*.predictions.npz")
    return Predictions.read(path)


def rounding(root: Path) -> dict[str, float]:
    """Errors of float16 over every frame of a store: root mean square relative to that of the
    frames, and the largest relative to its own number.
    """
    store, squares, errors, largest, count = EmbeddingCache(root), 0.0, 0.0, 0.0, 0
    for path in sorted(root.rglob(f"*{SUFFIX}")):
        found = store.open(path.name.removesuffix(SUFFIX))
        if found is None or found[0].ndim != 2 or found[0].dtype != np.float32:
            continue  # a pooled embedding, or the same frames as float16
        exact = found[0].astype(np.float64)
        error = np.abs(found[0].astype(np.float16).astype(np.float64) - exact)
        normal = np.abs(exact) >= np.finfo(np.float16).smallest_normal
        squares, errors, count = (
            squares + float((exact**2).sum()),
            errors + float((error**2).sum()),
            count + len(exact),
        )
        largest = max(largest, float((error / np.abs(np.where(normal, exact, np.inf))).max()))
    return {"rms": (errors / squares) ** 0.5, "largest": largest, "frames": count}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="logmel-stats")
    parser.add_argument("--fusion", default="erc-mean:dim=16,hidden=16,layers=0")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exact, rounded = (
            ran(folder, asked.backbone, asked.fusion, storage) for storage in STORAGES
        )
        error = rounding(folder / "home" / "embeddings")
    assert exact.ids == rounded.ids
    changed = exact.probabilities.argmax(-1) != rounded.probabilities.argmax(-1)
    apart = np.abs(exact.probabilities - rounded.probabilities)
    print(
        f"{asked.backbone}, {asked.fusion}, conversation-demo: {error['frames']:,} frames,"
        f" {changed.size:,} predictions\n"
    )
    print("| what | float16 against float32 |\n|---|---|")
    print(f"| frames, root mean square of the error / of the frames | {error['rms']:.1e} |")
    print(f"| frames, largest relative error of a number | {error['largest']:.1e} |")
    print(f"| probabilities, mean (largest) difference | {apart.mean():.1e} ({apart.max():.1e}) |")
    print(f"| predictions changed | {changed.sum()} of {changed.size} |")
    right = [(one.probabilities.argmax(-1) == one.target).mean() for one in (rounded, exact)]
    print(f"| accuracy | {right[0]:.4f} against {right[1]:.4f} |")


if __name__ == "__main__":
    main()
