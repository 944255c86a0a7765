"""Downloading from a model hub, against a local server that speaks the hub's protocol: right files,
pinned revision, resumed when cut off.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

REVISION = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "tiny"}',
    "pytorch_model.bin": bytes(range(250)) * 28,
    "README.md": b"not wanted",
    "evil.py": b"not wanted",
}
BIG, SHA = "pytorch_model.bin", hashlib.sha256(FILES["pytorch_model.bin"]).hexdigest()
FETCH = """
import sys, huggingface_hub.constants
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 1000  # of files this small nothing would be written before they are whole
from nverbench import Backbone, NverbenchError, Source
from nverbench.embedding.weights import store_weights
from nverbench._io.digests import file_sha256
from nverbench.embedding.weight_download import downloaded_weights
source = Source(address="hf:somebody/tiny", revision=sys.argv[1], files=("config.json", "preprocessor_config.json", "pytorch_model.bin"))
backbone = Backbone(name="tiny", family="attention", frame_dim=8, dim=8, load=print, weights=source)
try:
    with downloaded_weights(backbone, None, lambda line: print(line, flush=True)) as path:
        if "refuse" in sys.argv:
            raise NverbenchError("refused")
        print(*sorted(f"{p.name}={p.stat().st_size}" for p in path.iterdir()), file_sha256(path / "pytorch_model.bin"))
        store_weights(backbone, path, "digest")
except NverbenchError as error:
    print("ERROR", error)
