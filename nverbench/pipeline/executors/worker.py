"""The work of a process that serves a run: one shard of an embedding, or one training. It returns a
value, also for an error.

A worker writes no result and no entry of the run's cache. Only what arrives counts, so that a task
that ran twice is counted once.
"""

from __future__ import annotations

import functools
import pickle
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.embedding import shards
from nverbench.embedding.extract import Extraction, load_encoder
from nverbench.embedding.keys import embedding_identity
from nverbench.errors import NverbenchError, PartError, reason_of
from nverbench.pipeline.executors import versions
from nverbench.plugin import single_file
from nverbench.plugin.isolation import isolated_call
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from nverbench.pipeline.executors.ray.files import RemoteFiles
    from nverbench.plugin.types import Encoder


@dataclass(frozen=True)
class WorkerConfig:
    """What all tasks of a run share."""

    plugins: tuple[single_file.Code, ...]
    """The files of ``--plugin``."""
    software: Mapping[str, str]
    """Distributions that must have these versions here; empty on the run's own machine."""
    threads: int
    """Torch's threads for an embedding: as many as in the run's process, because bits may depend on
    it.
    """


@dataclass(frozen=True)
class Shard:
    """Whole planned batches, and which of their clips are needed."""

    batches: Sequence[Sequence[Clip]]
    missing: frozenset[str]
    sha256: Mapping[str, str]
    pooled: frozenset[str]


@dataclass(frozen=True)
class TaskResult:
    """The value of a task, or its error."""

    value: Any = None
    error: bytes = b""
    """A pickle, written by our own worker."""

    def get(self) -> Any:
        """The value; an error is raised, as an error of its own class if that can be pickled."""
        if self.error:
            # from a process that runs this run's code, like Ray's own messages
            raise pickle.loads(self.error)  # noqa: S301
        return self.value


def run_task(config: WorkerConfig, action: Callable[..., Any], *arguments: Any) -> TaskResult:
    """The value or the error of an action, in a process that has the run's plugins."""
    try:
        _prepare(config.plugins, tuple(config.software.items()))
        return TaskResult(action(config, *arguments))
    except KeyboardInterrupt:  # the task is cancelled
        raise
    except BaseException as error:  # a plugin may raise anything, also SystemExit
        return TaskResult(error=_pickled_error(error))


def embed_task(
    config: WorkerConfig, files: RemoteFiles | None, packed: bytes, shard: Shard
) -> tuple[list[shards.EmbeddedClip], Extraction]:
    """The embeddings of a shard, as the cache stores them, and their cost.

    Args:
        files: gives the files of the run's machine; None: this is the same machine.
        packed: the pickled request that all shards share.
    """
    import torch

    began, cost = time.perf_counter(), Extraction()
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        request: shards.EmbeddingRequest = _unpacked(packed)
        planned = request.planned
        if files is not None:
            planned = replace(planned, weights=files.weights(planned.weights))
        request = replace(request, planned=planned, sha256=shard.sha256, pooled=shard.pooled)
        own = {c.id: c for batch in shard.batches for c in batch}
        if files is not None:
            own = {i: files.clip(c, shard.sha256[i]) for i, c in own.items()}
        found = shards.embed_shard(
            request,
            [[own[c.id] for c in batch] for batch in shard.batches],
            set(shard.missing),
            cost,
            decoders=max(1, config.threads // 2),
            load=lambda: _loaded(request),
        )
        entries = [
            replace(e, array=e.array.astype(request.storage, copy=False)) if request.frames else e
            for e in found
        ]
    finally:
        torch.set_num_threads(before)
    # a reason becomes part of the result: it names files as the run's machine does
    paths = {str(own[c.id].path): str(c.path) for batch in shard.batches for c in batch}
    cost.unusable = {clip: _renamed(reason, paths) for clip, reason in cost.unusable.items()}
    cost.seconds = time.perf_counter() - began
    return entries, cost


def train_task(
    config: WorkerConfig,
    files: RemoteFiles | None,
    packed: bytes,
    task: tuple[Any, int],
    *arrays: Any,
) -> Any:
    """The result of one training, or of all trainings of a job.

    Args:
        files: gives the files of the run's machine; None: this is the same machine.
        packed: the pickled work, setup, and frames on disk.
        arrays: targets and streams, or paths of files to map into memory.
    """
    _encoder.clear()  # all embeddings come before any training: free the memory
    work, setup, on_disk = _unpacked(packed)
    if files is not None:
        setup = replace(setup, checkpoints=files.checkpoints(setup.checkpoints))
        on_disk = files.frames(on_disk) if on_disk is not None else None
    target, *streams = (
        np.load(a, mmap_mode="r", allow_pickle=False) if isinstance(a, str) else a for a in arrays
    )
    return work(setup, streams if on_disk is None else on_disk, target, *task)


_encoder: dict[str, Encoder] = {}
"""The network that was loaded last: the next shard usually needs the same one."""


def _loaded(request: shards.EmbeddingRequest) -> Encoder:
    planned = request.planned
    device, dtype, layer = request.device, request.dtype, request.layer
    key = (
        f"{embedding_identity(planned.reference)} {planned.weights.digest} {planned.part.revision}"
        f" {device} {dtype} {layer}"
    )
    if key not in _encoder:
        _encoder.clear()
        _encoder[key] = load_encoder(planned, device=device, dtype=dtype, layer=layer)
    return _encoder[key]


@functools.lru_cache(maxsize=4)
def _unpacked(packed: bytes) -> Any:
    """The pickled parts. Unpickling imports plugins: what they print must not reach any output, and
    what they set must not reach other jobs.
    """
    # written by the run's process a moment ago, never read from disk
    return isolated_call(lambda: pickle.loads(packed), None).get()  # noqa: S301


@functools.lru_cache(maxsize=1)
def _prepare(plugins: tuple[single_file.Code, ...], software: tuple[tuple[str, str], ...]) -> None:
    """Check the versions and load the run's single files as plugins, once per process."""
    versions.check(dict(software))
    single_file.adopt(plugins)


def _renamed(reason: str, paths: Mapping[str, str]) -> str:
    return functools.reduce(lambda text, pair: text.replace(*pair), paths.items(), reason)


def _pickled_error(error: BaseException) -> bytes:
    """The error as a pickle, with the place where it was raised; an error that cannot be pickled
    becomes a PartError.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    note = "".join(traceback.format_exception(error))
    for sent in (error, PartError(f"{type(error).__name__}: {reason_of(error)}")):
        try:
            if not isinstance(error, NverbenchError):
                sent.happened_at = f"{Path(frame.filename).name}:{frame.lineno}"  # type: ignore[attr-defined]
            sent.add_note(note)
            packed = pickle.dumps(sent)
            pickle.loads(packed)  # noqa: S301  # written on the line above
        except Exception:  # an error of a plugin may refuse any of these steps
            continue
        return packed
    raise AssertionError("a PartError can be pickled")
