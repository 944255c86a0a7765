"""Shards and trainings handed to processes elsewhere, on this machine or on others; what they give
comes back here.

``Lanes`` say how many tasks can run at once and take them; Ray's tasks and one process per GPU are
such lanes.
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
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nverbench.embedding import shards
from nverbench.embedding.extract import Extraction, batches_to_compute
from nverbench.embedding.keys import expected_bytes
from nverbench.errors import ClusterError
from nverbench.pipeline.executors.ray.files import offer_folder
from nverbench.pipeline.executors.worker import Answer, Shard
from nverbench.plugin.records import Clip
from nverbench.training.processes import Data, Tasks, Work
from nverbench.training.records import TrainingSetup
from nverbench.training.sequences import TurnFrames

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIPS = 32
"""Clips of a shard, about: a run that is killed loses the shards under way."""
BATCHES = 4
"""Fewest batches of a shard where there is plenty: while the network computes one, the next is
decoded.
"""
BYTES = 1_000_000_000
"""No shard is handed out while those under way will bring so many bytes."""
LOOK = 1.0
"""Seconds between two looks at who is there."""


class Lanes(Protocol):
    """Processes that take tasks."""

    @property
    def say(self) -> Callable[[str], None]:
        """Told of what the user should know."""

    def slots(self, what: str, device: str) -> int:
        """How many tasks can run at once; ``what``: listen or fit."""

    def offer(self, ask: shards.EmbeddingRequest, clips: Sequence[Clip]) -> None:
        """Make the files of an embedding known to whoever does not see them."""

    def listened(self, packed: bytes, shard: Shard, device: str) -> Future[Answer]:
        """A shard, under way."""

    def fitted(
        self, packed: bytes, task: tuple[Any, int], device: str, laid: Any
    ) -> Future[Answer]:
        """A training, under way; ``laid`` as :meth:`lay` gave it."""

    def lay(
        self, arrays: Sequence[NDArray[Any]], spoken: TurnFrames | None
    ) -> tuple[Any, Callable[[], None]]:
        """A job's data where every task finds them, and what takes them away again."""

    def cancel(self, futures: Iterable[Future[Answer]]) -> None:
        """Call tasks off; those that run may end."""

    def look(self) -> None:
        """Say who came and went.

        Raises:
            ClusterGone: nobody is left.
        """


def listen(
    lanes: Lanes,
    ask: shards.EmbeddingRequest,
    clips: Sequence[Clip],
    wanted: set[str],
    cost: Extraction,
) -> Generator[shards.EmbeddedClip, None, None]:
    """The entries of the wanted clips, in shards, in the order in which they come back; two shards
    wait for every one that is computed.
    """
    weights = ask.planned.weights
    if weights.path is not None:
        weights = replace(weights, path=weights.path.absolute())
    packed = _packed(
        replace(ask, planned=replace(ask.planned, weights=weights), sha256={}, pooled=frozenset())
    )
    if packed is None:
        lanes.say(
            f"backbone {ask.planned} cannot be sent to other processes (what it consists of must be"
            " defined in a module): it listens here"
        )
        yield from shards.embed_locally(ask, clips, wanted, cost)
        return
    batches = batches_to_compute(ask.planned, clips, wanted, cost)
    queue = deque(cut(batches, ask.planned.part.batch, max(1, lanes.slots("listen", ask.device))))
    lanes.offer(ask, [c for batch in batches for c in batch])
    began, loading, wrong = time.perf_counter(), 0.0, None
    under_way: dict[Future[Answer], int] = {}
    try:
        while (queue and wrong is None) or under_way:
            while (
                queue
                and wrong is None
                and _room(
                    under_way, size := _bytes(ask, queue[0]), lanes.slots("listen", ask.device)
                )
            ):
                under_way[
                    lanes.listened(packed, _shard(ask, queue.popleft(), wanted), ask.device)
                ] = size
            lanes.look()
            for done in concurrent.futures.wait(
                under_way, LOOK, concurrent.futures.FIRST_COMPLETED
            ).done:
                del under_way[done]
                try:
                    entries, own = done.result().get()
                except Exception as error:  # those under way end, and are kept
                    wrong = wrong or error
                    continue
                _add(cost, own)
                loading = max(loading, own.seconds - own.loop)
                cost.loop = max(0.0, time.perf_counter() - began - loading)
                yield from entries
    finally:
        lanes.cancel(list(under_way))
    if wrong is not None:
        raise wrong


