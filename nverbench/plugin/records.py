"""The records a plugin yields. No base classes: a part is a record and a function (``exchange.py``
has what passes between them).

Glossary of shapes, used in the whole project: ``b`` clips in a batch, ``s`` samples, ``t`` frames,
``d`` dimensions, ``m`` streams (one per backbone), ``k`` classes, ``u`` turns of a conversation,
``n`` scored rows, ``L`` layers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.errors import PartError
from nverbench.plugin.field_types import misfits
from nverbench.plugin.types import Encoder, Losses, Output

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,79}")
POOLS = ("mean", "mean+max", "stats")
TASKS = ("clip", "conversation")
SHARES = ("open", "labels-only", "none")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a file, a hub repository or a corpus can be had, and what is known about it."""

    address: str
    """An https address, ``hf:owner/name`` for the Hugging Face hub, or a sentence for what no
    program can fetch.
    """
    licence: str = "unknown"
    size: int | None = None
    """Bytes, where known."""
    sha256: str | None = None
    revision: str | None = None
    files: tuple[str, ...] = ()
    """Which files of a hub repository or folder are wanted."""
    how: str = ""
    """One sentence for what a person has to do by hand."""


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A frozen network that turns audio into frames; the harness pools them and never trains it.

    ``load(ctx, **options)`` returns an :data:`Encoder` in eval mode on ``ctx.device``; keyword-only
    parameters after ``ctx`` are its options. A backbone that holds stored features instead of
    listening gives ``lookup(ids, **options) -> (n, dim) array`` and no ``load``.
    """

    name: str
    family: str
    """mamba, attention, convolution or features: what the leaderboard's pair kinds are made
    from.
    """
    sample_rate: int = 16000
    frame_dim: int
    dim: int
    """Size after pooling: ``frame_dim``, or twice that for ``pool="stats"``. 0 means: known only
    when the features are read.
    """
    load: Callable[..., Encoder] | None = None
    lookup: Callable[..., Any] | None = None
    pool: str = "mean"
    layers: int = 0
    """L, where the encoder gives every layer's time mean beside its frames (``Frames.layers``):
    such a backbone, pooled by ``mean``, takes the options ``layer=N`` (0 is what the first block
    reads, L - 1 the model's output, behind a final norm where it has one) and ``layers=weighted``
    without a new pass.
    """
    frame_rate: float = 0.0
    """Frames per second."""
    time_local: bool | Callable[[Mapping[str, Any]], bool] = True
    """False (or a function of the options) when a frame is not local in time: fusions that use time
    skip it, saying ``time_local_hint``.
    """
    time_local_hint: str = ""
    min_samples: int = 1
    """Shorter clips are zero-padded on the right to this many samples, and counted."""
    batch: int = 1
    """Clips per planned batch; a constant, so that shards and resumed runs give the same bits."""
    weights: Source | None = None
    """None: the backbone has no weights at all (a fixed transform)."""
    revision: str = "1"
    """Bumped whenever the numbers change."""
    pretrained_on: tuple[str, ...] = ()
    """Corpora by the names datasets give them, remarks in parentheses: a row on one of them says
    that its audio was heard before.
    """
    licence: str = "unknown"
    citation: str = ""
    positional: str | None = None
    """The option a bare value after the colon fills: ``npz:FILE.npz`` fills ``path``."""
    local: tuple[str, ...] = ()
    """Options that hold paths of this machine: they stay out of ids and results, the contents'
    digests stand for them.
    """

    def is_time_local(self, options: Mapping[str, Any]) -> bool:
        """Whether a frame is local in time under these options."""
        return self.time_local(options) if callable(self.time_local) else self.time_local

    def __post_init__(self) -> None:
        _check_name("backbone", self.name)
        _check_types("backbone", self)
        if (self.load is None) == (self.lookup is None):
            raise PartError(
                f"backbone {self.name}: expected exactly one of load and lookup; give load(ctx,"
                " **options)"
            )
        _check_choice("backbone", self.name, "pool", self.pool, POOLS)
        pooled = self.frame_dim * (2 if self.pool == "stats" else 1)
        if self.dim != pooled:
            raise PartError(
                f"backbone {self.name}: dim is {self.dim}, but pool={self.pool} of frame_dim"
                f" {self.frame_dim} gives {pooled}"
            )
        if self.layers and self.pool != "mean":
            raise PartError(
                f"backbone {self.name}: layers go with pool=mean (they are time means), not with"
                f" pool={self.pool}"
            )
        if self.min_samples < 1 or self.batch < 1 or self.sample_rate < 1:
            raise PartError(
                f"backbone {self.name}: sample_rate, min_samples and batch must be at least 1"
            )


@dataclass(frozen=True)
class Clip:
    """One labelled recording, or one segment of it."""

    id: str
    """Unique in its dataset and the same on every machine (a relative name, never an absolute
    path).
    """
    path: Path
    label: str | None
    """None: heard but not scored."""
    speaker: str | None = None
    group: str | None = None
    """What folds keep together; None: the speaker."""
    split: str | None = None
    """Part of an official split, where the corpus ships one."""
    start: float | None = None
    end: float | None = None
    """Seconds; None: from the first to the last sample."""
    conversation: str | None = None
    turn: int | None = None
    """Place in the conversation, counted from 0."""
    onset: float | None = None
    """Seconds into the conversation at which the turn begins (``start`` and ``end`` are places in
    the file).
    """

    @property
    def unit(self) -> str | None:
        """The group that folds and intervals keep together: ``group``, else ``speaker``."""
        return self.group if self.group is not None else self.speaker


@dataclass(frozen=True)
class Misfit:
    """A file in a corpus folder that does not fit, and why; yielded by ``Dataset.load`` beside the
    clips.
    """

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class LabelCard:
    """What a label of this dataset is."""

    kind: str
    """portrayed, perceived or self-reported."""
    setting: str
    """acted, elicited or in the wild."""
    raters: str = "unknown"
    languages: str = "unknown"
    ages: str = "unknown"
    consent: str = "unknown"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled clips of one corpus. ``load(root, **options)`` yields :class:`Clip` (and
    :class:`Misfit`) in any order.
    """

    name: str
    load: Callable[..., Iterable[Clip | Misfit]]
    corpus: str | None = None
    """Name of the local copy; several datasets may share one. None: no local copy is needed
    (``root`` is None).
    """
    task: str = "clip"
    labels: tuple[str, ...] = ()
    """In the order of the columns of logits. Empty: the sorted labels of the clips that ``load``
    yields.
    """
    label_card: LabelCard
    group: str = "speaker"
    """What ``Clip.unit`` stands for, in one word."""
    folds: tuple[str, ...] = ("speaker", "random")
    """Allowed kinds, the default first."""
    make: Callable[[Path], None] | None = None
    """For procedural corpora: writes the corpus into an empty folder, the same bytes every time."""
    sample: Callable[[Path], None] | None = None
    """Writes a tiny synthetic tree of the same layout; the conformance kit loads it."""
    sources: tuple[Source, ...] = ()
    defects: Mapping[str, str] = field(default_factory=dict)
    """Clip id -> why it is unusable; left out and counted."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Published clips per label; a copy that differs is partial, and the difference is said."""
    group_counts: Mapping[str, int] = field(default_factory=dict)
    """Published clips per group, where known: the same check where counts per label are not
    published.
    """
    display: Mapping[str, str] = field(default_factory=dict)
    """Label -> how it is shown where its own name would mislead; ids, digests and filters keep the
    corpus' own name.
    """
    common: Mapping[str, str] = field(default_factory=dict)
    """Own label -> the word that every corpus uses for it, where one dataset is tested after
    training on another (``A:test=B``). Two labels share a word only when their corpora define them
    alike; a label without a word is shared with nobody.
    """
    manifest: Callable[[], Mapping[str, str]] | None = None
    """Clip id -> sha256 of its file, for a dataset that is exactly these files."""
    share: str = "none"
    """What may leave this machine. Predictions are always keyed by salted hashes; ``open``: with
    their labels; ``labels-only``: without them (they may be joined from a copy), and embeddings may
    be exported; ``none``: no export of embeddings either.
    """
    revision: str = "1"
    licence: str = "unknown"
    citation: str = ""
    positional: str | None = None
    """The option a bare value after the colon fills: ``folder:PATH`` fills ``path``."""
    local: tuple[str, ...] = ()
    """Options that hold paths of this machine: they stay out of ids and results, the contents'
    digests stand for them.
    """

    def shown(self, label: str) -> str:
        """A label as it is displayed."""
        return self.display.get(label, label)

    def __post_init__(self) -> None:
        _check_name("dataset", self.name)
        _check_types("dataset", self)
        _check_choice("dataset", self.name, "task", self.task, TASKS)
        _check_choice("dataset", self.name, "share", self.share, SHARES)
        for what, words in (("display", self.display), ("common", self.common)):
            strange = [label for label in words if self.labels and label not in self.labels]
            if strange:
                raise PartError(
                    f"dataset {self.name}: {what} names a label {strange[0]!r} that is not one of"
                    " its labels"
                )
        if not self.folds:
            raise PartError(
                f"dataset {self.name}: expected at least one kind of folds, the default first"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a fusion's paper trains it. Fields left None come from the protocol."""

    optimizer: str | None = None
    """adam or radam-schedule-free."""
    lr: float | None = None
    batch: int | None = None
    epochs: int | None = None
    patience: int | None = None
    select: str | None = None
    """The number that early stopping watches: cross-entropy or weighted-f1."""
    unit: str | None = None
    """clip or conversation: what a training step sees, ``batch`` clips (turns, where the dataset
    has conversations) or one whole conversation.
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
    evaluation; what it keeps are buffers.
    """

    name: str
    arity: tuple[int, int | None]
    """Fewest and most backbones; None: no upper bound."""
    build: Callable[..., torch.nn.Module]
    wants: str = "pooled"
    views: bool = False
    """True when ``Output.views`` holds aligned features, one per backbone: what alignment losses
    need.
    """
    default_loss: str = "cross-entropy"
    recipe: Recipe | Callable[[Mapping[str, Any]], Recipe] = Recipe()
    """How its paper trains it; a function of the options where they decide (one utterance at a
    time, or whole conversations).
    """
    transductive: Callable[[Mapping[str, Any]], bool] = never_transductive
    citation: str = ""

    def recipe_for(self, options: Mapping[str, Any]) -> Recipe:
        """How it is trained with these options (all of them, defaults included)."""
        return self.recipe if isinstance(self.recipe, Recipe) else self.recipe(options)

    def __post_init__(self) -> None:
        _check_name("fusion", self.name)
        _check_types("fusion", self)
        _check_choice("fusion", self.name, "wants", self.wants, ("pooled", "frames"))
        low, high = self.arity
        if low < 1 or (high is not None and high < low):
            raise PartError(
                f"fusion {self.name}: arity {self.arity} is not (fewest >= 1, most >= fewest or"
                " None)"
            )


@dataclass(frozen=True, kw_only=True)
class Loss:
    """An objective. ``build(classes, counts, **options) -> (Output, target (n,)) -> Losses``;
    counts (k,) are the training rows per class.
    """

    name: str
    build: Callable[..., Callable[[Output, Tensor], Losses]]
    needs: str | None = None
    """``"views"`` when the fusion must give aligned features; the plan then skips fusions that give
    none, with the reason.
    """
    citation: str = ""

    def __post_init__(self) -> None:
        _check_name("loss", self.name)
        _check_types("loss", self)
        if self.needs not in (None, "views"):
            raise PartError(f"loss {self.name}: needs is {self.needs!r}; expected None or 'views'")


Part = Backbone | Dataset | Fusion | Loss


def _check_name(kind: str, name: str) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PartError(
            f"{kind} {name!r}: a name is lower-case letters, digits, '.', '+' and '-', and starts"
            " with a letter or digit; 80 of them at most"
        )


def _check_types(kind: str, part: Part) -> None:
    if wrong := misfits(part):
        raise PartError(f"{kind} {part.name}: {'; '.join(wrong)}")


def _check_choice(kind: str, name: str, what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise PartError(f"{kind} {name}: {what} is {value!r}; expected one of {', '.join(allowed)}")
