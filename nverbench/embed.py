"""Frozen backbone x clips -> cached embeddings. One forward pass per clip and backbone, ever.

What is found in the store is not computed; what is computed is stored clip by clip, so that an interrupted run loses at most one planned batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench import audio, cache
from nverbench.artifacts import UNTRAINED_SEED, Planned
from nverbench.digests import digest_of
from nverbench.errors import AudioError, PartError
from nverbench.exchange import Encoder, LoadContext
from nverbench.parts import Backbone, Clip
from nverbench.torchaudio_guard import import_torchaudio

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Tick = Callable[[int], None]


def no_tick(clips: int) -> None:
    """Progress that nobody watches."""


@dataclass
class Embeddings:
    """Pooled embeddings of clips, and what they cost."""

    ids: tuple[str, ...]
    matrix: NDArray[np.float32]
    """(n, d), rows in the order of ``ids``."""
    bad: dict[str, str] = field(default_factory=dict)
    """Clip id -> why it cannot be used; such clips have no row."""
    forward_passes: int = 0
    padded: int = 0
    """Clips shorter than the backbone's minimum, zero-padded on the right."""
    computed_audio: float = 0.0
    """Seconds of audio that went through the backbone now."""
    seconds: float = 0.0
    parameters: int | None = None
    """Frozen parameters; None when everything came from the store."""

    @property
    def digest(self) -> str:
        """Digest of ids and numbers, to the bit."""
        import hashlib

        return digest_of([list(self.ids), hashlib.sha256(np.ascontiguousarray(self.matrix).tobytes()).hexdigest()])


def key_of(planned: Planned, clip: Clip, sha256: str, dtype: str, pooling: str) -> str:
    """The store's key: everything that could change the numbers, and nothing that could not (no dataset, no file name)."""
    part = planned.part
    return cache.key_of(
        {
            "audio": audio.REVISION,
            "file": sha256,
            "segment": [clip.start, clip.end],
            "rate": part.sample_rate,
            "backbone": planned.reference.identity(),
            "weights": planned.weights.digest,
            "revision": part.revision,
            "pooling": pooling,
            "dtype": dtype,
        }
    )


def embed(
    planned: Planned, clips: Sequence[Clip], sha256: Mapping[str, str], store: cache.Store,
    *, device: str, dtype: str = "float32", tick: Tick = no_tick,
) -> Embeddings:  # fmt: skip
    """Pooled embeddings of ``clips``, from the store where it has them.

    Returns:
        Embeddings in the order of ``clips``, without the clips that cannot be used (they are in ``bad``).

    Raises:
        PartError: the backbone gives what its record does not promise.
    """
    began = time.perf_counter()
    if planned.part.lookup is not None:
        return _looked_up(planned, clips)
    keys = {c.id: key_of(planned, c, sha256[c.id], dtype, planned.part.pool) for c in clips}
    rows: dict[str, NDArray[np.float32]] = {}
    lengths: dict[str, int] = {}
    for clip in clips:
        stored = store.get(keys[clip.id])
        if stored is not None:
            rows[clip.id], lengths[clip.id] = stored
            tick(1)
    result = Embeddings((), np.zeros((0, planned.part.dim), np.float32))
    if len(rows) < len(clips):
        for clip, frames, samples in compute(planned, clips, set(keys) - set(rows), result, device=device, dtype=dtype):
            rows[clip.id], lengths[clip.id] = pool(frames, planned.part.pool), samples
            store.put(keys[clip.id], rows[clip.id], samples)
            tick(1)
    result.padded = sum(n < planned.part.min_samples for n in lengths.values())
    result.ids = tuple(c.id for c in clips if c.id in rows)
    if result.ids:
        result.matrix = np.stack([rows[i] for i in result.ids])
    result.seconds = time.perf_counter() - began
    return result


