"""Bursts no two of which are alike, corpora made of them, and the audit of such a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from nverbench import Clip, Dataset, LabelCard
from nverbench.data.audit import AuditResult, audit
from nverbench.plugin.options import resolve

RATE = 16000
Wave = NDArray[np.float32]


def burst(seed: int, seconds: float = 0.8, rate: int = RATE) -> Wave:
    """A voice-like burst: a gliding pitch with harmonics of its own, noise, and an envelope of its
    own.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (rng.uniform(90, 400) * time + rng.uniform(-80, 80) * time**2)
    voice = sum(
        rng.uniform(0.1, 1) / n * np.sin(n * phase + rng.uniform(0, 6)) for n in range(1, 12)
    )
    knots = rng.uniform(0.05, 1, 8)
    envelope = np.interp(time, np.linspace(0, seconds, 8), knots)
    wave = envelope * (voice + 0.3 * rng.standard_normal(len(time)))
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)


def written(path: Path, wave: Any, rate: int = RATE, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, **how)
    return path


@dataclass
class Tree:
    """A corpus ``SPEAKER/LABEL-TAKE.wav`` and its audit."""

    root: Path
    folds: tuple[str, ...] = ("speaker", "random")
    defects: Mapping[str, str] = field(default_factory=dict)
    order: Callable[[list[Path]], list[Path]] = sorted

    def load(self, root: Path) -> Iterator[Clip]:
        for path in self.order([p for p in root.glob("*/*") if not p.name.startswith(".")]):
            yield Clip(
                f"{path.parent.name}/{path.stem}",
                path,
                path.stem.partition("-")[0],
                path.parent.name,
            )

    def fill(
        self,
        speakers: int,
        labels: str,
        takes: int,
        seconds: Callable[[str, int], float] = lambda label, seed: 0.8,
    ) -> list[Path]:
        """Different bursts in every cell."""
        paths = []
        for n in range(speakers * len(labels) * takes):
            speaker, label, take = (
                n // (len(labels) * takes),
                labels[n // takes % len(labels)],
                n % takes,
            )
            paths.append(
                written(
                    self.root / f"s{speaker}" / f"{label}-{take}.wav",
                    burst(n, seconds(label, n)),
                    subtype="PCM_16",
                )
            )
        return paths

    def audit(self, **how: Any) -> AuditResult:
        card = LabelCard(kind="portrayed", setting="synthetic")
        dataset = Dataset(
            name="bursts",
            corpus="bursts",
            load=self.load,
            label_card=card,
            folds=self.folds,
            defects=self.defects,
        )
        return audit(
            dataset,
            resolve(dataset, "bursts"),
            self.root,
            **{"k": 5, "seed": 7, "shuffles": 3, "processes": 1, **how},
        )
