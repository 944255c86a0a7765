"""Clips through a frozen backbone: the encoder is loaded, its answers are checked against its
record, and batches that do not fit are halved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.data.torchaudio_guard import import_torchaudio
from nverbench.embedding.decode import Decoded, check_unmodified, decode_ahead, plan_batches
from nverbench.embedding.devices import is_out_of_memory
from nverbench.embedding.weights import UNTRAINED_SEED, PlannedBackbone
from nverbench.errors import AudioError, PartError
from nverbench.plugin.records import Backbone, Clip
from nverbench.plugin.types import Encoder, LoadContext

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Tick = Callable[[int], None]


def no_tick(clips: int) -> None:
    """Progress that nobody watches."""


@dataclass(kw_only=True)
class Extraction:
    """What became of the clips, and what they cost."""

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
    """All in all, the store and loading included."""
    loop: float = 0.0
    """Seconds from the first batch to the last, without loading the network."""
    model: float = 0.0
    """Seconds of that inside the network."""
    decoding: float = 0.0
    """Seconds that threads decoded, beside the network."""
    parameters: int | None = None
    """Frozen parameters; None when everything came from the store and no earlier run on this
    machine said.
    """
    per_clip: float | None = None
    """Seconds per clip, all in all: of this run or, when everything came from the store, of the one
    that filled it; None: not known.
    """
    real_time_factor: float | None = None
    """Seconds of computing per second of audio; as above."""


@dataclass(frozen=True)
class Encoded:
    """What a backbone gave for a batch, checked."""

    frames: list[NDArray[np.float32]]
    """b arrays (t_i, frame_dim) of valid frames."""
    layers: NDArray[np.float32] | None
    """(b, L, frame_dim) time means, from backbones that declare layers."""


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
    wanted: set[str],
    cost: Extraction,
    *,
    device: str,
    dtype: str,
    layer: int | None = None,
) -> Generator[ClipFrames, None, None]:
    """Each wanted clip with its valid frames; counts passes, seconds and bad clips in ``cost``.
    Close it, so that its threads end.
    """
    batches = batches_to_compute(planned, clips, wanted, cost)
    return extract(
        planned,
        batches,
        wanted,
        cost,
        device=device,
        dtype=dtype,
        load=lambda: load_encoder(planned, device=device, dtype=dtype, layer=layer),
    )


def batches_to_compute(
    planned: PlannedBackbone, clips: Sequence[Clip], wanted: set[str], cost: Extraction
) -> list[list[Clip]]:
    """The planned batches that hold a wanted clip. They are planned from the full list of clips and
    taken whole, so that a resumed run computes in the same company; clips of which not even a
    length can be read go to ``cost.unusable``.
    """
    return [
        b
        for b in plan_batches(clips, planned.part.batch, cost.unusable)
        if wanted & {c.id for c in b}
    ]


def extract(
    planned: PlannedBackbone,
    batches: Sequence[Sequence[Clip]],
    wanted: set[str],
    cost: Extraction,
    *,
    device: str,
    dtype: str,
    load: Callable[[], Encoder],
    decoders: int | None = None,
) -> Generator[ClipFrames, None, None]:
    """Each wanted clip of planned batches with its valid frames, as :func:`compute`; ``decoders``:
    how many threads decode.
    """
    encoder: Encoder | None = None  # loaded once a clip could be decoded
    began, loading = time.perf_counter(), 0.0
    with (
        closing(decode_ahead(batches, planned.part, workers=decoders)) as decoded,
        closing(
            prefetch_to_device(_usable(check_unmodified(decoded, batches), wanted, cost), device)
        ) as ready,
    ):
        for batch, waves in ready:
            if encoder is None:
                started = time.perf_counter()
                encoder = load()
                cost.parameters, loading = count_parameters(encoder), time.perf_counter() - started
            started = time.perf_counter()
            encoded, halvings = encode_within_memory(
                encoder, planned.part, batch, waves, device=device, dtype=dtype
            )
            cost.model += time.perf_counter() - started
            cost.halvings += halvings
            cost.forward_passes += len(batch.clips)
            cost.computed_audio += sum(batch.samples) / planned.part.sample_rate
            for i, clip in enumerate(batch.clips):
                if clip.id in wanted:
                    yield ClipFrames(
                        clip,
                        batch.samples[i],
                        encoded.frames[i],
                        None if encoded.layers is None else encoded.layers[i],
                    )
            cost.loop = time.perf_counter() - began - loading


def prefetch_to_device(
    batches: Iterator[Decoded], device: str
) -> Generator[tuple[Decoded, torch.Tensor], None, None]:
    """Each batch with its waves (b, s) where the network wants them; on CUDA the next batch is
    copied while the network computes.
    """
    import torch

    if not device.startswith("cuda"):
        for batch in batches:
            yield batch, torch.from_numpy(batch.waves)
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    held: tuple[Decoded, torch.Tensor] | None = None
    for batch in batches:
        with torch.cuda.stream(copying):
            waves = torch.from_numpy(batch.waves).pin_memory().to(device, non_blocking=True)
        if held is not None:
            yield held
        torch.cuda.current_stream(device).wait_stream(copying)
        waves.record_stream(
            torch.cuda.current_stream(device)
        )  # or its memory could be given away while the network still reads it
        held = batch, waves
    if held is not None:
        yield held


def load_encoder(
    planned: PlannedBackbone, *, device: str, dtype: str = "float32", layer: int | None = None
) -> Encoder:
    """The backbone's encoder, in eval mode, frozen, with TF32 off; torch's global random state is
    untouched.
    """
    import_torchaudio()  # before any plugin imports transformers
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    assert planned.part.load is not None  # stored features never come here
    context = LoadContext(
        device=device, dtype=dtype, weights=planned.weights.path, seed=UNTRAINED_SEED, layer=layer
    )
    encoder: Encoder = planned.part.load(context, **planned.reference.full)
    if not callable(encoder):
        raise PartError(
            f"backbone {planned}: load gave a {type(encoder).__name__}; expected a callable (waves,"
            " lengths) -> frames"
        )
    if isinstance(encoder, torch.nn.Module):
        encoder.eval().requires_grad_(False)
    return encoder


def encode_within_memory(
    encoder: Encoder,
    part: Backbone,
    batch: Decoded,
    waves: torch.Tensor,
    *,
    device: str,
    dtype: str,
) -> tuple[Encoded, int]:
    """A batch's frames, and how often it had to be halved to fit; a row does not depend on its
    batch mates, so the numbers stay.

    Raises:
        AudioError: a single clip does not fit.
    """
    import torch

    try:
        return (
            encode(
                encoder, part, waves, torch.from_numpy(batch.lengths), device=device, dtype=dtype
            ),
            0,
        )
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not is_out_of_memory(error):
            raise
        if len(waves) == 1:
            seconds = int(batch.lengths[0]) / part.sample_rate
            raise AudioError(
                f"{batch.clips[0].id} ({seconds:.1f} s) does not fit the memory of {device} when"
                f" {part.name} hears it alone; cut it into segments, or use a device with more"
                " memory"
            ) from error
    # Outside of the handler: the error's traceback holds the tensors that filled the memory.
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    middle, parts, halvings = (len(waves) + 1) // 2, [], 1
    for rows in (slice(None, middle), slice(middle, None)):
        longest = int(batch.lengths[rows].max())
        half = Decoded(
            batch.clips[rows], batch.samples[rows], batch.waves[rows, :longest], batch.lengths[rows]
        )
        encoded, more = encode_within_memory(
            encoder, part, half, waves[rows, :longest], device=device, dtype=dtype
        )
        parts.append(encoded)
        halvings += more
    layers = [p.layers for p in parts if p.layers is not None]
    return (
        Encoded([f for p in parts for f in p.frames], np.concatenate(layers) if layers else None),
        halvings,
    )


def forward(
    encoder: Encoder,
    part: Backbone,
    waves: torch.Tensor,
    lengths: torch.Tensor,
    *,
    device: str,
    dtype: str,
) -> list[NDArray[np.float32]]:
    """The valid frames of each clip, (t_i, frame_dim) float32, checked against the record."""
    return encode(encoder, part, waves, lengths, device=device, dtype=dtype).frames


def encode(
    encoder: Encoder,
    part: Backbone,
    waves: torch.Tensor,
    lengths: torch.Tensor,
    *,
    device: str,
    dtype: str,
) -> Encoded:
    """What the encoder gives for a batch (b, s), checked against the record.

    Raises:
        PartError: it is not what the backbone promises.
    """
    import torch

    # Waves stay float32 for half precision: a front end on 8 bits of wave would lose what the
    # network could still tell apart.
    with torch.inference_mode():
        given = encoder(
            waves.to(device, torch.float64 if dtype == "float64" else torch.float32),
            lengths.to(device),
        )
    if not isinstance(given, tuple) or len(given) not in (2, 3):
        raise PartError(
            f"{part.name} embeddings: expected (frames, lengths), got a {type(given).__name__}; its"
            " author must mend it"
        )
    frames, counts = given[0], given[1]
    if frames.ndim != 3 or frames.shape[0] != len(waves) or frames.shape[2] != part.frame_dim:
        wanted = f"(b={len(waves)}, t, d={part.frame_dim})"
        raise PartError(
            f"{part.name} embeddings: expected {wanted}, got {tuple(frames.shape)}; its author must"
            " mend it"
        )
    if (
        counts.shape != (len(waves),)
        or int(counts.min()) < 1
        or int(counts.max()) > frames.shape[1]
    ):
        raise PartError(
            f"{part.name} embeddings: frame lengths {counts.tolist()} do not fit {frames.shape[1]}"
            " frames; its author must mend it"
        )
    array = frames.float().cpu().numpy()
    valid = [array[i, : int(n)] for i, n in enumerate(counts)]
    if not all(np.isfinite(v).all() for v in valid):
        raise PartError(
            f"{part.name} embeddings: some are not finite numbers; its author must mend it"
        )
    return Encoded(
        valid,
        _layers(part, given[2] if len(given) == 3 else None, len(waves)) if part.layers else None,
    )


def count_parameters(encoder: Any) -> int | None:
    """How many parameters a loaded network holds; None when it is not a torch module."""
    import torch

    return (
        sum(p.numel() for p in encoder.parameters())
        if isinstance(encoder, torch.nn.Module)
        else None
    )


def _layers(part: Backbone, given: torch.Tensor | None, rows: int) -> NDArray[np.float32]:
    """The layers' time means (b, L, frame_dim) float32, checked against the record."""
    wanted = f"(b={rows}, L={part.layers}, d={part.frame_dim})"
    if given is None or tuple(given.shape) != (rows, part.layers, part.frame_dim):
        got = "none" if given is None else tuple(given.shape)
        raise PartError(
            f"{part.name} layers: expected time means {wanted}, got {got}; its author must mend it"
        )
    means: NDArray[np.float32] = given.float().cpu().numpy()
    if not np.isfinite(means).all():
        raise PartError(f"{part.name} layers: some are not finite numbers; its author must mend it")
    return means


def _usable(batches: Iterator[Decoded], wanted: set[str], cost: Extraction) -> Iterator[Decoded]:
    """Batches that hold a wanted clip; what decoding found is written down, in the order of the
    batches.
    """
    for batch in batches:
        cost.unusable.update(batch.unusable)
        cost.decoding += batch.seconds
        if wanted & {
            c.id for c in batch.clips
        }:  # else what is wanted of it cannot be used, and its mates are in the store
            yield batch
