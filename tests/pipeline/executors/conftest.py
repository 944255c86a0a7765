"""A Ray cluster of a head and two nodes on this machine, one processor each, and a plugin whose
network and trainings can be made to wait.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from support.world import install, world  # noqa: F401  # fixtures

PLUGIN = """
import os, pathlib, time
import torch
from nverbench import Backbone, Fusion, Loss, Losses, Output, hookimpl

print("a plugin that prints")
PLACE = pathlib.Path({place!r})

def node():
    import ray
    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"

def noted(what):
    with open(PLACE / what, "a") as file:
        file.write(f"{{node()}} {{os.getpid()}} {{torch.get_num_threads()}}\\n")
    if (PLACE / f"hold {{what}}").exists():
        with open(PLACE / f"held {{what}}", "a") as file:
            file.write(f"{{node()}} {{os.getpid()}}\\n")
        while (PLACE / f"hold {{what}}").exists():
            time.sleep(0.02)

def load(ctx):
    def encode(waves, lengths):
        noted("heard")
        frames = waves[:, : waves.shape[1] // 200 * 200].unflatten(1, (-1, 200))
        return torch.fft.rfft(frames.double()).abs()[..., 1:41].unflatten(-1, (8, 5)).sum(-1).log1p().float(), lengths // 200
    return encode

def build(dims, classes):
    noted("built")
    net = torch.nn.Linear(sum(dims), classes)
    forward = net.forward
    class Head(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net
        def forward(self, batch):
            return Output(self.net(torch.cat(batch.streams, 1)))
    return Head()

def entropy(classes, counts):
    return lambda output, target: Losses({{"ce": torch.nn.functional.cross_entropy(output.logits, target)}})

def never(classes, counts):
    return lambda output, target: Losses({{"lost": output.logits.sum() * float("nan")}})

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{{one}} and {{two}}")

def odd(dims, classes):
    raise Odd("this", "that")

@hookimpl
def nverbench_backbones():
    yield Backbone(name="ears", family="features", sample_rate=8000, frame_dim=8, dim=8, batch=3, min_samples=800, load=load)

@hookimpl
def nverbench_fusions():
    yield Fusion(name="mine", arity=(1, None), build=build, default_loss="plain")
    yield Fusion(name="other", arity=(1, None), build=build, default_loss="plain")
    yield Fusion(name="odd", arity=(1, None), build=odd, default_loss="plain")

@hookimpl
def nverbench_losses():
    yield Loss(name="plain", build=entropy)
    yield Loss(name="never", build=never)
"""


@contextlib.contextmanager
def at_home(root: Path) -> Iterator[None]:
    """Processes that start inside have this nverbench home and send no usage statistics."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NVERBENCH_HOME", str(root))
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


@dataclass
class Boxes:
    """The cluster."""

    cluster: Any
    home: Path
    nodes: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The address of its head."""
        return str(self.cluster.address)

    def grow(self) -> None:
        """Start nodes until there are two in addition to the head."""
        with at_home(self.home):
            while len(self.nodes) < 2:
                self.nodes.append(self.cluster.add_node(num_cpus=1))

    def kill(self, node_id: str) -> bool:
        """Kill a node (never the head) during a run; False: it is no node."""
        import ray

        for node in self.nodes:
            if node.node_id == node_id:
                self.nodes.remove(node)
                self.cluster.remove_node(node, allow_graceful=False)
                while any(
                    n["NodeID"] == node_id and n["Alive"] for n in ray.nodes()
                ):  # until the cluster has noticed
                    time.sleep(0.1)
                return True
        return False


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boxes]:
    """A cluster for all tests of a file; its nodes share a nverbench home of their own."""
    pytest.importorskip("ray", reason="ray is not installed")
    from ray.cluster_utils import Cluster

    root = tmp_path_factory.mktemp("nodes")
    with at_home(root):
        made = Boxes(
            Cluster(
                initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
            ),
            root,
        )
    made.grow()
    made.cluster.wait_for_nodes()
    yield made
    made.cluster.shutdown()


@dataclass
class Bench:
    """The tiny world, with a plugin in a file that every process receives."""

    world: Any
    root: Path

    def run(
        self, out: str, *words: object, fusions: tuple[str, ...] = ("mine",), loss: str = "plain"
    ) -> Any:
        """``nverbench run`` into a results folder of that name, from a home of that name (its cache
        is empty at first).
        """
        named = [word for fusion in fusions for word in ("--fusion", fusion)]
        return self.world.run(
            "run",
            "--backbone",
            "ears",
            *named,
            "--loss",
            loss,
            "--dataset",
            "tiny-bursts",
            "--folds",
            "speaker",
            "--registry",
            "tiny.yaml",
            "--protocol",
            "quick",
            "--plugin",
            "ears.py",
            "--device",
            "cpu",
            "--out",
            out,
            *words,
        )

    def digests(self, out: str) -> dict[str, str]:
        """Job -> result digest."""
        return {
            path.name: json.loads(path.read_text())["result_digest"]
            for path in (self.root / out / "results").glob("*.json")
        }

    def count(self, what: str) -> list[list[str]]:
        """The batches that were embedded, or the modules that were built: node, process, threads."""
        path = self.root / what
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def forget(self) -> None:
        """Empty the cache of embeddings."""
        shutil.rmtree(Path(os.environ["NVERBENCH_HOME"]) / "embeddings", ignore_errors=True)

    def hold(self, what: str) -> None:
        """Make all processes wait at this point."""
        (self.root / f"hold {what}").touch()

    def go(self, what: str) -> None:
        """Let all processes go on."""
        (self.root / f"hold {what}").unlink(missing_ok=True)

    def held(self, what: str, wanted: Callable[[str], bool] = lambda node: True) -> tuple[str, int]:
        """The node and process that waits there; waits for one."""
        path, deadline = self.root / f"held {what}", time.monotonic() + 150
        while time.monotonic() < deadline:
            lines = (
                [line.split() for line in path.read_text().splitlines()] if path.exists() else []
            )
            for node, process in lines:
                if wanted(node):
                    return node, int(process)
            time.sleep(0.02)
        raise AssertionError(f"no process waits at {what}")


@pytest.fixture
def bench(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:  # noqa: F811
    """The tiny world with ``ears.py``; an executor that takes trainings gets them. One thread, as
    many as the nodes have processors.
    """
    (tmp_path / "ears.py").write_text(PLUGIN.format(place=str(tmp_path)))
    monkeypatch.setenv("NVERBENCH_FIT", "auto")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Bench(world, tmp_path)
    torch.set_num_threads(threads)
