"""A limit on the seconds that somebody else's Python may take, without a thread where the system
has timers.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.2
"""Seconds until code that caught the interruption and went on is interrupted again."""
SOON = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3)
"""Seconds, in turn, until the next interruption of such code: one of them falls outside of what
catches it.
"""
OURS = ("nverbench.", "contextlib", "importlib.")
"""How the names of modules begin that must end what they do."""


class ImportTimeout(BaseException):
    """Raised in the code that took too long; no ``except Exception`` in it stops this."""


class Clock:
    """Counts the seconds of one action; stands still where it is told to."""

    def __init__(self, seconds: float) -> None:
        self.left, self._running, self._rings = seconds, False, 0
        self._before: tuple[float, float] = (0.0, 0.0)
        self._watch: threading.Timer | None = None
        self._lock = threading.Lock()
        self._timers = (
            hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        )
        self._thread = threading.get_ident()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Raises :class:`TimeUp` inside once the seconds are over; a timer that the process had set
        before goes on afterwards.
        """
        began = time.monotonic()
        handler = signal.signal(signal.SIGALRM, self._ring) if self._timers else None
        self._before = signal.setitimer(signal.ITIMER_REAL, 0) if self._timers else (0.0, 0.0)
        try:
            try:
                self._go()
                yield
            finally:
                self._halt()
        finally:
            if self._timers:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
                if self._before[0]:  # never 0, which would stop it
                    signal.setitimer(
                        signal.ITIMER_REAL,
                        max(self._before[0] - (time.monotonic() - began), 1e-3),
                        self._before[1],
                    )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done inside does not count."""
        self._halt()
        try:
            yield
        finally:
            self._go()

    def _go(self) -> None:
        self._began, self._running = time.monotonic(), True
        if self._timers:
            signal.setitimer(signal.ITIMER_REAL, max(self.left, 1e-3), AGAIN)
        else:
            self._watch = threading.Timer(max(self.left, 0), self._interrupt)
            self._watch.daemon = True
            self._watch.start()

    def _halt(self) -> None:
        with self._lock:  # not in the midst of an interruption
            self._running = False
        if self._timers:
            signal.setitimer(signal.ITIMER_REAL, 0)
        elif self._watch is not None:
            self._watch.cancel()
            _raise_in(self._thread, None)  # one that is on its way
        self.left -= time.monotonic() - self._began

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if not self._running or (
            frame is not None and str(frame.f_globals.get("__name__")).startswith(OURS)
        ):
            return
        if self._rings:
            signal.setitimer(signal.ITIMER_REAL, SOON[self._rings % len(SOON)], AGAIN)
        self._rings += 1
        raise ImportTimeout

    def _interrupt(self) -> None:
        """In the watching thread. Python code is interrupted at its next step; a call that waits in
        C is not, before it returns.
        """
        while True:
            with self._lock:
                if not self._running:
                    return
                _raise_in(self._thread, ImportTimeout)
            time.sleep(AGAIN)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error) if error else None
    )
