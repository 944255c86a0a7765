"""The Audio-Mamba network: waveform -> standardised log-mel -> patches -> Mamba blocks -> rows.
Imported only inside ``load``.

Written from a specification of the published model (Yadav & Tan 2024, arXiv 2406.02178; its numbers
are those of the released "default" configuration). Axes: ``b`` clips, ``s`` samples, ``T`` mel
frames, ``c`` chunks of 200 frames, ``D`` embedding size, ``L`` = 251 tokens: the cls token and 50
time patches x 5 frequency patches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nverbench import Frames, PartError, import_torchaudio
from nverbench.ssm import MambaMixer
from nverbench_backbones.audio_mamba import DEPTH, MIN_SAMPLES
from nverbench_backbones.audio_mamba_checkpoint import (
    D_CONV,
    D_STATE,
    EXPAND,
    PATCH_MEL,
    PATCH_TIME,
    POSITIONS,
    PRETRAINING_ONLY,
    check_state,
    sizes_of,
)
from nverbench_backbones.freeze import half_precision

HOP = 160  # samples from one mel frame to the next
CHUNK = 200  # mel frames
TIMES, BANDS = CHUNK // PATCH_TIME, 80 // PATCH_MEL  # 50 x 5 patches in a chunk
# chunks that go through the encoder together; bounds memory whatever the length of the clips
SLICE = 16
EPS = torch.finfo(torch.float32).eps  # 2^-23, added to the mel power, not clamped


class LogMel(nn.Module):
    """Waveform (s,) -> log-mel (T, 80), standardised over the whole clip."""

    def __init__(self) -> None:
        super().__init__()
        # Left at torchaudio's defaults, which the published features use: HTK scale, no area norm,
        # centred with reflection, power 2.
        transforms = import_torchaudio().transforms
        self.mel = transforms.MelSpectrogram(
            sample_rate=16000,
            n_fft=400,
            win_length=400,
            hop_length=HOP,
            f_min=50.0,
            f_max=8000.0,
            n_mels=80,
        )

    def forward(self, wave: Tensor) -> Tensor:
        """(T, 80) with T = 1 + floor(s / 160)."""
        power = self.mel(wave.to(self.mel.mel_scale.fb.dtype)).t()  # (T, 80)
        mel = torch.log(power + EPS)
        spread = mel.max() - mel.min()
        if (
            spread == 0
            # digital silence: its deviation is rounding noise, which the published 1e-8 would blow up
            # to a constant -0.99
        ):
            return torch.zeros_like(mel)
        return (mel - mel.mean()) / (
            mel.std() + 1e-8
        )  # over all T x 80 values; std divides by their number minus one


class Block(nn.Module):
    """v <- v + Mixer(LN(v)): the residual stays in float32 also under autocast."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)  # with bias, not RMS
        self.mixer = MambaMixer(embed_dim, d_state=D_STATE, d_conv=D_CONV, expand=EXPAND)

    def forward(self, v: Tensor) -> Tensor:
        """(c, L, D) -> (c, L, D)."""
        out: Tensor = v + self.mixer(self.norm(v))
        return out


