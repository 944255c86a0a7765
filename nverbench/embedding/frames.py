"""Frames of clips (t, d), for fusions that use time: in the cache, memory-mapped, so that a corpus
larger than the memory can be trained on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nverbench._io.digests import digest_of
from nverbench.embedding import cache, shards
from nverbench.embedding.extract import Extraction, Tick, no_tick
from nverbench.embedding.keys import STORAGES, embedding_key, frames_key, layer_of
from nverbench.embedding.shards import EmbeddedClip, EmbeddingBackend, EmbeddingRequest
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import ArtifactError, UsageError
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class FrameEmbeddings(Extraction):
    """Frames of clips on disk, and their cost. ``frames[i]`` is clip ``ids[i]``."""

    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    """(n,) frames of each clip."""
    dim: int
    storage: str
    keys: tuple[str, ...]
    store: cache.EmbeddingCache

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> NDArray[np.float32] | NDArray[np.float16]:
        """The frames (t, d) of a clip, as stored: memory-mapped, read-only.

        Every array holds a file open until it is deleted: keep a batch, not a corpus.
        """
        found = self.store.open(self.keys[row])
        if found is None:
            raise ArtifactError(
                f"the frames of {self.ids[row]} left the cache ({self.store.path(self.keys[row])})"
                " while in use; run again"
            )
        return found[0]

    @property
    def bytes(self) -> int:
        """Bytes of all frames on disk."""
        return int(self.lengths.sum()) * self.dim * np.dtype(self.storage).itemsize

    @property
    def digest(self) -> str:
        """Digest of ids and numbers, from the digests in the entries."""
        return digest_of([list(self.ids), [self.store.digest(k) for k in self.keys]])

    def read_out_digest(self, reference: PartRef) -> str:
        """Digest of the input of a fusion, which is all frames."""
        return self.digest


def embed_frames(
    planned: PlannedBackbone,
    clips: Sequence[Clip],
    sha256: Mapping[str, str],
    store: cache.EmbeddingCache,
    *,
    layer: int | None = None,
    device: str,
    dtype: str = "float32",
    storage: str = "float32",
    tick: Tick = no_tick,
    listen: EmbeddingBackend = shards.embed_locally,
) -> FrameEmbeddings:
    """Frames of ``clips``, from the cache where it has them; a pass over the last layer stores the
    pooled embedding too.

    Args:
        listen: computes the clips that the cache does not have.
        layer: 0 to L - 1 of a backbone that has layers; None: the one that the reference names,
            else the last.
        storage: float32, or float16 (half the disk; relative error 2^-11, or absolute error 3e-8
            near zero).

    Raises:
        UsageError: no such layer or storage, stored features that have no frames, or numbers beyond
            float16.
        PartError: the backbone's output is not as its record declares it.
        AudioError: a clip is too long for the device's memory.
    """
    began = time.perf_counter()
    layer = layer_of(planned, planned.reference.layer if layer is None else layer)
    _check(planned, storage)

    def key(clip: Clip) -> str:
        return frames_key(planned, clip, sha256[clip.id], dtype, layer=layer, storage=storage)

    keys = {clip.id: key(clip) for clip in clips}
    sizes = _stored(store, keys, tick)
    cost, missing = Extraction(), [clip for clip in clips if clip.id not in sizes]
    if missing:
        pooled = _pooled_keys(planned, missing, sha256, store, dtype) if layer is None else {}
        also = frozenset(pooled)
        request = EmbeddingRequest(planned, device, dtype, sha256, True, layer, storage, also)
        with closing(listen(request, clips, {c.id for c in missing}, cost)) as computed:
            for entry in computed:
                _put(store, entry, keys, pooled, storage)
                sizes[entry.clip] = len(entry.array), entry.samples
                tick(1)
    cost.seconds = time.perf_counter() - began
    return _gathered(planned, clips, keys, sizes, storage, store, cost)


def _gathered(
    planned: PlannedBackbone,
    clips: Sequence[Clip],
    keys: Mapping[str, str],
    sizes: Mapping[str, tuple[int, int]],
    storage: str,
    store: cache.EmbeddingCache,
    cost: Extraction,
) -> FrameEmbeddings:
    """The frames of the clips that have ``sizes`` (frames, samples), in the order of ``clips``."""
    part, ids = planned.part, tuple(c.id for c in clips if c.id in sizes)
    cost.padded = sum(samples < part.min_samples for _, samples in sizes.values())
    lengths = np.array([sizes[i][0] for i in ids], dtype=np.int64)
    own = tuple(keys[i] for i in ids)
    return FrameEmbeddings(ids, lengths, part.frame_dim, storage, own, store, **vars(cost))


def _put(
    store: cache.EmbeddingCache,
    entry: EmbeddedClip,
    keys: Mapping[str, str],
    pooled: Mapping[str, str],
    storage: str,
) -> None:
    """Store the frames of a clip, and its pooled embedding where it was computed too."""
    store.put(keys[entry.clip], entry.array, entry.samples, dtype=storage)
    if entry.pooled is not None:
        store.put(pooled[entry.clip], entry.pooled, entry.samples)


def _stored(
    store: cache.EmbeddingCache, keys: Mapping[str, str], tick: Tick
) -> dict[str, tuple[int, int]]:
    """Clip id -> frames and samples, of the clips that the cache has."""
    sizes = {}
    for clip, key in keys.items():
        if (stored := store.open(key)) is not None:
            sizes[clip] = len(stored[0]), stored[1]
            tick(1)
    return sizes


def _check(planned: PlannedBackbone, storage: str) -> None:
    if storage not in STORAGES:
        raise UsageError(f"frames are stored as {' or '.join(STORAGES)}, not as {storage}")
    if planned.part.lookup is not None:
        raise UsageError(
            f"backbone {planned} holds one stored vector per clip and has no frames; name one that"
            " reads audio"
        )


def _pooled_keys(
    planned: PlannedBackbone,
    clips: Sequence[Clip],
    sha256: Mapping[str, str],
    store: cache.EmbeddingCache,
    dtype: str,
) -> dict[str, str]:
    """Clip id -> key of the pooled embedding, where the cache has none: a pass over the last layer
    gives it without further cost.
    """
    keys = {c.id: embedding_key(planned, c, sha256[c.id], dtype, planned.part.pool) for c in clips}
    return {clip: key for clip, key in keys.items() if not store.path(key).exists()}
