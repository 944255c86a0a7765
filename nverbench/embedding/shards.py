"""An embedding request, and the cache entries computed for it: in this process, or in shards by
other processes.

A shard is a run of whole planned batches, which are planned from the full list of clips. The
assignment of shards to processes never changes a number.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nverbench.embedding.encoder import load_encoder
from nverbench.embedding.extract import ClipFrames, Extraction, compute, extract
from nverbench.embedding.keys import check_storage, entry_of
from nverbench.embedding.weights import PlannedBackbone
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nverbench.plugin.types import Encoder


@dataclass(frozen=True)
class EmbeddingRequest:
    """What is to be computed of some clips."""

    planned: PlannedBackbone
    device: str
    dtype: str
    sha256: Mapping[str, str]
    """Clip id -> digest of its file."""
    frames: bool = False
    layer: int | None = None
    """The layer of frames, as ``keys.layer_of`` gives it."""
    storage: str = "float32"
    """The type in which frames are stored."""
    pooled: frozenset[str] = frozenset()
    """Clips whose pooled embedding is requested in addition to their frames: a pass over the last
    layer gives it without further cost.
    """


@dataclass(frozen=True)
class EmbeddedClip:
    """The cache entries of a clip."""

    clip: str
    samples: int
    """The clip's length before padding."""
    array: NDArray[Any]
    """(d,) or (L, d) pooled, or (t, d) frames."""
    pooled: NDArray[Any] | None = None
    """In addition to frames, where it was requested."""


EmbeddingBackend = Callable[
    [EmbeddingRequest, Sequence[Clip], set[str], Extraction], Generator[EmbeddedClip, None, None]
]
"""``(request, the full list of clips, ids of those that are missing, cost) -> their entries``, in
any order; counts into ``cost``. The caller closes the generator.
"""


def embed_locally(
    request: EmbeddingRequest, clips: Sequence[Clip], requested: set[str], cost: Extraction
) -> Generator[EmbeddedClip, None, None]:
    """The entries of the requested clips, computed in this process."""
    layer, how = request.layer, {"device": request.device, "dtype": request.dtype}
    with closing(compute(request.planned, clips, requested, cost, layer=layer, **how)) as computed:
        yield from (_entry(request, one) for one in computed)


def embed_shard(
    request: EmbeddingRequest,
    batches: Sequence[Sequence[Clip]],
    requested: set[str],
    cost: Extraction,
    *,
    decoders: int,
    load: Callable[[], Encoder] | None = None,
) -> Iterator[EmbeddedClip]:
    """The entries of one shard, as :func:`embed_locally`.

    Args:
        decoders: number of threads that decode.
        load: returns a network that is already loaded; None: the network is loaded.
    """
    planned, how = request.planned, {"device": request.device, "dtype": request.dtype}
    load = load or (lambda: load_encoder(planned, layer=request.layer, **how))
    computed = extract(planned, batches, requested, cost, load=load, decoders=decoders, **how)
    with closing(computed):
        yield from (_entry(request, one) for one in computed)


def _entry(request: EmbeddingRequest, one: ClipFrames) -> EmbeddedClip:
    planned = request.planned
    if not request.frames:
        return EmbeddedClip(one.clip.id, one.samples, entry_of(one.frames, one.layers, planned))
    check_storage(planned.part, one.frames, request.storage)
    pooled = entry_of(one.frames, one.layers, planned) if one.clip.id in request.pooled else None
    return EmbeddedClip(one.clip.id, one.samples, one.frames, pooled)
