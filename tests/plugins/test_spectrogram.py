"""The laws of the spectrogram backbones: clips independent of each other, frames of the clip's own
audio only, layers that agree with the frames.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nverbench import Backbone, Frames, LoadContext, PartError, UsageError
from nverbench_backbones import nverbench_backbones
from nverbench_backbones.ast_audioset import BASE
from nverbench_backbones.ssast import FRAME, PATCH
from nverbench_backbones.ssast_network import SpectrogramViT
from nverbench_backbones.whisper import SMALL
from support.tiny_spectrogram import tiny_spectrogram

TINY = {record.name: record for record in tiny_spectrogram()}
PUBLISHED = {record.name: record for record in nverbench_backbones()}
every_backbone = pytest.mark.parametrize("name", list(TINY))
every_transformer = pytest.mark.parametrize(
    "name", [name for name in TINY if name != "logmel-stats"]
)
SECONDS = {
    "one sample": 1 / 16000,
    "0.05 s": 0.05,
    "0.7 s": 0.7,
    "1.98 s": 1.98,
    "longer than a window": 3.3,
}


@cache
def backbone(name: str, layer: int | None = None, seed: int = 0, dtype: str = "float32") -> Any:
    return load(TINY[name], LoadContext("cpu", layer=layer, seed=seed, dtype=dtype))


def load(record: Backbone, ctx: LoadContext) -> Any:
    assert record.load is not None
    return record.load(ctx)


def clip(samples: int) -> Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples)) + 0.02


def as_the_harness_pads(record: Backbone, seconds: float) -> Tensor:
    wave = clip(round(16000 * seconds))
    return nn.functional.pad(wave, (0, max(0, record.min_samples - len(wave))))


def alone(network: Any, wave: Tensor) -> Frames:
    given: Frames = network(wave[None], torch.tensor([len(wave)]))
    return given


# --- a clip and its batch mates


@every_backbone
def test_a_row_of_a_batch_is_the_clip_alone(name: str) -> None:
    network = backbone(name)
    waves = [as_the_harness_pads(TINY[name], seconds) for seconds in SECONDS.values()]
    padded = nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=9.0)
    together = network(padded, torch.tensor([len(wave) for wave in waves]))
    for i, wave in enumerate(waves):
        single = alone(network, wave)
        assert together.lengths[i] == len(single.frames[0])
        torch.testing.assert_close(
            together.frames[i, : together.lengths[i]], single.frames[0], rtol=0, atol=1e-5
        )
        if single.layers is not None:
            torch.testing.assert_close(together.layers[i], single.layers[0], rtol=0, atol=1e-5)


@every_backbone
def test_embedding_leaves_the_callers_random_state_untouched(name: str) -> None:
    network, before = backbone(name), torch.get_rng_state()
    alone(network, clip(3200))
    assert torch.equal(torch.get_rng_state(), before)


# --- lengths


def expected_frames(name: str, samples: int) -> int:
    """Frames that touch the clip's own audio."""
    bank = 1 + (samples - 400) // 160
    return {
        "tiny-whisper-small": math.ceil(samples / 320),
        "tiny-ast-audioset": math.ceil(bank / 10),
        "tiny-ssast-patch-base": math.ceil(bank / 16),
        "tiny-ssast-frame-base": math.ceil(bank / 2),
        "logmel-stats": 1 + samples // 160,
    }[name]


@pytest.mark.parametrize("seconds", SECONDS.values(), ids=list(SECONDS))
@every_backbone
def test_frames_are_those_of_the_clips_own_audio(name: str, seconds: float) -> None:
    record, wave = TINY[name], as_the_harness_pads(TINY[name], seconds)
    given = alone(backbone(name), wave)
    assert given.frames.shape == (1, expected_frames(name, len(wave)), record.frame_dim)
    assert given.lengths.tolist() == [given.frames.shape[1]]
    assert bool(torch.isfinite(given.frames).all())


@every_backbone
def test_the_frame_rate_is_what_the_record_says(name: str) -> None:
    """Over many windows too: twenty seconds more give twenty times the rate more frames, to one
    frame.
    """
    first, second = (
        len(alone(backbone(name), clip(16000 * seconds)).frames[0]) for seconds in (2, 22)
    )
    assert second - first == pytest.approx(20 * TINY[name].frame_rate, abs=1)


@pytest.mark.parametrize("name", [name for name in TINY if TINY[name].min_samples > 1])
def test_a_clip_shorter_than_one_frame_is_refused(name: str) -> None:
    least = TINY[name].min_samples
    with pytest.raises(
        PartError, match=f"{name}: expected at least {least} samples per clip, got {least - 1}; pad"
    ):
        backbone(name)(torch.zeros(1, 800), torch.tensor([least - 1]))


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("tiny-whisper-small", 16000),
        ("tiny-ssast-patch-base", 64 * 160),
        ("tiny-ast-audioset", 50 * 160),
    ],
)
def test_windows_of_a_long_clip_follow_each_other(name: str, window: int) -> None:
    """What comes two windows later changes nothing; a later window is the clip that starts
    there.
    """
    network, wave = backbone(name), clip(5 * window)
    per_window = round(window / 16000 * TINY[name].frame_rate)
    whole, begun = alone(network, wave).frames[0], alone(network, wave[: 3 * window]).frames[0]
    torch.testing.assert_close(begun[: 2 * per_window], whole[: 2 * per_window], rtol=0, atol=1e-5)
    torch.testing.assert_close(
        alone(network, wave[window:]).frames[0], whole[per_window:], rtol=0, atol=1e-5
    )


