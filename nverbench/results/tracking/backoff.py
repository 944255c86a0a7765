"""How long a run waits for a tracking server. Results are safe on disk, so that one which is down,
hangs or crawls is left alone for a while.

The first trouble is one line; until the pause is over nothing more is told or said, so that ten
thousand jobs do not each wait for a dead server. ``nverbench leaderboard push`` and ``pull`` know
no such haste: who says them wants to wait.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from nverbench.errors import TrackingError

SLOW_AFTER, SLOW = 20.0, 1.0
"""A server is slow once answers were waited for that many seconds, that many for each of them."""
TRIFLE, PAUSE = 1.0, 10.0
"""Trouble that cost more seconds than a trifle is followed by a pause that many times as long."""
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

_paused: dict[str, float] = {}
"""Address -> until when it is left alone, on the monotonic clock."""
_waited: ContextVar[_Waited | None] = ContextVar("_waited", default=None)


class _Waited:
    """Answers that were waited for, and how long."""

    def __init__(self) -> None:
        self.answers, self.seconds = 0, 0.0

    def check(self) -> None:
        """Raise once a server was slow for long enough."""
        if self.seconds > SLOW_AFTER and self.seconds > SLOW * self.answers:
            raise TimeoutError(f"{self.answers} answers took {self.seconds:.0f} s")


def backing_off(uri: str) -> bool:
    """Whether a server is left alone now."""
    return time.monotonic() < _paused.get(uri, 0.0)


@contextmanager
def with_backoff(uri: str) -> Iterator[None]:
    """Inside, a slow server is given up; after trouble that cost time it is left alone, and the
    error says for how long.
    """
    began, token = time.monotonic(), _waited.set(_Waited())
    try:
        yield
    except TrackingError as error:
        cost = time.monotonic() - began
        if cost < TRIFLE:
            raise
        _paused[uri] = time.monotonic() + PAUSE * cost
        raise TrackingError(
            f"{error}; it is left alone for {PAUSE * cost:.0f} s, what finishes until then is told"
            " by push too"
        ) from error
    finally:
        _waited.reset(token)


class Timed:
    """A client whose answers are timed."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ask, waited = getattr(self._client, name), _waited.get()
        if waited is None:
            return ask  # type: ignore[no-any-return]

        def asked(*words: Any, **options: Any) -> Any:
            waited.check()
            began = time.monotonic()
            try:
                return ask(*words, **options)
            finally:
                waited.answers += 1
                waited.seconds += time.monotonic() - began

        return asked


def check_listening(uri: str) -> None:
    """Raise where nobody listens at the address of a database: MLflow would try again and again for
    two minutes.

    Raises:
        ConnectionError: of what cannot be connected to.
    """
    place = urlsplit(uri)
    port = place.port or PORTS.get(place.scheme.partition("+")[0])
    if place.hostname is None or port is None or place.scheme in ("http", "https"):
        return
    try:
        socket.create_connection((place.hostname, port), timeout=9).close()
    except OSError as error:
        raise ConnectionError(f"nobody answers at {place.hostname}:{port} ({error})") from error
