"""What runs along a conversation: layers of feed-forward and bidirectional Mamba (Ricoh), and the
rivals, transformer encoder and bidirectional GRU.

A body maps frames (t, dim) of sequences laid end to end, with their sizes, to (t, width). Axes: t
frames, h heads, c features of a head. All randomness is ``nn.Dropout`` on whole frames, so that the
masks can come from the harness.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nverbench.ssm import MambaMixer
from nverbench_fusions.erc_sequences import BothWays, recomputed

BASE = 10_000.0  # arXiv:2104.09864, section 3.2.2


class FeedForward(nn.Module):
    """FF(x) = Dropout(W2 Dropout(Swish(W1 LN(x)))) (paper): (t, dim) -> (t, dim)."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.SiLU())
        self.outer = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, dim), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(recomputed(self.inner, x))


class MambaLayer(nn.Module):
    """Half a feed-forward, the Mamba pair, half a feed-forward, each added to what it reads: (t,
    dim) -> (t, dim).
    """

    def __init__(self, dim: int, hidden: int, dropout: float, *, norm: bool) -> None:
        super().__init__()
        self.before = FeedForward(dim, hidden, dropout)
        self.norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.pair = BothWays(
            MambaMixer(dim), MambaMixer(dim)
        )  # d_state 16, d_conv 4, expand 2: the public implementation's (paper)
        self.join = nn.Linear(2 * dim, dim)  # re-impl
        self.after = FeedForward(dim, hidden, dropout)

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        x = x + 0.5 * self.before(x)
        x = x + self.join(self.pair(self.norm(x), sizes))
        return x + 0.5 * self.after(x)


class MambaBody(nn.Module):
    """Layers of feed-forward, Mamba pair, feed-forward; none of them: the frames as they are."""

    def __init__(self, dim: int, layers: int, hidden: int, dropout: float, *, norm: bool) -> None:
        super().__init__()
        self.width = dim
        self.layers = nn.ModuleList(
            MambaLayer(dim, hidden, dropout, norm=norm) for _ in range(layers)
        )

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        for layer in self.layers:
            x = layer(x, sizes)
        return x


class EncoderBlock(nn.Module):
    """A pre-norm transformer encoder block with rotary positions: (t, dim) -> (t, dim)."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.feed = FeedForward(dim, hidden, dropout)

    def forward(self, x: Tensor, sizes: Sequence[int], turned: Tensor) -> Tensor:
        attended = [
            self.attend(sequence, turned)
            for sequence in recomputed(self.project, x).split(list(sizes))
        ]
        x = x + self.dropout(self.out(torch.cat(attended)))
        return x + self.feed(x)

    def project(self, x: Tensor) -> Tensor:
        """(t, 3 dim) queries, keys and values."""
        return self.qkv(self.norm(x))

    def attend(self, qkv: Tensor, turned: Tensor) -> Tensor:
        """(l, dim) of one sequence's queries, keys and values (l, 3 dim). One at a time and
        unmasked: the (l, l) weights are never stored.
        """
        query, key, value = (
            qkv.unflatten(1, (3, self.heads, -1)).permute(1, 2, 0, 3).unsqueeze(1)
        )  # 3 x (1, h, l, c)
        mixed = F.scaled_dot_product_attention(
            rotated(query, turned), rotated(key, turned), value
        )  # (1, h, l, c)
        return mixed[0].transpose(0, 1).flatten(1)


class TransformerBody(nn.Module):
    """Encoder blocks and a last LayerNorm. A sequence's first frame is position 0."""

    def __init__(self, dim: int, layers: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.width = dim
        self.size = dim // heads
        self.layers = nn.ModuleList(
            EncoderBlock(dim, heads, hidden, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        turned = angles(max(sizes), self.size).to(x)
        for layer in self.layers:
            x = layer(x, sizes, turned)
        return self.norm(x)


def angles(length: int, size: int) -> Tensor:
    """(2, l, c) cosines and sines of rotary positions, float64: position m turns the pair (i, i + c
    / 2) by m base^(-2 i / c).
    """
    rates = BASE ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)  # (c / 2,)
    turns = torch.outer(torch.arange(length, dtype=torch.float64), rates).repeat(1, 2)  # (l, c)
    return torch.stack([turns.cos(), turns.sin()])


def rotated(x: Tensor, turned: Tensor) -> Tensor:
    """(1, h, l, c) with every pair of features turned by its frame's angle, so that q . k depends
    on the distance only (arXiv:2104.09864).
    """
    cosine, sine = turned[:, : x.shape[2]]
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine


class Gru(nn.Module):
    """One layer and direction of a GRU: (b, l, d) -> (b, l, hidden)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(dim, hidden, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(x)[0]


class GruBody(nn.Module):
    """Bidirectional GRU layers, each followed by dropout: (t, dim) -> (t, 2 hidden)."""

    def __init__(self, dim: int, layers: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.width = 2 * hidden
        sizes = [dim, *[2 * hidden] * (layers - 1)]
        self.layers = nn.ModuleList(
            BothWays(Gru(size, hidden), Gru(size, hidden)) for size in sizes
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        for layer in self.layers:
            x = self.dropout(layer(x, sizes))
        return x
