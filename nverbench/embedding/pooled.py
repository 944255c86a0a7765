"""Pooled embeddings of clips by a frozen backbone, through the cache: one forward pass per clip and
backbone.

Embeddings in the cache are not computed again. New ones are stored clip by clip, so that an
interrupted run loses at most one planned batch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench._io.digests import digest_of
from nverbench.embedding import cache, shards
from nverbench.embedding.extract import Extraction, Tick, compute, no_tick
from nverbench.embedding.keys import average_blocks, embedding_key, layers_stored, pool
from nverbench.embedding.shards import EmbeddingBackend, EmbeddingRequest
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import PartError, UsageError
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Embeddings(Extraction):
    """Pooled embeddings of clips, and their cost."""

    ids: tuple[str, ...]
    matrix: NDArray[np.float32]
    """(n, d), rows in the order of ``ids``."""
    layers: NDArray[np.float32] | None = None
    """(n, L, d) time means of every layer, from backbones that declare layers; the last one is
    ``matrix``.
    """

    def without_cost(self) -> Embeddings:
        """The same embeddings for a second stream, which has no cost of its own."""
        durations = ("computed_audio", "seconds", "loop", "model", "decoding", "per_clip")
        none: dict[str, Any] = dict.fromkeys(durations, 0.0)
        return replace(self, forward_passes=0, halvings=0, **none)

    @property
    def digest(self) -> str:
        """Digest of ids and numbers."""
        return self._digest(self.matrix)

    def read_out(self, reference: PartRef) -> NDArray[np.float32]:
        """The training input of a reference: the last layer (n, d), the one it names, or for
        ``layers=weighted`` all of them (n, L, d); with ``segments=g`` (n, g d). ``blocks=mean``
        divides d by their number.
        """
        found = self.matrix
        if self.layers is not None and reference.weighted:
            found = self.layers
        elif self.layers is not None and reference.layer is not None:
            found = np.ascontiguousarray(self.layers[:, reference.layer])
        return average_blocks(found, reference, self.matrix.shape[1] // (reference.segments or 1))

    def read_out_digest(self, reference: PartRef) -> str:
        """Digest of ids and of the numbers that a reference trains on."""
        return self._digest(self.read_out(reference))

    def _digest(self, numbers: NDArray[np.float32]) -> str:
        content = hashlib.sha256(np.ascontiguousarray(numbers).tobytes()).hexdigest()
        return digest_of([list(self.ids), content])


def embed(
    planned: PlannedBackbone,
    clips: Sequence[Clip],
    sha256: Mapping[str, str],
    store: cache.EmbeddingCache,
    *,
    device: str,
    dtype: str = "float32",
    tick: Tick = no_tick,
    listen: EmbeddingBackend = shards.embed_locally,
) -> Embeddings:
    """Pooled embeddings of ``clips``, from the cache where it has them; ``listen`` computes the
    others.

    Returns:
        Embeddings in the order of ``clips``, without the clips that cannot be used (they are in
        ``unusable``).

    Raises:
        PartError: the backbone's output is not as its record declares it.
        AudioError: a clip is too long for the device's memory.
    """
    began = time.perf_counter()
    if planned.part.lookup is not None:
        return _stored_features(planned, clips)
    keys = {c.id: embedding_key(planned, c, sha256[c.id], dtype, planned.part.pool) for c in clips}
    rows, lengths = _Rows(tuple(keys)), dict[str, int]()
    for clip in clips:
        stored = store.get(keys[clip.id])
        if stored is not None:
            rows.put(clip.id, stored[0])
            lengths[clip.id] = stored[1]
            tick(1)
    result = Embeddings((), np.zeros((0, planned.part.dim), np.float32))
    if len(lengths) < len(clips):
        request = EmbeddingRequest(planned, device, dtype, sha256)
        with closing(listen(request, clips, set(keys) - set(lengths), result)) as computed:
            for entry in computed:
                rows.put(entry.clip, entry.array)
                lengths[entry.clip] = entry.samples
                store.put(keys[entry.clip], entry.array, entry.samples)
                tick(1)
    result.padded = sum(n < planned.part.min_samples for n in lengths.values())
    result.ids = tuple(c.id for c in clips if c.id in lengths)
    if result.ids:
        result.matrix, result.layers = split_layers(rows.taken(result.ids), planned)
    result.seconds = time.perf_counter() - began
    return result


def split_layers(
    entries: NDArray[np.float32], planned: PlannedBackbone
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The vectors (n, d) and, where entries hold them, all layers (n, L, d) of cache entries."""
    if not layers_stored(planned):
        return entries, None
    return np.ascontiguousarray(entries[:, -1]), entries


