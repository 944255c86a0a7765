"""Clips through a frozen backbone: batches are decoded ahead, copied to the device, encoded and
counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nverbench.embedding.decode import Decoded, check_unmodified, decode_ahead, plan_batches
from nverbench.embedding.encoder import count_parameters, encode_within_memory
from nverbench.embedding.encoder import forward as forward
from nverbench.embedding.encoder import load_encoder as load_encoder
from nverbench.embedding.weights import PlannedBackbone
from nverbench.plugin.records import Clip
from nverbench.plugin.types import Encoder

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Tick = Callable[[int], None]


def no_tick(clips: int) -> None:
    """Ignore progress."""


@dataclass(kw_only=True)
class Extraction:
    """What an extraction counted: unusable clips, and costs."""

    unusable: dict[str, str] = field(default_factory=dict)
    """Clip id -> why it cannot be used; such clips have no row."""
    forward_passes: int = 0
    halvings: int = 0
    """How often a batch did not fit the memory and was halved."""
    padded: int = 0
    """Clips shorter than the backbone's minimum, zero-padded on the right."""
    computed_audio: float = 0.0
    """Seconds of audio that went through the backbone now."""
    seconds: float = 0.0
    """Seconds in total, with the cache and loading."""
    loop: float = 0.0
    """Seconds from the first batch to the last, without loading the network."""
    model: float = 0.0
    """Seconds of that inside the network."""
    decoding: float = 0.0
    """Seconds of decoding in threads, parallel to the network."""
    parameters: int | None = None
    """Frozen parameters; None when everything came from the cache and no earlier run on this
    machine recorded them.
    """
    per_clip: float | None = None
    """Seconds per clip in total: of this run or, when everything came from the cache, of the run
    that filled it; None: not known.
    """
    real_time_factor: float | None = None
    """Seconds of computing per second of audio; of the same run."""


@dataclass(frozen=True)
class ClipFrames:
    """One clip after its forward pass."""

    clip: Clip
    samples: int
    """Its length before padding."""
    frames: NDArray[np.float32]
    """(t, frame_dim)"""
    layers: NDArray[np.float32] | None
    """(L, frame_dim)"""


def compute(
    planned: PlannedBackbone,
    clips: Sequence[Clip],
    requested: set[str],
    cost: Extraction,
    *,
    device: str,
    dtype: str,
    layer: int | None = None,
) -> Generator[ClipFrames, None, None]:
    """Each requested clip with its valid frames; counts passes, seconds and unusable
    clips in ``cost``. Close the generator to end its threads.
    """
    batches = batches_to_compute(planned, clips, requested, cost)

    def load() -> Encoder:
        return load_encoder(planned, device=device, dtype=dtype, layer=layer)

    return extract(planned, batches, requested, cost, device=device, dtype=dtype, load=load)


def batches_to_compute(
    planned: PlannedBackbone, clips: Sequence[Clip], requested: set[str], cost: Extraction
) -> list[list[Clip]]:
    """The planned batches that hold a requested clip. Batches are planned from the full list of
    clips and computed whole, so that a resumed run computes the same batches; clips without a
    readable length go to ``cost.unusable``.
    """
    batches = plan_batches(clips, planned.part.batch, cost.unusable)
    return [batch for batch in batches if requested & {c.id for c in batch}]


def extract(
    planned: PlannedBackbone,
    batches: Sequence[Sequence[Clip]],
    requested: set[str],
    cost: Extraction,
    *,
    device: str,
    dtype: str,
    load: Callable[[], Encoder],
    decoders: int | None = None,
) -> Generator[ClipFrames, None, None]:
    """Each requested clip of planned batches with its valid frames, as :func:`compute`;
    ``decoders``: the number of threads that decode.
    """
    part, encoder, loading = planned.part, None, 0.0  # loaded once a clip could be decoded
    began = time.perf_counter()
    with (
        closing(decode_ahead(batches, part, workers=decoders)) as decoded,
        closing(
            prefetch_to_device(_usable(check_unmodified(decoded, batches), requested, cost), device)
        ) as ready,
    ):
        for batch, waves in ready:
            if encoder is None:
                started = time.perf_counter()
                encoder = load()
                cost.parameters, loading = count_parameters(encoder), time.perf_counter() - started
            started = time.perf_counter()
            encoded, halvings = encode_within_memory(
                encoder, part, batch, waves, device=device, dtype=dtype
            )
            cost.model += time.perf_counter() - started
            cost.halvings += halvings
            cost.forward_passes += len(batch.clips)
            cost.computed_audio += sum(batch.samples) / part.sample_rate
            for i, clip in enumerate(batch.clips):
                if clip.id in requested:
                    layers = None if encoded.layers is None else encoded.layers[i]
                    yield ClipFrames(clip, batch.samples[i], encoded.frames[i], layers)
            cost.loop = time.perf_counter() - began - loading


def prefetch_to_device(
    batches: Iterator[Decoded], device: str
) -> Generator[tuple[Decoded, torch.Tensor], None, None]:
    """Each batch with its waves (b, s) on the device; on CUDA the next batch is copied while the
    network computes.
    """
    import torch

    if not device.startswith("cuda"):
        for batch in batches:
            yield batch, torch.from_numpy(batch.waves)
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's own annotation
    previous: tuple[Decoded, torch.Tensor] | None = None
    for batch in batches:
        with torch.cuda.stream(copying):
            waves = torch.from_numpy(batch.waves).pin_memory().to(device, non_blocking=True)
        if previous is not None:
            yield previous
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(copying)
        # Without this the memory could be reused while the network still reads it.
        waves.record_stream(computing)
        previous = batch, waves
    if previous is not None:
        yield previous


def _usable(batches: Iterator[Decoded], requested: set[str], cost: Extraction) -> Iterator[Decoded]:
    """Batches that hold a usable requested clip; records in ``cost`` what decoding found, in the
    order of the batches.
    """
    for batch in batches:
        cost.unusable.update(batch.unusable)
        cost.decoding += batch.seconds
        # Otherwise the requested clips are unusable, and the other clips are in the cache.
        if requested & {c.id for c in batch.clips}:
            yield batch
