"""Shards of embeddings, and trainings, as tasks in other processes, on this machine or on others;
their results come back to the process of the run.

A ``TaskBackend`` runs the tasks: Ray, or one process per GPU.
"""

from __future__ import annotations

import concurrent.futures
import math
import pickle
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nverbench._io import atomic
from nverbench.embedding import shards
from nverbench.embedding.extract import Extraction, batches_to_compute
from nverbench.embedding.keys import expected_bytes
from nverbench.errors import ClusterError
from nverbench.pipeline.executors.worker import Shard, TaskResult, embed_task, train_task
from nverbench.plugin.records import Clip
from nverbench.training.records import TrainingTasks
from nverbench.training.sequences import TurnFrames

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIPS = 32
"""Approximate number of clips in a shard: a killed run loses the shards that were running."""
BATCHES = 4
"""Fewest batches in a shard if there are many: the next batch is decoded while the network computes
one.
"""
BYTES = 1_000_000_000
"""No further shard starts while those that run will return so many bytes."""
POLL = 1.0
"""Seconds between two checks of the backend."""
Kind = Literal["embed", "train"]
Running = dict["Future[TaskResult]", int]
"""Shards that run -> the bytes that they will return."""


class TaskBackend(Protocol):
    """Processes that run tasks."""

    @property
    def say(self) -> Callable[[str], None]:
        """Prints a message for the user."""

    def slots(self, kind: Kind, device: str) -> int:
        """The number of tasks that can run at once."""

    def publish_files(self, request: shards.EmbeddingRequest, clips: Sequence[Clip]) -> None:
        """Make the files of an embedding available to machines that do not see them."""

    def start(
        self, kind: Kind, device: str, action: Callable[..., Any], *arguments: Any
    ) -> Future[TaskResult]:
        """Start ``action(config, files, *arguments)`` in another process."""

    def share_arrays(
        self, trainings: TrainingTasks, arrays: Sequence[NDArray[Any]]
    ) -> tuple[Sequence[Any], Callable[[], None]]:
        """Store a job's arrays where all tasks find them; give what stands for them as arguments of
        a task, and a function that removes them.
        """

    def cancel(self, futures: Iterable[Future[TaskResult]]) -> None:
        """Cancel tasks; those that run may end."""

    def check_alive(self) -> None:
        """Report machines that were lost or joined.

        Raises:
            ClusterGone: no machine is left.
        """


def embed(
    backend: TaskBackend,
    request: shards.EmbeddingRequest,
    clips: Sequence[Clip],
    missing: set[str],
    cost: Extraction,
) -> Generator[shards.EmbeddedClip, None, None]:
    """The embeddings of the missing clips, in shards, in the order in which they arrive; two shards
    are submitted for each one that can run.
    """
    packed = _packed_request(request)
    if packed is None:
        backend.say(
            f"backbone {request.planned} cannot be sent to other processes (its parts must be"
            " defined in a module): this process computes its embeddings"
        )
        yield from shards.embed_locally(request, clips, missing, cost)
        return
    batches, device = batches_to_compute(request.planned, clips, missing, cost), request.device
    slots = max(1, backend.slots("embed", device))
    queue = deque(make_shards(batches, request.planned.part.batch, slots))
    backend.publish_files(request, [c for batch in batches for c in batch])
    began, loading, failure = time.perf_counter(), 0.0, None
    running: Running = {}
    try:
        while (queue and failure is None) or running:
            while queue and failure is None and _room(backend, running, request, queue[0]):
                size, shard = _bytes(request, queue[0]), _shard(request, queue.popleft(), missing)
                running[backend.start("embed", device, embed_task, packed, shard)] = size
            backend.check_alive()
            first = concurrent.futures.FIRST_COMPLETED
            for done in concurrent.futures.wait(running, POLL, first).done:
                del running[done]
                try:
                    entries, own = done.result().get()
                except Exception as error:  # the shards that run end, and are kept
                    failure = failure or error
                    continue
                _add(cost, own)
                loading = max(loading, own.seconds - own.loop)
                cost.loop = max(0.0, time.perf_counter() - began - loading)
                yield from entries
    finally:
        backend.cancel(list(running))
    if failure is not None:
        raise failure


