"""PARROT, its ablations and MATA, fusions by optimal transport: their records, options, and where every
default comes from (see ``__init__``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from nverbench import Fusion
from nverbench_fusions.checks import (
    SMALLEST,
    check_above_zero,
    check_choice,
    check_dims,
    check_dropout,
    check_heads,
    check_norm,
    check_sizes,
)
from nverbench_fusions.sources import MATA, PARROT, PARROT_RECIPE

if TYPE_CHECKING:
    from torch import nn

    from nverbench_fusions.transport import Plan

MANY = (2, None)


def transductive(options: Mapping[str, Any]) -> bool:
    """Whether a prediction depends on the clips it is predicted with: with every transport but the
    bank's.
    """
    return options["transport"] != "bank"


def fusions() -> Iterable[Fusion]:
    """PARROT, its two ablations and its baseline; MATA, trained as PARROT is (ours: the same
    authors, the same setting).
    """
    record = partial(Fusion, arity=MANY, views=True, recipe=PARROT_RECIPE)
    return [
        record(name="parrot", build=build_parrot, transductive=transductive, citation=PARROT),
        record(name="parrot-ot", build=build_parrot_ot, transductive=transductive, citation=PARROT),
        record(name="parrot-hadamard", build=build_parrot_hadamard, citation=PARROT),
        record(name="parrot-concat", build=build_parrot_concat, citation=PARROT),
        record(name="mata", build=build_mata, transductive=transductive, citation=MATA),
    ]


def build_parrot(
    dims: Sequence[int],
    classes: int,
    *,
    # ours: predictions must not depend on other test clips; re-impl: batch
    transport: str = "bank",
    epsilon: float = 0.05,  # re-impl
    iterations: int = 50,  # re-impl
    plan_gradient: bool = False,  # re-impl
    width: int = 120,  # paper
    conv1: int = 64,  # paper
    conv2: int = 128,  # paper
    dense: int = 128,  # paper
    dropout: float = 0.3,  # re-impl
) -> nn.Module:
    """PARROT: branches to ``width``, their Hadamard product next to what optimal transport makes of
    each, dense layer.

    ``transport``: ``bank``, ``batch`` or ``literal``, see transport.py. More than two streams
    (ours): the product is summed over pairs, and each stream receives the sum of what the others
    send.
    """
    _check("parrot", dims, classes, dropout, width=width, conv1=conv1, conv2=conv2, dense=dense)
    plan = _plan("parrot", transport, epsilon, iterations, plan_gradient)
    from nverbench_fusions.parrot import Parrot

    return Parrot(dims, classes, width, conv1, conv2, dense, dropout, hadamard=True, plan=plan)


def build_parrot_ot(
    dims: Sequence[int],
    classes: int,
    *,
    transport: str = "bank",  # this and the rest: as parrot's
    epsilon: float = 0.05,
    iterations: int = 50,
    plan_gradient: bool = False,
    width: int = 120,
    conv1: int = 64,
    conv2: int = 128,
    dense: int = 128,
    dropout: float = 0.3,
) -> nn.Module:
    """PARROT's ablation "OT only": without the Hadamard product."""
    _check("parrot-ot", dims, classes, dropout, width=width, conv1=conv1, conv2=conv2, dense=dense)
    plan = _plan("parrot-ot", transport, epsilon, iterations, plan_gradient)
    from nverbench_fusions.parrot import Parrot

    return Parrot(dims, classes, width, conv1, conv2, dense, dropout, hadamard=False, plan=plan)


def build_parrot_hadamard(
    dims: Sequence[int],
    classes: int,
    *,
    width: int = 120,  # this and the rest: as parrot's
    conv1: int = 64,
    conv2: int = 128,
    dense: int = 128,
    dropout: float = 0.3,
) -> nn.Module:
    """PARROT's ablation "Hadamard only": without transport."""
    _check(
        "parrot-hadamard",
        dims,
        classes,
        dropout,
        width=width,
        conv1=conv1,
        conv2=conv2,
        dense=dense,
    )
    from nverbench_fusions.parrot import Parrot

    return Parrot(dims, classes, width, conv1, conv2, dense, dropout, hadamard=True, plan=None)


def build_parrot_concat(
    dims: Sequence[int],
    classes: int,
    *,
    width: int = 120,  # this and the rest: as parrot's
    conv1: int = 64,
    conv2: int = 128,
    dense: int = 128,
    dropout: float = 0.3,
) -> nn.Module:
    """PARROT's baseline "Concat": the branches side by side, neither product nor transport."""
    _check(
        "parrot-concat", dims, classes, dropout, width=width, conv1=conv1, conv2=conv2, dense=dense
    )
    from nverbench_fusions.parrot import Parrot

    return Parrot(dims, classes, width, conv1, conv2, dense, dropout, hadamard=False, plan=None)


def build_mata(
    dims: Sequence[int],
    classes: int,
    *,
    transport: str = "bank",  # ours, as parrot's
    epsilon: float = 0.05,  # as parrot's
    iterations: int = 50,  # as parrot's
    plan_gradient: bool = False,  # as parrot's
    width: int = 120,  # paper
    heads: int = 8,  # paper
    norm: str = "pre",  # ours, as reno's
    conv1: int = 64,  # as parrot's
    conv2: int = 128,  # as parrot's
    dense: int = 128,  # as parrot's
    dropout: float = 0.3,  # as parrot's
) -> nn.Module:
    """MATA: each stream next to the other stream transported to it, self-attention over
    these, dense layer.

    More than two streams (ours): as in ``parrot``, each receives the sum of what the others send.
    """
    _check(
        "mata",
        dims,
        classes,
        dropout,
        width=width,
        heads=heads,
        conv1=conv1,
        conv2=conv2,
        dense=dense,
    )
    check_heads("mata", heads, **{"2 width": 2 * width})
    check_norm("mata", norm)
    plan = _plan("mata", transport, epsilon, iterations, plan_gradient)
    from nverbench_fusions.mata import Mata

    return Mata(dims, classes, width, heads, norm, conv1, conv2, dense, dropout, plan=plan)


def _check(fusion: str, dims: Sequence[int], classes: int, dropout: float, **sizes: int) -> None:
    check_dims(fusion, dims, classes, MANY, smallest=SMALLEST)
    check_sizes(fusion, **sizes)
    check_dropout(fusion, dropout)


def _plan(fusion: str, transport: str, epsilon: float, iterations: int, gradient: bool) -> Plan:
    check_choice(
        fusion,
        "transport",
        transport,
        bank="remembered training rows",
        batch="the batch itself",
        literal="the paper's letters",
    )
    check_above_zero(fusion, epsilon=epsilon)
    check_sizes(fusion, iterations=iterations)
    from nverbench_fusions.transport import Plan

    return Plan(transport, epsilon, iterations, gradient)
