"""Backbones that break a rule each, for the table of benchmarks/reliability/rules.py; more of them,
and that they break nothing else: test_*_checks.py.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nverbench import Encoder, Frames, LoadContext
from support.tiny_backbone import LEAST, altered, changed, network, tiny_backbone
from support.tiny_parts import Case

generator = torch.Generator().manual_seed(0)


def over_its_peak(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    peaks = torch.stack([wave[:n].abs().max() for wave, n in zip(waves, lengths, strict=True)]).to(
        given.frames
    )
    return Frames(given.frames * (peaks / peaks)[:, None, None], given.lengths)


def plus_its_mates(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    return Frames(given.frames + given.frames.mean((0, 1)) / 10, given.lengths)


def raises_below(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    if int(lengths.min()) < 2 * LEAST:
        raise RuntimeError("Kernel size can't be greater than actual input size")
    return given


def noisy(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    return Frames(
        given.frames + 1e-6 * torch.randn(given.frames.shape, generator=generator).to(given.frames),
        given.lengths,
    )


def twice_in_double(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    return Frames(given.frames * (1 + (waves.dtype == torch.float64)), given.lengths)


def trainable(ctx: LoadContext) -> Encoder:
    return altered(network(ctx).requires_grad_(True), lambda given, waves, lengths: given)


def seeding(ctx: LoadContext) -> Encoder:
    torch.manual_seed(ctx.seed)
    return altered(network(ctx), lambda given, waves, lengths: given)


def case(rule: str, what: str, change: Any, words: str, **facts: Any) -> Case:
    return Case(rule, what, tiny_backbone(changed(change), **facts), words)


CASES = (
    Case("record", "says no licence", tiny_backbone(licence="unknown"), "expected a licence"),
    Case(
        "shapes",
        "declares another rate",
        tiny_backbone(frame_rate=40.0),
        "(frame_rate 40, within one frame and 2%)",
    ),
    case(
        "one-minute",
        "cuts at 32 s",
        lambda g, w, n: Frames(g.frames, n.clamp(max=256000) // 160),
        "frames of 480000 samples",
    ),
    case(
        "batch-invariance",
        "adds the mean of the batch",
        plus_its_mates,
        "in a batch of four to be the clip alone",
    ),
    case("finite", "divides by the peak", over_its_peak, "finite frames for digital silence"),
    case(
        "short",
        "refuses short clips without a word",
        raises_below,
        "RuntimeError: Kernel size",
        min_samples=2 * LEAST,
    ),
    case("determinism", "adds noise", noisy, "the same bits when a clip comes twice"),
    Case(
        "frozen",
        "leaves weights trainable",
        tiny_backbone(trainable),
        "no parameter that requires a gradient",
    ),
    Case("no-global-state", "seeds torch", tiny_backbone(seeding), "another random state of torch"),
    case(
        "dtype",
        "float64 from float32",
        lambda g, w, n: Frames(g.frames.double(), g.lengths),
        "expected float32 frames, got torch.float64",
    ),
    case("float64", "others in float64", twice_in_double, "float64 frames within"),
    case(
        "device",
        "frames elsewhere",
        lambda g, w, n: Frames(g.frames.to("meta"), g.lengths),
        "expected frames on cpu, got meta",
    ),
    Case(
        "layers",
        "gives layers, declares none",
        tiny_backbone(network),
        "no Frames.layers: the record declares none",
    ),
)
