"""What makes a padded batch exact and fast: the few modules of a speech transformer that are
replaced. Imported only inside ``load``.

Axes: ``b`` clips, ``s`` samples, ``c`` channels, ``t`` frames, ``h`` heads, ``d`` dimensions.

The convolutions of the front end have no padding of their own, so a clip's valid frames read its
own samples only. Padding leaks in three places: the group norm after the first convolution ("base"
models), whose statistics run over all frames; attention, which transformers masks; and the
positional convolution, which transformers gives zeroed padding, but only once where data2vec has
five in a row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nverbench_backbones.speech_front import Clips, FrontEnd


def prepare(model: Any) -> Clips:
    """Replace, in place, what padding would leak through or what is slow; the holder to write
    :class:`Valid` to before each pass.
    """
    clips = Clips()
    model.feature_extractor = FrontEnd(model.feature_extractor, clips)
    positions = model.encoder.pos_conv_embed
    if hasattr(positions, "layers"):  # data2vec
        model.encoder.pos_conv_embed = MaskedPositions(positions, clips)
    elif getattr(positions, "batch_norm", None) is None:  # no published checkpoint has one
        model.encoder.pos_conv_embed = FourierPositions(positions)
    for block in model.encoder.layers:
        if hasattr(block.attention, "gru_rel_pos_linear"):  # WavLM
            block.attention = GatedAttention(block.attention)
    return clips


class MaskedPositions(nn.Module):
    """data2vec's five positional convolutions (b, t, d) -> (b, t, d), each reading zeros where a
    clip alone has the convolution's own padding.
    """

    def __init__(self, positions: Any, clips: Clips) -> None:
        super().__init__()
        self.layers = positions.layers
        self.clips = clips

    def forward(self, hidden: Tensor) -> Tensor:
        """Layer norm and gelu follow each convolution and make padding non-zero again: zeroed
        before the next.
        """
        padded = ~self.clips.now.mask[:, None]  # (b, 1, t)
        hidden = hidden.transpose(1, 2)  # (b, d, t)
        for layer in self.layers:
            hidden = layer(hidden.masked_fill(padded, 0.0))
        return hidden.transpose(1, 2)


class FourierPositions(nn.Module):
    """The positional convolution of the other models (128 frames wide) by the convolution theorem:
    (b, t, d) -> (b, t, d).

    Blocks of two widths overlap by one (overlap-save), so the kernels' spectra are computed once
    for clips of any length. An eighth of the time of ``nn.Conv1d`` on a CPU; the same numbers to
    1e-6.
    """

    spectra: Tensor | None = None
    """(f g, d/g out, d/g in), f frequencies and g groups: complex, made at the first pass because
    ``Module.to`` would drop an imaginary part.
    """

    def __init__(self, positions: Any) -> None:
        super().__init__()
        self.positions = positions
        self.width, self.left, self.groups = (
            positions.conv.kernel_size[0],
            positions.conv.padding[0],
            positions.conv.groups,
        )
        self.block = 2 * self.width

    def forward(self, hidden: Tensor) -> Tensor:
        """transformers has zeroed the padding before; the convolution is a correlation, whence the
        conjugate in the spectra.
        """
        bias = self.positions.conv.bias  # (d,)
        (b, t, d), g, fresh = (
            hidden.shape,
            self.groups,
            self.block - self.width + 1,
        )  # each block gives so many new frames
        n = -(-t // fresh)
        padded = F.pad(
            hidden.to(bias.dtype).transpose(1, 2),
            (self.left, n * fresh + self.width - 1 - self.left - t),
        )  # (b, d, .)
        signal = torch.fft.rfft(padded.unfold(2, self.block, fresh))  # (b, d, n, f)
        signal = (
            signal.view(b, g, d // g, n, -1).permute(4, 1, 2, 0, 3).reshape(-1, d // g, b * n)
        )  # (f g, d/g, b n)
        product = (
            (self._spectra() @ signal).view(-1, g, d // g, b, n).permute(3, 1, 2, 4, 0)
        )  # (b, g, d/g, n, f)
        frames = (
            torch.fft.irfft(product, self.block)[..., :fresh]
            .reshape(b, d, n * fresh)[..., :t]
            .transpose(1, 2)
        )  # (b, t, d)
        return self.positions.activation(frames + bias)

    def _spectra(self) -> Tensor:
        conv = self.positions.conv
        if (
            self.spectra is None
            or self.spectra.device != conv.bias.device
            or self.spectra.real.dtype != conv.bias.dtype
        ):
            spectra = torch.fft.rfft(conv.weight.detach(), self.block).conj()  # (d, d/g, f)
            d, i, f = spectra.shape
            self.spectra = (
                spectra.view(self.groups, d // self.groups, i, f)
                .permute(3, 0, 1, 2)
                .reshape(-1, d // self.groups, i)
                .resolve_conj()
            )
        return self.spectra


class GatedAttention(nn.Module):
    """WavLM's attention with gated relative position bias (section IV-A, equations 4-9) through
    torch's fused kernel.

    transformers computes it with ``F.multi_head_attention_forward``, which builds and averages
    weights that are not used, and warns of a boolean padding mask next to a float bias. Same parameters,
    same numbers to 1e-6.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, None, Tensor]:
        """(b, t, d) -> (b, t, d); the position bias (h, t, t) is made by the first block and handed
        from block to block.
        """
        part = self.attention
        b, t, d = hidden_states.shape
        heads = hidden_states.view(b, t, part.num_heads, -1).transpose(1, 2)  # (b, h, t, d/h)
        if position_bias is None:
            position_bias = part.compute_bias(t, t)
        gates = (
            part.gru_rel_pos_linear(heads).view(b, part.num_heads, t, 2, 4).sum(-1).sigmoid()
        )  # (b, h, t, 2)
        update, reset = gates.split(1, dim=-1)  # (b, h, t, 1) each
        bias = (
            update * (reset * part.gru_rel_pos_const - 1.0) + 2.0
        ) * position_bias  # (b, h, t, t)
        if attention_mask is not None:
            bias.masked_fill_(~attention_mask[:, None, None], -torch.inf)
        query, key, value = (
            project(hidden_states).view(b, t, part.num_heads, -1).transpose(1, 2)
            for project in (part.q_proj, part.k_proj, part.v_proj)
        )  # (b, h, t, d/h) each
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return part.out_proj(mixed.transpose(1, 2).reshape(b, t, d)), None, position_bias
