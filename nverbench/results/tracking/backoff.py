"""How long a run waits for a tracking server. Results are safe on disk, so a server that is down,
hangs or is slow is not used for a while.

The first failure is one line; until the pause is over nothing more is sent or printed, so that ten
thousand jobs do not each wait for a dead server. ``nverbench leaderboard push`` and ``pull`` have
no such limits: a user who calls them is ready to wait.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import urlsplit

from nverbench.errors import TrackingError
from nverbench.results.tracking.addresses import UnusableAddress

SLOW_AFTER, SLOW = 20.0, 1.0
"""A server is slow once its answers took more seconds than both: in total, and for each answer."""
BRIEF, PAUSE = 1.0, 10.0
"""A failure that took more than BRIEF seconds is followed by a pause PAUSE times as long."""
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

_paused: dict[str, float] = {}
"""Address -> end of its pause, on the monotonic clock."""


@dataclass
class _Requests:
    """The requests of one upload: their number, and when the first one began."""

    number: int = 0
    began: float = 0.0


_requests: ContextVar[_Requests | None] = ContextVar("_requests", default=None)


def backing_off(uri: str) -> bool:
    """Return whether the pause of a server is not over yet."""
    return time.monotonic() < _paused.get(uri, 0.0)


@contextmanager
def with_backoff(uri: str) -> Iterator[None]:
    """Give up a slow server inside; after a failure that took time, begin a pause and add its
    length to the error.
    """
    began, token = time.monotonic(), _requests.set(_Requests())
    try:
        yield
    except TrackingError as error:
        cost = time.monotonic() - began
        if cost < BRIEF:
            raise
        _paused[uri] = time.monotonic() + PAUSE * cost
        pause = f"{error}; the server is not used for {PAUSE * cost:.0f} s"
        if isinstance(error, UnusableAddress):
            raise UnusableAddress(pause) from error
        raise TrackingError(f"{pause}, push also uploads what finishes until then") from error
    finally:
        _requests.reset(token)


def check_speed() -> None:
    """Count a request that is about to be sent; TimeoutError where the earlier ones took too long.

    Outside :func:`with_backoff` no server is too slow.
    """
    requests = _requests.get()
    if requests is None:
        return
    now = time.monotonic()
    requests.began = requests.began or now
    seconds = now - requests.began
    if seconds > SLOW_AFTER and seconds > SLOW * requests.number:
        raise TimeoutError(f"{requests.number} answers took {seconds:.0f} s")
    requests.number += 1


def check_listening(uri: str) -> None:
    """Raise ConnectionError where no server listens at the address of a database: MLflow would
    retry for two minutes.
    """
    place = urlsplit(uri)
    port = place.port or PORTS.get(place.scheme.partition("+")[0])
    if place.hostname is None or port is None or place.scheme in ("http", "https"):
        return
    try:
        socket.create_connection((place.hostname, port), timeout=9).close()
    except OSError as error:
        raise ConnectionError(f"no server answers at {place.hostname}:{port} ({error})") from error
