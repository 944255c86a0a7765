"""The machines of a Ray cluster: their resources, and which were lost or joined."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from nverbench.errors import ClusterGone
from nverbench.pipeline.executors.ray import connection

POLL = 2.0
"""Seconds between two checks."""
NOTICED = 30.0
"""Seconds within which Ray notices that a node is lost."""
PATIENCE = 600.0
"""Seconds that a run waits for a machine with a processor before it ends."""
ON_DISK = "what was finished is on disk, and the same command goes on from there"


class Nodes:
    """The nodes that are alive."""

    def __init__(self, ray: Any, say: Callable[[str], None]) -> None:
        self.ray, self.say = ray, say
        self.alive = connection.alive(ray)
        self.own = str(ray.get_runtime_context().get_node_id())
        self.gone = ""
        """Why no task can run any more; empty: tasks can run."""
        self._checked = self._served = time.monotonic()
        cpus, gpus = self.total("CPU"), self.total("GPU")
        number = f"{len(self.alive)} node{'s' if len(self.alive) > 1 else ''}"
        say(f"ray: {number}, {cpus:g} CPUs, {gpus:g} GPUs")

    def total(self, kind: str) -> float:
        """The number of CPUs or GPUs of all nodes."""
        return float(sum(have.get(kind, 0) for have in self._resources()))

    def fewest_cpus(self) -> int:
        """Processors of the smallest node that has any."""
        cpus = (have.get("CPU", 0) for have in self._resources())
        return int(min((number for number in cpus if number >= 1), default=1))

    def slots(self, needs: Mapping[str, float]) -> int:
        """The number of tasks with these needs that can run at once."""
        return sum(
            min(_fitting(have.get(kind, 0), need) for kind, need in needs.items())
            for have in self._resources()
        )

    def name(self, node: str) -> str:
        """The address of a node."""
        return str(self.alive[node]["NodeManagerAddress"])

    def leaves(self, node: str) -> bool:
        """Whether a node is lost, as far as Ray notices within some seconds."""
        ends = time.monotonic() + NOTICED
        while node in self.alive and time.monotonic() < ends:
            time.sleep(0.5)
            self.check_alive(at_once=True)
        return node not in self.alive

    def check_alive(self, *, at_once: bool = False) -> None:
        """Report which nodes were lost or joined; every two seconds at most, or at once.

        Raises:
            ClusterGone: the cluster does not answer any more, or has had no processor for too long.
        """
        now = time.monotonic()
        if not self.gone and (at_once or now - self._checked > POLL):
            self._checked = now
            self.gone = self._update(now)
        if self.gone:
            raise ClusterGone(self.gone)

    def _resources(self) -> list[Mapping[str, float]]:
        return [node["Resources"] for node in self.alive.values()]

    def _update(self, now: float) -> str:
        """Read the nodes again; gives the reason why no task can run any more, or nothing."""
        if not connection.answers(self.ray):
            return f"the Ray cluster is gone: {ON_DISK}"
        before, self.alive = self.alive, connection.alive(self.ray)
        for node in before.keys() - self.alive.keys():
            self.say(
                f"ray: node {before[node]['NodeManagerAddress']} was lost; its tasks are"
                " run elsewhere"
            )
        for node in self.alive.keys() - before.keys():
            self.say(f"ray: node {self.name(node)} joined")
        if self.own not in self.alive:  # Ray itself would wait forever
            return f"this machine is no node of the Ray cluster any more: {ON_DISK} after ray start"
        if self.total("CPU") >= 1:
            self._served = now
        if now - self._served <= PATIENCE:
            return ""
        return (
            f"no node of the Ray cluster had a processor for {PATIENCE / 60:.0f} minutes: {ON_DISK}"
        )


def _fitting(have: float, need: float) -> int:
    """The number of tasks with that need on a node; a share of a GPU is a share of a single one."""
    return int(have) * int(1 / need + 1e-9) if need < 1 else int(have / need + 1e-9)
