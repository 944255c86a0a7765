"""Trainings in processes beside each other, one thread each: on a CPU faster than one by one on all
threads, and the same bits.

Workers are started when a job is worth it (a process imports torch for some seconds) and kept until
the run ends. Parts travel by reference, so a worker imports the plugin that brought them; parts
that cannot be pickled, and a worker that dies, cost the parallelism, not the job.
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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench._io.tempfiles import temporary_folder
from nverbench.data.folds.assign import Fold
from nverbench.embedding import shards
from nverbench.embedding.extract import Extraction
from nverbench.plugin import single_file
from nverbench.plugin.isolation import isolated_call
from nverbench.plugin.records import Clip
from nverbench.training.records import TrainingSetup
from nverbench.training.sequences import TurnFrames

if TYPE_CHECKING:
    from numpy.typing import NDArray

Data = Sequence["NDArray[np.float32]"] | TurnFrames
"""What a job trains on: a matrix per backbone, or frames on disk."""
Task = tuple[Fold, int]
"""A fold and a replicate."""
Tasks = Sequence[Task] | Sequence[tuple[tuple[Fold, ...], int]]
"""Or, of a whole job, all folds and how many replicates."""
Work = Callable[..., Any]
"""``(training, streams, target, *task)``: ``fit_fold``, or ``fit_job``."""
WORTH_STARTING = 10.0
"""Seconds of work left from which workers are started."""
PAGES = {"MALLOC_MMAP_THRESHOLD_": str(1 << 31), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
"""For a worker's start: glibc would give every large gradient back to the system at every step and
take it again page by page.
"""


def own_settings() -> dict[str, str]:
    """``PAGES``, but for what the user set."""
    return {name: value for name, value in PAGES.items() if name not in os.environ}


class Workers:
    """Processes that train; none is started before there is work worth it. Use as a context
    manager.
    """

    def __init__(
        self, number: int | None = None, say: Callable[[str], None] = lambda sentence: None
    ) -> None:
        cores = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )  # macOS cannot tell
        self.number, self.say = number or cores, say
        self._pool: ProcessPoolExecutor | None = None
        self._handed: list[Future[Any]] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def worth(self, seconds: float) -> bool:
        """Whether that much work is worth handing out: always, once processes run."""
        return self.number > 1 and (self._pool is not None or seconds > WORTH_STARTING)

    def takes_jobs(self, device: str) -> bool:
        """Never: they share this machine's processors."""
        return False

    def listen(
        self,
        ask: shards.EmbeddingRequest,
        clips: Sequence[Clip],
        wanted: set[str],
        cost: Extraction,
    ) -> Generator[shards.EmbeddedClip, None, None]:
        """Embedding needs all threads of this process, and no other."""
        return shards.embed_locally(ask, clips, wanted, cost)

    @property
    def hungry(self) -> bool:
        """Whether processes run that will soon have nothing to do."""
        self._handed = [f for f in self._handed if not f.done()]
        return self._pool is not None and len(self._handed) < 2 * self.number

    def hand(
        self,
        work: Work,
        training: TrainingSetup,
        streams: Data,
        target: NDArray[np.int64],
        tasks: Tasks,
        tick: Callable[[int], None],
    ) -> Handed | None:
        """Trainings under way; None where the parts cannot travel or a worker died."""
        try:
            packed = pickle.dumps(
                (work, training, streams if isinstance(streams, TurnFrames) else None)
            )
        except Exception:  # a plugin's closure: pickle raises what it likes
            return None
        files = contextlib.ExitStack()
        try:
            paths = files.enter_context(
                laid_out([target] if isinstance(streams, TurnFrames) else [*streams, target])
            )
        except OSError as error:
            self.say(
                f"{tempfile.gettempdir()}: cannot be written ({error.strerror or error}), so that"
                " folds are trained one by one; TMPDIR moves it"
            )
            return None
        try:
            with environment(own_settings()):  # processes start when there is something to do
                futures = [self._started().submit(_work, packed, paths, task) for task in tasks]
        except BrokenProcessPool:
            files.close()
            self.bury()
            return None
        self._handed += futures
        for future in futures:
            future.add_done_callback(
                lambda f: tick(1) if not f.cancelled() and f.exception() is None else None
            )
        return Handed(self, futures, files)

    def bury(self) -> None:
        """A worker died: end the others, and hand out nothing more."""
        if self.number > 1:
            self.say(
                "a process that trained folds died (out of memory?): the rest is trained one by"
                " one, which takes longer"
            )
        self.close()
        self.number = 1

    def close(self) -> None:
        """End the processes."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list(
                getattr(pool, "_processes", {}).values()
            ):  # a training cannot be asked to stop
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.number,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=begin_worker,
                initargs=(single_file.running(),),
            )
        return self._pool


@dataclass(frozen=True)
class Handed:
    """The trainings of a job, handed to workers."""

    workers: Workers
    futures: Sequence[Future[Any]]
    files: contextlib.ExitStack
    """The data they read, removed when they end."""

    def results(self) -> list[Any] | None:
        """Wait for them, in their order; None when a worker died (then nothing is lost but
        time).
        """
        with self.files:
            try:
                return [future.result() for future in self.futures]
            except (BrokenProcessPool, CancelledError):  # cancelled: a worker of another job died
                self.workers.bury()
                return None
            except BaseException:  # one training failed, or ctrl-C: the others need not begin
                for future in self.futures:
                    future.cancel()
                raise


@contextlib.contextmanager
def laid_out(arrays: Sequence[NDArray[Any]]) -> Iterator[tuple[str, ...]]:
    """The arrays as files that workers map into memory, instead of a copy for each."""
    with temporary_folder() as folder:
        paths = [str(folder / f"{i}.npy") for i in range(len(arrays))]
        for path, array in zip(paths, arrays, strict=True):
            np.save(path, np.asarray(array), allow_pickle=False)
        yield tuple(paths)


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that processes started inside will have."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def begin_worker(files: Sequence[single_file.Code]) -> None:
    """The start of a process that works for this one, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    single_file.adopt(files)
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """A parent that was killed could not end its workers: they would wait for work, and hold their
    memory, for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(packed: bytes, paths: tuple[str, ...], task: tuple[Any, int]) -> Any:
    # Reading it imports plugins: here too, what they print must not reach the parent's standard
    # output, nor what they set other jobs.
    # written by the parent a moment ago, never read from disk
    parts: Any = isolated_call(lambda: pickle.loads(packed), None).get()  # noqa: S301
    work, training, on_disk = parts
    *streams, target = _arrays(paths)
    return work(training, streams if on_disk is None else on_disk, target, *task)


@functools.lru_cache(maxsize=1)
def _arrays(paths: tuple[str, ...]) -> tuple[NDArray[Any], ...]:
    return tuple(np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
