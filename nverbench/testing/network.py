"""A process without a network: whatever tries to reach beyond this machine is refused, and
noted.
"""

from __future__ import annotations

import functools
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EVENTS = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendto",
    "socket.sendmsg",
)
_refusing: list[list[str]] = []
"""The lists that are being noted into; empty: nothing is refused."""


@contextmanager
def offline(noted: list[str]) -> Iterator[None]:
    """Notes the addresses that are asked for inside, all of them refused with OSError.

    An audit hook: it also sees what was imported by name, and libraries written in C that use
    Python's sockets. Other processes it does not see.
    """
    _listen()
    _refusing.append(noted)
    try:
        yield
    finally:
        _refusing.pop()


@functools.cache
def _listen() -> None:
    """Once in a process: an audit hook cannot be taken out again."""
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if not _refusing or event not in EVENTS:
        return
    first, *rest = arguments
    if isinstance(first, socket.socket) and first.family not in (socket.AF_INET, socket.AF_INET6):
        return  # a pipe between processes of this machine
    address = rest[0] if isinstance(first, socket.socket) and rest else first
    _refusing[-1].append(str(address[0] if isinstance(address, tuple) and address else address))
    raise OSError(f"{event}: the network is off while a dataset is checked")
