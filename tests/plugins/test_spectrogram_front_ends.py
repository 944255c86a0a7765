"""Front ends against the published extractors, and against formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor
from torch.nn import functional

from nverbench import LoadContext
from nverbench_backbones.ast_audioset_network import hidden_states
from nverbench_backbones.ast_patches import Grid, PatchFrames, frame_count
from nverbench_backbones.logmel_stats_network import LogMelFrames
from nverbench_backbones.whisper_network import LogMel
from support.tiny_spectrogram import tiny_spectrogram

TINY = {record.name: record for record in tiny_spectrogram()}
SECONDS = (1 / 16000, 0.05, 0.7, 1.98, 30.0)


def clip(samples: int) -> Tensor:
    """A sweep in noise: bands of every level."""
    time = torch.arange(samples) / 16000
    return 0.3 * torch.sin(2 * math.pi * (200 + 400 * time) * time) + 0.01 * torch.randn(
        samples, generator=torch.Generator().manual_seed(samples)
    )


# --- Whisper


@pytest.mark.parametrize("seconds", SECONDS)
def test_whispers_log_mel_equals_the_published_extractor(seconds: float) -> None:
    wave = clip(round(16000 * seconds))
    expected = transformers.WhisperFeatureExtractor()(
        wave.numpy(), sampling_rate=16000, return_tensors="np"
    ).input_features
    got = LogMel(80)(functional.pad(wave, (0, 480000 - len(wave)))[None])
    assert got.shape == (1, 80, 3000)
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-5)


def test_whispers_windows_are_scaled_each_on_its_own() -> None:
    quiet, loud = 0.001 * clip(16000), clip(16000)
    windows = torch.stack([quiet, loud])
    torch.testing.assert_close(LogMel(80)(windows)[:1], LogMel(80)(windows[:1]), rtol=0, atol=1e-6)


def test_whispers_silence_is_one_number() -> None:
    assert LogMel(80)(torch.zeros(1, 16000)).unique().tolist() == [-1.5]  # (log10(1e-10) + 4) / 4


def test_whispers_frames_are_those_of_the_published_encoder() -> None:
    network = TINY["tiny-whisper-small"].load(LoadContext("cpu"))
    wave = clip(9000)  # in windows of 1 s
    extractor = transformers.WhisperFeatureExtractor(chunk_length=1)
    mel = extractor(wave.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        expected = network.encoder(mel, output_hidden_states=True)
    frames, lengths, layers = network(wave[None], torch.tensor([9000]))
    assert lengths.tolist() == [29]
    torch.testing.assert_close(frames[0], expected.last_hidden_state[0, :29], rtol=0, atol=1e-5)
    torch.testing.assert_close(
        layers[0],
        torch.stack([state[0, :29].mean(0) for state in expected.hidden_states]),
        rtol=0,
        atol=1e-5,
    )


# --- AST and SSAST


def bank(wave: Tensor) -> Tensor:
    """The published extractor's input for one clip, (1024, 128)."""
    values = transformers.ASTFeatureExtractor()(
        wave.numpy(), sampling_rate=16000, return_tensors="pt"
    ).input_values
    return values[0]


def windows(grid: Grid, wave: Tensor) -> Tensor:
    network = PatchFrames(torch.nn.Identity(), hidden_states, grid, name="test", layer=0)
    return network.windows(wave, math.ceil(frame_count(len(wave)) / grid.stride[1]))


@pytest.mark.parametrize(
    "grid",
    [Grid((16, 16), (10, 10)), Grid((16, 16), (16, 16)), Grid((128, 2), (128, 2))],
    ids=["ast", "patch", "frame"],
)
@pytest.mark.parametrize("seconds", [0.025, 0.7, 1.98, 10.24, 25.0])
def test_the_filter_bank_equals_the_published_extractor(grid: Grid, seconds: float) -> None:
    """The first window is what the extractor makes of the clip; every later one is what it makes of
    the clip from there on.
    """
    wave = clip(round(16000 * seconds))
    got = windows(grid, wave)
    for i, window in enumerate(got):
        torch.testing.assert_close(window, bank(wave[i * grid.step * 160 :]), rtol=0, atol=1e-5)
    assert len(got) == math.ceil(math.ceil(frame_count(len(wave)) / grid.stride[1]) / grid.times)


def test_the_published_grids_have_the_published_patches() -> None:
    ast, patch, frame = Grid((16, 16), (10, 10)), Grid((16, 16), (16, 16)), Grid((128, 2), (128, 2))
    assert [(g.bands, g.times, g.step) for g in (ast, patch, frame)] == [
        (12, 101, 1010),
        (8, 64, 1024),
        (1, 512, 1024),
    ]


def test_padding_is_filled_in_before_the_scaling_as_published() -> None:
    grid = Grid((16, 16), (10, 10))
    assert windows(grid, clip(400))[0, 1:].unique().tolist() == pytest.approx(
        [4.2677393 / (2 * 4.5689974)]
    )


def test_a_constant_offset_is_no_sound() -> None:
    """kaldi removes every frame's mean, so leaving out the subtraction of the clip's mean (SSAST's
    loader) changes rounding only.
    """
    wave, grid = clip(16000), Grid((16, 16), (16, 16))
    torch.testing.assert_close(windows(grid, wave + 0.1), windows(grid, wave), rtol=0, atol=1e-3)


def test_asts_frames_are_the_published_tokens_averaged_over_frequency() -> None:
    network = TINY["tiny-ast-audioset"].load(LoadContext("cpu"))
    wave = clip(9000)  # 54 filter bank frames: all 5 time patches of a window, and one of the next
    values = transformers.ASTFeatureExtractor(max_length=64)(
        wave.numpy(), sampling_rate=16000, return_tensors="pt"
    ).input_values
    with torch.no_grad():
        tokens = network.network(values).last_hidden_state[
            0, 2:
        ]  # (12 x 5, 32), frequency is the slow axis
    expected = torch.stack(
        [torch.stack([tokens[5 * f + t] for f in range(12)]).mean(0) for t in range(5)]
    )
    frames, lengths, _ = network(wave[None], torch.tensor([9000]))
    assert lengths.tolist() == [6]
    torch.testing.assert_close(frames[0, :5], expected, rtol=0, atol=1e-5)


# --- logmel-stats


def test_the_log_mel_floor_equals_the_computation_written_out() -> None:
    wave = clip(8000).double()
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (50.0, 8000.0))
    points = 700 * (10 ** (torch.linspace(low, high, 82, dtype=torch.float64) / 2595) - 1)
    bins = torch.linspace(0, 8000, 201, dtype=torch.float64)[:, None]
    rising, falling = (
        (bins - points[:-2]) / (points[1:-1] - points[:-2]),
        (points[2:] - bins) / (points[2:] - points[1:-1]),
    )
    padded = functional.pad(wave[None, None], (200, 200), mode="reflect")[0, 0]
    power = (
        torch.fft.rfft(padded.unfold(0, 400, 160) * torch.hann_window(400, dtype=torch.float64))
        .abs()
        .square()
    )
    expected = torch.log(power @ torch.minimum(rising, falling).clamp(min=0) + 2**-23)  # (51, 80)
    got = LogMelFrames()(wave.float()[None], torch.tensor([8000])).frames[0]
    torch.testing.assert_close(got.double(), expected, rtol=0, atol=1e-3)
