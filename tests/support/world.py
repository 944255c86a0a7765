"""A stranger's tiny world: a plugin that the catalog finds beside the house's own, a corpus of
short tones, and a protocol of two epochs.

``world.run("run", ...)`` is the command line in this process; ``world.passes`` counts every clip
that went through the stranger's backbones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from nverbench import (
    Backbone,
    Batch,
    Clip,
    Dataset,
    Fusion,
    LabelCard,
    Loss,
    Losses,
    Output,
    hookimpl,
)
from nverbench._io.state import write_state
from nverbench.cli import main
from nverbench.plugin import discovery
from nverbench.results import tracking

RATE, FRAME = 8000, 200
PITCH = {"high": 1500.0, "low": 300.0, "mid": 700.0}
OVERLAY = """
protocols:
  quick: {summary: two epochs, seed: 7, k: 4, scaling: z-score, selection: inner, inner_share: 0.1, inner_most: 0.3, inner_per_class: 2,
          patience: 5, optimizer: adam, lr: 0.05, batch: 8, epochs: 2, replicates: 1}
entries:
  - {name: tiny-grid, backbones: [[tiny-spectrum]], fusions: [tiny-linear, tiny-wide], datasets: [tiny-bursts], protocol: quick}
"""


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The JSON records on standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class World:
    """The stranger's plugin, the folders around it, and the command line."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    passes: int = 0
    interrupt_at: int | None = None
    """Raise KeyboardInterrupt once that many clips went through."""
    backbones: list[Backbone] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)
    fusions: list[Fusion] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    @property
    def corpus(self) -> Path:
        """The local copy of the stranger's corpus."""
        return self.root / "bursts"

    @property
    def results(self) -> list[Path]:
        """The files of finished results."""
        return sorted((self.root / "nverbench-runs" / "results").glob("*.json"))

    def run(self, *words: object) -> Ran:
        """A command, its exit code and what it printed; an error that is not an exit passes
        through, as a traceback would.
        """
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(w) for w in words])
        printed = self.capsys.readouterr()
        assert "Traceback" not in printed.err
        return Ran(int(left.value.code or 0), printed.out, printed.err)

    def job(self, *words: object, fusion: str = "tiny-linear") -> Ran:
        """``run`` of the registered entry with one fusion, or with what ``words`` add."""
        return self.run(
            "run",
            "--backbone",
            "tiny-spectrum",
            "--fusion",
            fusion,
            "--dataset",
            "tiny-bursts",
            "--registry",
            "tiny.yaml",
            *words,
        )

    def encode(
        self, waves: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log energy in eight bands per frame (b, t, 8): separates the classes, and a row never
        depends on its mates.
        """
        frames = waves[:, : waves.shape[1] // FRAME * FRAME].unflatten(
            1, (-1, FRAME)
        )  # (b, t, 200)
        power = (
            torch.fft.rfft(frames.double()).abs().square()[..., 1:97].unflatten(-1, (8, 12)).sum(-1)
        )  # (b, t, 8)
        self.passes += len(waves)
        if self.interrupt_at is not None and self.passes > self.interrupt_at:
            self.passes -= len(waves)
            raise KeyboardInterrupt
        return (power + 1e-6).log().float(), lengths // FRAME

    def backbone(self, name: str, **facts: Any) -> Backbone:
        """A record around ``encode``; ``facts`` replace its fields."""
        return Backbone(
            **{
                "name": name,
                "family": "features",
                "sample_rate": RATE,
                "frame_dim": 8,
                "dim": 8,
                "batch": 3,
                "min_samples": 800,
                "load": lambda ctx: self.encode,
                "licence": "MIT",
                **facts,
            }
        )


class Linear(torch.nn.Module):
    """One linear layer on everything."""

    def __init__(self, dims: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(sum(dims), classes)

    def forward(self, batch: Batch) -> Output:
        return Output(self.layer(torch.cat(batch.streams, dim=1)))


def broken(dims: tuple[int, ...], classes: int) -> torch.nn.Module:
    raise RuntimeError("the stranger forgot something")


def cross_entropy(classes: int, counts: torch.Tensor) -> Callable[[Output, torch.Tensor], Losses]:
    return lambda output, target: Losses(
        {"ce": torch.nn.functional.cross_entropy(output.logits, target)}
    )


def clips(root: Path) -> Iterator[Clip]:
    """``spkN/CLASS-TAKE.wav``."""
    for path in sorted(root.glob("spk*/*.wav")):
        yield Clip(
            f"{path.parent.name}/{path.stem}", path, path.stem.partition("-")[0], path.parent.name
        )


def tone(speaker: int, label: str, take: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """0.15 to 0.3 s of a tone with noise; the pitch says the class."""
    rng = np.random.default_rng([speaker, len(label), take])
    time = np.arange(RATE * (15 + speaker + 2 * take) // 100) / RATE
    return 0.3 * np.sin(
        2 * np.pi * PITCH[label] * (1 + 0.02 * speaker) * time
    ) + 0.02 * rng.standard_normal(len(time))


def write_corpus(root: Path) -> Path:
    """48 clips: 8 speakers x 3 classes x 2 takes."""
    for speaker in range(8):
        (root / f"spk{speaker}").mkdir(parents=True)
        for label in PITCH:
            for take in range(2):
                soundfile.write(
                    root / f"spk{speaker}" / f"{label}-{take}.wav",
                    tone(speaker, label, take),
                    RATE,
                    subtype="PCM_16",
                )
    return root


def plugin(world: World) -> ModuleType:
    """The stranger's module; what its hooks give is what the world holds at that moment."""
    module = ModuleType("tiny_world")
    for kind in ("backbones", "datasets", "fusions", "losses"):

        def hook(kind: str = kind) -> list[Any]:
            return list(getattr(world, kind))

        # hooks take no argument
        hook.__signature__ = __import__("inspect").Signature()  # type: ignore[attr-defined]
        setattr(module, f"nverbench_{kind}", hookimpl(hook))
    return module


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts entry points that no distribution has beside the real ones: name -> module, or an
    exception that its import raises.
    """
    extra: list[Any] = []

    def add(name: str, content: ModuleType | BaseException) -> None:
        def load() -> ModuleType:
            if isinstance(content, BaseException):
                raise content
            return content

        extra.append(
            SimpleNamespace(
                name=name,
                dist=SimpleNamespace(name=f"nverbench-{name}", version="0.1"),
                value="",
                load=load,
            )
        )

    monkeypatch.setattr(
        discovery, "entry_points", lambda group: [*entry_points(group=group), *extra]
    )
    return add


@pytest.fixture
def world(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    install: Callable[..., None],
) -> World:
    """The tiny world in a working folder of its own; MLflow is left out (tests/test_tracking.py has
    it).
    """
    monkeypatch.chdir(tmp_path)
    made = World(tmp_path, capsys)
    made.backbones = [made.backbone("tiny-spectrum")]
    card = LabelCard(kind="portrayed", setting="synthetic")
    made.datasets = [
        Dataset(
            name="tiny-bursts",
            corpus="tiny-bursts",
            load=clips,
            labels=tuple(PITCH),
            label_card=card,
            folds=("speaker", "random"),
        )
    ]
    made.fusions = [
        Fusion(name="tiny-linear", arity=(1, None), build=Linear, default_loss="tiny-loss"),
        Fusion(name="tiny-wide", arity=(1, None), build=Linear, default_loss="tiny-loss"),
        Fusion(name="tiny-broken", arity=(1, None), build=broken, default_loss="tiny-loss"),
    ]
    made.losses = [Loss(name="tiny-loss", build=cross_entropy)]
    install("tiny", plugin(made))
    write_corpus(made.corpus)
    (tmp_path / "tiny.yaml").write_text(OVERLAY)
    write_state("corpora", "paths", "tiny-bursts", str(made.corpus))
    monkeypatch.setattr(tracking, "log", lambda result, folder, uri: True)
    monkeypatch.setattr(tracking, "log_gap", lambda gap, folder, uri: None)
    return made