class AudioMambaEncoder(nn.Module):
    """Chunks of standardised log-mel (c, 200, 80) -> tokens (c, 251, D) after the last LayerNorm,
    the cls token first.
    """

    def __init__(self, embed_dim: int, depth: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.register_buffer(
            "pos_embed", torch.zeros(1, POSITIONS, embed_dim)
        )  # frozen in the release: not a trained parameter
        self.pos_embed: Tensor
        self.patch_embed = nn.ModuleDict(
            {
                "proj": nn.Conv2d(
                    1, embed_dim, (PATCH_TIME, PATCH_MEL), stride=(PATCH_TIME, PATCH_MEL)
                )
            }
        )
        self.blocks = nn.ModuleList(Block(embed_dim) for _ in range(depth))
        self.encoder_norm = nn.LayerNorm(embed_dim, eps=1e-6)

    @staticmethod
    def patches(mel: Tensor) -> Tensor:
        """x_{t,f}[16 a + b] = mel[4 t + a, 16 f + b]: (c, 250, 64), time-major, frequency fastest
        (s = 5 t + f).
        """
        grid = mel.reshape(-1, TIMES, PATCH_TIME, BANDS, PATCH_MEL)  # (c, t, a, f, b)
        return grid.permute(0, 1, 3, 2, 4).reshape(-1, TIMES * BANDS, PATCH_TIME * PATCH_MEL)

    def forward(self, mel: Tensor) -> Tensor:
        """(c, 200, 80) -> (c, 251, D)."""
        project = self.patch_embed["proj"]
        # The convolution's stride is its kernel, so it is one matrix product: exact also where
        # convolutions would use TF32.
        tokens = functional.linear(
            self.patches(mel), project.weight.flatten(1), project.bias
        )  # W x + b: (c, 250, D)
        cls = self.cls_token.expand(len(tokens), -1, -1).to(tokens.dtype)  # (c, 1, D)
        v = (
            torch.cat([cls, tokens], dim=1) + self.pos_embed
        )  # z_0 = cls + pos_0, z_{1+s} = token_s + pos_{1+s}: (c, 251, D)
        for block in self.blocks:
            v = block(v)
        out: Tensor = self.encoder_norm(v)
        return out


class AudioMamba(nn.Module):
    """The loaded backbone: (waves (b, s), lengths (b,)) -> rows (b, t, 5 D), t = ceil(T / 4)."""

    def __init__(
        self, encoder: AudioMambaEncoder, *, layout: str = "published", dtype: str = "float32"
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.log_mel = LogMel()
        self.layout = layout
        self.dtype = dtype

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        """Every clip is cut to its own length before anything is computed, so padding and batch
        mates change nothing.
        """
        device = self.encoder.cls_token.device
        counts = [int(n) for n in lengths]
        if min(counts) < MIN_SAMPLES:
            raise PartError(
                f"audio-mamba: expected at least {MIN_SAMPLES} samples per clip, got {min(counts)};"
                " pad the clip with zeros"
            )
        mels = [
            self.log_mel(wave[:n].to(device)) for wave, n in zip(waves, counts, strict=True)
        ]  # b x (T_i, 80)
        chunks = [_chunks(mel) for mel in mels]  # b x (c_i, 200, 80)
        with half_precision(device, self.dtype):
            parts = [self._rows(part).to(mels[0].dtype) for part in torch.cat(chunks).split(SLICE)]
        per_clip = torch.cat(parts).split([len(part) for part in chunks])  # b x (c_i, 50, 5 D)
        # The published code drops floor(pad / 4) of 50 c rows, pad = frames added to fill the last
        # chunk; what is left is ceil(T / 4).
        kept = [
            rows.flatten(0, 1)[: math.ceil(len(mel) / PATCH_TIME)]
            for rows, mel in zip(per_clip, mels, strict=True)
        ]
        valid = torch.tensor([len(rows) for rows in kept], device=device)
        return Frames(nn.utils.rnn.pad_sequence(kept, batch_first=True), valid)  # (b, t, 5 D), (b,)

    def _rows(self, chunks: Tensor) -> Tensor:
        """(c, 200, 80) -> (c, 50, 5 D) in the chosen layout."""
        tokens = self.encoder(chunks)[:, 1:]  # without cls: (c, 250, D), s = 5 t + f
        return laid_out(tokens, self.layout).flatten(2)


def laid_out(tokens: Tensor, layout: str) -> Tensor:
    """Tokens (c, 250, D) as rows of five blocks (c, 50, 5, D)."""
    width = tokens.shape[-1]
    if layout == "time":  # row t: the five patches of 40 ms
        return tokens.reshape(-1, TIMES, BANDS, width)
    # The released code regroups "(f t) d -> t (f d)" although the tokens are (t f): F[j, g
    # D:(g+1) D] = O[50 g + j]. Row j therefore mixes five places 0.4 s apart; published embeddings
    # have this order, so it is the default.
    return tokens.reshape(-1, BANDS, TIMES, width).transpose(1, 2)  # (c, g, j, D) -> (c, j, g, D)


@dataclass(frozen=True)
class Padding:
    """How much of a clip's embedding is padding, as shares from 0 to 1."""

    blocks: tuple[float, ...]
    """Of each of the five blocks: mel frames that were filled in, among all that its tokens cover.
    In the published layout block g is the g-th fifth of the 2 s windows, else a frequency band.
    """
    unused: float
    """Of the clip's own mel frames: those in no token of a kept row."""

    @property
    def share(self) -> float:
        """Of the whole embedding."""
        return sum(self.blocks) / len(self.blocks)


def padding_of(samples: int, layout: str = "published") -> Padding:
    """The padding in the embedding of a clip, by the network's own chunks, layout and kept rows.

    The encoder is causal: a token of padding reads the clip before it, so that these blocks are not
    without information, but what they hold is the network's state after the clip.
    """
    frames = 1 + samples // HOP
    own = AudioMambaEncoder.patches(_chunks(torch.ones(frames, 80)))  # (c, 250, 64), 0 where padded
    rows = laid_out(own.mean(2, keepdim=True), layout).flatten(0, 1)  # (50 c, 5, 1)
    kept = rows[: math.ceil(frames / PATCH_TIME), :, 0].double()  # (t, 5)
    blocks = tuple((1 - kept.mean(0)).tolist())
    return Padding(blocks, float(1 - kept.sum() / rows.sum()))


def _chunks(mel: Tensor) -> Tensor:
    """(T, 80) -> (c, 200, 80), the last chunk filled with zeros (the mean of the clip, not
    silence).

    The published code adds a whole zero chunk when T is a multiple of 200 and then drops all its
    rows; leaving it out is the same.
    """
    missing = -len(mel) % CHUNK
    return functional.pad(mel, (0, 0, 0, missing)).reshape(-1, CHUNK, mel.shape[1])


def sincos_positions(embed_dim: int) -> Tensor:
    """(1, 251, D): zeros for cls, then [sin(f w), cos(f w), sin(t w), cos(t w)] with w_i =
    10000^(-i / (D/4)); frequency comes first.
    """
    w = 10000.0 ** (-torch.arange(embed_dim // 4, dtype=torch.float32) / (embed_dim / 4))  # (D/4,)
    t = torch.arange(TIMES).repeat_interleave(BANDS).unsqueeze(1) * w  # (250, D/4)
    f = torch.arange(BANDS).repeat(TIMES).unsqueeze(1) * w  # (250, D/4)
    patches = torch.cat([f.sin(), f.cos(), t.sin(), t.cos()], dim=1)  # (250, D)
    return torch.cat([torch.zeros(1, embed_dim), patches]).unsqueeze(0)


def encoder_from_state_dict(state: Mapping[str, Tensor]) -> AudioMambaEncoder:
    """The encoder with these weights, its size read from their shapes.

    Raises:
        ArtifactError: keys or shapes that are not those of a published encoder of that size.
    """
    embed_dim, depth = sizes_of(state)
    check_state(
        state,
        embed_dim=embed_dim,
        depth=depth,
        where=f"state dict of embed_dim {embed_dim} and {depth} blocks",
    )
    with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
        encoder = AudioMambaEncoder(embed_dim, depth)
    used = {
        key: value.float().clone()
        for key, value in state.items()
        if not key.startswith(PRETRAINING_ONLY)
    }
    encoder.load_state_dict(used, strict=True, assign=True)
    return encoder


def untrained_encoder(embed_dim: int, depth: int = DEPTH) -> AudioMambaEncoder:
    """The encoder as pretraining starts it (specification, section 8), drawn from torch's current
    random state.
    """
    encoder = AudioMambaEncoder(embed_dim, depth)
    project = encoder.patch_embed["proj"]
    with torch.no_grad():
        encoder.pos_embed.copy_(sincos_positions(embed_dim))
        nn.init.normal_(encoder.cls_token, std=0.02)
        nn.init.xavier_uniform_(project.weight.view(embed_dim, -1))
        nn.init.zeros_(project.bias)
        for block in encoder.blocks:
            weight = block.mixer.out_proj.weight
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
            weight /= math.sqrt(depth)  # one residual branch per block
    return encoder
