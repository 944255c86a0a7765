"""The filter bank is torchaudio's resampling: the same filter, the same length, the same numbers,
whatever surrounds a sample.
"""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nverbench import import_torchaudio
from nverbench.data import audio
from nverbench.data.audio import sinc
from nverbench.errors import AudioError

RATES = (48000, 44100, 32000, 24000, 22050, 11025, 8000)
Wave = NDArray[np.float32]


def oracle(native: int, rate: int = 16000) -> Any:
    return import_torchaudio().transforms.Resample(native, rate, **audio.KAISER)


def noise(samples: int, seed: int = 0) -> Wave:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


@pytest.fixture(autouse=True)
def _no_memory() -> Any:
    audio.resampler.cache_clear()
    yield
    audio.resampler.cache_clear()


# laws


@settings(max_examples=25)
@given(
    samples=st.integers(1, 20_000),
    native=st.sampled_from(RATES),
    rate=st.sampled_from((16000, 22050, 32000)),
)
def test_any_length_at_any_rates_gives_the_oracles_length_and_numbers(
    samples: int, native: int, rate: int
):
    if native == rate:
        return
    ours, theirs = (
        audio.resampler(native, rate)(noise(samples)),
        audio.convolved(oracle(native, rate), noise(samples)),
    )
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@settings(max_examples=25)
@given(native=st.sampled_from(RATES), cut=st.integers(0, 5000))
def test_a_sample_does_not_depend_on_what_comes_later(native: int, cut: int):
    bank, wave = audio.resampler(native, 16000), noise(2 * native)
    whole, part = bank(wave), bank(wave[: native + cut])
    known = 16000 - 1000  # the filter reaches less than a sixteenth of a second ahead
    assert whole[:known].tobytes() == part[:known].tobytes()


@pytest.mark.parametrize("native", RATES)
def test_resampling_is_linear(native: int):
    bank, a, b = audio.resampler(native, 16000), noise(native, 1), noise(native, 2)
    np.testing.assert_allclose(bank(a) - 0.5 * bank(b), bank(a - np.float32(0.5) * b), atol=2e-6)


# examples


@pytest.mark.parametrize("native", RATES)
def test_two_seconds_agree_with_torchaudio_and_are_no_less_exact(native: int):
    exact = oracle(native)
    exact.kernel = exact.kernel.double()
    wave = noise(2 * native)
    ours, theirs = audio.resampler(native, 16000)(wave), audio.convolved(oracle(native), wave)
    truth = exact(torch.from_numpy(wave.astype(np.float64))).numpy()
    assert isinstance(audio.resampler(native, 16000), audio.FilterBank)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert np.abs(ours - truth).max() <= np.abs(theirs - truth).max() + 1e-7


@pytest.mark.parametrize("samples", [1, 2, 3, 440, 441, 442, 48_000 * 3 + 1])
def test_short_and_odd_lengths_agree_to_the_last_sample(samples: int):
    ours, theirs = (
        audio.resampler(44100, 16000)(noise(samples)),
        audio.convolved(oracle(44100), noise(samples)),
    )
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("samples", [3 * 2**23 + 1, 3 * 2**23 + 2])
def test_a_very_long_clip_has_the_length_torchaudio_rounds_to_in_float32(samples: int):
    wave = np.zeros(samples, np.float32)
    theirs = torch.ceil(
        torch.as_tensor(samples / 3)
    ).long()  # torchaudio, functional._apply_sinc_resample_kernel
    assert len(audio.resampler(48000, 16000)(wave)) == int(theirs)


def test_a_product_is_too_small_for_threads():
    for native in RATES:
        bank = audio.resampler(native, 16000)
        assert isinstance(bank, audio.FilterBank)
        assert max(matrix.size for _, matrix in bank.matrices) * 2 <= audio.SMALL


@pytest.mark.parametrize("change", ["no kernel", "other kernel", "other shape"])
def test_another_layout_of_torchaudios_kernel_falls_back_to_its_own_transform(
    monkeypatch: pytest.MonkeyPatch, change: str
):
    class Changed(torch.nn.Module):
        def __init__(self, native: int, rate: int, **how: Any) -> None:
            super().__init__()
            self.inner = oracle(native, rate)
            if change != "no kernel":
                self.width = self.inner.width
                self.kernel = (
                    self.inner.kernel * 2 if change == "other kernel" else self.inner.kernel[0, 0]
                )

        def forward(self, wave: torch.Tensor) -> torch.Tensor:
            return self.inner(wave)

    expected = audio.convolved(oracle(48000), noise(4800))
    original = oracle(48000)
    monkeypatch.setattr(import_torchaudio().transforms, "Resample", Changed)
    monkeypatch.setattr(f"{__name__}.oracle", lambda native, rate: original)
    found = audio.resampler(48000, 16000)
    assert not isinstance(found, audio.FilterBank)
    np.testing.assert_array_equal(found(noise(4800)), expected)


# odd rates: the same filter, evaluated per sample


def per_sample(wave: Wave, native: int, rate: int = 16000) -> Wave:
    how = {"zeros": audio.ZEROS, "rolloff": audio.ROLLOFF, "beta": audio.BETA}
    return sinc.resample(wave, native, rate, **how)


@pytest.mark.parametrize("rate", [8000, 16000, 22050])
@pytest.mark.parametrize("native", RATES)
@pytest.mark.parametrize("samples", [1, 2, 1000, 20_011])
def test_the_filter_per_sample_is_torchaudios(native: int, rate: int, samples: int):
    if native == rate:
        return
    exact = import_torchaudio().transforms.Resample(
        native, rate, dtype=torch.float64, **audio.KAISER
    )  # in float32 torchaudio's kernel is off by 3e-6
    ours = per_sample(noise(samples), native, rate)
    theirs = exact(torch.from_numpy(noise(samples).astype(np.float64))).numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


ODD = (22255, 44056, 47999, 16001, 15999, 11127, 191_999)


@pytest.mark.parametrize("native", ODD)
@pytest.mark.parametrize("hertz", [100.0, 1000.0, 4321.0])
def test_a_sine_at_an_odd_rate_stays_that_sine(native: int, hertz: float):
    wave = (0.5 * np.sin(2 * np.pi * hertz * np.arange(native) / native)).astype(np.float32)
    found = audio.resample(wave, native, 16000)
    expected = 0.5 * np.sin(2 * np.pi * hertz * np.arange(len(found)) / 16000)
    assert len(found) == 16000
    np.testing.assert_allclose(found[200:-200], expected[200:-200], rtol=0, atol=2e-6)


@pytest.mark.parametrize("native", [22255, 44056, 47999])
@pytest.mark.parametrize("above", [600.0, 2500.0])
def test_a_tone_above_the_new_limit_at_an_odd_rate_is_gone(native: int, above: float):
    hertz = 8000 + above
    wave = (0.5 * np.sin(2 * np.pi * hertz * np.arange(native) / native)).astype(np.float32)
    assert np.abs(audio.resample(wave, native, 16000)[200:-200]).max() < 1e-5


def test_ten_seconds_at_an_odd_rate_need_little_memory():
    tracemalloc.start()
    audio.resample(noise(10 * 22255), 22255, 16000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_a_rate_that_no_converter_has_is_named():
    with pytest.raises(AudioError, match=r"has a sampling rate of 2147483647 Hz; expected at most"):
        audio.resample(noise(8000), 2**31 - 1, 16000)
