"""Downloading from a model hub, against a local server that speaks the hub's protocol: right files, pinned revision, one line when it fails."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

REVISION = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b'{"model_type": "tiny"}', "pytorch_model.bin": b"weights" * 1000, "README.md": b"not wanted", "evil.py": b"not wanted"}
FETCH = """
import sys
from nverbench import Backbone, NverbenchError, Source
from nverbench.artifacts import fetch
source = Source(address="hf:somebody/tiny", revision=sys.argv[1], files=("config.json", "preprocessor_config.json", "pytorch_model.bin"))
backbone = Backbone(name="tiny", family="attention", frame_dim=8, dim=8, load=print, weights=source)
try:
    print(*sorted(f"{p.name}={p.stat().st_size}" for p in fetch(backbone, None).iterdir()))
except NverbenchError as error:
    print("ERROR", error)
"""


class Hub(BaseHTTPRequestHandler):
    """Enough of the hub's HTTP interface for its own client: the list of files, and each file at a revision."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        content = FILES.get(path.rpartition("/")[2]) if path.startswith(f"/somebody/tiny/resolve/{REVISION}/") else None
        if path == f"/api/models/somebody/tiny/revision/{REVISION}":
            content = json.dumps({"id": "somebody/tiny", "sha": REVISION, "siblings": [{"rfilename": name} for name in FILES]}).encode()
        if path == f"/api/models/somebody/tiny/tree/{REVISION}":
            content = json.dumps([{"type": "file", "path": n, "size": len(b), "oid": hashlib.sha1(b).hexdigest()} for n, b in FILES.items()]).encode()
        self.send_response(200 if content is not None else 404)
        content = content or b"{}"
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:40]}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetched(endpoint: str, revision: str, home: Path) -> str:
    own = {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "NVERBENCH_HOME": str(home), "HF_HOME": str(home / "hf"), "NO_PROXY": "*"}
    environment = {**os.environ, **own}
    done = subprocess.run([sys.executable, "-c", FETCH, revision], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wanted_files_of_the_pinned_revision_are_fetched_and_no_others(hub: str, tmp_path: Path):
    assert fetched(hub, REVISION, tmp_path) == "config.json=22 pytorch_model.bin=7000"


def test_a_revision_the_hub_does_not_have_is_one_line_that_says_what_to_do(hub: str, tmp_path: Path):
    said = fetched(hub, "f" * 40, tmp_path)
    assert said.startswith("ERROR weights tiny: hf:somebody/tiny could not be fetched")
    assert "nverbench weights get tiny" in said
    assert not any((tmp_path / "downloads").iterdir())
