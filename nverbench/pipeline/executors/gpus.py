"""One process per GPU of this machine, each of which sees its own and no other: whole jobs, and
shards of an embedding, go to whichever is free.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.embedding import devices, shards
from nverbench.embedding.extract import Extraction
from nverbench.pipeline.executors import tasks as handing
from nverbench.pipeline.executors.worker import (
    Answer,
    InPlace,
    Setting,
    Shard,
    answered,
    fitted,
    listened,
)
from nverbench.plugin import single_file
from nverbench.plugin.records import Clip
from nverbench.training.processes import (
    Data,
    Tasks,
    Work,
    begin_worker,
    environment,
    laid_out,
    own_settings,
)
from nverbench.training.records import TrainingSetup
from nverbench.training.sequences import TurnFrames

if TYPE_CHECKING:
    from numpy.typing import NDArray

VISIBLE = "CUDA_VISIBLE_DEVICES"
TIMES = 4
"""How often a task is begun whose process died."""


def visible() -> list[str]:
    """The GPUs that this run may use, by the names that ``CUDA_VISIBLE_DEVICES`` gives them, or by
    their numbers.
    """
    count = devices.cuda_devices()
    named = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return named[:count] if named else [str(i) for i in range(count)]


@dataclass
class _Task:
    """Something to do, and where its answer goes."""

    function: Callable[[], Answer]
    answer: Future[Answer]
    times: int = 0


@dataclass
class Gpus:
    """A crew of one process per GPU; none is started before there is work. Use as a context
    manager.
    """

    ids: Sequence[str]
    say: Callable[[str], None] = lambda sentence: None
    _pools: dict[str, ProcessPoolExecutor] = field(default_factory=dict)
    _busy: dict[str, _Task] = field(default_factory=dict)
    _waiting: deque[_Task] = field(default_factory=deque)
    _lock: RLock = field(default_factory=RLock)
    _closed: bool = False
    _files: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Gpus:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def worth(self, seconds: float) -> bool:
        """Always: a GPU of its own waits."""
        return True

    def takes_jobs(self, device: str) -> bool:
        """A job's folds are trained as one model, in one process."""
        return device.startswith("cuda")

    @property
    def hungry(self) -> bool:
        """Whether processes run that will soon have nothing to do."""
        return bool(self._pools) and len(self._busy) + len(self._waiting) < 2 * len(self.ids)

    def listen(
        self,
        ask: shards.EmbeddingRequest,
        clips: Sequence[Clip],
        wanted: set[str],
        cost: Extraction,
    ) -> Generator[shards.EmbeddedClip, None, None]:
        """Shards, to whichever process is free."""
        return handing.listen(self, ask, clips, wanted, cost)

    def hand(
        self,
        work: Work,
        training: TrainingSetup,
        streams: Data,
        target: NDArray[np.int64],
        tasks: Tasks,
        tick: Callable[[int], None],
    ) -> handing.Handed | None:
        """Whole jobs, likewise."""
        return handing.hand(self, work, training, streams, target, tasks, tick)

    def slots(self, what: str, device: str) -> int:
        """One task at a time on each."""
        return len(self.ids)

    def offer(self, ask: shards.EmbeddingRequest, clips: Sequence[Clip]) -> None:
        """They see this machine's files."""

    def lay(
        self, arrays: Sequence[NDArray[Any]], spoken: TurnFrames | None
    ) -> tuple[tuple[str, ...], Callable[[], None]]:
        """A job's arrays as files, which its process maps into memory."""
        files = contextlib.ExitStack()
        self._files.push(files)
        return files.enter_context(laid_out(arrays)), files.close

    def listened(self, packed: bytes, shard: Shard, device: str) -> Future[Answer]:
        """A shard, under way."""
        return self._begun(
            functools.partial(answered, _setting(), listened, InPlace(), packed, shard)
        )

    def fitted(
        self, packed: bytes, task: tuple[Any, int], device: str, laid: tuple[str, ...]
    ) -> Future[Answer]:
        """A job, under way."""
        return self._begun(functools.partial(answered, _setting(), _mapped, packed, task, laid))

    def cancel(self, futures: Iterable[Future[Answer]]) -> None:
        """Call off what waits; what runs ends by itself, or with its process."""
        off = set(futures)
        with self._lock:
            self._waiting = deque(task for task in self._waiting if task.answer not in off)

    def look(self) -> None:
        """The processes are this one's own: their ends are seen."""

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            for process in list(
                getattr(pool, "_processes", {}).values()
            ):  # a training cannot be asked to stop
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
        self._files.close()

    def _begun(self, function: Callable[[], Answer]) -> Future[Answer]:
        task = _Task(function, Future())
        with self._lock:
            self._waiting.append(task)
        self._give()
        return task.answer

    def _give(self) -> None:
        """What waits, to the GPUs that are free."""
        with self._lock:
            for gpu in self.ids:
                if self._waiting and gpu not in self._busy and not self._closed:
                    task = self._busy[gpu] = self._waiting.popleft()
                    task.times += 1
                    future = self._submitted(gpu, task.function)
                    future.add_done_callback(functools.partial(self._ended, gpu))

    def _submitted(self, gpu: str, function: Callable[[], Answer]) -> Future[Answer]:
        with environment({**own_settings(), VISIBLE: gpu}):  # before its process imports torch
            try:
                return self._pool(gpu).submit(function)
            except BrokenProcessPool:  # it died with nothing to do
                self._pools.pop(gpu).shutdown(wait=False)
                return self._pool(gpu).submit(function)

    def _pool(self, gpu: str) -> ProcessPoolExecutor:
        if gpu not in self._pools:
            spawn = multiprocessing.get_context("spawn")
            self._pools[gpu] = ProcessPoolExecutor(
                1, mp_context=spawn, initializer=begin_worker, initargs=(single_file.running(),)
            )
        return self._pools[gpu]

    def _ended(self, gpu: str, future: Future[Answer]) -> None:
        with self._lock:
            task, error = self._busy.pop(gpu), None if future.cancelled() else future.exception()
            died = isinstance(error, BrokenProcessPool) and not self._closed
            if died:
                self._pools.pop(gpu).shutdown(wait=False)
                self.say(f"the process of GPU {gpu} died (out of memory?)")
            if died and task.times < TIMES:
                self._waiting.appendleft(task)
        if not died or task.times >= TIMES:
            _tell(task.answer, future, gpu, error)
        self._give()


def _tell(
    answer: Future[Answer], future: Future[Answer], gpu: str, error: BaseException | None
) -> None:
    if future.cancelled():
        answer.cancel()
    elif error is not None:
        answer.set_exception(handing.lost(f"a task on GPU {gpu}", str(error)))
    else:
        answer.set_result(future.result())


def _setting() -> Setting:
    """Plugins were adopted when the process started; it is this machine's, with as many threads as
    it likes: bits are the GPU's.
    """
    import torch

    return Setting((), {}, torch.get_num_threads())


def _mapped(setting: Setting, packed: bytes, task: tuple[Any, int], paths: tuple[str, ...]) -> Any:
    """A training on arrays that lie in files."""
    return fitted(
        setting,
        InPlace(),
        packed,
        task,
        *(np.load(path, mmap_mode="r", allow_pickle=False) for path in paths),
    )