class _Rows:
    """Rows of clips in one array that is filled row by row, so that the vectors are in memory
    once.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self.place = {clip_id: i for i, clip_id in enumerate(ids)}
        self.array: NDArray[np.float32] | None = None

    def put(self, clip_id: str, row: NDArray[np.float32]) -> None:
        """Set the row (d,) or (L, d) of a clip; all rows have one shape."""
        if self.array is None:
            self.array = np.empty((len(self.place), *row.shape), np.float32)
        if row.shape != self.array.shape[1:]:
            raise PartError(
                f"the embedding of {clip_id} has shape {row.shape}, others have"
                f" {self.array.shape[1:]}; run nverbench cache verify"
            )
        self.array[self.place[clip_id]] = row

    def taken(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The rows of these clips, in their order; without a copy for all clips."""
        assert self.array is not None  # at least one row was set
        if len(ids) == len(self.place):
            return self.array
        return self.array[[self.place[i] for i in ids]]


def embed_files(
    planned: PlannedBackbone,
    files: Sequence[Path],
    *,
    device: str,
    frames: bool,
    tick: Tick = no_tick,
) -> tuple[list[NDArray[np.float32]], dict[str, str]]:
    """Features of audio files: a vector (d,) per file, or its frames (t, d), of the layer that the
    reference names; and the files that cannot be used, with the reasons.

    Raises:
        UsageError: the reference has an option that only training can fit (``layers=weighted``,
            ``project=D``).
    """
    reference = planned.reference
    if reference.weighted or reference.project:
        raise UsageError(
            f"{planned}: {'layers=weighted' if reference.weighted else 'project'} is fitted on the"
            " training part of a run; embed without it, or one layer=N"
        )
    clips = [Clip(f"{i:09d}", path, None) for i, path in enumerate(files)]
    if frames and (reference.segments or reference.blocks):
        raise UsageError(f"{planned}: segments and blocks are of pooled vectors; leave them out")
    cost, ids, layer = Extraction(), {c.id for c in clips}, reference.layer
    found: dict[str, NDArray[np.float32]] = {}
    with closing(
        compute(planned, clips, ids, cost, device=device, dtype="float32", layer=layer)
    ) as computed:
        for one in computed:
            found[one.clip.id] = one.frames if frames else _vector(one.frames, planned)
            tick(1)
    unusable = {str(c.path): cost.unusable[c.id] for c in clips if c.id in cost.unusable}
    return [found[c.id] for c in clips if c.id in found], unusable


def _vector(frames: NDArray[np.float32], planned: PlannedBackbone) -> NDArray[np.float32]:
    """The embedding of a clip from its frames (t, d)."""
    part, reference = planned.part, planned.reference
    return average_blocks(pool(frames, part.pool, reference.segments or 1), reference, part.dim)


def _stored_features(planned: PlannedBackbone, clips: Sequence[Clip]) -> Embeddings:
    assert planned.part.lookup is not None  # the caller checked
    ids = tuple(c.id for c in clips)
    matrix = np.asarray(planned.part.lookup(ids, **planned.reference.full), dtype=np.float32)
    if matrix.ndim != 2 or len(matrix) != len(ids):
        raise PartError(
            f"{planned} features: expected (n={len(ids)}, d), got {matrix.shape}; give one row per"
            " clip"
        )
    if bad := int((~np.isfinite(matrix)).any(axis=1).sum()):
        raise PartError(
            f"{planned} features: {bad} clips have numbers that are not finite; fix them"
        )
    return Embeddings(ids, matrix)
