"""A small backbone that counts, clips on disk and a store: what the tests of embedding share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from nverbench import Backbone, Clip, Frames
from nverbench._io.digests import file_sha256
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.frames import FrameEmbeddings, embed_frames
from nverbench.embedding.pooled import Embeddings, embed
from nverbench.embedding.weights import PlannedBackbone, Weights
from nverbench.plugin.options import resolve

RATE, FRAME, DIM, SHORTEST = 8000, 100, 4, 400


@dataclass
class Listener:
    """A backbone's encoder that counts: a frame is (mean, sd, max, energy) of 100 samples."""

    passes: int = 0
    batches: list[int] = field(default_factory=list)
    options: list[int] = field(default_factory=list)

    def load(self, ctx: Any, *, shift: int = 0) -> Callable[..., Any]:
        self.options.append(shift)

        def encode(waves: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.passes += len(waves)
            self.batches.append(len(waves))
            frames = (
                waves[:, : waves.shape[1] // FRAME * FRAME].float().unflatten(1, (-1, FRAME))
            )  # (b, t, 100)
            stats = [frames.mean(-1), frames.std(-1), frames.amax(-1), frames.square().sum(-1)]
            return torch.stack(stats, -1) + shift, lengths // FRAME  # (b, t, 4)

        return encode

    def backbone(self, **facts: Any) -> Backbone:
        given = {
            "name": "ear",
            "family": "features",
            "sample_rate": RATE,
            "frame_dim": DIM,
            "dim": DIM,
            "batch": 3,
            "min_samples": SHORTEST,
        }
        return Backbone(**{**given, "load": self.load, **facts})


@dataclass
class Bench:
    """Clips on disk, a store, and what it said."""

    root: Path
    clips: list[Clip]
    said: list[str]
    store: EmbeddingCache
    ear: Listener

    def sha(self, clips: list[Clip]) -> dict[str, str]:
        return {c.id: file_sha256(c.path) for c in clips}

    def embed(
        self,
        backbone: Any = None,
        text: str = "ear",
        *,
        clips: list[Clip] | None = None,
        weights: str = "w",
        **how: Any,
    ) -> Embeddings:
        part, chosen = backbone or self.ear.backbone(), self.clips if clips is None else clips
        return embed(
            planned(part, text, weights), chosen, self.sha(chosen), self.store, device="cpu", **how
        )

    def frames(
        self,
        backbone: Any = None,
        text: str = "ear",
        *,
        clips: list[Clip] | None = None,
        **how: Any,
    ) -> FrameEmbeddings:
        part, chosen = backbone or self.ear.backbone(), self.clips if clips is None else clips
        return embed_frames(
            planned(part, text), chosen, self.sha(chosen), self.store, device="cpu", **how
        )


def planned(part: Backbone, text: str = "ear", weights: str = "w") -> PlannedBackbone:
    return PlannedBackbone(part, resolve(part, text), Weights(None, weights, pinned=False))


def write(path: Path, samples: int, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(
        path, 0.2 * np.random.default_rng(seed).standard_normal(samples), RATE, subtype="FLOAT"
    )
    return path


def made(root: Path) -> Bench:
    """Eight clips of eight lengths."""
    clips = [
        Clip(f"c{i}", write(root / f"c{i}.wav", 500 + 130 * ((i * 5) % 8), i), "x")
        for i in range(8)
    ]
    said: list[str] = []
    return Bench(root, clips, said, EmbeddingCache(root / "store", said.append), Listener())


L = 3
"""Layers of a backbone that :func:`deep` makes."""


def bad_clips(root: Path) -> list[Clip]:
    (root / "text.wav").write_text("not audio")
    soundfile.write(root / "empty.wav", np.zeros(0), RATE)
    soundfile.write(root / "nan.wav", np.array([0.1, np.nan] * 400), RATE, subtype="FLOAT")
    soundfile.write(root / "silent.wav", np.zeros(800), RATE)
    return [Clip(n, root / f"{n}.wav", "x") for n in ("text", "empty", "nan", "silent", "absent")]


def deep(
    ear: Listener, change: Callable[[torch.Tensor], torch.Tensor | None] = lambda m: m, **facts: Any
) -> Backbone:
    """A backbone whose layer i is its frames times i + 1; ``change`` breaks the means."""

    def load(ctx: Any) -> Callable[..., Frames]:
        listen = ear.load(ctx)
        factor = L if ctx.layer is None else ctx.layer + 1

        def encode(waves: torch.Tensor, lengths: torch.Tensor) -> Frames:
            frames, counts = listen(waves, lengths)
            means = torch.stack(
                [f[:n].mean(0) for f, n in zip(frames, counts, strict=True)]
            )  # (b, d)
            layers = torch.stack([means * (i + 1) for i in range(L)], 1)  # (b, L, d)
            return Frames(frames * factor, counts, change(layers))

        return encode

    return ear.backbone(load=load, layers=L, **facts)
