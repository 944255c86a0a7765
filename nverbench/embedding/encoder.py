"""The encoder of a backbone: loaded, and applied to one batch. Its outputs are checked against the
backbone's record, and a batch that does not fit the memory is halved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.data.torchaudio_guard import import_torchaudio
from nverbench.embedding import output_checks
from nverbench.embedding.decode import Decoded
from nverbench.embedding.devices import is_out_of_memory
from nverbench.embedding.weights import UNTRAINED_SEED, PlannedBackbone
from nverbench.errors import AudioError, PartError
from nverbench.plugin.records import Backbone
from nverbench.plugin.types import Encoder, LoadContext

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Encoded:
    """The checked output of a backbone for a batch."""

    frames: list[NDArray[np.float32]]
    """b arrays (t_i, frame_dim) of valid frames."""
    layers: NDArray[np.float32] | None
    """(b, L, frame_dim) time means, from backbones that declare layers."""


def load_encoder(
    planned: PlannedBackbone, *, device: str, dtype: str = "float32", layer: int | None = None
) -> Encoder:
    """The backbone's encoder, in eval mode, frozen, with TF32 off; torch's global random state does
    not change.
    """
    import_torchaudio()  # before any plugin imports transformers
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    assert planned.part.load is not None  # backbones of stored features have no encoder
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


def count_parameters(encoder: Any) -> int | None:
    """The number of parameters of an encoder; None when it is not a torch module."""
    import torch

    if not isinstance(encoder, torch.nn.Module):
        return None
    return sum(p.numel() for p in encoder.parameters())


def encode_within_memory(
    encoder: Encoder,
    part: Backbone,
    batch: Decoded,
    waves: torch.Tensor,
    *,
    device: str,
    dtype: str,
) -> tuple[Encoded, int]:
    """The output for a batch, and how often the batch was halved to fit the memory. Numbers do not
    change, because a row does not depend on the other rows of its batch.

    Raises:
        AudioError: a single clip does not fit.
    """
    import torch

    how = {"device": device, "dtype": dtype}
    try:
        return encode(encoder, part, waves, torch.from_numpy(batch.lengths), **how), 0
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
    middle, halves = (len(waves) + 1) // 2, []
    for rows in (slice(None, middle), slice(middle, None)):
        longest = int(batch.lengths[rows].max())
        half = Decoded(
            batch.clips[rows], batch.samples[rows], batch.waves[rows, :longest], batch.lengths[rows]
        )
        halves.append(encode_within_memory(encoder, part, half, waves[rows, :longest], **how))
    frames = [f for encoded, _ in halves for f in encoded.frames]
    layers = [encoded.layers for encoded, _ in halves if encoded.layers is not None]
    halvings = 1 + sum(more for _, more in halves)
    return Encoded(frames, np.concatenate(layers) if layers else None), halvings


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
    """The encoder's output for a batch (b, s), checked against the record.

    Raises:
        PartError: the output is not as the record declares it.
    """
    import torch

    # Waves stay float32 for half precision: a wave of 8 significant bits has lost details that the
    # network can still use.
    wide = torch.float64 if dtype == "float64" else torch.float32
    with torch.inference_mode():
        output = encoder(waves.to(device, wide), lengths.to(device))
    frames, counts, means = output_checks.unpacked(part, output)
    valid = output_checks.checked_frames(part, frames, counts, len(waves))
    layers = output_checks.checked_layers(part, means, len(waves)) if part.layers else None
    return Encoded(valid, layers)
