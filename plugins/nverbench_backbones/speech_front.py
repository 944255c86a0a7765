"""The convolutional front end of the speech transformers as matrix products, each clip of a padded
batch for itself. Imported only inside ``load``.

Axes: ``b`` clips, ``s`` samples, ``t`` frames, ``c`` channels, ``k`` taps of a convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

PIECE = 48_000
"""Padded samples that go through the front end at once on a CPU (3 s: temporaries of 20 MB). glibc
hands larger ones back to the system, which faults their pages in again at every layer: measured, a
third more time. A GPU takes the whole batch.
"""


@dataclass
class Valid:
    """Which part of the batch now in the network is no padding: written before each pass, read by
    the modules below.
    """

    samples: Tensor
    """(b,) on the CPU."""
    frames: Tensor
    """(b,) on the CPU, behind the front end."""
    mask: Tensor
    """(b, t) True for a valid frame, on the model's device."""


class Clips:
    """Holds the :class:`Valid` of the pass under way, shared by the modules of one model."""

    now: Valid


class FrontEnd(nn.Module):
    """The convolutional feature encoder: waves (b, s) -> features (b, c, t), frames kept in rows so
    that a convolution is a matrix product.

    Same parameters as the transformers module it is made from, laid out (k c_in, c_out). Gains over
    ``nn.Conv1d`` on a CPU: full speed of the matrix product at any length, layer norm without
    transposing, and the group norm for free (see :meth:`_first`).
    """

    def __init__(self, encoder: Any, clips: Clips) -> None:
        super().__init__()
        self.clips = clips
        layers = encoder.conv_layers
        self.kernels = [(layer.conv.kernel_size[0], layer.conv.stride[0]) for layer in layers]
        self.weights = nn.ParameterList(
            layer.conv.weight.detach().permute(2, 1, 0).flatten(0, 1).contiguous()
            for layer in layers
        )  # (k c_in, c_out)
        self.biases = nn.ParameterList(
            [layer.conv.bias for layer in layers] if layers[0].conv.bias is not None else []
        )
        self.norms = nn.ModuleList(
            layer.layer_norm for layer in layers if hasattr(layer, "layer_norm")
        )  # one group norm, or all layer norms
        self.activation = layers[0].activation

    def forward(self, waves: Tensor) -> Tensor:
        """Rows in pieces on a CPU (see PIECE), all at once on a GPU: no row depends on another, so
        only speed does.
        """
        rows = max(1, PIECE // waves.shape[1]) if waves.device.type == "cpu" else len(waves)
        pieces = zip(waves.split(rows), self.clips.now.samples.split(rows), strict=True)
        return torch.cat([self._features(*piece) for piece in pieces]).transpose(1, 2)

    def _features(self, waves: Tensor, samples: Tensor) -> Tensor:
        """(b, s) -> (b, t, c)."""
        grouped = isinstance(self.norms[0], nn.GroupNorm)
        hidden = (
            self._first(waves, samples) if grouped else waves[..., None]
        )  # (b, t_1, c) or (b, s, 1)
        for i in range(int(grouped), len(self.weights)):
            hidden = convolve(
                hidden, self.weights[i], self.biases[i] if self.biases else None, *self.kernels[i]
            )  # (b, t_i, c)
            hidden = self.activation(hidden if grouped else self.norms[i](hidden))
        return hidden

    def _first(self, waves: Tensor, samples: Tensor) -> Tensor:
        """First convolution and group norm of the "base" models, (b, s) -> (b, t_1, c), each row
        normed over its own frames.

        A group is one channel, so the norm is over time. Channel y = w . u of a window u (k
        samples) has mean w . E[u] and variance w' Cov[u] w: both follow from the k x k covariance
        of the clip's windows, and the norm from (u - E[u]) times a scaled w, without a pass over
        (t, c). A bias of the convolution would cancel. Moments in double precision: a channel's
        variance may be far below that of the samples.
        """
        (kernel, stride), norm = self.kernels[0], self.norms[0]
        windows = waves.unfold(1, kernel, stride)  # (b, t, k)
        counts = ((samples - kernel) // stride + 1).to(waves.device)[:, None, None]  # (b, 1, 1)
        valid = torch.arange(windows.shape[1], device=waves.device)[:, None] < counts  # (b, t, 1)
        wide = windows.double().masked_fill(~valid, 0.0)
        mean = wide.sum(1, keepdim=True) / counts  # (b, 1, k)
        centred = (wide - mean).masked_fill(~valid, 0.0)  # (b, t, k)
        covariance = centred.transpose(1, 2) @ centred / counts  # (b, k, k)
        weight = self.weights[0].double()  # (k, c)
        variance = (weight * (covariance @ weight)).sum(1, keepdim=True)  # (b, 1, c)
        scaled = weight * norm.weight / torch.sqrt(variance + norm.eps)  # (b, k, c)
        hidden = torch.baddbmm(
            norm.bias, centred.to(waves.dtype), scaled.to(waves.dtype)
        )  # (b, t, c)
        return self.activation(hidden)


def convolve(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, kernel: int, stride: int
) -> Tensor:
    """Frames (b, t, c_in) convolved without padding -> (b, t_out, c_out); weight (k c_in, c_out).

    A product per ``stride`` taps: so many frames lie side by side in memory, and the next window
    starts right behind them, so that none is copied.
    """
    device = hidden.device.type
    dtype = (
        torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    )  # autocast leaves products in place alone
    hidden, weight = hidden.to(dtype).contiguous(), weight.to(dtype)
    b, t, c = hidden.shape
    frames = (t - kernel) // stride + 1
    out = hidden.new_empty(b, frames, weight.shape[1])
    if bias is not None:
        out.copy_(bias.expand_as(out))
    for tap in range(0, kernel, stride):
        width = min(stride, kernel - tap) * c
        rows = hidden.as_strided(
            (b, frames, width), (t * c, stride * c, 1), hidden.storage_offset() + tap * c
        )
        taps = weight[tap * c : tap * c + width].expand(b, -1, -1)  # (b, width, c_out)
        out.baddbmm_(
            rows, taps, beta=float(tap > 0 or bias is not None)
        )  # 0: what was there is not read
    return out
