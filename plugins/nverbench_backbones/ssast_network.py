"""SSAST's network: a plain ViT over spectrogram patches, its modules named as in the published
checkpoints. Imported only inside ``load``.

Written from the paper (Gong et al. 2022, section 2.1) and the checkpoint's keys, those of timm's
DeiT (Touvron et al. 2021): pre-norm blocks, a class and a distillation token, learned positions.
Axes: ``w`` windows, ``f`` x ``t`` patches, ``n`` = 2 + f t tokens (514 in both published
checkpoints), ``d`` dimensions, ``h`` heads, ``L`` layers: what the first block reads, then every
block, the last one after the final norm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nverbench import LoadContext
from nverbench_backbones.ast_patches import SPECIAL, Grid
from nverbench_backbones.ssast import Architecture
from nverbench_backbones.ssast_checkpoint import read_checkpoint

NORM_EPS = 1e-6  # timm's, not torch's 1e-5


class Attention(nn.Module):
    """softmax(q k^T / sqrt(d / h)) v over all tokens of a window."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(w, n, d) -> (w, n, d)."""
        q, k, v = (
            self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )  # 3 x (w, h, n, d / h)
        out: Tensor = self.proj(
            functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        )  # heads side by side: (w, n, d)
        return out


class Block(nn.Module):
    """x <- x + Attention(LN(x)); x <- x + MLP(LN(x))."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        dim, hidden = architecture.dim, architecture.hidden
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim, architecture.heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, hidden), "fc2": nn.Linear(hidden, dim)})

    def forward(self, x: Tensor) -> Tensor:
        """(w, n, d) -> (w, n, d)."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))
        return out


class SpectrogramViT(nn.Module):
    """Windows of scaled filter bank (w, 1024, 128) -> every layer's tokens, L x (w, n, d), the two
    special tokens first.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        dim, patch = architecture.dim, architecture.patch
        grid = Grid(patch, patch, architecture.frames)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, SPECIAL + grid.bands * grid.times, dim))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, dim, patch, stride=patch)})
        self.blocks = nn.ModuleList(Block(architecture) for _ in range(architecture.depth))
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.apply(_start)
        for token in (self.cls_token, self.dist_token, self.pos_embed):
            nn.init.trunc_normal_(token, std=0.02)

    def forward(self, windows: Tensor) -> list[Tensor]:
        """(w, frames, 128) -> L x (w, n, d)."""
        image = windows.transpose(1, 2).unsqueeze(1)  # frequency first: (w, 1, 128, frames)
        patches = (
            self.patch_embed["proj"](image).flatten(2).transpose(1, 2)
        )  # token f t_max + t: (w, f t, d)
        special = (
            torch.cat([self.cls_token, self.dist_token], dim=1)
            .expand(len(patches), -1, -1)
            .to(patches.dtype)
        )  # (w, 2, d)
        x = torch.cat([special, patches], dim=1) + self.pos_embed  # (w, n, d)
        states = [x]
        for block in self.blocks:
            x = block(x)
            states.append(x)
        return [*states[:-1], self.norm(x)]


def build(name: str, architecture: Architecture, ctx: LoadContext) -> SpectrogramViT:
    """The network with the weights of ``ctx.weights``, or with random ones from ``ctx.seed`` alone.

    Raises:
        ArtifactError: the file cannot be read safely, or is no SSAST checkpoint of this
            architecture.
    """
    if ctx.weights is None:
        with ctx.seeded():
            return SpectrogramViT(architecture)
    with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
        network = SpectrogramViT(architecture)
    network.load_state_dict(read_checkpoint(ctx.weights, network, name), strict=True, assign=True)
    return network


def hidden_states(network: nn.Module, windows: Tensor) -> list[Tensor]:
    """(w, 1024, 128) -> L x (w, n, d)."""
    states: list[Tensor] = network(windows)
    return states


def _start(module: nn.Module) -> None:
    """How pretraining starts linear layers (timm's way); norms and the patch projection keep
    torch's.
    """
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
