"""Arguments and results of a plugin's functions: load context, frames, batches, outputs, losses.

Shapes: ``b`` clips in a batch, ``t`` frames, ``d`` dimensions, ``m`` streams (one per backbone),
``k`` classes, ``u`` turns of a conversation, ``n`` scored rows, ``L`` layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

UNSCORED = -100
"""Target of a turn that is not scored, only context (torch's cross-entropy ignores this index)."""


@dataclass(frozen=True)
class LoadContext:
    """The argument of ``Backbone.load``: verified weights, or none and a seed."""

    device: str
    dtype: str = "float32"
    weights: Path | None = None
    """A verified file or folder; None: seeded random weights (``untrained``)."""
    seed: int = 0
    layer: int | None = None
    """The layer whose frames to return, 0 to L - 1, for a backbone with layers; None: the last."""

    @property
    def untrained(self) -> bool:
        """True if the network gets seeded random weights."""
        return self.weights is None

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Random numbers inside come from ``seed`` only; the global random state of torch is
        restored afterwards.
        """
        import torch

        on_gpu = self.device.startswith("cuda")
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if on_gpu else []):
            # torch.manual_seed would reseed every GPU, also for a backbone on the CPU.
            (torch.manual_seed if on_gpu else torch.default_generator.manual_seed)(self.seed)
            yield


class Frames(NamedTuple):
    """The result of a loaded backbone for a batch. A plain pair ``(frames, lengths)`` is accepted
    too.
    """

    frames: Tensor
    """(b, t, frame_dim), float; rows past a clip's length are ignored."""
    lengths: Tensor
    """(b,) valid frames per clip, int64."""
    layers: Tensor | None = None
    """(b, L, frame_dim): the mean of every layer over the clip's valid frames, from the same
    forward pass; for backbones that declare ``layers``.
    """


Encoder = Callable[["Tensor", "Tensor"], "Frames | tuple[Tensor, Tensor]"]
"""A loaded backbone: ``(waves (b, s) zero-padded on the right, lengths (b,)) -> Frames``. A row
never depends on the other rows of its batch.
"""


@dataclass(frozen=True)
class Batch:
    """The input of a fusion: one stream per backbone."""

    streams: tuple[Tensor, ...]
    """m tensors (b, d_i) pooled, or (b, t_i, d_i) frames."""
    lengths: tuple[Tensor, ...] | None = None
    """m tensors (b,), valid frames; None for pooled streams."""
    turns: tuple[Tensor, ...] | None = None
    """Only for a conversation, which is then the whole batch (b = 1): m tensors (u, 2), int64, the
    first frame of each turn and the frame after its last, in order of time. They are frames, not
    seconds: each stream has its own rate, and only the harness rounds. A turn has at least one
    frame.
    """


@dataclass(frozen=True)
class Output:
    """The output of a fusion."""

    logits: Tensor
    """(n, k); n = b clips, or the u turns of a conversation, unscored ones included (their target
    is ``UNSCORED``).
    """
    views: tuple[Tensor, ...] = ()
    """Aligned features, one (n, a) per backbone, for losses with ``needs="views"``."""


@dataclass(frozen=True)
class Losses:
    """The terms of an objective, whose sum is minimised, and numbers that are only logged; all are
    scalars.
    """

    terms: Mapping[str, Tensor]
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)
