"""Trainings in processes beside each other, one thread each: on a CPU faster than one by one on all threads, and the same bits.

Workers are started when a job is worth it (a process imports torch for some seconds) and kept until the run ends. Parts travel by reference, so a
worker imports the plugin that brought them; parts that cannot be pickled, and a worker that dies, cost the parallelism, not the job.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.fit.records import Fitted, Training
from nverbench.folds import Fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

Task = tuple[Fold, int]
"""A fold and a replicate."""
FitFold = Callable[[Training, Sequence[Any], Any, Fold, int], Fitted]
WORTH_STARTING, WORTH_USING = 10.0, 1.0
"""Seconds of work left from which workers are started, and used where they run already."""


class Workers:
    """Processes that train; none is started before there is work worth it. Use as a context manager."""

    def __init__(self, number: int | None = None, say: Callable[[str], None] = lambda sentence: None) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS cannot tell
        self.number, self.say = number or cores, say
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def worth(self, seconds: float) -> bool:
        """Whether that much work is worth handing out."""
        return self.number > 1 and seconds > (WORTH_USING if self._pool else WORTH_STARTING)

    def fit(self, fit_fold: FitFold, training: Training, streams: Sequence[NDArray[np.float32]], target: NDArray[np.int64], tasks: Sequence[Task],
            tick: Callable[[int], None]) -> list[Fitted] | None:  # fmt: skip
        """The tasks' results in their order; None where the parts cannot travel or a worker died (then nothing is lost but time)."""
        try:
            packed = pickle.dumps((fit_fold, training))
        except Exception:  # a plugin's closure: pickle raises what it likes
            return None
        with _laid_out([*streams, target]) as paths:
            futures: list[Future[Fitted]] = []
            try:
                pool = self._started()
                futures = [pool.submit(_work, packed, paths, fold, replicate) for fold, replicate in tasks]
                for future in futures:
                    future.add_done_callback(lambda f: tick(1) if not f.cancelled() and f.exception() is None else None)
                return [future.result() for future in futures]
            except BrokenProcessPool:
                self.close()
                self.say("a process that trained folds died (out of memory?): the rest is trained one by one, which takes longer")
                self.number = 1
                return None
            except BaseException:  # one training failed, or ctrl-C: the others are not waited for
                for future in futures:
                    future.cancel()
                self.close()
                raise

    def close(self) -> None:
        """End the processes."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list(getattr(pool, "_processes", {}).values()):  # a training cannot be asked to stop
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.number, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
        return self._pool


@contextmanager
def _laid_out(arrays: Sequence[NDArray[Any]]) -> Iterator[tuple[str, ...]]:
    """The arrays as files that workers map into memory, instead of a copy for each."""
    with tempfile.TemporaryDirectory(prefix="nverbench-fit-") as folder:
        paths = [str(Path(folder) / f"{i}.npy") for i in range(len(arrays))]
        for path, array in zip(paths, arrays, strict=True):
            np.save(path, np.asarray(array), allow_pickle=False)
        yield tuple(paths)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the parent's to answer
    import torch

    torch.set_num_threads(1)


def _work(packed: bytes, paths: tuple[str, ...], fold: Fold, replicate: int) -> Fitted:
    fit_fold, training = pickle.loads(packed)  # noqa: S301  # written by the parent a moment ago, never read from disk
    *streams, target = _arrays(paths)
    fitted: Fitted = fit_fold(training, streams, target, fold, replicate)
    return fitted


@functools.lru_cache(maxsize=1)
def _arrays(paths: tuple[str, ...]) -> tuple[NDArray[Any], ...]:
    return tuple(np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