def compute(
    planned: Planned, clips: Sequence[Clip], wanted: set[str], result: Embeddings, *, device: str, dtype: str
) -> Iterator[tuple[Clip, NDArray[np.float32], int]]:
    """Each wanted clip with its valid frames (t, frame_dim) and its length in samples; counts passes and bad clips in ``result``.

    Batches are planned from the full list of clips and taken whole, so that a resumed run computes in the same company.
    """
    import torch

    encoder = None  # loaded once a clip could be decoded
    for batch in plan_batches(clips, planned.part.batch, result.bad):
        if not wanted & {c.id for c in batch}:
            continue
        waves = _decoded(batch, planned.part, result.bad)
        if not wanted & waves.keys():  # what is wanted of this batch cannot be used; its mates are in the store
            continue
        if encoder is None:
            encoder = load_encoder(planned, device=device, dtype=dtype)
            result.parameters = count_parameters(encoder)
        long_enough = [pad_short(w, planned.part) for w in waves.values()]
        lengths = torch.tensor([len(w) for w in long_enough])  # (b,)
        padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(w) for w in long_enough], batch_first=True)  # (b, s)
        frames = forward(encoder, planned.part, padded, lengths, device=device, dtype=dtype)
        result.forward_passes += len(waves)
        result.computed_audio += sum(len(w) for w in waves.values()) / planned.part.sample_rate
        by_id = {c.id: c for c in batch}
        for i, clip_id in enumerate(waves):
            if clip_id in wanted:
                yield by_id[clip_id], frames[i], len(waves[clip_id])


def load_encoder(planned: Planned, *, device: str, dtype: str = "float32") -> Encoder:
    """The backbone's encoder, in eval mode, frozen, with TF32 off; torch's global random state is untouched."""
    import_torchaudio()  # before any plugin imports transformers
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    assert planned.part.load is not None  # stored features never come here
    context = LoadContext(device=device, dtype=dtype, weights=planned.weights.path, seed=UNTRAINED_SEED)
    encoder: Encoder = planned.part.load(context, **planned.reference.full)
    if not callable(encoder):
        raise PartError(f"backbone {planned}: load gave a {type(encoder).__name__}; expected a callable (waves, lengths) -> frames")
    if isinstance(encoder, torch.nn.Module):
        encoder.eval().requires_grad_(False)
    return encoder


def forward(encoder: Encoder, part: Backbone, waves: torch.Tensor, lengths: torch.Tensor, *, device: str, dtype: str) -> list[NDArray[np.float32]]:
    """The valid frames of each clip, (t_i, frame_dim) float32, checked against the record."""
    import torch

    with torch.inference_mode():
        given = encoder(waves.to(device, getattr(torch, dtype)), lengths.to(device))
    if not isinstance(given, tuple) or len(given) not in (2, 3):
        raise PartError(f"{part.name} embeddings: expected (frames, lengths), got a {type(given).__name__}; its author must mend it")
    frames, counts = given[0], given[1]
    if frames.ndim != 3 or frames.shape[0] != len(waves) or frames.shape[2] != part.frame_dim:
        wanted = f"(b={len(waves)}, t, d={part.frame_dim})"
        raise PartError(f"{part.name} embeddings: expected {wanted}, got {tuple(frames.shape)}; its author must mend it")
    if counts.shape != (len(waves),) or int(counts.min()) < 1 or int(counts.max()) > frames.shape[1]:
        raise PartError(f"{part.name} embeddings: frame lengths {counts.tolist()} do not fit {frames.shape[1]} frames; its author must mend it")
    array = frames.float().cpu().numpy()
    valid = [array[i, : int(n)] for i, n in enumerate(counts)]
    if not all(np.isfinite(v).all() for v in valid):
        raise PartError(f"{part.name} embeddings: some are not finite numbers; its author must mend it")
    return valid


