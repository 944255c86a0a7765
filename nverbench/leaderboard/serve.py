"""The built page and MLflow's UI on this machine's loopback interface, and nowhere else: other
machines come through ``ssh -L``.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from nverbench.errors import UsageError

HERE = "127.0.0.1"
POLICY = "default-src 'self' 'unsafe-inline' data: blob:"
"""What a self-contained page needs; nothing of it may ask another host."""
PATIENCE = 120.0
"""Seconds that MLflow may take to start; the first start on a new database is slow."""


class PageHandler(SimpleHTTPRequestHandler):
    """GET and HEAD of the files of one folder: no listings, nothing outside it, and no answer under
    another host's name.
    """

    def send_head(self) -> Any:
        """The headers of a file that may be had, or an error."""
        host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
        if host not in (
            HERE,
            "localhost",
        ):  # a page elsewhere whose name was made to point here (DNS rebinding)
            self.send_error(HTTPStatus.FORBIDDEN, "this server answers to localhost only")
            return None
        if (
            not Path(self.translate_path(self.path))
            .resolve()
            .is_relative_to(Path(self.directory).resolve())
        ):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        """Never."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """With the page's policy."""
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@contextlib.contextmanager
def page(folder: Path, port: int) -> Iterator[str]:
    """Serve a built page on a thread; gives its address.

    Raises:
        UsageError: the folder holds no page, or the port is taken.
    """
    if not (folder / "index.html").is_file():
        raise UsageError(
            f"{folder}: expected a built page (index.html); nverbench leaderboard build makes one"
        )
    check_free(port)
    server = ThreadingHTTPServer(
        (HERE, port), functools.partial(PageHandler, directory=str(folder))
    )
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
    )
    thread.start()
    try:
        yield f"http://{HERE}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def check_free(port: int) -> None:
    """Raises UsageError when something listens on that port of the loopback interface already."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HERE, port))
        except OSError as error:
            raise UsageError(
                f"port {port} of {HERE} cannot be had ({error.strerror}); choose another with"
                " --port or --mlflow-port"
            ) from error


@contextlib.contextmanager
def mlflow_ui(
    store: str, artifacts: Path, port: int
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start MLflow's server on a store in a process group of its own; gives address and process,
    and ends the whole group.

    Raises:
        UsageError: the port is taken, or MLflow does not start; its last line is said.
    """
    check_free(port)
    words = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        HERE,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    settings = {
        "MLFLOW_BACKEND_STORE_URI": (
            store
        ),  # not an argument: it may hold a password, and arguments are seen by everybody
        "MLFLOW_ARTIFACTS_DESTINATION": str(artifacts),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            words,
            env={**os.environ, **settings},
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait_for(process, port, said)
            yield f"http://{HERE}:{port}/", process
        finally:
            end(process)


def _wait_for(process: subprocess.Popen[bytes], port: int, said: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said.seek(0)
            lines = [
                line for line in said.read().decode(errors="replace").splitlines() if line.strip()
            ]
            raise UsageError(
                f"mlflow did not start (exit code {process.returncode}):"
                f" {lines[-1].strip()[:300] if lines else 'it said nothing'}"
            )
        connection = http.client.HTTPConnection(HERE, port, timeout=2)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
        finally:
            connection.close()
    raise UsageError(f"mlflow did not start within {PATIENCE:.0f} seconds")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all it started: asked first, then killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    with contextlib.suppress(ProcessLookupError):  # also what outlived it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def interruptible() -> Iterator[list[int]]:
    """A closed terminal, ctrl-C and a polite kill end the block with KeyboardInterrupt, so that it
    can clean up; gives the signals that came.

    A loop asks the list too: Python drops an exception that a signal raises inside a finaliser, and
    the signal would be lost.
    """
    came: list[int] = []

    def stop(number: int, frame: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
