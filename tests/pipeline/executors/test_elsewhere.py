"""Parts of the executors that need no cluster: addresses, fetched files, versions, pickled errors,
shards.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench._io.digests import file_sha256, path_digest
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.weights import Weights
from nverbench.errors import DatasetError, FitError, UsageError
from nverbench.pipeline.executors import tasks, versions
from nverbench.pipeline.executors.ray import connection, files
from nverbench.pipeline.executors.ray.files import FileServer, RemoteFiles
from nverbench.pipeline.executors.worker import WorkerConfig, run_task
from nverbench.plugin.records import Clip
from nverbench.training.sequences import FrameStream, TurnFrames

HERE = WorkerConfig((), {}, 1)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def other() -> Iterator[str]:
    """A server of another protocol."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            link, _ = server.accept()
            with link:
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("who", ["none", "silent", "other"])
def test_an_address_without_a_cluster_is_one_line(
    who: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER", 0.5)
    address = "127.0.0.1:1" if who == "none" else request.getfixturevalue(who)
    with pytest.raises(
        UsageError,
        match=f"--address {address}: no Ray cluster answers there; start one with ray start --head",
    ):
        connection._found(address)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--address", "auto"), "--address is an option of Ray; add --executor ray"),
        (("--gpus-per-job", "0.5"), "--gpus-per-job is an option of Ray; add --executor ray"),
        (("--executor", "slurm"), "executor=slurm: expected one of local, ray"),
        (
            ("--executor", "ray", "--gpus-per-job", "0"),
            "--gpus-per-job 0: expected a share above 0 and up to 1, or a whole number",
        ),
        (("--executor", "ray", "--gpus-per-job", "1.5"), "--gpus-per-job 1.5: expected a share"),
        (("--executor", "ray", "--gpus-per-job", "nan"), "--gpus-per-job nan: expected a share"),
        (
            ("--executor", "ray", "--address", "ray://head:10001"),
            "run this command on a machine of the cluster, which reads its files",
        ),
        (
            ("--executor", "ray", "--address", "head"),
            "--address head: expected HOST:PORT, as ray start --head prints it, or auto",
        ),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    bench: Any, words: tuple[str, ...], said: str
) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    ran = bench.run("out", *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err.splitlines()[-1]


def test_ray_that_is_not_installed_is_one_line(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "ray" else find(name, *more),
    )
    ran = bench.run("out", "--executor", "ray")
    assert ran.code == 2
    assert '--executor ray needs the ray extra: pip install "nverbench[ray]"' in ran.err


@pytest.fixture
def far(tmp_path: Path) -> tuple[FileServer, RemoteFiles, list[str]]:
    """The run's files, a machine that fetches them, and the names that it requested."""
    made, asked = FileServer(), []

    def piece(name: str, offset: int) -> bytes | None:
        asked.append(name)
        return made.piece(name, offset)

    return made, RemoteFiles(piece, made.listing), asked


def test_a_clip_is_used_in_place_or_fetched_once(
    far: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PIECE", 10)
    (tmp_path / "a.wav").write_bytes(bytes(range(25)))
    clip, sha = Clip("a", tmp_path / "a.wav", "x"), file_sha256(tmp_path / "a.wav")
    made, fetcher, asked = far
    made.publish(*files.clip_files([clip], {"a": sha}, Weights(None, "", pinned=True)))
    assert fetcher.clip(clip, sha) == clip
    assert asked == []
    away = replace(clip, path=Path("/nowhere/a.wav"))
    found = fetcher.clip(away, sha)
    assert found.path.read_bytes() == bytes(range(25))
    assert found.path.suffix == ".wav"
    assert len(asked) == 4  # three pieces and an end
    assert fetcher.clip(away, sha) == found
    assert len(asked) == 4


@pytest.mark.parametrize("what", ["changed", "gone", "not served"])
def test_a_file_that_is_not_what_was_planned_is_not_taken(
    far: Any, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"before")
    clip, sha = Clip("a", path, "x"), file_sha256(path)
    made, fetcher, _ = far
    if what != "not served":
        made.publish(*files.clip_files([clip], {"a": sha}, Weights(None, "", pinned=True)))
    path.unlink() if what == "gone" else path.write_bytes(b"after, and longer")
    with pytest.raises(
        DatasetError,
        match=r"a\.wav: the file changed or went away since it was planned; run it again",
    ):
        fetcher.clip(clip, sha)
    assert not list(Path(os.environ["NVERBENCH_HOME"]).rglob("*.wav"))


def test_weights_are_fetched_as_a_file_or_as_a_folder(far: Any, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).write_text(name)
    made, fetcher, asked = far
    for path in (tmp_path / "model", tmp_path / "model" / "config.json"):
        weights = Weights(path, path_digest(path), pinned=False)
        made.publish(*files.clip_files([], {}, weights))
        assert fetcher.weights(weights) == weights
        found = fetcher.weights(replace(weights, path=Path("/nowhere") / path.name)).path
        assert path_digest(found) == weights.digest
        assert found.name == path.name or found.is_dir()
    assert asked


def test_frames_come_from_the_cache_that_is_seen_or_are_fetched_into_the_own_cache(
    far: Any, tmp_path: Path
) -> None:
    store, made, fetcher = EmbeddingCache(tmp_path / "store"), far[0], far[1]
    store.put("ab12", np.ones((3, 2), np.float32), 9)
    frames = TurnFrames((FrameStream(store.root, ("ab12",), (3,), 2),), (0,))
    made.publish(files.frame_files(frames), {})
    assert fetcher.frames(frames) == frames
    away = replace(frames, streams=(replace(frames.streams[0], root=Path("/nowhere")),))
    assert np.array_equal(fetcher.frames(away).streams[0].frames(0), np.ones((3, 2)))


def test_another_version_is_named_with_what_is_expected() -> None:
    versions.check(versions.found(versions.LIBRARIES))
    versions.check({})
    with pytest.raises(
        UsageError, match=r"node box has numpy 1\.0 \(expected 2\.0\), scipy none \(expected 1\)"
    ):
        versions.compare(
            "box",
            {"python": "3.11", "numpy": "2.0", "scipy": "1"},
            {"python": "3.11", "numpy": "1.0"},
        )
    assert versions.found(["numpy", "no-such"])["no-such"] == "none"


def test_two_checkouts_of_one_version_are_distinguished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = versions.found(["nverbench"])["nverbench"]
    copy = tmp_path / "nverbench"
    shutil.copytree(
        Path(versions.__file__).parents[2], copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    spec = importlib.util.spec_from_file_location("nverbench", copy / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert versions.found(["nverbench"])["nverbench"] == before
    (copy / "registry.py").write_text("# another\n")
    assert versions.found(["nverbench"])["nverbench"] != before


class Odd(Exception):
    """Takes two arguments and stores one: it cannot be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def raising(error: BaseException) -> Any:
    def action(config: WorkerConfig) -> None:
        raise error

    return action


@pytest.mark.parametrize(
    "error", [FitError("epoch 3"), ValueError("x", 2), KeyError("k"), SystemExit(3)]
)
def test_errors_keep_their_class_when_pickled(error: BaseException) -> None:
    # pickled on this line
    answer = pickle.loads(pickle.dumps(run_task(HERE, raising(error))))  # noqa: S301
    with pytest.raises(type(error)) as caught:
        answer.get()
    assert caught.value.args == error.args
    assert "in action" in caught.value.__notes__[0]


def test_an_error_that_cannot_be_pickled_keeps_its_message() -> None:
    with pytest.raises(Exception, match=r"^Odd: this and that"):
        run_task(HERE, raising(Odd("this", "that"))).get()


def test_a_worker_with_another_version_returns_an_error() -> None:
    with pytest.raises(UsageError, match="numpy"):
        run_task(WorkerConfig((), {"numpy": "0.1"}, 1), lambda setting: 1).get()


@pytest.mark.parametrize(
    ("batches", "size", "slots", "widths"),
    [(8, 3, 1, [2] * 4), (1, 3, 9, [1]), (1000, 1, 2, [32] * 31 + [8]), (0, 3, 1, [])],
)
def test_shards_are_small_and_hold_every_batch_in_order(
    batches: int, size: int, slots: int, widths: list[int]
) -> None:
    made = [[Clip(f"{i}", Path("x"), "y")] for i in range(batches)]
    shards = tasks.make_shards(made, size, slots)
    assert [len(s) for s in shards] == widths
    assert [b for s in shards for b in s] == made
