"""One process per GPU of this machine, with fakes: devices that do not exist, and trainings that
return the one that they see.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench._io.digests import file_sha256
from nverbench.embedding import devices, shards
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.frames import embed_frames
from nverbench.embedding.pooled import embed
from nverbench.errors import ClusterError
from nverbench.pipeline.executors import gpus
from nverbench.pipeline.executors.gpus import GpuPool
from nverbench.pipeline.executors.local import local_executor
from nverbench.pipeline.executors.processes import ProcessExecutor
from nverbench.plugin import discovery
from nverbench.plugin.records import Clip
from nverbench.training.records import TrainingTasks
from support.embedding import planned, write
from support.training import training


def test_gpus_are_those_that_the_environment_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_devices", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus.visible() == ["0", "1"]
    assert isinstance(local_executor({"cuda"}, print), GpuPool)
    assert isinstance(local_executor({"cpu"}, print), ProcessExecutor)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-8f2e")
    assert gpus.visible() == ["3", "GPU-8f2e"]
    monkeypatch.setattr(devices, "cuda_devices", lambda: 1)
    assert isinstance(local_executor({"cuda"}, print), ProcessExecutor)


def test_every_gpu_has_a_process_that_sees_it_alone(tmp_path: Path) -> None:
    said: list[str] = []
    streams, target = [np.arange(6, dtype=np.float32).reshape(3, 2)], np.arange(3)
    ticks: list[int] = []
    setup, tasks = replace(training(), device="cuda"), [(tmp_path, i) for i in range(4)]
    with GpuPool(["3", "GPU-8f2e"], said.append) as pool:
        assert not pool.wants_work
        submitted = pool.submit(
            TrainingTasks(seen, setup, streams, target, tasks[:4], ticks.append)
        )
        assert submitted is not None
        found = submitted.results()
        first = {process for _, process, _ in found}
        assert {gpu for gpu, _, _ in found} == {"3", "GPU-8f2e"}
        assert len(first) == 2
        assert [total for _, _, total in found] == [15.0] * 4
        assert sum(ticks) == 4
        assert pool.wants_work
        os.kill(min(first), signal.SIGKILL)
        again = pool.submit(TrainingTasks(seen, setup, streams, target, tasks[:2], ticks.append))
        assert again is not None
        assert len(again.results()) == 2
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert not list(
        Path(os.environ.get("TMPDIR", "/tmp")).glob(f"nverbench-passing-{os.getpid()}-*")
    )


def seen(
    training: Any, streams: Any, target: Any, folder: Path, number: int
) -> tuple[str, int, float]:
    """The GPU of this process, its id, and the sum of its data; waits until both processes have
    begun.
    """
    (folder / os.environ["CUDA_VISIBLE_DEVICES"]).touch()
    ends = time.monotonic() + 20
    while len(list(folder.iterdir())) < 2 and time.monotonic() < ends:
        time.sleep(0.05)
    return os.environ["CUDA_VISIBLE_DEVICES"], os.getpid(), float(streams[0].sum())


def test_a_task_whose_process_dies_repeatedly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(gpus, "TIMES", 2)
    with GpuPool(["0"], said.append) as pool:
        given = training(), [np.zeros((3, 2), np.float32)], np.arange(3)
        submitted = pool.submit(TrainingTasks(deadly, *given, [((), 0)], lambda n: None))
        assert submitted is not None
        with pytest.raises(
            ClusterError, match="a task on GPU 0 was lost more often than it is tried again"
        ):
            submitted.results()
    assert len(said) == gpus.TIMES


def deadly(*given: Any) -> None:
    os._exit(9)


def test_shards_in_processes_give_the_entries_and_the_counts_of_this_one(tmp_path: Path) -> None:
    part = discovery.discover().backbone("logmel-stats")
    clips = [
        Clip(f"c{i}", write(tmp_path / f"c{i}.wav", 9000 + 1300 * (i % 5), i), "x")
        for i in range(9)
    ]
    (tmp_path / "c4.wav").write_bytes(b"no audio")
    sha, asked = {c.id: file_sha256(c.path) for c in clips}, planned(part, "logmel-stats")
    stores = [EmbeddingCache(tmp_path / name) for name in ("here", "away")]
    with GpuPool(["0"]) as pool:
        for listen, store in zip((shards.embed_locally, pool.embed), stores, strict=True):
            for storage in ("float32", "float16"):
                embed_frames(asked, clips, sha, store, device="cpu", storage=storage, listen=listen)
        for name in ("here", "away"):
            stores.append(EmbeddingCache(tmp_path / f"pooled {name}"))
        here, away = (
            embed(asked, clips, sha, s, device="cpu", listen=x)
            for s, x in zip(stores[2:], (shards.embed_locally, pool.embed), strict=True)
        )
    assert (here.digest, here.unusable, here.forward_passes, here.padded) == (
        away.digest,
        away.unusable,
        away.forward_passes,
        away.padded,
    )
    assert list(here.unusable) == ["c4"]
    for one, other in (stores[:2], stores[2:]):
        kept = [
            {p.name: p.read_bytes() for p in store.root.rglob("*.embedding")}
            for store in (one, other)
        ]
        assert kept[0] == kept[1]
        assert len(kept[0]) >= 8
