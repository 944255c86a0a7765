"""The built page and MLflow's UI, on this machine's loopback interface only; other machines use
``ssh -L``.
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
from typing import IO, Any

from nverbench.errors import UsageError

HERE = "127.0.0.1"
POLICY = "default-src 'self' 'unsafe-inline' data: blob:"
"""The policy of a self-contained page: no request to another host."""
PATIENCE = 120.0
"""Seconds that MLflow may take to start; the first start on a new database is slow."""


class PageHandler(SimpleHTTPRequestHandler):
    """GET and HEAD of the files of one folder: no listings, no file outside it, and no answer to
    another host name.
    """

    def send_head(self) -> Any:
        """The headers of an allowed file, or an error."""
        host = self.headers.get("Host") or ""
        path = Path(self.translate_path(self.path)).resolve()
        if (host.rpartition(":")[0] or host) not in (HERE, "localhost"):  # DNS rebinding
            self.send_error(HTTPStatus.FORBIDDEN, "this server answers to localhost only")
        elif not path.is_relative_to(Path(self.directory).resolve()):
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            return super().send_head()
        return None

    def list_directory(self, path: Any) -> None:
        """An error instead of a listing."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """The headers, with the page's policy."""
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """No log."""


@contextlib.contextmanager
def page(folder: Path, port: int) -> Iterator[str]:
    """Serve a built page on a thread; yields its address.

    Raises:
        UsageError: the folder holds no page, or the port is taken.
    """
    if not (folder / "index.html").is_file():
        raise UsageError(
            f"{folder}: expected a built page (index.html); nverbench leaderboard build makes one"
        )
    check_free(port)
    handler = functools.partial(PageHandler, directory=str(folder))
    server = ThreadingHTTPServer((HERE, port), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"http://{HERE}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def check_free(port: int) -> None:
    """Raise UsageError when a port of the loopback interface is in use."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HERE, port))
        except OSError as error:
            raise UsageError(
                f"port {port} of {HERE} is not free ({error.strerror}); choose another with"
                " --port or --mlflow-port"
            ) from error


@contextlib.contextmanager
def mlflow_ui(
    store: str, artifacts: Path, port: int
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start MLflow's server on a store in a process group of its own; yields address and process,
    and ends the whole group.

    Raises:
        UsageError: the port is taken, or MLflow does not start; the message quotes its last line.
    """
    check_free(port)
    options = ["--host", HERE, "--port", str(port), "--workers", "1"]
    settings = {
        # Not an argument: it may hold a password, and every user can read arguments.
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_ARTIFACTS_DESTINATION": str(artifacts),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait_for(process, port, log)
            yield f"http://{HERE}:{port}/", process
        finally:
            end(process)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines() or ["no output"]
            code = process.returncode
            raise UsageError(f"mlflow did not start (exit code {code}): {lines[-1].strip()[:300]}")
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
    """End a process and its children: SIGTERM first, then SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    with contextlib.suppress(ProcessLookupError):  # also what outlived it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def interruptible() -> Iterator[list[int]]:
    """SIGHUP, SIGINT and SIGTERM end the block with KeyboardInterrupt, so that it can clean up;
    yields the list of received signals.

    A loop must check the list too: Python drops an exception that is raised inside a finaliser.
    """
    came: list[int] = []

    def stop(number: int, frame: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
