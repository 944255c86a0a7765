"""Weights: added from a file or fetched from a server on this machine, verified, loaded strictly
once, and enforced from then on.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from nverbench import ArtifactError, LoadContext, Source
from nverbench._io import download
from nverbench._io.paths import home, weights_folder
from support.http_server import Fault, serving

BYTES = b"scale 2.0 " * 50


class Shelf(BaseHTTPRequestHandler):
    """One file, and nothing else."""

    def do_GET(self) -> None:
        found = self.path == "/tiny.bin"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(BYTES) if found else 0))
        self.end_headers()
        self.wfile.write(BYTES if found else b"")

    def log_message(self, *words: object) -> None:
        """Nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    shelf = ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    thread = threading.Thread(target=partial(shelf.serve_forever, poll_interval=0.01), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{shelf.server_port}"
    shelf.shutdown()
    shelf.server_close()
    thread.join()


def bring(world: Any, address: str, sha256: str | None = None) -> None:
    """The stranger's backbone with weights at that address."""

    def load(ctx: LoadContext) -> Any:
        if ctx.weights is not None and not ctx.weights.read_bytes().startswith(b"scale"):
            raise ArtifactError(f"{ctx.weights}: expected a scale")
        return world.encode

    source = Source(address=address, licence="MIT", sha256=sha256)
    world.backbones = [*world.backbones, world.backbone("tiny-trained", load=load, weights=source)]


def run_trained(world: Any, *words: object) -> Any:
    return world.run(
        "run",
        "--backbone",
        "tiny-trained",
        "--fusion",
        "tiny-linear",
        "--dataset",
        "tiny-bursts",
        "--protocol",
        "quick",
        "--registry",
        "tiny.yaml",
        *words,
    )


RIGHT = hashlib.sha256(BYTES).hexdigest()


@pytest.mark.parametrize("sha256", [RIGHT, None], ids=["pinned", "not pinned"])
def test_weights_get_fetches_verifies_and_keeps(
    world: Any, server: str, sha256: str | None
) -> None:
    bring(world, f"{server}/tiny.bin", sha256)
    ran = world.run("weights", "get", "tiny-trained")
    assert ran.code == 0
    assert RIGHT in ran.out
    assert [p.read_bytes() for p in weights_folder("tiny-trained").iterdir()] == [BYTES]
    assert world.run("weights", "check", "tiny-trained").code == 0
    assert run_trained(world).code == 0


def test_download_fetches_what_a_run_lacks(world: Any, server: str) -> None:
    bring(world, f"{server}/tiny.bin", RIGHT)
    ran = run_trained(world)
    assert ran.code == 2
    assert "weights tiny-trained is missing" in ran.err
    assert "nothing could run" in ran.err
    assert run_trained(world, "--download").code == 0


@pytest.mark.parametrize(
    ("path", "sha256", "words"),
    [("tiny.bin", "0" * 64, f"expected sha256 {'0' * 64}, got sha256"), ("other.bin", None, "404")],
    ids=["wrong digest", "404"],
)
def test_a_download_that_is_not_the_file_is_refused_in_one_line(
    world: Any, server: str, path: str, sha256: str | None, words: str
) -> None:
    bring(world, f"{server}/{path}", sha256)
    ran = world.run("weights", "get", "tiny-trained")
    assert ran.code == 2
    assert f"weights tiny-trained: {server}/{path} could not be fetched" in ran.err
    assert words in ran.err
    assert not weights_folder("tiny-trained").exists()


def test_a_download_that_was_cut_off_is_resumed_by_the_next_command(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "CHUNK", 10)
    with serving(**{"tiny.bin": BYTES}) as shelf:
        bring(world, f"{shelf.address}/tiny.bin", RIGHT)
        shelf.faults = [Fault(cut=250)] + [Fault(status=503)] * 4
        assert world.run("weights", "get", "tiny-trained").code == 2
        shelf.asked.clear()
        assert world.run("weights", "get", "tiny-trained").code == 0
        assert shelf.asked == [("/tiny.bin", "bytes=250-")]


def test_a_refused_connection_is_one_line(world: Any, server: str) -> None:
    bring(world, "http://127.0.0.1:9/tiny.bin")  # the discard port: nobody listens
    ran = world.run("weights", "get", "tiny-trained")
    assert ran.code == 2
    assert "could not be fetched" in ran.err


def test_the_first_digest_seen_is_enforced_until_replaced(world: Any, tmp_path: Path) -> None:
    bring(world, "a sentence")
    (tmp_path / "one.bin").write_bytes(BYTES)
    (tmp_path / "two.bin").write_bytes(b"scale 3.0")
    assert world.run("weights", "add", "tiny-trained", "one.bin").code == 0
    ran = world.run("weights", "add", "tiny-trained", "two.bin")
    assert ran.code == 2
    assert f"this machine first saw {RIGHT[:12]}" in ran.err
    assert "--replace" in ran.err
    assert world.run("weights", "add", "tiny-trained", "two.bin", "--replace").code == 0
    assert world.run("weights", "check", "tiny-trained").code == 0


def test_kept_weights_that_change_are_noticed(world: Any, tmp_path: Path) -> None:
    bring(world, "a sentence")
    (tmp_path / "one.bin").write_bytes(BYTES)
    world.run("weights", "add", "tiny-trained", "one.bin")
    (weights_folder("tiny-trained") / "one.bin").write_bytes(b"scale 9")
    ran = run_trained(world)
    assert ran.code == 2
    assert "the file changed or is another model" in ran.err


def test_weights_that_do_not_load_are_not_kept(world: Any, tmp_path: Path) -> None:
    bring(world, "a sentence")
    (tmp_path / "other.bin").write_bytes(b"something else")
    ran = world.run("weights", "add", "tiny-trained", "other.bin")
    assert ran.code == 2
    assert "expected a scale" in ran.err
    assert not weights_folder("tiny-trained").exists()


# --- Audio-Mamba, with a seeded checkpoint of the real size


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny network from a seed, in both published layouts, and two that do not fit."""
    from nverbench_backbones.audio_mamba_checkpoint import expected_shapes
    from nverbench_backbones.audio_mamba_network import untrained_encoder

    folder = tmp_path_factory.mktemp("checkpoints")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        own = untrained_encoder(192, 12).state_dict()
    state = {
        k: own[k].contiguous() if k in own else torch.zeros(s)
        for k, s in expected_shapes(192, 12).items()
    }
    save_file(state, folder / "tiny.safetensors")
    torch.save({"model": state, "epoch": 99}, folder / "checkpoint-99.pth")
    save_file(
        {k: v for k, v in state.items() if k != "encoder_norm.bias"}, folder / "missing.safetensors"
    )
    save_file({**state, "decoder.weight": torch.zeros(2)}, folder / "extra.safetensors")
    return {p.name: p for p in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.safetensors", "1 keys missing (encoder_norm.bias)"),
        ("extra.safetensors", "1 keys not expected (decoder.weight)"),
    ],
)
def test_missing_and_unexpected_keys_are_named(
    world: Any, checkpoints: dict[str, Path], name: str, words: str
) -> None:
    ran = world.run("weights", "add", "audio-mamba-tiny", checkpoints[name])
    assert ran.code == 2
    assert words in ran.err
    assert not weights_folder("audio-mamba-tiny").exists()


def test_both_checkpoint_layouts_give_the_same_features(
    world: Any, checkpoints: dict[str, Path]
) -> None:
    import numpy as np

    rows = {}
    for name in ("tiny.safetensors", "checkpoint-99.pth"):
        assert (
            world.run("weights", "add", "audio-mamba-tiny", checkpoints[name], "--replace").code
            == 0
        )
        assert (
            world.run(
                "embed",
                "audio-mamba-tiny",
                world.corpus / "spk0" / "high-0.wav",
                "-o",
                f"{name}.npz",
            ).code
            == 0
        )
        rows[name] = np.load(world.root / f"{name}.npz")["embeddings"]
    assert rows["tiny.safetensors"].shape == (1, 960)
    assert np.array_equal(*rows.values())
    kept = list(weights_folder("audio-mamba-tiny").iterdir())
    assert len(load_file(checkpoints["tiny.safetensors"])) == 143
    assert [p.name for p in kept] == [
        "checkpoint-99.pth"
    ]  # what was there before is replaced whole


# --- bugs


def test_weights_add_enforces_the_digest_of_the_strangers_own_source(
    world: Any, tmp_path: Path
) -> None:
    bring(world, "a sentence", sha256="0" * 64)
    (tmp_path / "one.bin").write_bytes(BYTES)
    assert world.run("weights", "add", "tiny-trained", "one.bin").code == 2


def test_a_download_leaves_another_ones_download_alone(world: Any, server: str) -> None:
    bring(world, f"{server}/tiny.bin", RIGHT)
    other = home() / "downloads" / "wavlm-base-abc"
    other.mkdir(parents=True)
    world.run("weights", "get", "tiny-trained")
    assert other.exists()


def test_the_stranger_is_still_a_stranger(world: Any, server: str) -> None:
    bring(world, f"{server}/tiny.bin", RIGHT)
    world.backbones = [replace(b, licence="CC0") for b in world.backbones]
    world.run("weights", "get", "tiny-trained")
    (record,) = run_trained(world, "--json").records
    assert record["provenance"]["licences"]["tiny-trained"] == "CC0"
    assert record["provenance"]["weights_digests"]["tiny-trained"] == RIGHT
    assert record["standing"] == "unofficial"


def test_a_folder_without_the_weights_file_is_refused_before_anything_is_kept(
    world: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"x")  # the AST record takes safetensors only
    ran = world.run("weights", "add", "ast-audioset", folder)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "ast-audioset expects model.safetensors in that folder, and finds none" in ran.err
    assert not weights_folder("ast-audioset").exists()
