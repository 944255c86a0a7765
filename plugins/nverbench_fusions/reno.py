"""RENO (arXiv:2506.02258) and its concatenation baseline: two frozen backbones or more, a branch
each with weights of its own.

    branch i:  conv block -> [self-attention over positions] -> flatten -> linear = view i
    (the Renyi loss compares the two views) both:      [self-attention over the two views] ->
    concatenate -> dense 512 -> dense 128 -> logits        ([...]: reno only)

Axes: b clips, m streams, d_i features of backbone i, t positions after the conv block, c = 64
channels, a = align_dim, h heads, k classes.

Where the paper is open, and what we do:
- Tokens of a branch's attention: conv positions as 64-d tokens, residual and LayerNorm after
  (re-impl). The paper says flatten, then attend: one literal flattened token would need 453 M
  weights, and a softmax over a single token is 1.
- Unequal sizes (3840 against 768): a linear layer to align_dim 256 (re-impl); the divergence needs
  equal sizes.
- Attention after concatenation: over two tokens of align_dim (re-impl).
- Whether branches share weights: not said; separate (ours), since their input sizes differ anyway.
  Dropout: dense layers only (ours).
- Order of residual and LayerNorm (re-impl says both, not the order): ``norm=pre`` reads x +
  attention(LN(x)), ``norm=post`` LN(x + attention(x)). It decides whether RENO trains at the
  paper's Adam 1e-3. With post the training loss stayed at chance in 3 of 8 runs on separable
  synthetic features, with pre in none (benchmarks/science/reno_norm.py); on byol-s + untrained
  audio-mamba-tiny and emogator-10, post stayed near chance in most folds (accuracy 16 %, pre 41 %;
  benchmarks/RESULTS.md). Normalised tokens into the wide ``align`` layer make every Adam step
  large, the views grow alike for all clips, and the second LayerNorm then hides the clip. The
  default is the reading that trains (ours): a strawman would be worth nothing.
Where the paper cannot be met: it counts 1.3-1.5 M parameters. These layers have 19.5 M at (3840,
768) with 6 classes, 81 % of them in the linear layer behind the 960 flattened positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nverbench import Batch, Output
from nverbench_fusions.conv import ConvBlock, positions
from nverbench_fusions.heads import dense_layers


class Reno(nn.Module):
    """RENO; with ``attention=None`` the same without attention, which is the paper's baseline
    ``concat``.
    """

    def __init__(
        self,
        dims: Sequence[int],
        classes: int,
        align_dim: int,
        conv1: int,
        conv2: int,
        dense1: int,
        dense2: int,
        dropout: float,
        *,
        attention: Callable[[int], nn.Module] | None,
    ) -> None:
        super().__init__()
        attention = attention or nn.Identity  # a token's size -> (b, t, c) to (b, t, c)
        self.branches = nn.ModuleList(
            Branch(dim, align_dim, conv1, conv2, attention) for dim in dims
        )
        self.attention = attention(align_dim)
        self.dense = dense_layers(len(dims) * align_dim, classes, (dense1, dense2), dropout)

    def forward(self, batch: Batch) -> Output:
        views = tuple(
            branch(stream) for branch, stream in zip(self.branches, batch.streams, strict=True)
        )  # m x (b, a)
        tokens = self.attention(torch.stack(views, dim=1))  # (b, m, a)
        return Output(self.dense(tokens.flatten(1)), views)  # (b, m a) -> (b, k)


class Branch(nn.Module):
    """One backbone's features (b, d) -> its view (b, a)."""

    def __init__(
        self,
        dim: int,
        align_dim: int,
        conv1: int,
        conv2: int,
        attention: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        self.block = ConvBlock(conv1, conv2)
        self.attention = attention(conv2)
        self.align = nn.Linear(positions(dim) * conv2, align_dim)

    def forward(self, features: Tensor) -> Tensor:
        tokens = self.block(features)  # (b, d) -> (b, t, c), t = d // 4
        tokens = self.attention(tokens)  # (b, t, c)
        return self.align(tokens.flatten(1))  # (b, t c) -> (b, a)


class SelfAttention(nn.Module):
    """Tokens (b, t, c) -> LayerNorm(x + attention(x)), or x + attention(LayerNorm(x)) for
    ``norm="pre"``.

    Parameters, initialisation and numbers are those of torch's MultiheadAttention.
    """

    def __init__(self, dim: int, *, heads: int, norm: str) -> None:
        super().__init__()
        self.heads = heads
        self.pre = norm == "pre"
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.pre:
            return x + self.mix(self.norm(x))
        return self.norm(x + self.mix(x))  # (b, t, c)

    def mix(self, x: Tensor) -> Tensor:
        """(b, t, c) multi-head attention of the tokens among themselves."""
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))  # (b, t, 3, h, c / h)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # 3 x (b, h, t, c / h)
        mixed = F.scaled_dot_product_attention(
            query, key, value
        )  # softmax(Q K^T / sqrt(c / h)) V; the (t, t) weights are never stored
        return self.out(mixed.transpose(1, 2).flatten(2))  # (b, t, c)
