"""Switches the network off in this process: every connection is refused and recorded."""

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
"""The lists to which addresses are added; empty: nothing is refused."""


@contextmanager
def offline(addresses: list[str]) -> Iterator[None]:
    """Refuses every connection inside with OSError, and adds its address to ``addresses``.

    An audit hook does this: it covers functions that were imported by name, and C libraries that
    use Python's sockets, but not other processes.
    """
    _add_hook()
    _refusing.append(addresses)
    try:
        yield
    finally:
        _refusing.pop()


@functools.cache
def _add_hook() -> None:
    """Add the audit hook, once in a process: an audit hook cannot be removed."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if not _refusing or event not in EVENTS:
        return
    first, *rest = arguments
    if isinstance(first, socket.socket) and first.family not in (socket.AF_INET, socket.AF_INET6):
        return  # a pipe between processes of this machine
    address = rest[0] if isinstance(first, socket.socket) and rest else first
    _refusing[-1].append(str(address[0] if isinstance(address, tuple) and address else address))
    raise OSError(f"{event}: the network is off while a dataset is checked")
