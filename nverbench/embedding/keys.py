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

AFTER_THE_PASS = ("layer", "layers", "blocks", "project")
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
    decoder = audio.decoder(clip.path, clip.start)
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
    frames: NDArray[np.float32], layers: NDArray[np.float32] | None, planned: PlannedBackbone
) -> NDArray[np.float32]:
    """The cache entry of a clip: its pooled frames (d,), those of its segments side by side (g d,),
    or its layers' means (L, d), of which the last is pooled here.
    """
    pooled = pool(frames, planned.part.pool, planned.reference.segments or 1)
    if layers is None or not layers_stored(planned):
        return pooled
    return np.concatenate([layers[:-1], pooled[None]])


def layers_stored(planned: PlannedBackbone) -> int:
    """The layers that a cache entry holds; 0: one vector. An encoder gives layers as means over the
    whole clip, so that an entry of segments holds the output only.
    """
    return 0 if planned.reference.segments else planned.part.layers


def pool(frames: NDArray[np.float32], how: str, segments: int = 1) -> NDArray[np.float32]:
    """One vector from valid frames (t, d): their mean, mean + max (summed), or mean and standard
    deviation concatenated (2 d); of several segments one after the other, in the order of time.
    """
    if segments > 1:
        return np.concatenate([pool(part, how) for part in cut_in_time(frames, segments)])
    wide = frames.astype(np.float64)
    pooled: NDArray[np.float64] = wide.mean(axis=0)
    if how == "mean+max":
        pooled = pooled + wide.max(axis=0)
    elif how == "stats":
        pooled = np.concatenate([pooled, wide.std(axis=0)])
    return pooled.astype(np.float32)


def cut_in_time(frames: NDArray[np.float32], segments: int) -> list[NDArray[np.float32]]:
    """Frames (t, d) in segments of equal duration, as torch's adaptive average pooling cuts them:
    segment g has the frames floor(g t / n) to ceil((g + 1) t / n) - 1. Where t is no multiple of n,
    neighbours share a frame, so that no segment is empty, whatever t >= 1 is.
    """
    t = len(frames)
    return [frames[g * t // segments : -(-(g + 1) * t // segments)] for g in range(segments)]


def average_blocks(
    vectors: NDArray[np.float32], reference: PartRef, dim: int
) -> NDArray[np.float32]:
    """Pooled vectors (..., g d) with the mean of the blocks of each segment in its place,
    (..., g d / blocks), where the reference says ``blocks=mean``; else as they are.

    Args:
        dim: d, the size of a segment.
    """
    if not reference.blocks:
        return vectors
    *rows, width = vectors.shape
    apart = vectors.reshape(*rows, width // dim, reference.blocks, dim // reference.blocks)
    wide = apart.astype(np.float64).mean(axis=-2)
    return np.ascontiguousarray(wide.reshape(*rows, -1).astype(np.float32))


def check_storage(part: Backbone, frames: NDArray[np.float32], storage: str) -> None:
    """Raise a UsageError when frames exceed the range of float16, which is 65,504."""
    largest = float(np.abs(frames).max())
    if storage == "float16" and largest > LARGEST:
        raise UsageError(
            f"{part.name} frames reach {largest:.3g}, and float16 holds at most {LARGEST:.0f};"
            " store them as float32"
        )


def expected_bytes(
    planned: PlannedBackbone,
    clips: Sequence[Clip],
    *,
    frames: bool = False,
    storage: str = "float32",
) -> int | None:
    """Expected bytes on disk of the embeddings of these clips; None for frames of a backbone that
    does not declare its frame rate.
    """
    part = planned.part
    if not frames:
        vectors = (planned.reference.segments or 1) * max(1, layers_stored(planned))
        return len(clips) * (4 * part.dim * vectors + OVERHEAD)
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
