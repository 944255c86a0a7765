"""Trainings in several processes of this machine, one thread each: on a CPU faster than one by one
on all threads, with the same bits.

The processes start when the work is worth it (importing torch takes some seconds) and end with the
run. Parts travel by reference, so that a worker imports the plugin that defines them. Parts that
cannot be pickled, and a worker that dies, cost the parallelism, not the job.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench._io.tempfiles import temporary_folder
from nverbench.embedding import shards
from nverbench.plugin import single_file
from nverbench.plugin.isolation import isolated_call
from nverbench.training.records import TrainingTasks
from nverbench.training.sequences import TurnFrames

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORTH_STARTING = 10.0
"""Seconds of remaining work from which processes are started."""
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 31), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
"""Environment of a new worker: without it, glibc returns every large gradient to the system at
every step and takes it again page by page.
"""


class ProcessExecutor:
    """A pool of processes that train; this process embeds, which needs all threads."""

    embed = staticmethod(shards.embed_locally)

    def __init__(
        self, number: int | None = None, say: Callable[[str], None] = lambda sentence: None
    ) -> None:
        # macOS has no sched_getaffinity
        affinity = getattr(os, "sched_getaffinity", lambda pid: range(os.cpu_count() or 1))
        self.number, self.say = number or len(affinity(0)), say
        self._pool: ProcessPoolExecutor | None = None
        self._futures: list[Future[Any]] = []

    def __enter__(self) -> ProcessExecutor:
        return self

    def __exit__(self, *error: object) -> None:
        self.shut_down()

    def worth_starting(self, seconds: float) -> bool:
        """Whether so many seconds of work are worth submitting: always, once processes run."""
        return self.number > 1 and (self._pool is not None or seconds > WORTH_STARTING)

    def takes_jobs(self, device: str) -> bool:
        """False: the processes share the processors of this machine."""
        return False

    @property
    def wants_work(self) -> bool:
        """Whether processes run that will soon be idle."""
        self._futures = [f for f in self._futures if not f.done()]
        return self._pool is not None and len(self._futures) < 2 * self.number

    def submit(self, trainings: TrainingTasks) -> PoolTrainings | None:
        """Start the trainings; None where the parts cannot be pickled or a worker died."""
        on_disk = trainings.streams if isinstance(trainings.streams, TurnFrames) else None
        arrays = trainings.streams if not isinstance(trainings.streams, TurnFrames) else ()
        try:
            packed = pickle.dumps((trainings.work, trainings.setup, on_disk))
        except Exception:  # a plugin's closure: pickle raises errors of any class
            return None
        files = contextlib.ExitStack()
        try:
            paths = files.enter_context(shared_files([*arrays, trainings.target]))
        except OSError as error:
            self.say(
                f"{tempfile.gettempdir()}: cannot be written ({error.strerror or error}), so that"
                " folds are trained one by one; TMPDIR moves it"
            )
            return None
        try:
            with environment(malloc_settings()):  # inherited by the processes that start here
                pool = self._pool = self._pool or new_pool(self.number)
                futures = [pool.submit(_train, packed, paths, task) for task in trainings.tasks]
        except BrokenProcessPool:
            files.close()
            self.give_up()
            return None
        self._futures += futures
        for future in futures:
            future.add_done_callback(
                lambda f: trainings.tick(1) if not f.cancelled() and not f.exception() else None
            )
        return PoolTrainings(self, futures, files)

    def give_up(self) -> None:
        """End all processes after one died, and submit nothing more."""
        if self.number > 1:
            self.say(
                "a process that trained folds died (out of memory?): the rest is trained one by"
                " one, which takes longer"
            )
        self.shut_down()
        self.number = 1

    def shut_down(self) -> None:
        """End the processes."""
        pool, self._pool = self._pool, None
        if pool is not None:
            end_pool(pool)


@dataclass(frozen=True)
class PoolTrainings:
    """The submitted trainings of one job."""

    executor: ProcessExecutor
    futures: Sequence[Future[Any]]
    files: contextlib.ExitStack
    """The arrays they read; removed when the trainings end."""

    def results(self) -> list[Any] | None:
        """Wait for the results, in order; None when a worker died: they must be repeated."""
        with self.files:
            try:
                return [future.result() for future in self.futures]
            except (BrokenProcessPool, CancelledError):  # cancelled: a worker of another job died
                self.executor.give_up()
                return None
            except BaseException:  # one training failed, or ctrl-C: the others need not begin
                for future in self.futures:
                    future.cancel()
                raise


def new_pool(number: int) -> ProcessPoolExecutor:
    """A pool of processes that end with this one and know the plugins of its single files."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(number, spawn, begin_worker, (single_file.running(),))


def end_pool(pool: ProcessPoolExecutor) -> None:
    """Kill the processes of a pool: a training cannot be interrupted otherwise."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def shared_files(arrays: Sequence[NDArray[Any]]) -> Iterator[tuple[str, ...]]:
    """Write the arrays to temporary files that all workers map into memory; give their paths."""
    with temporary_folder() as folder:
        paths = [str(folder / f"{i}.npy") for i in range(len(arrays))]
        for path, array in zip(paths, arrays, strict=True):
            np.save(path, np.asarray(array), allow_pickle=False)
        yield tuple(paths)


def malloc_settings() -> dict[str, str]:
    """``MALLOC`` without the variables that the user set."""
    return {name: value for name, value in MALLOC.items() if name not in os.environ}


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes that start inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def begin_worker(files: Sequence[single_file.Code]) -> None:
    """Prepare a new worker process; it ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    single_file.adopt(files)
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """End this process when its parent ends: a killed parent cannot end its workers, which would
    wait for work forever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _train(packed: bytes, paths: tuple[str, ...], task: tuple[Any, int]) -> Any:
    """Run one training in a worker."""
    # Unpickling imports plugins: what they print must not reach the parent's standard output, and
    # what they set must not reach other jobs. The parent wrote the bytes a moment ago.
    parts: Any = isolated_call(lambda: pickle.loads(packed), None).get()  # noqa: S301
    work, training, on_disk = parts
    *streams, target = _arrays(paths)
    return work(training, streams if on_disk is None else on_disk, target, *task)


@functools.lru_cache(maxsize=1)
def _arrays(paths: tuple[str, ...]) -> tuple[NDArray[Any], ...]:
    return tuple(np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
