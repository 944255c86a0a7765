"""Heads on one backbone: their records, options, and where every default comes from (see
``__init__`` for the marks).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nverbench import Fusion
from nverbench_fusions.checks import SMALLEST, check_dims, check_dropout, check_sizes
from nverbench_fusions.sources import PARROT, PARROT_RECIPE, RENO

if TYPE_CHECKING:
    from torch import nn

ONE = (1, 1)


def fusions() -> Iterable[Fusion]:
    """``linear``, RENO's two heads, and PARROT's two, which differ in layers and in recipe."""
    return [
        Fusion(name="linear", arity=ONE, build=build_linear, convex=True),
        Fusion(name="fcn", arity=ONE, build=build_fcn, citation=RENO),
        Fusion(name="cnn", arity=ONE, build=build_cnn, citation=RENO),
        Fusion(
            name="parrot-fcn",
            arity=ONE,
            build=build_parrot_fcn,
            recipe=PARROT_RECIPE,
            citation=PARROT,
        ),
        Fusion(
            name="parrot-cnn",
            arity=ONE,
            build=build_parrot_cnn,
            recipe=PARROT_RECIPE,
            citation=PARROT,
        ),
    ]


def build_linear(dims: Sequence[int], classes: int) -> nn.Module:
    """One linear layer: the probe that says what a backbone's features hold by themselves
    (ours).
    """
    check_dims("linear", dims, classes, ONE)
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
    check_dims("fcn", dims, classes, ONE)
    check_sizes("fcn", dense1=dense1, dense2=dense2)
    check_dropout("fcn", dropout)
    from nverbench_fusions.heads import Fcn

    return Fcn(dims[0], classes, (dense1, dense2), dropout)


def build_cnn(
    dims: Sequence[int],
    classes: int,
    *,
    conv1: int = 32,  # paper
    conv2: int = 64,  # paper
    dense1: int = 512,  # paper
    dense2: int = 128,  # paper
    dropout: float = 0.3,  # ours: the paper uses dropout and gives no rate
    permute: bool = False,  # ours: a control, see below
) -> nn.Module:
    """RENO's convolutional head: two conv and max-pool stages along the features, flatten, dense
    512, dense 128, softmax (inside the loss).

    Neighbours in a pooled vector mean nothing by construction. ``permute`` shuffles the features
    once, by a permutation that depends on their number only: if scores stay, the convolution used
    no order.
    """
    check_dims("cnn", dims, classes, ONE, smallest=SMALLEST)
    check_sizes("cnn", conv1=conv1, conv2=conv2, dense1=dense1, dense2=dense2)
    check_dropout("cnn", dropout)
    from nverbench_fusions.heads import Cnn

    return Cnn(dims[0], classes, conv1, conv2, (dense1, dense2), dropout, permute=permute)


def build_parrot_fcn(
    dims: Sequence[int],
    classes: int,
    *,
    dense: int = 128,  # paper
    dropout: float = 0.3,  # re-impl
) -> nn.Module:
    """PARROT's fully connected head: dense 128, softmax (inside the loss)."""
    check_dims("parrot-fcn", dims, classes, ONE)
    check_sizes("parrot-fcn", dense=dense)
    check_dropout("parrot-fcn", dropout)
    from nverbench_fusions.heads import Fcn

    return Fcn(dims[0], classes, (dense,), dropout)


def build_parrot_cnn(
    dims: Sequence[int],
    classes: int,
    *,
    conv1: int = 64,  # paper
    conv2: int = 128,  # paper
    dense: int = 128,  # paper
    dropout: float = 0.3,  # re-impl
) -> nn.Module:
    """PARROT's convolutional head: conv 64, pool, conv 128, pool, flatten, dense 128, softmax
    (inside the loss).
    """
    check_dims("parrot-cnn", dims, classes, ONE, smallest=SMALLEST)
    check_sizes("parrot-cnn", conv1=conv1, conv2=conv2, dense=dense)
    check_dropout("parrot-cnn", dropout)
    from nverbench_fusions.heads import Cnn

    return Cnn(dims[0], classes, conv1, conv2, (dense,), dropout, permute=False)
