"""The baselines that fusions are compared with: their records, options, and where every default
comes from (see ``__init__`` for the marks).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nverbench import Fusion
from nverbench_fusions.checks import SMALLEST, check_choice, check_dims, check_dropout, check_sizes
from nverbench_fusions.sources import GMU

if TYPE_CHECKING:
    from torch import nn

MANY = (2, None)


def fusions() -> Iterable[Fusion]:
    """Late fusion and a gated sum."""
    return [
        Fusion(name="late", arity=MANY, build=build_late),
        Fusion(name="gated", arity=MANY, build=build_gated, views=True, citation=GMU),
    ]


def build_late(
    dims: Sequence[int],
    classes: int,
    *,
    head: str = "fcn",  # ours
    conv1: int = 32,  # as cnn's; head=cnn only
    conv2: int = 64,  # as cnn's; head=cnn only
    dense1: int = 512,  # as fcn's
    dense2: int = 128,  # as fcn's
    dropout: float = 0.3,  # as fcn's
) -> nn.Module:
    """Late fusion (ours): one head per stream, the mean of their logits. ``head=cnn`` gives every
    stream RENO's convolutional head.
    """
    check_choice("late", "head", head, fcn="dense layers", cnn="conv block and dense layers")
    check_dims("late", dims, classes, MANY, smallest=SMALLEST if head == "cnn" else 1)
    check_sizes("late", conv1=conv1, conv2=conv2, dense1=dense1, dense2=dense2)
    check_dropout("late", dropout)
    from nverbench_fusions.heads import Cnn, Fcn
    from nverbench_fusions.late import Late

    sizes = (dense1, dense2)
    if head == "cnn":
        one = partial(
            Cnn,
            classes=classes,
            conv1=conv1,
            conv2=conv2,
            sizes=sizes,
            dropout=dropout,
            permute=False,
        )
    else:
        one = partial(Fcn, classes=classes, sizes=sizes, dropout=dropout)
    return Late([one(dim) for dim in dims])


def build_gated(
    dims: Sequence[int],
    classes: int,
    *,
    align_dim: int = 256,  # as reno's
    dense1: int = 512,  # as fcn's
    dense2: int = 128,  # as fcn's
    dropout: float = 0.3,  # as fcn's
) -> nn.Module:
    """Gated sum: a gate that reads all streams says, feature by feature, how much of each goes into
    the sum; then dense layers.
    """
    check_dims("gated", dims, classes, MANY)
    check_sizes("gated", align_dim=align_dim, dense1=dense1, dense2=dense2)
    check_dropout("gated", dropout)
    from nverbench_fusions.gated import Gated

    return Gated(dims, classes, align_dim, (dense1, dense2), dropout)
