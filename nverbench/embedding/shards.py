"""What is wanted of a pass over clips, and the store's entries that it gives: made here, or in
shards by processes elsewhere.

A shard is a run of whole planned batches, which are planned from the full list of clips: who
computes what never changes a number.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nverbench.embedding.extract import ClipFrames, Extraction, compute, extract, load_encoder
from nverbench.embedding.keys import check_storage, entry_of
from nverbench.embedding.weights import PlannedBackbone
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nverbench.plugin.types import Encoder


@dataclass(frozen=True)
class EmbeddingRequest:
    """What is wanted of some clips."""

    planned: PlannedBackbone
    device: str
    dtype: str
    sha256: Mapping[str, str]
    """Clip id -> digest of its file."""
    frames: bool = False
    layer: int | None = None
    """Of frames, as ``entries.layer_of`` gives it."""
    storage: str = "float32"
    """Of frames."""
    pooled: frozenset[str] = frozenset()
    """Clips whose pooled embedding is wanted beside their frames: a pass over the last layer gives
    it for nothing.
    """


@dataclass(frozen=True)
class EmbeddedClip:
    """What the store will keep of a clip."""

    clip: str
    samples: int
    """The clip's length before padding."""
    array: NDArray[Any]
    """(d,) or (L, d) pooled, or (t, d) frames."""
    pooled: NDArray[Any] | None = None
    """Beside frames, where it was asked for."""


EmbeddingBackend = Callable[
    [EmbeddingRequest, Sequence[Clip], set[str], Extraction], Generator[EmbeddedClip, None, None]
]
"""``(what, the full list of clips, ids of those that are missing, cost) -> their entries``, in any
order; counts into ``cost``. To be closed.
"""


def embed_locally(
    ask: EmbeddingRequest, clips: Sequence[Clip], wanted: set[str], cost: Extraction
) -> Generator[EmbeddedClip, None, None]:
    """The entries of the wanted clips, computed in this process."""
    with closing(
        compute(
            ask.planned, clips, wanted, cost, device=ask.device, dtype=ask.dtype, layer=ask.layer
        )
    ) as computed:
        yield from (_entry(ask, heard) for heard in computed)


def embed_shard(
    ask: EmbeddingRequest,
    batches: Sequence[Sequence[Clip]],
    wanted: set[str],
    cost: Extraction,
    *,
    decoders: int,
    load: Callable[[], Encoder] | None = None,
) -> Iterator[EmbeddedClip]:
    """The entries of one shard: whole planned batches, as ``here``.

    Args:
        decoders: threads that decode.
        load: where the network is already loaded; None: it is loaded anew.
    """
    how = {"device": ask.device, "dtype": ask.dtype}
    ready = load or (lambda: load_encoder(ask.planned, layer=ask.layer, **how))
    with closing(
        extract(ask.planned, batches, wanted, cost, load=ready, decoders=decoders, **how)
    ) as heard:
        for one in heard:
            yield _entry(ask, one)


def _entry(ask: EmbeddingRequest, heard: ClipFrames) -> EmbeddedClip:
    own = ask.planned.part
    if not ask.frames:
        return EmbeddedClip(heard.clip.id, heard.samples, entry_of(heard.frames, heard.layers, own))
    check_storage(own, heard.frames, ask.storage)
    pooled = entry_of(heard.frames, heard.layers, own) if heard.clip.id in ask.pooled else None
    return EmbeddedClip(heard.clip.id, heard.samples, heard.frames, pooled)
