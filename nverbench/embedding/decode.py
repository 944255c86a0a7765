"""Planned batches of clips, decoded and resampled by threads ahead of the network; order and
numbers do not depend on the number of threads.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nverbench.data import audio
from nverbench.errors import AudioError, DatasetError
from nverbench.plugin.records import Backbone, Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORKERS = max(1, min(8, (os.cpu_count() or 2) // 2))
"""The network uses the other half of the cores."""
BYTES = 256_000_000
"""No batch is started while this many bytes of decoded audio wait for the network."""


@dataclass(frozen=True)
class Decoded:
    """A planned batch as the input of the network."""

    clips: tuple[Clip, ...]
    """The b usable clips."""
    samples: tuple[int, ...]
    """Length of each clip, before padding."""
    waves: NDArray[np.float32]
    """(b, s), zero-padded on the right."""
    lengths: NDArray[np.int64]
    """(b,), at least the backbone's minimum."""
    unusable: dict[str, str] = field(default_factory=dict)
    """Clip id -> why it cannot be used."""
    seconds: float = 0.0
    """Seconds of decoding."""


def plan_batches(clips: Sequence[Clip], size: int, bad: dict[str, str]) -> list[list[Clip]]:
    """Batches of clips of similar length, which depend on the full list (length, id) and ``size``
    only; undecodable clips go to ``bad``.
    """
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


def decode(batch: Sequence[Clip], part: Backbone) -> Decoded:
    """The waves of a batch, without the clips that cannot be used, which are named."""
    began = time.perf_counter()
    waves, bad = {}, {}
    for clip in batch:
        try:
            waves[clip.id] = audio.read(clip.path, part.sample_rate, clip.start, clip.end)
        except AudioError as error:
            bad[clip.id] = str(error)
    lengths = np.array([max(len(w), part.min_samples) for w in waves.values()], dtype=np.int64)
    # numpy, not torch: no threads inside a thread
    padded = np.zeros((len(waves), lengths.max(initial=0)), np.float32)
    for row, wave in zip(padded, waves.values(), strict=True):
        row[: len(wave)] = wave
    good = tuple(c for c in batch if c.id in waves)
    samples = tuple(len(w) for w in waves.values())
    return Decoded(good, samples, padded, lengths, bad, time.perf_counter() - began)


def decode_ahead(
    batches: Iterable[Sequence[Clip]],
    part: Backbone,
    *,
    workers: int | None = None,
    work: Callable[[Sequence[Clip], Backbone], Decoded] = decode,
) -> Generator[Decoded, None, None]:
    """Every batch, decoded, in the given order, while threads decode the following ones.

    At most ``2 workers + 1`` batches and about ``BYTES`` of audio are in memory. All threads end
    with the generator, also on ctrl-C.
    """
    workers = workers or WORKERS
    queue, pending = iter(batches), deque[Future[Decoded]]()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        while True:
            while _room(pending, workers) and (batch := next(queue, None)) is not None:
                pending.append(pool.submit(work, batch, part))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def check_unmodified(
    decoded: Iterable[Decoded], planned: Iterable[Sequence[Clip]]
) -> Generator[Decoded, None, None]:
    """The decoded batches, while their files do not change: an embedding must not be stored under
    the digest of another content.

    Raises:
        DatasetError: a file of a batch changed since the start.
    """
    before = {clip.path: _stamp(clip.path) for batch in planned for clip in batch}
    for batch in decoded:
        for path in {clip.path for clip in batch.clips}:
            if _stamp(path) != before[path]:
                raise DatasetError(f"{path}: the file changed while it was embedded; run it again")
        yield batch


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def pad_short(wave: NDArray[np.float32], part: Backbone) -> NDArray[np.float32]:
    """The wave, zero-padded on the right to the backbone's minimum."""
    return np.pad(wave, (0, max(0, part.min_samples - len(wave))))


def _room(pending: deque[Future[Decoded]], workers: int) -> bool:
    """Whether another batch may be started: a thread is free, and not too much audio waits."""
    done = [f for f in pending if f.done()]
    waiting = sum(f.result().waves.nbytes for f in done if f.exception() is None)
    return len(pending) <= 2 * workers and len(pending) - len(done) < workers and waiting < BYTES
