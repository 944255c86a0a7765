"""Work in processes that may die or hang on an item: that item gets the reason, every other its
result.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pebble import ProcessExpired, ProcessPool

from nverbench.errors import NverbenchError, reason_of

SECONDS = 60.0
"""A worker that has worked on one item for longer is ended."""


@dataclass(frozen=True)
class ItemFailure:
    """Why an item has no result."""

    reason: str


def map_isolated(
    work: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    processes: int | None = None,
    seconds: float = SECONDS,
) -> Generator[tuple[int, Any], None, None]:
    """``(index, work(item))`` for every item, as they complete; :class:`Failure` where the worker
    raised, died or took longer than ``seconds``. No process outlives the call.

    Raises:
        NverbenchError: worker processes cannot be started at all.
    """
    if not items:
        return
    # spawned: forking a process with threads may deadlock
    pool = ProcessPool(
        min(processes or os.cpu_count() or 1, len(items)),
        initializer=_discard_stderr,
        context=multiprocessing.get_context("spawn"),
    )
    try:
        with _without_interrupt():  # the pool's threads, and so its processes, inherit the mask
            futures: dict[Future[Any], int] = {
                pool.schedule(work, [item], timeout=seconds): i for i, item in enumerate(items)
            }
        for future in as_completed(list(futures)):
            yield futures.pop(future), _result(future, seconds)
    except RuntimeError as error:  # BrokenProcessPool, or a pool that broke while it was filled
        raise NverbenchError(
            f"a worker process cannot be started ({error}); run it from a script or the command"
            " line"
        ) from error
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _result(future: Future[Any], seconds: float) -> Any:
    try:
        return future.result()
    except TimeoutError:
        return ItemFailure(f"not done after {seconds:.0f} s")
    except ProcessExpired as error:
        return ItemFailure(f"the process that decoded it died ({_cause(error.exitcode)})")
    except BrokenProcessPool:
        raise
    except Exception as error:
        return ItemFailure(f"{type(error).__name__}: {reason_of(error)}")


def _discard_stderr() -> None:
    """Hides what decoders print about damaged files: it would overwrite the progress bar."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _cause(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Blocks SIGINT in threads and processes started inside; one that arrives meanwhile is raised
    afterwards. Windows has no such mask.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
