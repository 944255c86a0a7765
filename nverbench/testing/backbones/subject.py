"""A backbone under test: loaded once, and run by all checks through functions of the harness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.data import audio
from nverbench.data.missing import Missing
from nverbench.data.torchaudio_guard import import_torchaudio
from nverbench.embedding import decode, extract
from nverbench.embedding.weights import UNTRAINED_SEED, PlannedBackbone, find_weights
from nverbench.plugin.options import resolve
from nverbench.plugin.process_state import read, restore
from nverbench.plugin.records import Backbone
from nverbench.plugin.types import Encoder, Frames, LoadContext
from nverbench.testing.check import expecting
from nverbench.testing.process_state import SETTINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Array = NDArray[np.float32]

NOISE_SEED = 97


@dataclass(frozen=True, eq=False)
class Subject:
    """A backbone under test. Its encoder has seeded random weights, unless the reference has
    ``weights=PATH``.
    """

    part: Backbone
    text: str = ""
    """A reference such as ``mine:layout=time``; empty: the part with its defaults."""
    device: str = "cpu"
    changed: set[str] = field(default_factory=set, init=False)
    """Settings of the process that the plugin's last call changed. They are restored after every
    call, so that checks do not influence each other.
    """

    def __str__(self) -> str:
        return self.text or self.part.name

    @cached_property
    def planned(self) -> PlannedBackbone:
        """The part, its options and its weights, as a job uses them."""
        reference = resolve(self.part, self.text or self.part.name)
        if self.part.weights is not None and not reference.weights:
            reference = replace(reference, untrained=True)
        weights = find_weights(self.part, reference, None)
        assert not isinstance(weights, Missing)  # seeded, or an existing path
        return PlannedBackbone(self.part, reference, weights)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that all checks share, as the harness loads it."""
        with self._expecting("an encoder from load(ctx)"):
            return extract.load_encoder(self.planned, device=self.device)

    @property
    def seeded(self) -> bool:
        """Whether the weights are seeded random numbers."""
        return self.part.weights is not None and self.planned.weights.path is None

    def load(
        self,
        *,
        dtype: str = "float32",
        seed: int = UNTRAINED_SEED,
        layer: int | None = None,
        device: str | None = None,
    ) -> Encoder:
        """Another encoder, exactly as the plugin returns it. A UsageError of the plugin passes
        through.
        """
        import_torchaudio()  # before any plugin imports transformers
        assert self.part.load is not None  # only_encoders checked this
        context = LoadContext(
            device=device or self.device,
            dtype=dtype,
            weights=self.planned.weights.path,
            seed=seed,
            layer=layer,
        )
        with self._expecting(f"an encoder from load({context})"):
            return self.part.load(context, **self.planned.reference.full)

    def wave(self, seconds: float, seed: int = 0) -> Array:
        """A synthetic voice (s,) at the part's rate, at least as long as clips of the harness."""
        return self.long_enough(
            voice(max(1, round(seconds * self.part.sample_rate)), self.part.sample_rate, seed)
        )

    def long_enough(self, wave: Array) -> Array:
        """The wave, zero-padded on the right to ``min_samples`` as by the harness."""
        return decode.pad_short(wave, self.part)

    def read(self, path: Path) -> Array:
        """The wave of a file, read as by the harness."""
        return self.long_enough(audio.read(path, self.part.sample_rate))

    def frames(
        self,
        waves: Sequence[Array],
        encoder: Encoder | None = None,
        *,
        dtype: str = "float32",
        noise: bool = False,
        extra: int = 0,
    ) -> list[Array]:
        """The valid frames (t_i, frame_dim) of each clip of one batch, as the harness extracts
        them; its PartErrors pass through.
        """
        chosen = encoder or self.encoder
        batch, lengths = padded(waves, noise=noise, extra=extra)
        with self._expecting(f"frames of clips of {lengths.tolist()} samples in {dtype}"):
            part = replace(self.part, layers=0)  # layers have their own rule
            return extract.forward(chosen, part, batch, lengths, device=self.device, dtype=dtype)

    def answer(
        self, waves: Sequence[Array], encoder: Encoder | None = None, *, device: str | None = None
    ) -> Frames:
        """The unchecked output of the encoder for one batch."""
        chosen = encoder or self.encoder
        batch, lengths = padded(waves)
        with self._expecting(f"(frames, lengths) of clips of {lengths.tolist()} samples"):
            given: Any = chosen(batch.to(device or self.device), lengths.to(device or self.device))
            return Frames(*given)

    @contextmanager
    def _expecting(self, expected: str) -> Iterator[None]:
        """Turns errors of the plugin into one line, and restores the settings that it changed."""
        before = read(SETTINGS)
        self.changed.clear()
        try:
            with expecting(self, expected):
                yield
        finally:
            self.changed.update(restore(SETTINGS, before))


def padded(waves: Sequence[Array], *, noise: bool = False, extra: int = 0) -> tuple[Tensor, Tensor]:
    """A batch (b, s + extra) padded on the right with zeros or with noise, and its lengths (b,)."""
    import torch

    lengths = [len(wave) for wave in waves]
    shape = len(waves), max(lengths) + extra
    batch = (
        np.random.default_rng(NOISE_SEED).uniform(-1, 1, shape).astype(np.float32)
        if noise
        else np.zeros(shape, np.float32)
    )
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    return torch.from_numpy(batch), torch.tensor(lengths)


def voice(samples: int, rate: int, seed: int = 0) -> Array:
    """A gliding tone with harmonics and breath, (s,) float32 with a peak of about 0.5. Every seed
    gives another; the global random state is not used.
    """
    generator = np.random.default_rng(seed)
    time = np.arange(samples) / rate
    pitch = generator.uniform(90, 300) * (
        1 + 0.2 * np.sin(2 * np.pi * generator.uniform(0.5, 3) * time)
    )  # Hz
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tone = sum(np.sin(k * phase + generator.uniform(0, 6)) / k for k in range(1, 9))
    breath = generator.standard_normal(samples)
    wave: Array = (0.2 * tone + 0.02 * breath).astype(np.float32)
    return wave
