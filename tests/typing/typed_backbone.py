"""A backbone as a strict type checker wants it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nverbench import Backbone, Encoder, Frames, LoadContext, Source, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


def load(ctx: LoadContext, *, scale: float = 1.0) -> Encoder:
    """Frames of 400 samples."""

    def encode(waves: Tensor, lengths: Tensor) -> Frames:
        frames = waves.unfold(1, 400, 400).to(ctx.device) * scale  # (b, t, 400)
        return Frames(frames, lengths // 400)

    return encode


@hookimpl
def nverbench_backbones() -> Iterable[Backbone]:
    """One backbone."""
    weights = Source(address="hf:owner/name", licence="MIT", files=("model.safetensors",))
    yield Backbone(
        name="mymodel",
        family="features",
        frame_dim=400,
        dim=400,
        min_samples=400,
        weights=weights,
        load=load,
    )