"""
WHOLE = f"config.json=22 pytorch_model.bin=7000 {SHA}"


@dataclass
class State:
    """What the server does, and the requests it received."""

    address: str = ""
    stop_after: int | None = None
    """Send so many bytes of the big file, then hang up and answer nothing but 503."""
    hold: threading.Event | None = None
    """Send half of the big file, then wait for this."""
    reached: threading.Event = field(default_factory=threading.Event)
    """Half of the big file was sent."""
    ranges: bool = True
    content: bytes = FILES[BIG]
    requests: list[str | None] = field(default_factory=list)
    """The Range of every request for the big file."""


class Hub(BaseHTTPRequestHandler):
    """Enough of the hub's HTTP interface for its own client: the list of files, and each file at a
    revision, from any byte.
    """

    server: Any

    def do_GET(self) -> None:
        state: State = self.server.state
        path = self.path.partition("?")[0]
        if path == f"/api/models/somebody/tiny/tree/{REVISION}":
            tree: list[dict[str, Any]] = [
                {"type": "file", "path": n, "size": len(b), "oid": hashlib.sha1(b).hexdigest()}
                for n, b in FILES.items()
            ]
            tree[1]["lfs"] = {"oid": SHA, "size": 7000, "pointerSize": 130}
            return self.answer(200, json.dumps(tree).encode())
        name = path.rpartition("/")[2]
        if not path.startswith(f"/somebody/tiny/resolve/{REVISION}/") or name not in FILES:
            return self.answer(404, b"{}")
        if name != BIG:
            return self.answer(200, FILES[name])
        state.requests.append(self.headers["Range"])
        if state.stop_after is not None and len(state.requests) > 1:
            return self.answer(503, b"{}")
        start = int(self.headers["Range"][6:-1]) if self.headers["Range"] and state.ranges else 0
        return self.answer(206 if start else 200, state.content, start)

    def answer(self, status: int, content: bytes, start: int = 0) -> None:
        state: State = self.server.state
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if len(content) < 7000:
            self.wfile.write(content)
        elif state.stop_after is not None:
            self.wfile.write(content[start : state.stop_after])
        elif state.hold is not None:
            self.wfile.write(content[start : start + 3500])
            self.wfile.flush()
            state.reached.set()
            state.hold.wait(60)
            self.wfile.write(content[start + 3500 :])
        else:
            self.wfile.write(content[start:])

    def log_message(self, *_: object) -> None:
        """Silence."""


class Quiet(ThreadingHTTPServer):
    """A client that was killed is no error of the server's."""

    def handle_error(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def hub() -> Iterator[State]:
    server = Quiet(("127.0.0.1", 0), Hub)
    server.state = State(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.state  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def started(hub: State, home: Path, *words: str) -> subprocess.Popen[str]:
    own = {
        "HF_ENDPOINT": hub.address,
        "HF_HUB_OFFLINE": "0",
        "NVERBENCH_HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "NO_PROXY": "*",
    }
    script = [sys.executable, "-c", FETCH, *(words or (REVISION,))]
    return subprocess.Popen(
        script, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def fetched(hub: State, home: Path, *words: str) -> str:
    process = started(hub, home, *words)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def left(home: Path) -> list[str]:
    """What downloads left behind, but for the locks, which no process holds."""
    return sorted(p.name for p in (home / "downloads").rglob("*") if p.suffix != ".lock")


def test_the_requested_files_of_the_pinned_revision_are_fetched_and_no_others(
    hub: State, tmp_path: Path
):
    assert fetched(hub, tmp_path) == WHOLE
    assert (hub.requests, left(tmp_path)) == ([None], [])


def test_a_revision_the_hub_does_not_have_is_one_line_that_says_what_to_do(
    hub: State, tmp_path: Path
):
    messages = fetched(hub, tmp_path, "f" * 40)
    assert messages.startswith("ERROR weights tiny: hf:somebody/tiny could not be fetched")
    assert "nverbench weights get tiny" in messages
    assert left(tmp_path) == []


def test_a_download_that_was_cut_off_asks_for_the_rest_only(hub: State, tmp_path: Path):
    hub.stop_after = 3500
    assert fetched(hub, tmp_path).startswith(
        "ERROR weights tiny: hf:somebody/tiny could not be fetched"
    )
    hub.stop_after = None
    hub.requests.clear()
    assert fetched(hub, tmp_path) == WHOLE
    assert (hub.requests, left(tmp_path)) == (["bytes=3000-"], [])


def test_a_download_whose_process_was_killed_is_resumed_and_its_lock_is_gone(
    hub: State, tmp_path: Path
):
    hub.hold = threading.Event()
    process = started(hub, tmp_path)
    assert hub.reached.wait(60)
    part = next((tmp_path / "downloads").glob("tiny-*/.*.part"))
    process.kill()
    process.communicate()
    part.write_bytes(FILES[BIG][:1234])  # what its last flush may have left
    hub.hold.set()
    hub.requests.clear()
    assert fetched(hub, tmp_path) == WHOLE
    assert hub.requests == ["bytes=1234-"]


def test_a_server_that_cannot_begin_in_the_middle_sends_all_again(hub: State, tmp_path: Path):
    hub.stop_after = 3500
    fetched(hub, tmp_path)
    hub.stop_after, hub.ranges = None, False
    assert fetched(hub, tmp_path) == WHOLE


def test_content_that_is_not_what_the_hub_says_is_not_resumed(hub: State, tmp_path: Path):
    hub.content = bytes(7000)
    assert "pytorch_model.bin does not have the sha256 that its repository says" in fetched(
        hub, tmp_path
    )
    hub.content = FILES[BIG]
    hub.requests.clear()
    assert fetched(hub, tmp_path) == WHOLE
    assert hub.requests == [None]


def test_what_is_refused_when_it_is_verified_is_not_resumed(hub: State, tmp_path: Path):
    assert fetched(hub, tmp_path, REVISION, "refuse") == "ERROR refused"
    assert left(tmp_path) == []


def test_two_processes_download_once(hub: State, tmp_path: Path):
    hub.hold = threading.Event()
    first = started(hub, tmp_path)
    assert hub.reached.wait(60)
    second = started(hub, tmp_path)
    assert second.stdout is not None
    assert (
        second.stdout.readline()
        == "weights tiny: another process is fetching them; waiting for it\n"
    )
    hub.hold.set()
    assert [p.communicate(timeout=60)[0].strip() for p in (first, second)] == [WHOLE, WHOLE]
    assert hub.requests == [None]
