"""The RENO family, fusions of aligned branches: their records, options, and where every default
comes from (see ``__init__`` for the marks).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nverbench import Fusion
from nverbench_fusions.checks import (
    SMALLEST,
    check_dims,
    check_dropout,
    check_heads,
    check_norm,
    check_sizes,
)
from nverbench_fusions.sources import RENO

if TYPE_CHECKING:
    from torch import nn

MANY = (2, None)
ANY = (1, None)


def fusions() -> Iterable[Fusion]:
    """RENO, its baseline, that baseline and one FCN with RENO's number of weights, and RENO with
    cross-attention in the place of self-attention.
    """
    return [
        Fusion(name="concat", arity=MANY, build=build_concat, views=True, citation=RENO),
        Fusion(
            name="concat-matched", arity=MANY, build=build_concat_matched, views=True, citation=RENO
        ),
        Fusion(name="fcn-matched", arity=ANY, build=build_fcn_matched, citation=RENO),
        Fusion(
            name="reno",
            arity=MANY,
            build=build_reno,
            views=True,
            default_loss="renyi",
            citation=RENO,
        ),
        Fusion(name="cross-attention", arity=MANY, build=build_cross_attention, views=True),
    ]


def build_concat(
    dims: Sequence[int],
    classes: int,
    *,
    # re-impl: the Renyi divergence needs equal sizes; kept here so that the baseline differs in one
    # thing only
    align_dim: int = 256,
    conv1: int = 32,  # paper
    conv2: int = 64,  # paper
    dense1: int = 512,  # paper
    dense2: int = 128,  # paper
    dropout: float = 0.3,  # ours: the paper uses dropout and gives no rate
) -> nn.Module:
    """RENO's baseline: RENO without its loss and without its self-attention blocks. With ``--loss
    renyi`` it is RENO without attention.
    """
    _check(
        "concat",
        dims,
        classes,
        dropout,
        align_dim=align_dim,
        conv1=conv1,
        conv2=conv2,
        dense1=dense1,
        dense2=dense2,
    )
    from nverbench_fusions.reno import Reno

    return Reno(dims, classes, align_dim, conv1, conv2, dense1, dense2, dropout, attention=None)


def build_concat_matched(
    dims: Sequence[int],
    classes: int,
    *,
    align_dim: int = 256,  # as reno's
    conv1: int = 32,  # as reno's
    conv2: int = 64,  # as reno's
    dense1: int = 512,  # as reno's; widened here
    dense2: int = 128,  # as reno's
    dropout: float = 0.3,  # as reno's
) -> nn.Module:
    """Parameter-matched concat (ours): ``concat`` with as many trained parameters as ``reno`` of
    the same options, so that "attention helps" is not "more parameters help".

    RENO's attention over a branch of c channels or over views of size c has 4 c^2 + 6 c parameters.
    They go into the first dense layer, behind the views, where every unit costs m align_dim + 1 +
    dense2: 976 units instead of 512 at two streams, within 0.01 %.
    """
    _check(
        "concat-matched",
        dims,
        classes,
        dropout,
        align_dim=align_dim,
        conv1=conv1,
        conv2=conv2,
        dense1=dense1,
        dense2=dense2,
    )
    from nverbench_fusions.reno import Reno

    attention = len(dims) * (4 * conv2**2 + 6 * conv2) + 4 * align_dim**2 + 6 * align_dim
    wider = dense1 + round(attention / (len(dims) * align_dim + 1 + dense2))
    return Reno(dims, classes, align_dim, conv1, conv2, wider, dense2, dropout, attention=None)


def build_fcn_matched(
    dims: Sequence[int],
    classes: int,
    *,
    dense2: int = 128,  # as fcn's; dense1 is what the budget leaves
    dropout: float = 0.3,  # as fcn's
) -> nn.Module:
    """Parameter-matched FCN (ours): RENO's fully connected head on the concatenated features, its
    first layer as wide as gives the trained parameters of ``reno`` on the same streams. It has no
    conv block, attention, alignment or branches: what RENO's budget buys without its design.

    On one stream the budget is that of RENO on this stream twice. Every unit of the first layer
    costs sum(dims) + 1 + dense2 parameters, so that the counts agree within half of that.
    """
    check_dims("fcn-matched", dims, classes, ANY, smallest=SMALLEST)
    check_sizes("fcn-matched", dense2=dense2)
    check_dropout("fcn-matched", dropout)
    import torch

    from nverbench_fusions.heads import JoinedFcn

    with torch.device("meta"):  # counts, without memory or random numbers
        reno = build_reno(dims if len(dims) > 1 else (*dims, *dims), classes)
        least = JoinedFcn(dims, classes, (1, dense2), dropout)
    budget, have = (sum(p.numel() for p in m.parameters()) for m in (reno, least))
    dense1 = 1 + round((budget - have) / (sum(dims) + 1 + dense2))
    return JoinedFcn(dims, classes, (dense1, dense2), dropout)


def build_reno(
    dims: Sequence[int],
    classes: int,
    *,
    align_dim: int = 256,  # re-impl: the Renyi divergence needs equal sizes
    heads: int = 2,  # paper
    # re-impl has "residual + LayerNorm"; the order is ours: with "post" RENO often does not train,
    # see reno.py
    norm: str = "pre",
    conv1: int = 32,  # paper
    conv2: int = 64,  # paper
    dense1: int = 512,  # paper
    dense2: int = 128,  # paper
    dropout: float = 0.3,  # ours: the paper uses dropout and gives no rate
) -> nn.Module:
    """RENO: per backbone conv block and self-attention, aligned views for the Renyi loss,
    self-attention over the views, dense layers.

    More than two streams (ours): one branch each, attention over as many views; the loss takes the
    mean over pairs.
    """
    _check(
        "reno",
        dims,
        classes,
        dropout,
        align_dim=align_dim,
        heads=heads,
        conv1=conv1,
        conv2=conv2,
        dense1=dense1,
        dense2=dense2,
    )
    check_heads("reno", heads, align_dim=align_dim, conv2=conv2)
    check_norm("reno", norm)
    from nverbench_fusions.reno import Reno, SelfAttention

    return Reno(
        dims,
        classes,
        align_dim,
        conv1,
        conv2,
        dense1,
        dense2,
        dropout,
        attention=partial(SelfAttention, heads=heads, norm=norm),
    )


def build_cross_attention(
    dims: Sequence[int],
    classes: int,
    *,
    align_dim: int = 256,  # this and the rest: as reno's, so that the two differ in one thing
    heads: int = 2,
    conv1: int = 32,
    conv2: int = 64,
    dense1: int = 512,
    dense2: int = 128,
    dropout: float = 0.3,
) -> nn.Module:
    """Cross-attention (ours): as ``concat``, but between conv block and alignment each stream's
    positions attend to those of all other streams.
    """
    name = "cross-attention"
    _check(
        name,
        dims,
        classes,
        dropout,
        align_dim=align_dim,
        heads=heads,
        conv1=conv1,
        conv2=conv2,
        dense1=dense1,
        dense2=dense2,
    )
    check_heads(name, heads, conv2=conv2)
    from nverbench_fusions.cross_attention import CrossAttention

    return CrossAttention(dims, classes, align_dim, heads, conv1, conv2, (dense1, dense2), dropout)


def _check(fusion: str, dims: Sequence[int], classes: int, dropout: float, **sizes: int) -> None:
    check_dims(fusion, dims, classes, MANY, smallest=SMALLEST)
    check_sizes(fusion, **sizes)
    check_dropout(fusion, dropout)
