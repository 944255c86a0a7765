"""The cache entries of a clip: their keys, their form, and their size in bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.data import audio
from nverbench.embedding import cache
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import AudioError, UsageError
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Backbone, Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

AFTER_THE_PASS = ("layer", "layers", "project")
"""Options of a reference that use embeddings already computed; they do not enter the keys."""
STORAGES = ("float32", "float16")
LARGEST = 65504.0
"""The largest number of float16."""
OVERHEAD = 200
"""Bytes of an entry without its numbers (digest, length, header), rounded up."""


def embedding_identity(reference: PartRef) -> dict[str, Any]:
    """The options of a backbone's reference that can change an embedding's numbers."""
    return {k: v for k, v in reference.identity().items() if k not in AFTER_THE_PASS}


def embedding_key(
    planned: PlannedBackbone, clip: Clip, sha256: str, dtype: str, pooling: str, **more: Any
) -> str:
    """The cache key: everything that can change the numbers, and nothing else (no dataset, no file
    name).
    """
    part = planned.part
    decoder = audio.decoder(clip.path)
    return cache.cache_key(
        {
            **({"decoder": decoder} if decoder else {}),  # the keys of other files stay as they are
            "audio": audio.REVISION,
            "file": sha256,
            "segment": [clip.start, clip.end],
            "rate": part.sample_rate,
            "backbone": embedding_identity(planned.reference),
            "weights": planned.weights.digest,
            "revision": part.revision,
            "layers": part.layers,
            "pooling": pooling,
            "dtype": dtype,
            **more,
        }
    )


def frames_key(
    planned: PlannedBackbone,
    clip: Clip,
    sha256: str,
    dtype: str,
    *,
    layer: int | None,
    storage: str,
) -> str:
    """The key of a clip's frames; ``layer`` as ``layer_of`` gives it."""
    more = {"kind": "frames", "layer": layer, "storage": storage}
    return embedding_key(planned, clip, sha256, dtype, "none", **more)


def layer_of(planned: PlannedBackbone, layer: int | None) -> int | None:
    """The layer as keys hold it: None for the last; UsageError when the backbone does not have
    it.
    """
    layers = planned.part.layers
    if layer is None:
        return None
    if not 0 <= layer < layers:
        have = f"it has layers 0 to {layers - 1}" if layers else "it gives one only"
        raise UsageError(f"backbone {planned} has no layer {layer}; {have}")
    return None if layer == layers - 1 else layer


def entry_of(
    frames: NDArray[np.float32], layers: NDArray[np.float32] | None, part: Backbone
) -> NDArray[np.float32]:
    """The cache entry of a clip: its pooled frames (d,), or its layers' means (L, d), of which the
    last is pooled here.
    """
    pooled = pool(frames, part.pool)
    return pooled if layers is None else np.concatenate([layers[:-1], pooled[None]])


def pool(frames: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """One vector from valid frames (t, d): their mean, mean + max (summed), or mean and standard
    deviation concatenated (2 d).
    """
    wide = frames.astype(np.float64)
    pooled: NDArray[np.float64] = wide.mean(axis=0)
    if how == "mean+max":
        pooled = pooled + wide.max(axis=0)
    elif how == "stats":
        pooled = np.concatenate([pooled, wide.std(axis=0)])
    return pooled.astype(np.float32)


def check_storage(part: Backbone, frames: NDArray[np.float32], storage: str) -> None:
    """Raise a UsageError when frames exceed the range of float16, which is 65,504."""
    largest = float(np.abs(frames).max())
    if storage == "float16" and largest > LARGEST:
        raise UsageError(
            f"{part.name} frames reach {largest:.3g}, and float16 holds at most {LARGEST:.0f};"
            " store them as float32"
        )


def expected_bytes(
    part: Backbone, clips: Sequence[Clip], *, frames: bool = False, storage: str = "float32"
) -> int | None:
    """Expected bytes on disk of the embeddings of these clips; None for frames of a backbone that
    does not declare its frame rate.
    """
    if not frames:
        return len(clips) * (4 * part.dim * max(1, part.layers) + OVERHEAD)
    if not part.frame_rate:
        return None
    least, rate = part.min_samples / part.sample_rate, part.frame_rate
    counts = [math.ceil(max(_seconds(clip), least) * rate) for clip in clips]
    return sum(counts) * part.frame_dim * np.dtype(storage).itemsize + len(clips) * OVERHEAD


def _seconds(clip: Clip) -> float:
    try:
        return audio.duration(clip.path, clip.start, clip.end)
    except AudioError:  # the clip is named when it is decoded
        return 0.0
