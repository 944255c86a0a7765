"""Waveform -> log-mel frames, each clip alone. Imported only inside ``load``.

The front end is Audio-Mamba's (Yadav & Tan 2024, arXiv 2406.02178: 25 ms Hann window, 10 ms hop, 80
HTK mel bands from 50 to 8000 Hz, power, natural logarithm) without its standardisation over the
clip: how loud a burst is belongs to what it expresses, and a floor may use it. Axes: ``b`` clips,
``s`` samples, ``t`` = 1 + floor(s / 160) frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nverbench import Frames, PartError, import_torchaudio
from nverbench_backbones.logmel_stats import MELS, MIN_SAMPLES

EPS = torch.finfo(
    torch.float32
).eps  # 2^-23, added and not clamped: digital silence is ln(2^-23) = -15.9 in every band


class LogMelFrames(nn.Module):
    """The loaded backbone: (waves (b, s), lengths (b,)) -> frames (b, t, 80)."""

    def __init__(self) -> None:
        super().__init__()
        # torchaudio's defaults are meant: HTK scale, no area norm, centred with reflection at the
        # clip's own ends, power 2.
        transforms = import_torchaudio().transforms
        self.mel = transforms.MelSpectrogram(
            sample_rate=16000,
            n_fft=400,
            win_length=400,
            hop_length=160,
            f_min=50.0,
            f_max=8000.0,
            n_mels=MELS,
        )

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        """Each clip alone, cut to its own length, so that the reflection never meets the
        padding.
        """
        counts = [int(n) for n in lengths]
        if min(counts) < MIN_SAMPLES:
            raise PartError(
                f"logmel-stats: expected at least {MIN_SAMPLES} samples per clip, got"
                f" {min(counts)}; pad the clip with zeros"
            )
        filters = self.mel.mel_scale.fb
        clips = [
            torch.log(self.mel(wave[:n].to(filters)).t() + EPS)
            for wave, n in zip(waves, counts, strict=True)
        ]  # b x (t_i, 80)
        valid = torch.tensor([len(clip) for clip in clips], device=filters.device)
        return Frames(nn.utils.rnn.pad_sequence(clips, batch_first=True), valid)  # (b, t, 80), (b,)