def make_shards(batches: Sequence[list[Clip]], size: int, slots: int) -> list[list[list[Clip]]]:
    """Shards of planned batches: small, and at least four for each slot if there are enough
    batches.
    """
    width = max(1, min(max(BATCHES, CLIPS // size), math.ceil(len(batches) / (4 * slots))))
    return [list(batches[i : i + width]) for i in range(0, len(batches), width)]


def submit(backend: TaskBackend, trainings: TrainingTasks) -> TaskTrainings | None:
    """Start the trainings of a job; None where the parts cannot be pickled."""
    streams, setup = trainings.streams, trainings.setup
    on_disk = streams if isinstance(streams, TurnFrames) else None
    setup = replace(setup, checkpoints=_made_folder(setup.checkpoints))
    packed = _pickled((trainings.work, setup, on_disk))
    if packed is None:
        return None
    arrays = [] if isinstance(streams, TurnFrames) else list(streams)
    shared, release = backend.share_arrays(trainings, [trainings.target, *arrays])
    futures = [
        backend.start("train", setup.device, train_task, packed, task, *shared)
        for task in trainings.tasks
    ]
    for future in futures:
        future.add_done_callback(lambda f: trainings.tick(1) if _succeeded(f) else None)
    return TaskTrainings(backend, futures, release)


@dataclass(frozen=True)
class TaskTrainings:
    """The submitted trainings of a job."""

    backend: TaskBackend
    futures: Sequence[Future[TaskResult]]
    release: Callable[[], None]
    """Removes the shared arrays."""

    def results(self) -> list[Any]:
        """Wait for the results, in order: of several failures the same one is always raised.

        Raises:
            ClusterError: a task was lost with its process or machine more often than it is retried.
        """
        try:
            found = []
            for future in self.futures:
                while not future.done():
                    self.backend.check_alive()
                    concurrent.futures.wait([future], POLL)
                found.append(future.result().get())
            return found
        except BaseException:  # one failed, or ctrl-C: the others need not begin
            self.backend.cancel([f for f in self.futures if not f.done()])
            raise
        finally:
            self.release()


def lost_task(what: str, reason: str) -> ClusterError:
    """The error of a task that no process finished."""
    return ClusterError(
        f"{what} was lost more often than it is tried again ({' '.join(reason.split())[:300]}); run"
        " the same command again"
    )


def _succeeded(future: Future[TaskResult]) -> bool:
    return not future.cancelled() and not future.exception() and not future.result().error


def _packed_request(request: shards.EmbeddingRequest) -> bytes | None:
    """What all shards of an embedding share; paths are absolute, because workers run in other
    folders.
    """
    weights = request.planned.weights
    if weights.path is not None:
        weights = replace(weights, path=weights.path.absolute())
    planned = replace(request.planned, weights=weights)
    return _pickled(replace(request, planned=planned, sha256={}, pooled=frozenset()))


def _shard(request: shards.EmbeddingRequest, batches: list[list[Clip]], missing: set[str]) -> Shard:
    ids = frozenset(c.id for batch in batches for c in batch)
    absolute = [[replace(c, path=c.path.absolute()) for c in batch] for batch in batches]
    digests = {i: request.sha256[i] for i in ids}
    return Shard(absolute, ids & missing, digests, request.pooled & ids)


def _pickled(thing: Any) -> bytes | None:
    try:
        return pickle.dumps(thing)
    except Exception:  # a plugin's closure: pickle raises errors of any class
        return None


def _room(
    backend: TaskBackend,
    running: Running,
    request: shards.EmbeddingRequest,
    batches: list[list[Clip]],
) -> bool:
    """Whether another shard may start."""
    slots = max(1, backend.slots("embed", request.device))
    more = _bytes(request, batches)
    return not running or (len(running) < 2 * slots and sum(running.values()) + more <= BYTES)


def _bytes(request: shards.EmbeddingRequest, batches: list[list[Clip]]) -> int:
    """The bytes that a shard returns; 0 where that is not known."""
    clips = [c for batch in batches for c in batch]
    frames, storage = request.frames, request.storage
    return expected_bytes(request.planned, clips, frames=frames, storage=storage) or 0


def _add(cost: Extraction, own: Extraction) -> None:
    """Add the cost of a shard's attempt that returned; lost attempts do not count."""
    cost.unusable.update(own.unusable)
    for name in ("forward_passes", "halvings", "computed_audio", "model", "decoding"):
        setattr(cost, name, getattr(cost, name) + getattr(own, name))
    cost.parameters = own.parameters if own.parameters is not None else cost.parameters


def _made_folder(checkpoints: Path | None) -> Path | None:
    """The folder of checkpoints, created, with its absolute path for other machines."""
    if checkpoints is None:
        return None
    made = checkpoints.absolute()
    try:
        made.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.cannot_write(made, error) from error
    return made