# --- content


@every_backbone
def test_silence_is_finite(name: str) -> None:
    given = alone(backbone(name), torch.zeros(24000))
    assert bool(torch.isfinite(given.frames).all())


def test_level_is_kept_by_the_log_mel_floor() -> None:
    """Ten times the amplitude is ln(100) more in every band that is not at the floor."""
    loud, soft = (alone(backbone("logmel-stats"), gain * clip(8000)).frames for gain in (1.0, 0.1))
    torch.testing.assert_close(loud - soft, torch.full_like(loud, math.log(100)), rtol=0, atol=0.02)


@every_backbone
def test_full_and_half_precision_agree_roughly(name: str) -> None:
    wave = clip(16000)
    reference = alone(backbone(name), wave).frames
    double = alone(backbone(name, dtype="float64"), wave.double()).frames
    half = alone(backbone(name, dtype="bfloat16"), wave).frames
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), reference, rtol=0, atol=1e-3)
    torch.testing.assert_close(half, reference, rtol=0, atol=0.1)


# --- layers


@every_transformer
def test_the_last_layers_mean_is_the_mean_of_the_frames(name: str) -> None:
    given = alone(backbone(name), clip(30000))
    assert given.layers is not None
    assert given.layers.shape == (1, TINY[name].layers, 32)
    torch.testing.assert_close(given.layers[0, -1], given.frames[0].mean(0), rtol=0, atol=1e-5)


@every_transformer
def test_every_layers_frames_have_the_mean_that_layers_gives(name: str) -> None:
    wave = clip(30000)
    given = [alone(backbone(name, layer=layer), wave) for layer in range(TINY[name].layers)]
    means = torch.stack([single.frames[0].mean(0) for single in given])  # (L, d)
    assert all(torch.equal(single.layers, given[0].layers) for single in given)
    torch.testing.assert_close(means, given[0].layers[0], rtol=0, atol=1e-5)
    assert torch.equal(given[-1].frames, alone(backbone(name), wave).frames)
    assert not torch.allclose(means[0], means[-1], atol=1e-2)


@pytest.mark.parametrize("layer", [-1, 3])
@every_transformer
def test_a_layer_that_is_not_there_is_refused_in_one_line(name: str, layer: int) -> None:
    with pytest.raises(
        UsageError, match=rf"{name}: layer is {layer}; expected 0 \(.*\) to 2 \(.*\)"
    ):
        backbone(name, layer=layer)


# --- records and untrained weights


@every_transformer
def test_untrained_weights_come_from_the_seed_alone(name: str) -> None:
    before = torch.get_rng_state()
    first, again, other = (
        load(TINY[name], LoadContext("cpu", seed=seed)).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@every_transformer
def test_a_loaded_backbone_is_frozen(name: str) -> None:
    assert not backbone(name).training
    assert not any(p.requires_grad for p in backbone(name).parameters())


@every_transformer
def test_the_published_record_is_the_tiny_one_at_full_size(name: str) -> None:
    published, tiny = PUBLISHED[name.removeprefix("tiny-")], TINY[name]
    assert (published.frame_dim, published.dim, published.layers) == (768, 768, 13)
    assert (published.frame_rate, published.min_samples, published.pool) == (
        tiny.frame_rate,
        tiny.min_samples,
        "mean",
    )
    assert published.citation.startswith("@inproceedings{")
    assert published.pretrained_on


def test_the_floor_has_no_weights_and_keeps_mean_and_deviation() -> None:
    record = PUBLISHED["logmel-stats"]
    assert (record.weights, record.pretrained_on, record.family) == (None, (), "features")
    assert (record.pool, record.frame_dim, record.dim) == ("stats", 80, 160)


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (
            lambda t: t.models.whisper.modeling_whisper.WhisperEncoder(t.WhisperConfig(**SMALL)),
            88_154_112,
        ),
        (lambda t: t.ASTModel(t.ASTConfig(**BASE)), 86_187_264),
        (lambda t: SpectrogramViT(PATCH), 85_649_664),
        (lambda t: SpectrogramViT(FRAME), 85_649_664),
    ],
    ids=["whisper-small", "ast-audioset", "ssast-patch-base", "ssast-frame-base"],
)
def test_the_real_size_has_the_published_parameters(build: Any, parameters: int) -> None:
    import transformers

    with torch.device("meta"):
        assert sum(p.numel() for p in build(transformers).parameters()) == parameters