def cut(batches: Sequence[list[Clip]], size: int, slots: int) -> list[list[list[Clip]]]:
    """Shards of planned batches: small, and at least four for every slot while there are so
    many.
    """
    plenty = max(BATCHES, CLIPS // size)
    width = max(1, min(plenty, math.ceil(len(batches) / (4 * slots))))
    return [list(batches[i : i + width]) for i in range(0, len(batches), width)]


def hand(
    lanes: Lanes,
    work: Work,
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    tasks: Tasks,
    tick: Callable[[int], None],
) -> Handed | None:
    """Trainings under way; None where the parts cannot travel."""
    spoken = streams if isinstance(streams, TurnFrames) else None
    packed = _packed(
        (work, replace(training, checkpoints=offer_folder(training.checkpoints)), spoken)
    )
    if packed is None:
        return None
    laid, release = lanes.lay(
        [target] if isinstance(streams, TurnFrames) else [target, *streams], spoken
    )
    futures = [lanes.fitted(packed, task, training.device, laid) for task in tasks]
    for future in futures:
        future.add_done_callback(
            lambda f: (
                tick(1)
                if not f.cancelled() and f.exception() is None and not f.result().error
                else None
            )
        )
    return Handed(lanes, futures, release)


@dataclass(frozen=True)
class Handed:
    """The trainings of a job, handed out."""

    lanes: Lanes
    futures: Sequence[Future[Answer]]
    release: Callable[[], None]
    """Takes their data away."""

    def results(self) -> list[Any]:
        """Wait for them, in their order.

        Raises:
            ClusterError: one was lost with its process or machine more often than is tried again.
        """
        try:
            found = []
            for future in (
                self.futures
            ):  # in their order: of several that fail, the same one is named every time
                while not future.done():
                    self.lanes.look()
                    concurrent.futures.wait([future], LOOK)
                found.append(future.result().get())
            return found
        except BaseException:  # one failed, or ctrl-C: the others need not begin
            self.lanes.cancel([f for f in self.futures if not f.done()])
            raise
        finally:
            self.release()


def lost(what: str, reason: str) -> ClusterError:
    """What to say of a task that nobody finished."""
    return ClusterError(
        f"{what} was lost more often than it is tried again ({' '.join(reason.split())[:300]}); run"
        " the same command again"
    )


def _shard(ask: shards.EmbeddingRequest, batches: list[list[Clip]], wanted: set[str]) -> Shard:
    ids = frozenset(c.id for batch in batches for c in batch)
    away = [
        [replace(c, path=c.path.absolute()) for c in batch] for batch in batches
    ]  # processes elsewhere stand in other folders
    return Shard(away, ids & wanted, {i: ask.sha256[i] for i in ids}, ask.pooled & ids)


def _packed(thing: Any) -> bytes | None:
    try:
        return pickle.dumps(thing)
    except Exception:  # a plugin's closure: pickle raises what it likes
        return None


def _room(under_way: dict[Future[Answer], int], more: int, slots: int) -> bool:
    return not under_way or (
        len(under_way) < 2 * max(1, slots) and sum(under_way.values()) + more <= BYTES
    )


def _bytes(ask: shards.EmbeddingRequest, batches: list[list[Clip]]) -> int:
    """What a shard brings back, where that is known."""
    clips = [c for batch in batches for c in batch]
    return expected_bytes(ask.planned.part, clips, frames=ask.frames, storage=ask.storage) or 0


def _add(cost: Extraction, own: Extraction) -> None:
    """Count what the attempt cost that came back; others of the same shard never count."""
    cost.unusable.update(own.unusable)
    cost.forward_passes += own.forward_passes
    cost.halvings += own.halvings
    cost.computed_audio += own.computed_audio
    cost.model += own.model
    cost.decoding += own.decoding
    cost.parameters = own.parameters if own.parameters is not None else cost.parameters
