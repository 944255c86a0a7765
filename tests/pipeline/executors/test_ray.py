"""``--executor ray``: the same digests as local on a cluster of three nodes, also when one of them,
or a worker, dies at the worst moment.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench._io.state import write_state
from nverbench.pipeline.executors import tasks, versions
from nverbench.pipeline.executors.ray import executor as ray_executor
from nverbench.pipeline.executors.ray.executor import RayExecutor
from nverbench.pipeline.executors.ray.files import frame_files
from nverbench.training.records import TrainingTasks
from support.iemocap_tree import write_tree
from support.paths import ROOT
from support.training import training

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:ray"),
]

TWO = ("mine", "other")


@pytest.fixture
def local(bench: Any) -> dict[str, str]:
    """The digests of two jobs on this machine alone; nothing of it is left in the cache."""
    ran = bench.run("local", fusions=TWO)
    assert ran.code == 0, ran.err
    bench.forget()
    found: dict[str, str] = bench.digests("local")
    assert len(found) == 2
    for what in ("heard", "built"):
        (bench.root / what).unlink()
    return found


def on(boxes: Any) -> tuple[str, ...]:
    """The words that name the cluster."""
    return "--executor", "ray", "--address", boxes.address


def beside(action: Callable[[], None]) -> Callable[[], None]:
    """Do something while a run goes on; call what comes back when the run is over."""
    wrong: list[BaseException] = []

    def acted() -> None:
        try:
            action()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=acted)
    thread.start()

    def over() -> None:
        thread.join(150)
        assert not wrong, wrong
        assert not thread.is_alive()

    return over


def test_ray_gives_the_digests_of_local(boxes: Any, bench: Any, local: dict[str, str]) -> None:
    boxes.grow()
    ran = bench.run("ray", *on(boxes), fusions=TWO)
    assert ran.code == 0, ran.err
    assert bench.digests("ray") == local
    assert "ray: 3 nodes, 2 CPUs, 0 GPUs" in ran.err
    assert "a plugin that prints" not in ran.out
    assert len(bench.count("heard")) == 16
    assert {node for node, *_ in bench.count("heard") + bench.count("built")}.isdisjoint({"here"})
    assert len({process for _, process, _ in bench.count("heard")}) > 1


def kill(boxes: Any, bench: Any, stage: str, whom: str) -> None:
    """Wait until a task is at that stage, and kill its worker or its node."""
    node, process = bench.held(stage)
    if whom == "node":
        assert boxes.kill(node)
    else:
        os.kill(process, signal.SIGKILL)
    bench.go(stage)


@pytest.mark.parametrize(("embedding", "fitting"), [("node", "worker"), ("worker", "node")])
def test_deaths_in_the_middle_change_nothing(
    boxes: Any, bench: Any, local: dict[str, str], embedding: str, fitting: str
) -> None:
    boxes.grow()
    bench.hold("heard")
    bench.hold("built")

    def killing() -> None:
        kill(boxes, bench, "heard", embedding)
        kill(boxes, bench, "built", fitting)

    over = beside(killing)
    ran = bench.run("ray", *on(boxes), fusions=TWO)
    over()
    assert (ran.code, ran.out.count("(raylet)")) == (0, 0), ran.err
    assert bench.digests("ray") == local
    for path in (bench.root / "ray" / "results").glob("*.json"):
        assert json.loads(path.read_text())["counts"]["forward_passes"] == {
            "ears": 48
        }  # nothing is counted twice
    assert len(bench.count("heard")) > 16  # though some was done twice
    assert len(bench.count("built")) > 8
    assert ran.err.count("was lost; its tasks are run elsewhere") == 1


def test_errors_arrive_as_themselves(boxes: Any, bench: Any) -> None:
    boxes.grow()
    local, ran = (
        bench.run("local", fusions=("mine", "odd"), loss="never"),
        bench.run("ray", *on(boxes), fusions=("mine", "odd"), loss="never"),
    )
    assert ran.code == local.code == 1
    reasons = [
        [line.split(": failed: ")[1] for line in said.err.splitlines() if "] ears" in line]
        for said in (local, ran)
    ]
    assert len(reasons[0]) == 2
    assert reasons[1][0] == reasons[0][0]
    assert "fold 1, epoch 1: lost of loss never is not a finite number" in reasons[1][0]
    assert "Odd: this and that (ears.py:" in reasons[0][1]
    assert (
        reasons[1][1] == "Odd: this and that"
    )  # its class takes two arguments and says one: it cannot travel, what it says can


def test_another_version_on_a_node_is_one_line_before_anything_runs(
    boxes: Any, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = versions.found
    monkeypatch.setattr(versions, "found", lambda names: found(names) | {"scipy": "0.1"})
    boxes.grow()
    ran = bench.run("ray", *on(boxes))
    assert ran.code == 2
    assert "has scipy " in ran.err
    assert (
        "(expected 0.1); numbers may depend on it: install on every node what this machine has"
        in ran.err
    )
    assert bench.count("heard") == []


def test_conversations_are_trained_where_neither_clips_nor_frames_are_seen(
    boxes: Any, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.grow()
    write_tree(bench.root / "IEMOCAP", dialogues=2, turns=4)
    write_state("corpora", "paths", "iemocap", str(bench.root / "IEMOCAP"))
    words = (
        "run",
        "--backbone",
        "logmel-stats",
        "--dataset",
        "iemocap-6",
        "--fusion",
        "erc-mean:dim=8,hidden=8,layers=0",
        "--folds",
        "holdout=Ses05",
        "--device",
        "cpu",
    )
    assert bench.world.run(*words, "--out", "local").code == 0
    bench.forget()
    shard, submit, nowhere = tasks._shard, RayExecutor.submit, Path("/nowhere")

    def hidden(*given: Any) -> Any:
        found = shard(*given)
        return replace(
            found,
            batches=[
                [replace(c, path=nowhere / c.path.name) for c in batch] for batch in found.batches
            ],
        )

    def elsewhere(self: Any, trainings: TrainingTasks) -> Any:
        streams: Any = trainings.streams
        monkeypatch.setattr(ray_executor, "frame_files", lambda frames: frame_files(streams))
        hidden = replace(streams, streams=tuple(replace(s, root=nowhere) for s in streams.streams))
        return submit(self, replace(trainings, streams=hidden))

    monkeypatch.setattr(tasks, "_shard", hidden)
    monkeypatch.setattr(RayExecutor, "submit", elsewhere)
    ran = bench.world.run(*words, "--out", "ray", *on(boxes))
    assert ran.code == 0, ran.err
    assert bench.digests("ray") == bench.digests("local")
    fetched = len(list((boxes.home / "fetched").rglob("*.wav")))
    assert fetched == len({path.read_bytes() for path in (bench.root / "IEMOCAP").rglob("*.wav")})
    assert len(list((boxes.home / "embeddings").rglob("*.embedding"))) == fetched


def test_tasks_share_gpus_as_told(boxes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # workers of the node import the parts from tests/support
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"), prepend=os.pathsep)
    node = boxes.cluster.add_node(num_cpus=4, num_gpus=2)
    target = np.arange(3)
    try:
        with RayExecutor(boxes.address, 0.5) as executor:
            assert executor.resolve("auto") == "cuda"
            assert executor.takes_jobs("cuda")
            given = replace(training(), device="cuda"), [np.ones((3, 2), np.float32)], target
            submitted = executor.submit(
                TrainingTasks(seen, *given, [((), i) for i in range(4)], print)
            )
            assert executor.slots("train", "cuda") == executor.slots("embed", "cuda") == 4
            assert submitted is not None
            found = submitted.results()
    finally:
        boxes.cluster.remove_node(node, allow_graceful=False)
    assert {gpu for gpu, _ in found} == {"0", "1"}
    assert [number for _, number in found] == [0, 1, 2, 3]


def seen(training: Any, streams: Any, target: Any, folds: Any, number: int) -> tuple[str, int]:
    """The GPU that a task is given; each waits, so that four run at once."""
    time.sleep(1)
    assert training.device == "cuda"
    assert not streams[0].flags.writeable
    return os.environ["CUDA_VISIBLE_DEVICES"], number
