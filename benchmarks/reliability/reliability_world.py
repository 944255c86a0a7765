"""The tiny world of ``reliability.py``: 24 tones, a plugin in one file, a protocol of two epochs,
and the command that runs them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIPS, BATCH, FOLDS = 24, 3, 4
STAGES = ("embed", "fit", "write", "tell")
PLUGIN = """
import os, pathlib, time
from nverbench import Backbone, Clip, Dataset, Fusion, LabelCard, Loss, Losses, Output, hookimpl

def noted(name, text):
    with open(os.path.join(os.environ["NVERBENCH_HOME"], name), "a") as file:
        file.write(text)

def load(ctx):
    def encode(waves, lengths):
        noted("heard", "x" * len(waves))
        time.sleep(0.05)
        return waves[:, : waves.shape[1] // 100 * 100].unflatten(1, (-1, 100))[..., :20].abs(), lengths // 100
    return encode

def clips(root):
    for path in sorted(root.glob("*.wav")):
        speaker, label, take = path.stem.split("-")
        yield Clip(path.stem, path, label, speaker)

def build(dims, classes):
    import torch

    class Head(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(sum(dims), classes)

        def forward(self, batch):
            return Output(self.layer(torch.cat(batch.streams, 1)))

    noted("built", "x")
    time.sleep(0.05)
    return Head()

def entropy(classes, counts):
    import torch
    return lambda output, target: Losses({"ce": torch.nn.functional.cross_entropy(output.logits, target)})

@hookimpl
def nverbench_backbones():
    yield Backbone(name="ears", family="features", sample_rate=8000, frame_dim=20, dim=20, batch=3, min_samples=800, frame_rate=80, load=load)

@hookimpl
def nverbench_datasets():
    card = LabelCard(kind="portrayed", setting="synthetic")
    yield Dataset(name="tones", corpus="tones", load=clips, labels=("high", "low", "mid"), label_card=card, folds=("speaker", "random"))

@hookimpl
def nverbench_fusions():
    yield Fusion(name="one", arity=(1, None), build=build, default_loss="plain")
    yield Fusion(name="other", arity=(1, None), build=build, default_loss="plain")

@hookimpl
def nverbench_losses():
    yield Loss(name="plain", build=entropy)
"""
RULES = """
protocols:
  quick: {summary: two epochs, seed: 7, k: 4, scaling: z-score, selection: last, inner_share: 0.1, inner_most: 0.3, inner_per_class: 2,
          patience: 5, optimizer: adam, lr: 0.05, batch: 8, epochs: 2, replicates: 1}
"""
WORDS = (
    "run",
    "--backbone",
    "ears",
    "--fusion",
    "one",
    "--fusion",
    "other",
    "--dataset",
    "tones",
    "--protocol",
    "quick",
    "--device",
    "cpu",
    "--registry",
    "quick.yaml",
    "--plugin",
    "plugin.py",
)


@dataclass
class World:
    """A folder with a corpus, a plugin and a registry; ``home``, ``tmp``, results and the database
    of MLflow lie in it too.
    """

    root: Path
    fit: str = "one"

    def start(
        self, out: str = "nverbench-runs", uri: str = "sqlite:///mlflow.db"
    ) -> subprocess.Popen[str]:
        """The run, in a process of its own."""
        own = {
            "NVERBENCH_HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "NVERBENCH_FIT": self.fit,
        }
        path = os.pathsep.join([str(ROOT), str(ROOT / "plugins"), os.environ.get("PYTHONPATH", "")])
        words = [sys.executable, "-m", "nverbench", *WORDS, "--out", out, "--tracking-uri", uri]
        environment = {**os.environ, **own, "PYTHONPATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.root / "said").open("ab") as said:
            return subprocess.Popen(
                words, cwd=self.root, env=environment, stdout=said, stderr=said, text=True
            )

    def stage(self) -> int:
        """How far runs here have come: 0 nothing yet, else the number of the last stage begun."""
        reached = [
            self.count("heard") > 0,
            self.count("built") > 0,
            *(any(self.root.glob(f"*runs*/results/*.{end}")) for end in ("npz", "json")),
        ]
        return max((i for i, there in enumerate(reached, 1) if there), default=0)

    def count(self, what: str) -> int:
        """Clips ``heard`` by the network, or trainings ``built``, by all runs so far."""
        path = self.root / "home" / what
        return path.stat().st_size if path.exists() else 0

    def kept(self, out: str = "nverbench-runs") -> dict[str, bytes]:
        """Finished results, to the byte."""
        return {
            path.name: path.read_bytes() for path in (self.root / out / "results").glob("*.json")
        }

    def digests(self, out: str = "nverbench-runs") -> dict[str, str]:
        """What must be the same whatever happened."""
        return {
            name: json.loads(content)["result_digest"] for name, content in self.kept(out).items()
        }


def made(root: Path, *, fit: str = "one", database: Path | None = None) -> World:
    """A new world; ``database``: an empty one of MLflow to begin with (making the tables takes
    seconds).
    """
    for folder in ("home", "tmp", "tones"):
        (root / folder).mkdir(parents=True)
    (root / "plugin.py").write_text(PLUGIN)
    (root / "quick.yaml").write_text(RULES)
    (root / "home" / "corpora.json").write_text(
        json.dumps({"paths": {"tones": str(root / "tones")}})
    )
    noise = random.Random(0)
    for speaker in range(4):
        for label, period in (("high", 6), ("low", 40), ("mid", 16)):
            for take in range(2):
                values = [
                    round(8000 * ((i % period) / period - 0.5) + noise.uniform(-900, 900))
                    for i in range(1600 + 80 * speaker + 160 * take)
                ]
                with wave.open(
                    str(root / "tones" / f"s{speaker}-{label}-{take}.wav"), "wb"
                ) as file:
                    file.setparams((1, 2, 8000, 0, "NONE", ""))
                    file.writeframes(b"".join(v.to_bytes(2, "little", signed=True) for v in values))
    if database is not None:
        shutil.copy(database, root / "mlflow.db")
    return World(root, fit)
