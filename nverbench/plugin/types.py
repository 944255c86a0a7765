"""What passes between the harness and a plugin's functions: the context a backbone is loaded in,
frames, batches, outputs, losses.

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
"""Target of a turn that is heard but not scored (the index torch's cross-entropy ignores)."""


@dataclass(frozen=True)
class LoadContext:
    """What the harness hands to ``Backbone.load``: verified weights, or none and a seed."""

    device: str
    dtype: str = "float32"
    weights: Path | None = None
    """A verified file or folder; None means seeded random weights are wanted (``untrained``)."""
    seed: int = 0
    layer: int | None = None
    """Which layer's frames are wanted, 0 to L - 1, from a backbone that has layers; None: the
    last.
    """

    @property
    def untrained(self) -> bool:
        """True when the architecture is wanted with seeded random weights."""
        return self.weights is None

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Random numbers inside come from ``seed`` alone; the global state of torch is the same
        after as before.
        """
        import torch

        on_gpu = self.device.startswith("cuda")
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if on_gpu else []):
            # torch.manual_seed would reseed every GPU, also for a backbone that never sees one.
            (torch.manual_seed if on_gpu else torch.default_generator.manual_seed)(self.seed)
            yield


class Frames(NamedTuple):
    """What a loaded backbone gives for a batch. A plain pair ``(frames, lengths)`` is accepted
    too.
    """

    frames: Tensor
    """(b, t, frame_dim), float; rows past a clip's length are ignored."""
    lengths: Tensor
    """(b,) valid frames per clip, int64."""
    layers: Tensor | None = None
    """(b, L, frame_dim): every layer's mean over the clip's valid frames, from backbones that
    declare ``layers``; the same pass gives them.
    """


Encoder = Callable[["Tensor", "Tensor"], "Frames | tuple[Tensor, Tensor]"]
"""A loaded backbone: ``(waves (b, s) zero-padded on the right, lengths (b,)) -> Frames``. A row
never depends on its batch mates.
"""


@dataclass(frozen=True)
class Batch:
    """What a fusion sees: one stream per backbone."""

    streams: tuple[Tensor, ...]
    """m tensors (b, d_i) pooled, or (b, t_i, d_i) frames."""
    lengths: tuple[Tensor, ...] | None = None
    """m tensors (b,), valid frames; None for pooled streams."""
    turns: tuple[Tensor, ...] | None = None
    """For a conversation, which then is the whole batch (b = 1): m tensors (u, 2), int64, the first
    frame of each turn and the one past its last, in order of time. Frames, not seconds: each stream
    has a rate of its own, and the harness alone rounds. A turn has at least one frame.
    """


@dataclass(frozen=True)
class Output:
    """What a fusion gives back."""

    logits: Tensor
    """(n, k); n = b clips, or the u turns of a conversation, heard-only ones included (their target
    is ``UNSCORED``).
    """
    views: tuple[Tensor, ...] = ()
    """Aligned features, one (n, a) per backbone, for losses with ``needs="views"``."""


@dataclass(frozen=True)
class Losses:
    """The terms of an objective (their sum is minimised) and numbers that are only logged; scalars
    all.
    """

    terms: Mapping[str, Tensor]
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)