def pool(frames: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """One vector from valid frames (t, d): their mean, mean + max (summed), or mean and standard deviation side by side (2 d)."""
    wide = frames.astype(np.float64)
    pooled: NDArray[np.float64] = wide.mean(axis=0)
    if how == "mean+max":
        pooled = pooled + wide.max(axis=0)
    elif how == "stats":
        pooled = np.concatenate([pooled, wide.std(axis=0)])
    return pooled.astype(np.float32)


def plan_batches(clips: Sequence[Clip], size: int, bad: dict[str, str]) -> list[list[Clip]]:
    """Batches of clips of like length: a function of the full list (length, id) and the backbone's constant; undecodable clips go to ``bad``."""
    if size == 1:
        return [[clip] for clip in sorted(clips, key=lambda c: c.id)]
    lengths: dict[str, float] = {}
    for clip in clips:
        try:
            lengths[clip.id] = audio.duration(clip.path, clip.start, clip.end)
        except AudioError as error:
            bad[clip.id] = str(error)
    order = sorted((c for c in clips if c.id in lengths), key=lambda c: (lengths[c.id], c.id))
    return [order[i : i + size] for i in range(0, len(order), size)]


def count_parameters(encoder: Any) -> int | None:
    """How many parameters a loaded network holds; None when it is not a torch module."""
    import torch

    return sum(p.numel() for p in encoder.parameters()) if isinstance(encoder, torch.nn.Module) else None


def pad_short(wave: NDArray[np.float32], part: Backbone) -> NDArray[np.float32]:
    """The wave, zero-padded on the right to the backbone's minimum."""
    return np.pad(wave, (0, max(0, part.min_samples - len(wave))))


def check_usable(bad: Mapping[str, str], name: str) -> None:
    """Raise the AudioError that names the clips nobody can use and says what to do; nothing when there are none."""
    if bad:
        named = "; ".join(f"{clip} {reason}" for clip, reason in sorted(bad.items())[:3])
        more = f"; and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise AudioError(f"{len(bad)} clips of {name} cannot be used: {named}{more}. Mend or remove them, or run with --skip-bad (unofficial)")


def embed_files(
    planned: Planned, files: Sequence[Path], *, device: str, frames: bool, tick: Tick = no_tick
) -> tuple[list[NDArray[np.float32]], dict[str, str]]:
    """Features of one's own audio: a vector (d,) per file, or its frames (t, d); and the files that cannot be used."""
    clips = [Clip(f"{i:09d}", path, None) for i, path in enumerate(files)]
    result = Embeddings((), np.zeros((0, 0), np.float32))
    got: dict[str, NDArray[np.float32]] = {}
    for clip, valid, _ in compute(planned, clips, {c.id for c in clips}, result, device=device, dtype="float32"):
        got[clip.id] = valid if frames else pool(valid, planned.part.pool)
        tick(1)
    return [got[c.id] for c in clips if c.id in got], {str(c.path): result.bad[c.id] for c in clips if c.id in result.bad}


def _decoded(batch: Sequence[Clip], part: Backbone, bad: dict[str, str]) -> dict[str, NDArray[np.float32]]:
    """The waves of a batch by clip id; clips that cannot be used go to ``bad`` with the reason."""
    waves = {}
    for clip in batch:
        try:
            waves[clip.id] = audio.read(clip.path, part.sample_rate, clip.start, clip.end)
        except AudioError as error:
            bad[clip.id] = str(error)
    return waves


def _looked_up(planned: Planned, clips: Sequence[Clip]) -> Embeddings:
    assert planned.part.lookup is not None  # the caller asked
    ids = tuple(c.id for c in clips)
    matrix = np.asarray(planned.part.lookup(ids, **planned.reference.full), dtype=np.float32)
    if matrix.ndim != 2 or len(matrix) != len(ids):
        raise PartError(f"{planned} features: expected (n={len(ids)}, d), got {matrix.shape}; give one row per clip")
    if not np.isfinite(matrix).all():
        raise PartError(f"{planned} features: {int((~np.isfinite(matrix)).any(axis=1).sum())} clips have numbers that are not finite; mend them")
    return Embeddings(ids, matrix)
