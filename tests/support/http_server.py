"""A faulty server on this machine: each request takes a fault from a list; when the list is empty,
the server works.
"""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """How one answer goes wrong. The fields may be combined."""

    status: int | None = None
    """Answer this and nothing else."""
    cut: int | None = None
    """Announce all, send so many bytes, close the connection."""
    reset: int | None = None
    """Announce all, send so many bytes, reset the connection."""
    stall: int | None = None
    """Announce all, send so many bytes, then nothing more until the client leaves."""
    drop: bool = False
    """Close the connection before any answer."""
    location: str | None = None
    """Redirect there (a path of this server or a whole address)."""
    ignore_range: bool = False
    """Send all with 200, whatever range is requested."""
    ignore_if_range: bool = False
    """Send the range of the present content although the requested tag is another one."""
    shift: int = 0
    """Begin so many bytes after the requested one, with the true Content-Range."""
    lie: int = 0
    """Begin so many bytes after the requested one, with the requested Content-Range."""
    unasked: bool = False
    """Send the second half with 206 although no range was requested."""
    garble: bool = False
    """Other bytes of the same length, with the same tag."""
    chunked: bool = False
    """Do not announce the length. With ``cut``: no last chunk."""
    no_length: bool = False
    """Do not announce the length, and mark the end by closing the connection."""
    more: int = 0
    """Send so many bytes more than there are (only without a length does a client see them)."""
    encoded: bool = False
    """Claim that the bytes are gzipped."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent in addition."""


@dataclass
class Shelf:
    """The files of the server, its next faults, and the requests so far."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    """One per request, in this order; then the server works."""
    tags: bool = True
    """Whether the server sends ETags."""
    address: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """(path, Range) of every request."""
    served: int = 0
    """Bytes of bodies."""
    closing: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    """Set when an answer stalls."""


class Handler(BaseHTTPRequestHandler):
    """Answers a request with the next fault."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        shelf: Shelf = self.server.shelf
        path = self.path.partition("?")[0]
        shelf.asked.append((path, self.headers["Range"]))
        fault = shelf.faults.pop(0) if shelf.faults else Fault()
        self.close_connection = True
        if fault.drop:
            return
        if fault.location is not None:
            self.plain(302, ("Location", fault.location))
        elif fault.status is not None or path not in shelf.files:
            self.plain(fault.status or 404, *fault.headers)
        else:
            self.content(shelf, fault, shelf.files[path])

    def plain(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in (*headers, ("Content-Length", "4")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"oops")

    def content(self, shelf: Shelf, fault: Fault, content: bytes) -> None:
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        start = self.begin(fault, content, tag, tagged=shelf.tags)
        if start is not None and start >= len(content):
            self.plain(416, ("Content-Range", f"bytes */{len(content)}"))
            return
        said = start
        if start is not None and start + fault.shift >= 0:
            said = start = start + fault.shift
        first = max(0, (start or 0) + fault.lie)
        sent = content[first : first + len(content) - (said or 0)]
        body = bytes(255 - b for b in sent) if fault.garble else sent
        self.send_response(200 if said is None else 206)
        self.send_header("Connection", "close")
        if said is not None:
            self.send_header("Content-Range", f"bytes {said}-{len(content) - 1}/{len(content)}")
        if shelf.tags:
            self.send_header("ETag", tag)
        if fault.encoded:
            self.send_header("Content-Encoding", "gzip")
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not fault.no_length:
            self.send_header("Content-Length", str(len(content) - (said or 0)))
        for name, value in fault.headers:
            self.send_header(name, value)
        self.end_headers()
        self.body(shelf, fault, body + b"x" * fault.more)

    def begin(self, fault: Fault, content: bytes, tag: str, *, tagged: bool) -> int | None:
        """The first byte to send; None: all with 200."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if fault.unasked:
            return len(content) // 2
        if asked is None or fault.ignore_range:
            return None
        condition = self.headers["If-Range"]
        if (
            condition is not None
            and not fault.ignore_if_range
            and not (tagged and condition == tag)
        ):
            return None
        return int(asked[1])

    def body(self, shelf: Shelf, fault: Fault, body: bytes) -> None:
        stop = next((n for n in (fault.cut, fault.reset, fault.stall) if n is not None), None)
        part = body if stop is None else body[:stop]
        shelf.served += len(part)
        with suppress(OSError):  # the client may have left
            if fault.chunked:
                for i in range(0, len(part), 7000):
                    piece = part[i : i + 7000]
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                if stop is None:
                    self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(part)
            self.wfile.flush()
        if fault.stall is not None:
            shelf.reached.set()
            shelf.closing.wait(60)
        if fault.reset is not None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


class Quiet(ThreadingHTTPServer):
    """A server that ignores clients that close the connection."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def serving(**files: bytes) -> Iterator[Shelf]:
    """A server at ``shelf.address`` until the block ends."""
    server = Quiet(("127.0.0.1", 0), Handler)
    shelf = server.shelf = Shelf({f"/{name}": content for name, content in files.items()})  # type: ignore[attr-defined]
    shelf.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield shelf
    finally:
        shelf.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
