"""What the kit says of encoders whose frames, layers or precisions break a rule."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nverbench import Encoder, Frames, LoadContext
from nverbench.testing import ConformanceError, Subject
from support.conformance import CHECKS, assert_fails_only, failures
from support.tiny_backbone import (
    HOP,
    LAYERS,
    LEAST,
    altered,
    changed,
    changed_layers,
    network,
    tiny_backbone,
)


def at_most_100(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    return Frames(given.frames, given.lengths.clamp(max=100) - (given.lengths > 1000).long())


def minus_the_mean_of_everything(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    return Frames(given.frames - given.frames.mean(1, keepdim=True) / 2, given.lengths)


def plus_its_mates(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    return Frames(given.frames + given.frames.mean((0, 1)) / 10, given.lengths)


def plus_the_sum_of_the_padded_wave(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    return Frames(given.frames + waves.float().abs().sum(1)[:, None, None] / 1000, given.lengths)


def plus_the_padded_length(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    return Frames(given.frames + waves.shape[1] / 1e6, given.lengths)


def over_its_peak(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    peaks = torch.stack([wave[:n].abs().max() for wave, n in zip(waves, lengths, strict=True)])
    return Frames(
        given.frames / (peaks.to(given.frames) / peaks.to(given.frames))[:, None, None],
        given.lengths,
    )


@pytest.mark.parametrize(
    ("change", "facts", "rules", "words"),
    [
        (
            lambda g, w, n: g,
            {"frame_rate": 40.0},
            {"shapes", "one-minute"},
            "frame_rate 40, within one frame and 2%",
        ),
        (
            lambda g, w, n: Frames(g.frames, g.lengths.int()),
            {},
            {"shapes", "one-minute"},
            "lengths (b=1,) of int64",
        ),
        (
            at_most_100,
            {"frame_rate": 0.0, "time_local": False},
            {"shapes"},
            "at least 100 frames of 240000 samples",
        ),
        (
            minus_the_mean_of_everything,
            {},
            {"batch-invariance"},
            "in a batch of four to be the clip alone within 1e-05",
        ),
        (plus_its_mates, {}, {"batch-invariance"}, "cut each clip to its own length"),
        (plus_the_sum_of_the_padded_wave, {}, {"batch-invariance"}, "with noise in the padding"),
        (plus_the_padded_length, {}, {"batch-invariance"}, "cut each clip to its own length"),
        (over_its_peak, {}, {"finite"}, "finite frames for digital silence, got NaN"),
        (
            lambda g, w, n: Frames(g.frames.double(), g.lengths),
            {},
            {"dtype"},
            "expected float32 frames, got torch.float64",
        ),
        (
            lambda g, w, n: Frames(g.frames * (1 + (w.dtype == torch.float64)), g.lengths),
            {},
            {"float64"},
            "float64 frames within 0.001",
        ),
    ],
)
def test_frames_that_break_a_rule_are_named(
    change: Any, facts: dict[str, Any], rules: set[str], words: str
) -> None:
    assert_fails_only(tiny_backbone(changed(change), **facts), rules, words)


@pytest.mark.parametrize(
    ("change", "rule", "words"),
    [
        (
            lambda g, w, n: Frames(g.frames[:, :, :5], g.lengths),
            "shapes",
            "frames (b=1, t, d=6) of floats",
        ),
        (lambda g, w, n: Frames(g.frames, g.lengths + 1), "shapes", "a length of 1 to 2"),
        (lambda g, w, n: Frames(g.frames, g.lengths * 0), "shapes", "a length of 1 to 2"),
        (
            lambda g, w, n: Frames(g.frames.to("meta"), g.lengths),
            "device",
            "expected frames on cpu, got meta",
        ),
        (lambda g, w, n: g.frames.no_such_thing, "shapes", "got AttributeError"),
        (lambda g, w, n: g.frames, "shapes", "expected (frames, lengths)"),
    ],
)
def test_an_answer_no_rule_can_use_is_named_by_the_rule_that_says_why(
    change: Any, rule: str, words: str
) -> None:
    with pytest.raises(ConformanceError) as caught:
        CHECKS[rule].run(Subject(tiny_backbone(changed(change))))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_encoder_that_ignores_the_precision_asked_for_is_named() -> None:
    def load(ctx: LoadContext) -> Encoder:
        tiny = network(LoadContext(ctx.device, seed=ctx.seed))
        return lambda waves, lengths: (
            nn.functional.linear(
                waves[:, : len(waves[0]) // HOP * HOP].unflatten(1, (-1, HOP)), tiny.project.weight
            ),
            lengths // HOP,
        )

    found = failures(tiny_backbone(load, min_samples=HOP))
    assert {"float64"} <= set(found) <= {"float64", "short"}
    assert "RuntimeError" in found["float64"]


def test_half_precision_that_goes_far_from_float32_is_named() -> None:
    def load(ctx: LoadContext) -> Encoder:
        return altered(
            network(ctx),
            lambda g, w, n: Frames(g.frames * (1 + (ctx.dtype == "bfloat16")), g.lengths),
        )

    assert_fails_only(tiny_backbone(load), {"dtype"}, "bfloat16 frames within 0.1")


def raises_below(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    if int(lengths.min()) < 2 * LEAST:
        raise RuntimeError("Kernel size can't be greater than actual input size")
    return given


def not_finite_below(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
    return Frames(given.frames / (lengths >= 2 * LEAST)[:, None, None], given.lengths)


@pytest.mark.parametrize(
    ("change", "words"),
    [(raises_below, "RuntimeError: Kernel size"), (not_finite_below, "refuse it with PartError")],
)
def test_a_clip_that_is_too_short_is_refused_in_words_or_taken(change: Any, words: str) -> None:
    assert_fails_only(tiny_backbone(changed(change), min_samples=2 * LEAST), {"short"}, words)


def test_a_decoder_that_takes_one_channel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import soundfile

    monkeypatch.setattr(
        "nverbench.data.audio.read",
        lambda path, rate: soundfile.read(path, dtype="float32", always_2d=True)[0][:, 0],
    )
    assert_fails_only(tiny_backbone(), {"stereo"}, "the frames of the mono file")


# --- layers


def over_padding(given: Frames) -> Frames:
    assert given.layers is not None
    layers = given.layers + given.frames.mean(1, keepdim=True) * (given.frames.shape[0] > 1) / 10
    return given._replace(layers=layers)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (
            changed_layers(lambda given: given._replace(layers=None)),
            "Frames.layers (b, L, d) = (3, 3, 6), got None",
        ),
        (
            changed_layers(lambda given: given._replace(layers=given.layers[:, :, None])),
            "got (3, 3, 1, 6)",
        ),
        (changed_layers(lambda given: given._replace(layers=given.layers[:, 1:])), "got (3, 2, 6)"),
        (
            changed_layers(lambda given: given._replace(layers=given.layers / 0)),
            "expected finite layers",
        ),
        (changed_layers(over_padding), "to be those of the clip alone within 1e-05"),
        (
            changed_layers(lambda given: given._replace(layers=given.layers.flip(1))),
            "the mean of the frames to be row 2",
        ),
        (
            lambda ctx: network(LoadContext(ctx.device, ctx.dtype, seed=ctx.seed)),
            "the mean of the frames of layer=0 to be row 0",
        ),
        (
            lambda ctx: network(
                LoadContext(
                    ctx.device,
                    ctx.dtype,
                    seed=ctx.seed,
                    layer=ctx.layer % 3 if ctx.layer else ctx.layer,
                )
            ),
            "layer=3 of 3 layers",
        ),
    ],
)
def test_layers_that_are_not_what_the_record_declares_are_named(load: Any, words: str) -> None:
    assert_fails_only(tiny_backbone(load, layers=LAYERS), {"layers"}, words)


def test_layers_that_nobody_declared_are_named() -> None:
    assert_fails_only(
        tiny_backbone(lambda ctx: network(ctx)),
        {"layers"},
        "no Frames.layers: the record declares none, got (3, 3, 6)",
    )
