"""A well-behaved backbone of three small layers, and encoders that break one rule each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nverbench import Backbone, Encoder, Frames, LoadContext, PartError, Source, UsageError

RATE, HOP, DIM, LAYERS, LEAST = 8000, 160, 6, 3, 320
BIBTEX = "@misc{tiny, title = {{Tiny}: a backbone}, year = {2024}}"
Change = Callable[[Frames, Tensor, Tensor], Any]


class Tiny(nn.Module):
    """One frame per 160 samples: a projection, then two residual blocks."""

    def __init__(self, layer: int = LAYERS - 1) -> None:
        super().__init__()
        self.project = nn.Linear(HOP, DIM)
        self.blocks = nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(LAYERS - 1))
        self.layer = layer

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        if int(lengths.min()) < LEAST:
            raise PartError(
                f"tiny: expected at least {LEAST} samples, got {int(lengths.min())}; pad the clip"
                " with zeros"
            )
        valid = lengths // HOP  # (b,)
        t = int(valid.max())
        states = [
            self.project(waves[:, : t * HOP].to(self.project.weight).unflatten(1, (t, HOP)))
        ]  # (b, t, d)
        for block in self.blocks:
            states.append(states[-1] + torch.tanh(block(states[-1])))
        mask = (torch.arange(t, device=waves.device) < valid[:, None])[:, :, None]  # (b, t, 1)
        means = [
            torch.where(mask, state, 0).sum(1) / valid[:, None] for state in states
        ]  # L x (b, d)
        return Frames(states[self.layer], valid, torch.stack(means, 1))


def network(ctx: LoadContext) -> Tiny:
    """Frozen, seeded or read from a file, in float32 unless float64 is asked for."""
    layer = LAYERS - 1 if ctx.layer is None else ctx.layer
    if not 0 <= layer < LAYERS:
        raise UsageError(f"tiny: layer is {layer}; expected 0 to {LAYERS - 1}")
    with ctx.seeded():
        tiny = Tiny(layer)
    if ctx.weights is not None:
        tiny.load_state_dict(torch.load(ctx.weights, weights_only=True))
    return (
        tiny.to(ctx.device, torch.float64 if ctx.dtype == "float64" else torch.float32)
        .eval()
        .requires_grad_(False)
    )


def load(ctx: LoadContext) -> Encoder:
    """Frames only."""
    return changed(lambda given, waves, lengths: given)(ctx)


def changed(change: Change) -> Callable[[LoadContext], Encoder]:
    """A load whose encoder gives the frames of the well-behaved one, changed."""

    def load(ctx: LoadContext) -> Encoder:
        return altered(network(ctx), change)

    return load


def altered(tiny: Encoder, change: Change) -> Encoder:
    """The encoder without layers, its answer changed."""

    def encode(waves: Tensor, lengths: Tensor) -> Any:
        given = Frames(*tiny(waves, lengths))
        return change(Frames(given.frames, given.lengths), waves, lengths)

    return encode


def changed_layers(change: Callable[[Frames], Any]) -> Callable[[LoadContext], Encoder]:
    """A load whose encoder changes frames or layers together."""

    def load(ctx: LoadContext) -> Encoder:
        tiny = network(ctx)
        return lambda waves, lengths: change(tiny(waves, lengths))

    return load


def tiny_backbone(load: Callable[..., Encoder] = load, **facts: Any) -> Backbone:
    """The record, with other facts where they are given."""
    given = {
        "name": "tiny",
        "family": "attention",
        "sample_rate": RATE,
        "frame_dim": DIM,
        "dim": facts.get("frame_dim", DIM),
        "load": load,
        "frame_rate": RATE / HOP,
        "min_samples": LEAST,
        "weights": Source(address="https://example.org/tiny.pt", licence="MIT"),
        "pretrained_on": ("nothing",),
        "licence": "MIT",
        "citation": BIBTEX,
    }
    return Backbone(**{**given, **facts})
