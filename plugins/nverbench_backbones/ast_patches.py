"""What AST and SSAST share: waveform -> kaldi filter bank -> windows of 1024 frames -> one row per
time patch. Imported only inside ``load``.

Gong et al. 2021 (AST, section 2.1) and 2022 (SSAST): 128 mel bands of 25 ms Hann windows every 10
ms, filled with zeros to 1024 frames (10.24 s) or cut, then (x - mean) / (2 sd) with the constants
of AudioSet. The zeros are filled in before that scaling, as published: padding reads as 0.47 and
not as silence, and the network attends to it. The repository of SSAST cuts the position embedding
when a corpus is short; that needs one length for a whole corpus, at which no backbone may look, so
clips are filled to the 1024 frames of pretraining and their padding's rows are dropped. Our choice
for longer clips, which the published code cuts: windows of 1024 frames whose time patches go on in
one even grid.

Axes: ``b`` clips, ``s`` samples, ``T`` = 1 + floor((s - 400) / 160) filter bank frames, ``w``
windows, ``f`` x ``t`` patches of a window (frequency and time), ``d`` dimensions, ``L`` layers:
what the first block reads (patches and positions), then every block, the last one after the final
norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nverbench import Frames, PartError, import_torchaudio
from nverbench_backbones.freeze import half_precision
from nverbench_backbones.spectrogram_windows import encode_windows

kaldi = import_torchaudio().compliance.kaldi

MELS = 128
WINDOW, HOP = 400, 160
MEAN, SD = -4.2677393, 4.5689974
"""Of AudioSet's filter bank values, published with AST and SSAST; never those of the corpus under
test.
"""
SPECIAL = 2
"""The class and distillation tokens in front of the patches. The published AST classifier pools
these two and nothing else; frames need the rest.
"""


@dataclass(frozen=True)
class Grid:
    """How a window of ``frames`` x 128 is cut into patches (frequency x time) at a stride of the
    same order.
    """

    patch: tuple[int, int]
    stride: tuple[int, int]
    frames: int = 1024

    @property
    def bands(self) -> int:
        """f: patches over frequency."""
        return (MELS - self.patch[0]) // self.stride[0] + 1

    @property
    def times(self) -> int:
        """t: patches over time."""
        return (self.frames - self.patch[1]) // self.stride[1] + 1

    @property
    def step(self) -> int:
        """Filter bank frames from one window to the next, so that time patches are evenly spaced
        across windows too.
        """
        return self.times * self.stride[1]


class PatchFrames(nn.Module):
    """The loaded backbone: (waves (b, s), lengths (b,)) -> rows (b, t, d), the mean over the
    frequency patches, and every layer's mean (b, L, d).

    Args:
        network: a module that ``states`` runs.
        states: (network, windows (w, frames, 128)) -> L tensors (w, 2 + f t, d), tokens with
            frequency as the slow axis.
    """

    def __init__(
        self,
        network: nn.Module,
        states: Callable[[nn.Module, Tensor], list[Tensor]],
        grid: Grid,
        *,
        name: str,
        layer: int,
        dtype: str = "float32",
        mean: float = MEAN,
        sd: float = SD,
    ) -> None:
        super().__init__()
        self.network = network
        self.run = states
        self.grid = grid
        self.name = name
        self.layer = layer
        self.dtype = dtype
        self.mean, self.sd = mean, sd

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        """Every clip is cut to its own length before anything is computed; a row is valid where its
        patch touches the clip's own audio.
        """
        counts = [int(n) for n in lengths]
        if min(counts) < WINDOW:
            raise PartError(
                f"{self.name}: expected at least {WINDOW} samples per clip, got {min(counts)}; pad"
                " the clip with zeros"
            )
        parameter = next(self.network.parameters())
        totals = [math.ceil(frame_count(n) / self.grid.stride[1]) for n in counts]
        clips = [
            self.windows(wave[:n].to(parameter), total)
            for wave, n, total in zip(waves, counts, totals, strict=True)
        ]  # b x (w_i, frames, 128)
        return encode_windows(
            clips, totals, self._states, per_window=self.grid.times, layer=self.layer
        )

    def windows(self, wave: Tensor, total: int) -> Tensor:
        """(s,) -> (w, frames, 128), scaled; as many windows as ``total`` time patches need."""
        cut = [
            self._window(wave, first=i * self.grid.step)
            for i in range(math.ceil(total / self.grid.times))
        ]
        return (torch.stack(cut) - self.mean) / (2 * self.sd)

    def _window(self, wave: Tensor, first: int) -> Tensor:
        """Filter bank frames ``first`` to ``first + frames`` of the clip, zeros after its end:
        (frames, 128).
        """
        last = min(first + self.grid.frames, frame_count(len(wave)))
        samples = wave[
            first * HOP : (last - 1) * HOP + WINDOW
        ]  # a frame depends on its own 400 samples only, so long clips need no more memory
        # kaldi subtracts every frame's mean, which makes the subtraction of the clip's mean in
        # SSAST's loader a rounding error; it is left out.
        bank = kaldi.fbank(
            samples[None], sample_frequency=16000, window_type="hanning", num_mel_bins=MELS
        )  # (last - first, 128)
        return functional.pad(bank, (0, 0, 0, self.grid.frames - len(bank)))

    def _states(self, windows: Tensor) -> list[Tensor]:
        """(w, frames, 128) -> L x (w, t, d)."""
        with half_precision(windows.device, self.dtype):
            tokens = self.run(self.network, windows)  # L x (w, 2 + f t, d)
        return [
            state[:, SPECIAL:]
            .to(windows.dtype)
            .unflatten(1, (self.grid.bands, self.grid.times))
            .mean(dim=1)
            for state in tokens
        ]


def frame_count(samples: int) -> int:
    """T: whole 25 ms frames every 10 ms; kaldi drops a last one that is not whole."""
    return 1 + (samples - WINDOW) // HOP
