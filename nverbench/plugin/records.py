"""The records a plugin yields. There are no base classes: a part is a record and a function
(:mod:`nverbench.plugin.types` has the arguments and results of these functions).

Glossary of shapes, used in the whole project: ``b`` clips in a batch, ``s`` samples, ``t`` frames,
``d`` dimensions, ``m`` streams (one per backbone), ``k`` classes, ``u`` turns of a conversation,
``n`` scored rows, ``L`` layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nverbench.errors import PartError
from nverbench.plugin.data_records import SHARES, Clip, Dataset, LabelCard, Misfit, Note, Source
from nverbench.plugin.record_checks import NAME, check_choice, check_name, check_types
from nverbench.plugin.types import Encoder, Losses, Output

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = [
    "NAME",
    "SHARES",
    "Backbone",
    "Clip",
    "Dataset",
    "Fusion",
    "LabelCard",
    "Loss",
    "Misfit",
    "Note",
    "Part",
    "Recipe",
    "Source",
]

POOLS = ("mean", "mean+max", "stats")


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A frozen network that turns audio into frames. The harness pools the frames and never trains
    the network.

    ``load(ctx, **options)`` returns an :data:`Encoder` in eval mode on ``ctx.device``; keyword-only
    parameters after ``ctx`` are its options. A backbone that reads stored features instead of audio
    gives ``lookup(ids, **options) -> (n, dim) array`` and no ``load``.
    """

    name: str
    family: str
    """mamba, attention, convolution or features; the leaderboard groups pairs by it."""
    sample_rate: int = 16000
    frame_dim: int
    dim: int
    """Size after pooling: ``frame_dim``, or twice that for ``pool="stats"``. 0: known only when the
    features are read.
    """
    load: Callable[..., Encoder] | None = None
    lookup: Callable[..., Any] | None = None
    pool: str = "mean"
    layers: int = 0
    """L, if the encoder also gives the time mean of every layer (``Frames.layers``). Such a
    backbone, pooled by ``mean``, has the options ``layer=N`` (0: the input of the first block,
    L - 1: the output of the model, after a final norm if there is one) and ``layers=weighted``;
    neither needs another forward pass.
    """
    blocks: int = 1
    """Equal consecutive blocks of a frame that hold the same features of other places in the input
    (fifths of a window, frequency bands). More than one, with ``pool="mean"``: the backbone has the
    option ``blocks=mean``, the mean of the blocks, which needs no other forward pass.
    """
    frame_rate: float = 0.0
    """Frames per second."""
    time_local: bool | Callable[[Mapping[str, Any]], bool] = True
    """False (or a function of the options) if a frame is not local in time: fusions that use time
    skip the backbone, with ``time_local_hint`` as the reason.
    """
    time_local_hint: str = ""
    min_samples: int = 1
    """Shorter clips are zero-padded on the right to this many samples, and counted."""
    batch: int = 1
    """Clips per planned batch; a constant, so that shards and resumed runs give the same bits."""
    weights: Source | None = None
    """None: the backbone has no weights (a fixed transform)."""
    revision: str = "1"
    """A new text whenever the numbers change."""
    pretrained_on: tuple[str, ...] = ()
    """Names of corpora as datasets give them, remarks in parentheses. A row on one of them is
    marked: the backbone was trained on its audio.
    """
    licence: str = "unknown"
    citation: str = ""
    positional: str | None = None
    """The option that a bare value after the colon sets: ``npz:FILE.npz`` sets ``path``."""
    local: tuple[str, ...] = ()
    """Options that hold local paths: ids and results hold the digests of the contents instead."""

    def is_time_local(self, options: Mapping[str, Any]) -> bool:
        """Whether a frame is local in time with these options."""
        return self.time_local(options) if callable(self.time_local) else self.time_local

    def __post_init__(self) -> None:
        check_name("backbone", self.name)
        check_types("backbone", self)
        if (self.load is None) == (self.lookup is None):
            problem = "expected exactly one of load and lookup; give load(ctx, **options)"
            raise PartError(f"backbone {self.name}: {problem}")
        check_choice("backbone", self.name, "pool", self.pool, POOLS)
        pooled = self.frame_dim * (2 if self.pool == "stats" else 1)
        if self.dim != pooled:
            raise PartError(
                f"backbone {self.name}: dim is {self.dim}, but pool={self.pool} of frame_dim"
                f" {self.frame_dim} gives {pooled}"
            )
        if self.layers and self.pool != "mean":
            problem = f"layers go with pool=mean (they are time means), not with pool={self.pool}"
            raise PartError(f"backbone {self.name}: {problem}")
        if self.blocks < 1 or self.frame_dim % self.blocks:
            problem = f"frame_dim {self.frame_dim} has no {self.blocks} equal blocks"
            raise PartError(f"backbone {self.name}: {problem}")
        if self.blocks > 1 and self.pool != "mean":
            problem = f"blocks go with pool=mean, not with pool={self.pool}"
            raise PartError(f"backbone {self.name}: {problem}")
        if self.min_samples < 1 or self.batch < 1 or self.sample_rate < 1:
            problem = "sample_rate, min_samples and batch must be at least 1"
            raise PartError(f"backbone {self.name}: {problem}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The training recipe of a fusion's paper. Fields left None come from the protocol."""

    optimizer: str | None = None
    """adam or radam-schedule-free."""
    lr: float | None = None
    batch: int | None = None
    epochs: int | None = None
    patience: int | None = None
    select: str | None = None
    """The number that early stopping watches: cross-entropy or weighted-f1."""
    unit: str | None = None
    """The content of a training step. ``clip``: ``batch`` clips (or turns of conversations);
    ``conversation``: one whole conversation.
    """


def never_transductive(options: Mapping[str, Any]) -> bool:
    """The default of ``Fusion.transductive``: a prediction depends on its own clip only."""
    return False


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """The trainable part on top of frozen backbones; a head is a fusion of arity 1.

    ``build(dims, classes, **options)`` with ``dims`` the sizes of the m streams and ``classes`` the
    number k returns a ``torch.nn.Module`` that maps :class:`Batch` to :class:`Output`. A module may
    define ``remember(batch, generator)``: the harness calls it with TRAINING rows before every
    evaluation, and the module keeps what it needs in buffers.
    """

    name: str
    arity: tuple[int, int | None]
    """The least and the greatest number of backbones; None: no upper bound."""
    build: Callable[..., torch.nn.Module]
    wants: str = "pooled"
    views: bool = False
    """True if ``Output.views`` holds aligned features, one per backbone, for alignment losses."""
    default_loss: str = "cross-entropy"
    convex: bool = False
    """True if the default loss is convex in all parameters, as it is for one linear map without
    hidden layers and dropout. Protocol nver-2 then fits the module to its optimum, with an L2
    penalty on parameters of two or more dimensions.
    """
    recipe: Recipe | Callable[[Mapping[str, Any]], Recipe] = Recipe()
    """The recipe of its paper, or a function of the options that returns it (for one utterance at a
    time, or for whole conversations).
    """
    transductive: Callable[[Mapping[str, Any]], bool] = never_transductive
    citation: str = ""

    def recipe_for(self, options: Mapping[str, Any]) -> Recipe:
        """The recipe for these options (all of them, defaults included)."""
        return self.recipe if isinstance(self.recipe, Recipe) else self.recipe(options)

    def __post_init__(self) -> None:
        check_name("fusion", self.name)
        check_types("fusion", self)
        check_choice("fusion", self.name, "wants", self.wants, ("pooled", "frames"))
        low, high = self.arity
        if low < 1 or (high is not None and high < low):
            problem = f"arity {self.arity} is not (fewest >= 1, most >= fewest or None)"
            raise PartError(f"fusion {self.name}: {problem}")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """An objective. ``build(classes, counts, **options) -> (Output, target (n,)) -> Losses``;
    counts (k,) are the training rows per class.
    """

    name: str
    build: Callable[..., Callable[[Output, Tensor], Losses]]
    needs: str | None = None
    """``"views"`` if the loss needs aligned features; the plan then skips fusions without views."""
    citation: str = ""

    def __post_init__(self) -> None:
        check_name("loss", self.name)
        check_types("loss", self)
        if self.needs not in (None, "views"):
            raise PartError(f"loss {self.name}: needs is {self.needs!r}; expected None or 'views'")


Part = Backbone | Dataset | Fusion | Loss
