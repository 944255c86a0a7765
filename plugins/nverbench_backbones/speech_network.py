"""Runs a speech transformer over padded batches: each row's numbers are those of its clip alone.
Imported only inside ``load``.

Axes: ``b`` clips, ``s`` samples, ``t`` frames of 20 ms, ``L`` hidden states: what the first
transformer block reads, then every block's output.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nverbench import Frames, PartError
from nverbench_backbones.freeze import half_precision
from nverbench_backbones.speech_batch import prepare
from nverbench_backbones.speech_front import Valid

MIN_SAMPLES = 400
BUDGET = {"cpu": 400_000}
"""Padded samples in the network at once, by type of device: on a CPU 25 s (1,250 frames saturate
its matrix products).
"""
OTHER_BUDGET = 1_000_000
"""62.5 s, about 1 GB of temporaries: bounds the memory of a GPU. A batch of longer clips goes
through in several passes.
"""


class SpeechEncoder(nn.Module):
    """The loaded backbone: (waves (b, s), lengths (b,)) -> frames (b, t, d) of one layer, and every
    layer's mean over valid frames (b, L, d).
    """

    def __init__(self, model: Any, *, normalize: bool, layer: int, dtype: str = "float32") -> None:
        super().__init__()
        self.clips = prepare(model)
        self.model = model
        self.normalize = normalize
        self.layer = layer
        self.dtype = dtype

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        """In as few passes as the budget allows, rows in their order."""
        samples = lengths.cpu()
        if int(samples.min()) < MIN_SAMPLES:
            raise PartError(
                f"speech encoder: expected at least {MIN_SAMPLES} samples per clip, got"
                f" {int(samples.min())}; pad the clip with zeros"
            )
        counts = self._frames(samples)  # (b,)
        passes = [
            self._pass(waves[rows], samples[rows], counts[rows])
            for rows in within_budget(samples.tolist(), BUDGET.get(waves.device.type, OTHER_BUDGET))
        ]
        longest = int(counts.max())
        frames = torch.cat(
            [
                nn.functional.pad(frames, (0, 0, 0, longest - frames.shape[1]))
                for frames, _ in passes
            ]
        )
        return Frames(frames, counts.to(lengths.device), torch.cat([means for _, means in passes]))

    def _frames(self, samples: Tensor) -> Tensor:
        """Frames behind the front end's convolutions, which have no padding."""
        for kernel, stride in zip(
            self.model.config.conv_kernel, self.model.config.conv_stride, strict=True
        ):
            samples = (samples - kernel) // stride + 1
        return samples

    def _pass(self, waves: Tensor, samples: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """(b, s) -> frames (b, t, d) and means (b, L, d)."""
        parameter = next(self.model.parameters())
        waves = waves[:, : int(samples.max())].to(parameter)
        inside = torch.arange(waves.shape[1]) < samples[:, None]  # (b, s)
        mask = torch.arange(int(counts.max())) < counts[:, None]  # (b, t)
        self.clips.now = Valid(samples, counts, mask.to(waves.device))
        waves = prepared(waves, inside.to(waves.device), normalize=self.normalize)
        # Some versions of the models draw a number per block for layer dropout even in eval mode,
        # where they ignore it: that must not move the
        # caller's random state.
        with (
            torch.random.fork_rng(devices=[]),
            half_precision(waves.device, self.dtype),
            states(self.model, self.clips.now, self.layer) as kept,
        ):
            output = self.model(
                waves, attention_mask=None if mask.all() else inside.to(waves.device, torch.long)
            )
            # The large models norm once more behind the last block. Their output, as published, is
            # the last layer here (as it was in
            # transformers 4 and is in s3prl); transformers 5 leaves that norm out of
            # hidden_states[-1].
            kept.add(output.last_hidden_state)
        assert kept.frames is not None
        return kept.frames.to(parameter.dtype), torch.stack(kept.means, dim=1)


def within_budget(samples: list[int], budget: int) -> list[slice]:
    """Consecutive rows such that rows times their longest clip stay within the budget; a longer
    clip goes alone.
    """
    starts, longest = [0], 0
    for row, length in enumerate(samples):
        longest = max(longest, length)
        if row > starts[-1] and longest * (row + 1 - starts[-1]) > budget:
            starts.append(row)
            longest = length
    return [
        slice(start, end) for start, end in zip(starts, [*starts[1:], len(samples)], strict=True)
    ]


def prepared(waves: Tensor, inside: Tensor, *, normalize: bool) -> Tensor:
    """Waves (b, s), zero after each clip's end and, if requested, of zero mean and unit variance
    over its samples as Wav2Vec2FeatureExtractor makes them (variance divided by s).
    """
    waves = waves.masked_fill(~inside, 0.0)
    if not normalize:
        return waves
    count = inside.sum(1, keepdim=True)
    centred = (waves - waves.sum(1, keepdim=True) / count).masked_fill(~inside, 0.0)
    return centred / torch.sqrt(centred.square().sum(1, keepdim=True) / count + 1e-7)


class States:
    """The hidden states of one pass as they come: each one's mean over valid frames, and the frames
    of one layer; no other is kept.
    """

    def __init__(self, valid: Valid, layer: int, dtype: torch.dtype) -> None:
        self.weights = (valid.mask.to(dtype) / valid.mask.sum(1, keepdim=True))[
            :, None
        ]  # (b, 1, t)
        self.layer = layer
        self.means: list[Tensor] = []
        self.frames: Tensor | None = None

    def add(self, state: Tensor) -> None:
        """(b, t, d), the next layer."""
        if len(self.means) == self.layer:
            self.frames = state
        with torch.autocast(state.device.type, enabled=False):
            self.means.append((self.weights @ state.to(self.weights.dtype))[:, 0])  # (b, d)


@contextmanager
def states(model: Any, valid: Valid, layer: int) -> Iterator[States]:
    """Collects what the first block reads and what every block but the last gives."""
    kept = States(valid, layer, next(model.parameters()).dtype)

    def before(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        kept.add(args[0])

    def after(_: nn.Module, args: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        kept.add(
            output[0] if isinstance(output, tuple) else output
        )  # WavLM also returns its position bias

    blocks = model.encoder.layers
    hooks = [
        blocks[0].register_forward_pre_hook(before),
        *(block.register_forward_hook(after) for block in blocks[:-1]),
    ]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()
