"""Emotion recognition in conversation: records, options, recipes, and where every default comes
from (see ``__init__`` for the marks).

The paper's system, two rivals with as many parameters, and two baselines that use a conversation
without the order of its turns. One backbone each: streams have frame rates of their own, and no way
of joining them frame by frame is both honest and the paper's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nverbench import Fusion, Recipe, UsageError
from nverbench_fusions.checks import (
    check_choice,
    check_dims,
    check_dropout,
    check_heads,
    check_sizes,
)
from nverbench_fusions.sources import RICOH

if TYPE_CHECKING:
    from torch import nn

ONE = (1, 1)
UTTERANCES = 128  # paper: turns per batch of the single-utterance baseline
POOLS = {"mean": "of a turn's frames", "max": "of a turn's frames"}
CONTEXTS = {"conversation": "a turn hears all turns", "utterance": "a turn hears itself"}
NORMS = {"pre": "LayerNorm before the Mamba pair", "none": "nothing before it"}


def fusions() -> Iterable[Fusion]:
    """``erc-mamba``, its rivals of equal size, and the order-free baselines."""
    rest: dict[str, Any] = {"arity": ONE, "wants": "frames", "recipe": recipe}
    return [
        Fusion(name="erc-mamba", build=build_mamba, citation=RICOH, **rest),
        Fusion(
            name="erc-transformer",
            build=build_transformer,
            citation="pre-norm encoder with rotary positions, arXiv:2104.09864",
            **rest,
        ),
        Fusion(name="erc-gru", build=build_gru, **rest),
        Fusion(name="erc-mean", build=build_mean, **rest),
        Fusion(name="erc-prior", build=build_prior, **rest),
    ]


def recipe(options: Mapping[str, Any]) -> Recipe:
    """How the paper trains: whole conversations one by one, or 128 single utterances; 60 epochs,
    the best weighted F1 of them all.
    """
    context = options.get("context", "conversation")
    check_choice("erc", "context", context, **CONTEXTS)
    whole = context == "conversation"
    return Recipe(
        optimizer="radam-schedule-free",  # paper
        lr=1e-4,  # paper
        batch=1 if whole else UTTERANCES,  # paper
        epochs=60,  # paper
        patience=60,  # paper: the best of all epochs, so none is left out
        select="weighted-f1",  # paper
        unit="conversation" if whole else "clip",
    )


def build_mamba(
    dims: Sequence[int],
    classes: int,
    *,
    dim: int = 256,  # paper
    layers: int = 3,  # paper
    hidden: int = 512,  # paper
    dropout: float = 0.1,  # ours: the paper uses dropout and gives no rate
    # paper, read literally: LN is written inside FF only; pre is what most public Mamba blocks do
    norm: str = "none",
    pool: str = "mean",  # ours: the paper says pooling
    context: str = "conversation",  # paper
) -> nn.Module:
    """Ricoh's recogniser: linear to 256, three layers of [FF, forward and backward Mamba, FF],
    turns, pooling, linear.

    Residuals (ours): half of each FF is added, the whole of the Mamba pair, whose outputs are
    concatenated and brought from 512 to 256 by a linear layer. ``context=utterance`` is the paper's
    single-utterance baseline: the same network on every turn by itself.
    """
    _check(
        "erc-mamba", dims, classes, dropout, pool, context, dim=dim, layers=layers, hidden=hidden
    )
    check_choice("erc-mamba", "norm", norm, **NORMS)
    from nverbench_fusions.erc_blocks import MambaBody

    return _recogniser(
        dims[0],
        classes,
        dim,
        MambaBody(dim, layers, hidden, dropout, norm=norm == "pre"),
        pool,
        context,
    )


def build_transformer(
    dims: Sequence[int],
    classes: int,
    *,
    dim: int = 256,  # as erc-mamba's
    layers: int = 6,  # ours: as many mixings and feed-forwards as erc-mamba has
    heads: int = 4,  # ours: 64 features each
    # ours: 4 dim, the usual ratio; with 6 layers within 5 % of erc-mamba's parameters
    hidden: int = 1024,
    dropout: float = 0.1,  # as erc-mamba's
    pool: str = "mean",  # as erc-mamba's
    context: str = "conversation",  # as erc-mamba's
) -> nn.Module:
    """Rival (ours): pre-norm transformer encoder with rotary positions in the place of the Mamba
    layers; time grows with the square of the frames.

    Dropout after attention and in the feed-forwards, none on attention weights.
    """
    _check(
        "erc-transformer",
        dims,
        classes,
        dropout,
        pool,
        context,
        dim=dim,
        layers=layers,
        heads=heads,
        hidden=hidden,
    )
    check_heads("erc-transformer", heads, dim=dim)
    if dim // heads % 2:
        raise UsageError(
            f"erc-transformer: dim={dim} and heads={heads} give heads of {dim // heads} features;"
            " rotary positions want an even number"
        )
    from nverbench_fusions.erc_blocks import TransformerBody

    return _recogniser(
        dims[0], classes, dim, TransformerBody(dim, layers, heads, hidden, dropout), pool, context
    )


def build_gru(
    dims: Sequence[int],
    classes: int,
    *,
    dim: int = 256,  # as erc-mamba's
    layers: int = 3,  # as erc-mamba's
    hidden: int = 312,  # ours: of each direction; brings it to erc-mamba's parameters
    dropout: float = 0.1,  # as erc-mamba's
    pool: str = "mean",  # as erc-mamba's
    context: str = "conversation",  # as erc-mamba's
) -> nn.Module:
    """Rival (ours): bidirectional GRU layers in the place of the Mamba layers, dropout after
    each.
    """
    _check("erc-gru", dims, classes, dropout, pool, context, dim=dim, layers=layers, hidden=hidden)
    from nverbench_fusions.erc_blocks import GruBody

    return _recogniser(dims[0], classes, dim, GruBody(dim, layers, hidden, dropout), pool, context)


def build_mean(
    dims: Sequence[int],
    classes: int,
    *,
    dim: int = 256,  # as erc-mamba's
    # as erc-mamba's; 0: a turn is the mean of its frames, and not even their order counts
    layers: int = 3,
    hidden: int = 512,  # as erc-mamba's
    dropout: float = 0.1,  # as erc-mamba's
    norm: str = "none",  # as erc-mamba's
    pool: str = "mean",  # as erc-mamba's
) -> nn.Module:
    """Order-free baseline (ours): erc-mamba hears every turn alone; its vector and the mean of the
    conversation's go through two dense layers.
    """
    vectors = _alone("erc-mean", dims, classes, dim, layers, hidden, dropout, norm, pool)
    from nverbench_fusions.erc_network import MeanContext

    return MeanContext(vectors, dim, classes, dropout)


def build_prior(
    dims: Sequence[int],
    classes: int,
    *,
    dim: int = 256,  # as erc-mamba's
    layers: int = 3,  # as erc-mamba's; 0: as in erc-mean
    hidden: int = 512,  # as erc-mamba's
    dropout: float = 0.1,  # as erc-mamba's
    norm: str = "none",  # as erc-mamba's
    pool: str = "mean",  # as erc-mamba's
) -> nn.Module:
    """Order-free baseline (ours): ``erc-mamba:context=utterance``, its logits plus a learned weight
    times their mean over the conversation.
    """
    vectors = _alone("erc-prior", dims, classes, dim, layers, hidden, dropout, norm, pool)
    from nverbench_fusions.erc_network import PriorContext

    return PriorContext(vectors, dim, classes)


def _check(
    fusion: str,
    dims: Sequence[int],
    classes: int,
    dropout: float,
    pool: str,
    context: str,
    **sizes: int,
) -> None:
    check_dims(fusion, dims, classes, ONE)
    check_sizes(fusion, **sizes)
    check_dropout(fusion, dropout)
    check_choice(fusion, "pool", pool, **POOLS)
    check_choice(fusion, "context", context, **CONTEXTS)


def _recogniser(
    inputs: int, classes: int, dim: int, body: nn.Module, pool: str, context: str
) -> nn.Module:
    from nverbench_fusions.erc_network import Recogniser, Vectors

    return Recogniser(
        Vectors(inputs, dim, body, pool, apart=context == "utterance"), int(body.width), classes
    )


def _alone(
    fusion: str,
    dims: Sequence[int],
    classes: int,
    dim: int,
    layers: int,
    hidden: int,
    dropout: float,
    norm: str,
    pool: str,
) -> nn.Module:
    """Vectors of turns that erc-mamba's body hears one by one; no layers: of their frames as they
    are.
    """
    _check(
        fusion,
        dims,
        classes,
        dropout,
        pool,
        "conversation",
        dim=dim,
        hidden=hidden,
        layers=1 if type(layers) is int and layers == 0 else layers,
    )
    check_choice(fusion, "norm", norm, **NORMS)
    from nverbench_fusions.erc_blocks import MambaBody
    from nverbench_fusions.erc_network import Vectors

    return Vectors(
        dims[0], dim, MambaBody(dim, layers, hidden, dropout, norm=norm == "pre"), pool, apart=True
    )
