"""Work spread over processes that may die or hang on an item: that item gets the reason, every
other its answer.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection
from typing import Any

from nverbench.errors import NverbenchError

AHEAD = 4
"""Items a worker holds, so that it never waits for the next."""
SECONDS = 60.0
"""A worker that has worked on one item for longer is ended."""
START = 120.0
"""Seconds a worker may take until it is ready, on a busy machine."""


@dataclass(frozen=True)
class Failure:
    """Instead of an answer: why there is none."""

    reason: str


@dataclass
class _Worker:
    """A process, the pipe to it, and the items it holds, the first being worked on."""

    process: Any
    pipe: Any
    holds: deque[int] = field(default_factory=deque)
    ready: bool = False
    since: float = field(default_factory=time.monotonic)

    def overdue(self, seconds: float) -> bool:
        """Whether it has worked on one item for too long."""
        return bool(self.holds) and time.monotonic() - self.since > (
            seconds if self.ready else START
        )


def map_isolated(
    work: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    processes: int | None = None,
    seconds: float = SECONDS,
) -> Generator[tuple[int, Any], None, None]:
    """``(index, work(item))`` for every item, as they come; :class:`Lost` where the worker raised,
    died or took too long.

    However this ends (ctrl-C too), no process outlives it.

    Raises:
        NverbenchError: worker processes cannot be started at all.
    """
    count = min(processes or os.cpu_count() or 1, -(-len(items) // AHEAD))
    pending = deque(range(len(items)))
    workers: list[_Worker] = []
    try:
        for _ in range(count):
            workers.append(_started(work))
        while pending or any(w.holds for w in workers):
            for w in workers:
                while pending and len(w.holds) < AHEAD:
                    _give(w, pending.popleft(), items)
            yield from _answers(workers, work, pending, seconds)
    finally:
        for w in workers:
            _end(w)


def _answers(
    workers: list[_Worker], work: Callable[[Any], Any], pending: deque[int], seconds: float
) -> Iterator[tuple[int, Any]]:
    """What the workers have to say now; those that died or hang are replaced, and what they held
    beside the item at fault is done again.
    """
    readable = connection.wait([w.pipe for w in workers if w.holds], timeout=min(1.0, seconds / 4))
    for i, w in enumerate(workers):
        fault = None
        if w.pipe in readable:
            try:
                answer = w.pipe.recv()
            except (EOFError, OSError):
                w.process.join(10)
                fault = f"the process that decoded it died ({_cause(w.process.exitcode)})"
            else:
                if w.ready:
                    yield w.holds.popleft(), answer
                w.ready, w.since = True, time.monotonic()
        elif w.overdue(seconds):
            fault = f"not done after {seconds:.0f} s"
        if fault is not None:
            if not w.ready:
                raise NverbenchError(
                    f"a worker process cannot be started ({fault}); run it from a script or the"
                    " command line"
                )
            yield w.holds.popleft(), Failure(fault)
            pending.extendleft(reversed(w.holds))
            _end(w)
            workers[i] = _started(work)


def _give(worker: _Worker, index: int, items: Sequence[Any]) -> None:
    if not worker.holds:
        worker.since = time.monotonic()
    worker.holds.append(index)
    with suppress(OSError):  # it is dead: its pipe says so when it is read
        worker.pipe.send(items[index])


def _started(work: Callable[[Any], Any]) -> _Worker:
    """A fresh process (spawned: forking a process with threads may lock up); it never sees ctrl-C,
    which is its parent's to handle.
    """
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(there, work), daemon=True
    )
    with _without_interrupt():
        process.start()
    there.close()  # so that its death is the end of the pipe
    return _Worker(process, here)


def _serve(pipe: Any, work: Callable[[Any], Any]) -> None:
    """What a worker does: a word when it is ready, then an answer for every item, until its parent
    is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pipe.send(True)
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), 2
        )  # decoders write remarks on damaged files over the progress bar
        while True:
            item = pipe.recv()
            try:
                answer = work(item)
            except Exception as error:
                answer = Failure(f"{type(error).__name__}: {' '.join(str(error).split())}")
            pipe.send(answer)
    except (EOFError, OSError):
        return


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join()
    worker.process.close()


def _cause(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Children started inside inherit a blocked SIGINT; one that arrives meanwhile is raised
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
