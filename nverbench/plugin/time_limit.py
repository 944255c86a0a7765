"""A time limit for a plugin's Python code: a timer signal in the main thread, else a thread."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.2
"""Seconds until code that catches the interruption and continues is interrupted again."""
SOON = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3)
"""Seconds, in turn, until the next interruption of such code: one of them comes outside of the
``try`` that catches it.
"""
OURS = ("nverbench.", "contextlib", "importlib.")
"""Prefixes of the names of modules that must not be interrupted."""


class ImportTimeout(BaseException):
    """Raised in code that takes too long; an ``except Exception`` in it does not catch this."""


class Clock:
    """Counts the seconds of one action; it can be paused."""

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
        """Raises :class:`ImportTimeout` inside when the seconds are over; a timer that the process
        had set before continues afterwards.
        """
        began = time.monotonic()
        handler = signal.signal(signal.SIGALRM, self._ring) if self._timers else None
        self._before = signal.setitimer(signal.ITIMER_REAL, 0) if self._timers else (0.0, 0.0)
        try:
            try:
                self._start()
                yield
            finally:
                self._stop()
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
        """The time inside does not count."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        self._began, self._running = time.monotonic(), True
        if self._timers:
            signal.setitimer(signal.ITIMER_REAL, max(self.left, 1e-3), AGAIN)
        else:
            self._watch = threading.Timer(max(self.left, 0), self._interrupt)
            self._watch.daemon = True
            self._watch.start()

    def _stop(self) -> None:
        with self._lock:  # not during an interruption
            self._running = False
        if self._timers:
            signal.setitimer(signal.ITIMER_REAL, 0)
        elif self._watch is not None:
            self._watch.cancel()
            _raise_in(self._thread, None)  # revokes one that is pending
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
        """Runs in the second thread. It interrupts Python code at its next step; a call that waits
        in C is interrupted when it returns.
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
