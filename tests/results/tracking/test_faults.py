"""A tracking server that is down, hangs or is broken costs one line, within half a minute, and no
result.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nverbench.errors import TrackingError
from nverbench.results.tracking import log, pull, push
from nverbench.results.tracking.client import connect
from support.tracking_results import folder, result


class Broken(BaseHTTPRequestHandler):
    """500 to everything."""

    def do_GET(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def broken() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hanging() -> Iterator[str]:
    """Takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def down() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("fault", ["down", "broken", "hanging"])
def test_a_failing_server_costs_one_line_and_no_result(
    fault: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    uri = request.getfixturevalue(fault)
    here = folder(tmp_path)
    before = {p: p.read_bytes() for p in here.root.iterdir()}
    began = time.monotonic()
    line = (
        rf"^mlflow {uri}: .*the result is safe in .*nverbench leaderboard push --tracking-uri {uri}"
        r" uploads it later($|; the server is not used)"
    )
    with pytest.raises(TrackingError, match=line) as caught:
        log(result(), here, uri)
    assert time.monotonic() - began < 15
    assert "\n" not in str(caught.value)
    assert {p: p.read_bytes() for p in here.root.iterdir() if p.name != ".telling"} == before


def test_out_of_the_box_a_server_that_hangs_is_given_up_within_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    connect("http://127.0.0.1:9")
    retries, timeout = (
        int(os.environ[f"MLFLOW_HTTP_REQUEST_{name}"]) for name in ("MAX_RETRIES", "TIMEOUT")
    )
    assert (retries + 1) * timeout + 5 < 25  # MLflow waits 2 to 3 s before its first retry


@pytest.mark.parametrize("fault", ["down", "broken"])
def test_push_and_pull_stop_at_a_failing_server(
    fault: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    uri = request.getfixturevalue(fault)
    here = folder(tmp_path)
    with pytest.raises(TrackingError, match="the same command goes on from here"):
        push(here, uri, print)
    with pytest.raises(TrackingError, match="the same command goes on from here"):
        pull(here, uri, print)


@pytest.mark.parametrize("fault", ["down", "broken"])
def test_the_next_push_uploads_once_what_a_failing_server_did_not_get(
    fault: str, request: pytest.FixtureRequest, uri: str, tmp_path: Path
) -> None:
    here = folder(tmp_path)
    with pytest.raises(TrackingError):
        log(result(), here, request.getfixturevalue(fault))
    assert [
        (done.told, done.known) for done in (push(here, uri, print), push(here, uri, print))
    ] == [(1, 0), (0, 1)]
