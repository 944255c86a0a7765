"""The machines of a Ray cluster: what they have, who was lost, who joined."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from nverbench.errors import ClusterGone
from nverbench.pipeline.executors.ray import connection

LOOK = 2.0
"""Seconds between two looks."""
NOTICED = 30.0
PATIENCE = 600.0
"""Seconds that a run waits for a machine with a processor, before it ends."""
ON_DISK = "what was finished is on disk, and the same command goes on from there"


class Nodes:
    """The nodes that are there."""

    def __init__(self, ray: Any, say: Callable[[str], None]) -> None:
        self.ray, self.say = ray, say
        self.alive = connection.alive(ray)
        self.own = str(ray.get_runtime_context().get_node_id())
        self.gone = ""
        """Why nothing more can be done; empty: something can."""
        self._looked = self._served = time.monotonic()
        cpus, gpus = self.total("CPU"), self.total("GPU")
        say(
            f"ray: {len(self.alive)} node{'s' if len(self.alive) > 1 else ''}, {cpus:g} CPUs,"
            f" {gpus:g} GPUs"
        )

    def total(self, kind: str) -> float:
        """Of all nodes: CPU or GPU."""
        return float(sum(node["Resources"].get(kind, 0) for node in self.alive.values()))

    def fewest_cpus(self) -> int:
        """Processors of the smallest node that has any."""
        return int(
            min(
                (
                    node["Resources"]["CPU"]
                    for node in self.alive.values()
                    if node["Resources"].get("CPU", 0) >= 1
                ),
                default=1,
            )
        )

    def slots(self, needs: Mapping[str, float]) -> int:
        """Tasks of these needs that can run at once."""
        return sum(
            min(_fit(node["Resources"].get(kind, 0), need) for kind, need in needs.items())
            for node in self.alive.values()
        )

    def name(self, node: str) -> str:
        """Its address."""
        return str(self.alive[node]["NodeManagerAddress"])

    def leaves(self, node: str) -> bool:
        """Whether a node is lost now, or within some seconds: Ray takes a while to notice."""
        ends = time.monotonic() + NOTICED
        while node in self.alive and time.monotonic() < ends:
            time.sleep(0.5)
            self.look(at_once=True)
        return node not in self.alive

    def look(self, *, at_once: bool = False) -> None:
        """Say which nodes came and went; every two seconds at most, or at once.

        Raises:
            ClusterGone: the cluster does not answer any more, or nobody that could take tasks came
                back.
        """
        now = time.monotonic()
        if not self.gone and (at_once or now - self._looked > LOOK):
            self._looked = now
            self.gone = self._gone(now)
        if self.gone:
            raise ClusterGone(self.gone)

    def _gone(self, now: float) -> str:
        if not connection.answers(self.ray):
            return f"the Ray cluster is gone: {ON_DISK}"
        before, self.alive = self.alive, connection.alive(self.ray)
        for node in before.keys() - self.alive.keys():
            self.say(
                f"ray: node {before[node]['NodeManagerAddress']} was lost; what it had in hand is"
                " done elsewhere"
            )
        for node in self.alive.keys() - before.keys():
            self.say(f"ray: node {self.name(node)} joined")
        if self.own not in self.alive:  # Ray itself would wait for ever
            return f"this machine is no node of the Ray cluster any more: {ON_DISK} after ray start"
        if self.total("CPU") >= 1:
            self._served = now
        waited = now - self._served > PATIENCE
        return (
            f"no node of the Ray cluster had a processor for {PATIENCE / 60:.0f} minutes: {ON_DISK}"
            if waited
            else ""
        )


def _fit(have: float, need: float) -> int:
    """Tasks of that need on a node; one that takes a share of a GPU takes it of a single one."""
    return int(have) * int(1 / need + 1e-9) if need < 1 else int(have / need + 1e-9)
