"""First-party heads and fusions: what exists, their options, and where every default comes from.

Sources of defaults, beside each: "paper" = RENO, arXiv:2506.02258; "re-impl" = a co-author's later public re-implementation; "ours" = our decision,
because the paper leaves it open. RENO trains with Adam 1e-3, batch 32 and 20 epochs: that is the protocol, so every recipe here stays empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nverbench import Fusion, hookimpl
from nverbench_fusions.checks import check_dims, check_dropout, check_heads, check_norm, check_sizes

if TYPE_CHECKING:
    from torch import nn

RENO = "RENO, arXiv:2506.02258, EUSIPCO 2025"
ONE = (1, 1)
TWO = (2, 2)
SMALLEST = 4  # two max-pools of 2 leave one position


@hookimpl
def nverbench_fusions() -> Iterable[Fusion]:
    """Three heads (arity 1) and RENO with its baseline (arity 2)."""
    return [
        Fusion(name="linear", arity=ONE, build=build_linear),
        Fusion(name="fcn", arity=ONE, build=build_fcn, citation=RENO),
        Fusion(name="cnn", arity=ONE, build=build_cnn, citation=RENO),
        Fusion(name="concat", arity=TWO, build=build_concat, views=True, citation=RENO),
        Fusion(name="reno", arity=TWO, build=build_reno, views=True, default_loss="renyi", citation=RENO),
    ]


def build_linear(dims: Sequence[int], classes: int) -> nn.Module:
    """One linear layer: the probe that says what a backbone's features hold by themselves (ours)."""
    check_dims("linear", dims, classes, streams=1)
    from nverbench_fusions.heads import Linear

    return Linear(dims[0], classes)


def build_fcn(
    dims: Sequence[int],
    classes: int,
    *,
    dense1: int = 512,  # paper
    dense2: int = 128,  # paper
    dropout: float = 0.3,  # ours: the paper uses dropout and gives no rate
) -> nn.Module:
    """RENO's fully connected head: dense 512, dense 128, softmax (inside the loss)."""
    check_dims("fcn", dims, classes, streams=1)
    check_sizes("fcn", dense1=dense1, dense2=dense2)
    check_dropout("fcn", dropout)
    from nverbench_fusions.heads import Fcn

    return Fcn(dims[0], classes, dense1, dense2, dropout)


def build_cnn(
    dims: Sequence[int],
    classes: int,
    *,
    conv1: int = 32,  # paper
    conv2: int = 64,  # paper
    dense1: int = 512,  # paper
    dense2: int = 128,  # paper
    dropout: float = 0.3,  # ours: the paper uses dropout and gives no rate
) -> nn.Module:
    """RENO's convolutional head: two conv and max-pool stages along the features, flatten, dense 512, dense 128, softmax (inside the loss)."""
    check_dims("cnn", dims, classes, streams=1, smallest=SMALLEST)
    check_sizes("cnn", conv1=conv1, conv2=conv2, dense1=dense1, dense2=dense2)
    check_dropout("cnn", dropout)
    from nverbench_fusions.heads import Cnn

    return Cnn(dims[0], classes, conv1, conv2, dense1, dense2, dropout)


def build_concat(
    dims: Sequence[int],
    classes: int,
    *,
    align_dim: int = 256,  # re-impl: the Renyi divergence needs equal sizes; kept here so that the baseline differs in one thing only
    conv1: int = 32,  # paper
    conv2: int = 64,  # paper
    dense1: int = 512,  # paper
    dense2: int = 128,  # paper
    dropout: float = 0.3,  # ours: the paper uses dropout and gives no rate
) -> nn.Module:
    """RENO's baseline: RENO without its loss and without its self-attention blocks. With ``--loss renyi`` it is RENO without attention."""
    check_dims("concat", dims, classes, streams=2, smallest=SMALLEST)
    check_sizes("concat", align_dim=align_dim, conv1=conv1, conv2=conv2, dense1=dense1, dense2=dense2)
    check_dropout("concat", dropout)
    from nverbench_fusions.reno import Reno

    return Reno(dims, classes, align_dim, conv1, conv2, dense1, dense2, dropout, attention=None)


def build_reno(
    dims: Sequence[int],
    classes: int,
    *,
    align_dim: int = 256,  # re-impl: the Renyi divergence needs equal sizes
    heads: int = 2,  # paper
    norm: str = "pre",  # re-impl has "residual + LayerNorm"; the order is ours: with "post" RENO often does not train, see reno.py
    conv1: int = 32,  # paper
    conv2: int = 64,  # paper
    dense1: int = 512,  # paper
    dense2: int = 128,  # paper
    dropout: float = 0.3,  # ours: the paper uses dropout and gives no rate
) -> nn.Module:
    """RENO: per backbone conv block and self-attention, two aligned views for the Renyi loss, self-attention over both, dense layers."""
    check_dims("reno", dims, classes, streams=2, smallest=SMALLEST)
    check_sizes("reno", align_dim=align_dim, heads=heads, conv1=conv1, conv2=conv2, dense1=dense1, dense2=dense2)
    check_heads("reno", heads, align_dim=align_dim, conv2=conv2)
    check_norm("reno", norm)
    check_dropout("reno", dropout)
    from nverbench_fusions.reno import Reno, SelfAttention

    return Reno(dims, classes, align_dim, conv1, conv2, dense1, dense2, dropout, attention=partial(SelfAttention, heads=heads, norm=norm))
