"""Whisper's encoder: waveform -> 30 s windows of log-mel -> frames of 20 ms. Imported only inside
``load``.

The published model (Radford et al. 2023, section 2.2) always reads 30 s: shorter audio is filled
with zeros and the model is not told where they begin, so its frames have attended to them. Frames
returned are those of the clip's own audio, ceil(s / 320). Our choice, where the paper's long-form
decoding moves its window by predicted time stamps: longer clips are read in consecutive windows of
30 s, each scaled on its own. Axes: ``b`` clips, ``s`` samples, ``w`` windows, ``t`` = 1500 frames
of a window, ``d`` = 768, ``L`` = 13 layers: what the first block reads (convolutions and
positions), then every block, the last one after the final norm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nverbench import Frames, LoadContext
from nverbench_backbones.freeze import half_precision
from nverbench_backbones.spectrogram_folder import Model, build, preprocessor
from nverbench_backbones.spectrogram_windows import encode_windows
from nverbench_backbones.whisper import DECODER, HUB

N_FFT, HOP = 400, 160  # 25 ms and 10 ms at 16 kHz
FRAME = 2 * HOP  # the second convolution halves the rate: 320 samples a frame
FRONT_END = {"n_fft": N_FFT, "hop_length": HOP, "sampling_rate": 16000, "dither": 0.0}


class LogMel(nn.Module):
    """Windows (w, s) -> (w, 80, s / 160), clamped and scaled as WhisperFeatureExtractor does (equal
    to 1e-5, see the tests).
    """

    def __init__(self, mels: int) -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        filters = mel_filter_bank(
            num_frequency_bins=1 + N_FFT // 2,
            num_mel_filters=mels,
            min_frequency=0.0,
            max_frequency=8000.0,
            sampling_rate=16000,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("filters", torch.from_numpy(filters).t().float())  # (80, 201)
        self.register_buffer("window", torch.hann_window(N_FFT))
        self.filters: Tensor
        self.window: Tensor

    def forward(self, windows: Tensor) -> Tensor:
        """Clips are 8 (80 dB) below the loudest value of their own window at most: level is lost,
        as published.
        """
        spectrum = torch.stft(
            windows, N_FFT, HOP, window=self.window, return_complex=True
        )  # (w, 201, 1 + s / 160), centred with reflection
        power = (
            spectrum[..., :-1].abs().square()
        )  # the last frame is dropped, as published: (w, 201, s / 160)
        mel = (self.filters @ power).clamp(min=1e-10).log10()  # (w, 80, s / 160)
        floor = mel.amax(dim=(1, 2), keepdim=True) - 8.0
        return (torch.maximum(mel, floor) + 4.0) / 4.0


class WhisperFrames(nn.Module):
    """The loaded backbone: (waves (b, s), lengths (b,)) -> frames (b, t, d) and every layer's mean
    (b, L, d).
    """

    def __init__(self, encoder: nn.Module, *, layer: int, dtype: str = "float32") -> None:
        super().__init__()
        self.encoder = encoder
        config: Any = encoder.config
        self.log_mel = LogMel(config.num_mel_bins)
        self.per_window: int = config.max_source_positions
        self.layer = layer
        self.dtype = dtype

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        """Every clip is cut to its own length and filled with zeros of its own, so padding and
        batch mates change nothing.
        """
        counts = [int(n) for n in lengths]
        clips = [
            self._windows(wave[:n].to(self.log_mel.window))
            for wave, n in zip(waves, counts, strict=True)
        ]  # b x (w_i, 480000)
        totals = [math.ceil(n / FRAME) for n in counts]
        return encode_windows(
            clips, totals, self._states, per_window=self.per_window, layer=self.layer
        )

    def _windows(self, wave: Tensor) -> Tensor:
        """(s,) -> (w, 480000), the last window filled with zeros."""
        size = self.per_window * FRAME
        return functional.pad(wave, (0, -len(wave) % size)).reshape(-1, size)

    def _states(self, windows: Tensor) -> list[Tensor]:
        """(w, 480000) -> L x (w, 1500, d)."""
        mel = self.log_mel(windows)  # (w, 80, 3000)
        with half_precision(mel.device, self.dtype):
            return list(self.encoder(mel, output_hidden_states=True).hidden_states)


def encoder(name: str, architecture: Mapping[str, int], ctx: LoadContext) -> nn.Module:
    """The encoder of a published or fine-tuned Whisper folder, or one with seeded random weights
    (its positions are sinusoids in both).
    """
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    model = Model(
        name=name,
        hub=HUB,
        model_class=WhisperEncoder,
        config=WhisperConfig(**architecture),
        sizes=architecture,
        unused=DECODER,
        renames={r"^(model\.)?encoder\.": ""},
    )
    preprocessor(model, ctx.weights, FRONT_END | {"feature_size": architecture["num_mel_bins"]})
    return build(model, ctx)
