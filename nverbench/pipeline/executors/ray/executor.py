"""``--executor ray``: shards and trainings as tasks of Ray, on this machine or on a cluster that
runs already.

The run's process plans, waits and writes; tasks return records. A task that is lost with its worker
or its machine is run again by Ray, elsewhere, at most ``RETRIES`` times, and the attempt that comes
back is the one that counts. Nothing is started before there is work.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from nverbench.embedding import devices, shards
from nverbench.embedding.extract import Extraction
from nverbench.errors import ClusterGone, UsageError
from nverbench.pipeline.executors import tasks as handing
from nverbench.pipeline.executors import versions
from nverbench.pipeline.executors.ray import connection
from nverbench.pipeline.executors.ray.files import Depot, Fetcher, offered_entries, offers
from nverbench.pipeline.executors.ray.nodes import Nodes
from nverbench.pipeline.executors.worker import (
    Answer,
    Finder,
    InPlace,
    Setting,
    Shard,
    answered,
    fitted,
    listened,
)
from nverbench.pipeline.job import Plan
from nverbench.plugin import single_file
from nverbench.plugin.records import Clip
from nverbench.training.processes import Data, Tasks, Work
from nverbench.training.records import TrainingSetup
from nverbench.training.sequences import TurnFrames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RETRIES = 3


class Cluster:
    """A crew that Ray gives work to; use as a context manager."""

    def __init__(
        self,
        address: str | None = None,
        gpus_per_job: float = 1.0,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """``address``: of a cluster that runs (``auto``: the one of this machine); None: Ray is
        started here, and ended.

        Raises:
            UsageError: Ray is not installed, or the share of a GPU is none.
        """
        connection.check_installed()
        if not (0 < gpus_per_job <= 1 or gpus_per_job in range(1, 1025)):
            raise UsageError(
                f"--gpus-per-job {gpus_per_job:g}: expected a share above 0 and up to 1, or a whole"
                " number"
            )
        self.address, self.gpus_per_job, self.say = address, gpus_per_job, say
        self._wanted: dict[str, str] = {}
        self._ray: Any = None
        self._depot: Any = None
        self._setting: Any = None
        self._refs: dict[Future[Answer], Any] = {}
        self._nodes: Nodes
        self._device = "cpu"
        """Of the trainings."""
        self._threads: int | None = None
        """Of torch, before this run took fewer."""

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        if self._ray is not None and error[0] is None and not self._nodes.gone:
            with contextlib.suppress(ClusterGone):  # the work is done
                self._nodes.look(at_once=True)
        self.close()

    def resolve(self, asked: str) -> str:
        """``cpu`` or ``cuda``, by what the cluster has."""
        if self.address is None or asked not in ("auto", "cuda"):
            return devices.resolve(asked)
        self._start()
        gpus = self._nodes.total("GPU")
        if asked == "cuda" and not gpus:
            raise UsageError(
                f"device cuda was asked for, but the Ray cluster at {self.address} has no GPU; say"
                " --device cpu"
            )
        return "cuda" if gpus else "cpu"

    def check(self, plan: Plan) -> None:
        """Compare the software of every node with this machine's; a worker of a node that joins
        later compares itself.

        Raises:
            UsageError: a node has another version of something that numbers may depend on.
        """
        self._wanted = versions.wanted(plan.jobs)
        if self.address is None or not plan.jobs:
            return
        self._start()
        probe = self._ray.remote(versions.prober())
        names = [name for name in self._wanted if name != "python"]
        asked = {
            i: probe.options(num_cpus=0, scheduling_strategy=connection.on_node(i)).remote(names)
            for i in self._nodes.alive
        }
        for node, ref in asked.items():
            name = self._nodes.name(node)
            try:
                have = self._ray.get(ref, timeout=120)
            except self._ray.exceptions.RayError as error:
                if self._nodes.leaves(node):  # it died a moment ago
                    continue
                raise UsageError(
                    f"node {name} does not answer ({connection.text(error)}); mend it, or take it"
                    " off the cluster"
                ) from error
            versions.compare(name, self._wanted, have)

    def worth(self, seconds: float) -> bool:
        """Always: whoever asks for Ray wants it used."""
        return True

    def takes_jobs(self, device: str) -> bool:
        """On GPUs a job's folds are trained as one model, in one task."""
        return device.startswith("cuda")

    @property
    def hungry(self) -> bool:
        """Whether tasks run, and too few wait behind them."""
        if self._ray is None or self._nodes.gone:
            return False
        under_way = sum(not f.done() for f in list(self._refs))
        return under_way < 2 * max(1, self.slots("fit", self._device))

    def listen(
        self,
        ask: shards.EmbeddingRequest,
        clips: Sequence[Clip],
        wanted: set[str],
        cost: Extraction,
    ) -> Generator[shards.EmbeddedClip, None, None]:
        """Shards as tasks: a GPU's share each, or as many processors as this process has threads,
        because bits may depend on that.
        """
        self._start()
        if not ask.device.startswith("cuda"):
            self._fewer_threads()
        return handing.listen(self, ask, clips, wanted, cost)

    def hand(
        self,
        work: Work,
        training: TrainingSetup,
        streams: Data,
        target: NDArray[np.int64],
        tasks: Tasks,
        tick: Callable[[int], None],
    ) -> handing.Handed | None:
        """Trainings as tasks: one processor each, or a whole job on a GPU's share."""
        self._start()
        self._device = training.device
        return handing.hand(self, work, training, streams, target, tasks, tick)

    def slots(self, what: str, device: str) -> int:
        """Tasks that can run at once on the nodes that are there."""
        return self._nodes.slots(self._needs(what, device))

    def offer(self, ask: shards.EmbeddingRequest, clips: Sequence[Clip]) -> None:
        """Tell the depot of clips and weights."""
        if self._depot is not None:
            self._ray.get(self._depot.offer.remote(*offers(clips, ask.sha256, ask.planned.weights)))

    def lay(
        self, arrays: Sequence[NDArray[Any]], spoken: TurnFrames | None
    ) -> tuple[list[Any], Callable[[], None]]:
        """A job's arrays in Ray's store, once for all its tasks; frames on disk are told to the
        depot.
        """
        if self._depot is not None and spoken is not None:
            self._ray.get(self._depot.offer.remote(offered_entries(spoken), {}))
        laid = [self._ray.put(array) for array in arrays]
        return laid, laid.clear

    def listened(self, packed: bytes, shard: Shard, device: str) -> Future[Answer]:
        """A shard as a task."""
        return self._begun("listen", device, listened, packed, shard)

    def fitted(
        self, packed: bytes, task: tuple[Any, int], device: str, laid: Any
    ) -> Future[Answer]:
        """A training as a task."""
        return self._begun("fit", device, fitted, packed, task, *laid)

    def cancel(self, futures: Iterable[Future[Answer]]) -> None:
        """Call tasks off; a training cannot be asked to stop, so that its worker is ended."""
        for future in futures:
            ref = self._refs.pop(future, None)
            if ref is not None and self._ray is not None and not future.done():
                self._ray.cancel(ref, force=True)

    def look(self) -> None:
        """Say which nodes came and went."""
        self._nodes.look()

    def close(self) -> None:
        """Call off what runs and leave the cluster; one that was started here ends."""
        if self._ray is None:
            return
        import torch

        self.cancel(list(self._refs))
        connection.leave(self._ray, self._depot)
        self._ray = self._depot = self._setting = None
        torch.set_num_threads(self._threads or torch.get_num_threads())

    def _start(self) -> None:
        """Connect, or start Ray here; once."""
        if self._ray is not None:
            return
        import torch

        self._threads = torch.get_num_threads()
        self._ray = connection.connected(self.address, self._threads)
        self._nodes = Nodes(self._ray, self.say)
        if self.address is not None:
            self._depot = (
                self._ray.remote(Depot)
                .options(num_cpus=0, scheduling_strategy=connection.on_node(self._nodes.own))
                .remote()
            )
        self._task = self._ray.remote(_task)

    def _fewer_threads(self) -> None:
        """Embeddings take the threads of this process; where the smallest node has fewer
        processors, this process says so and takes as few.
        """
        import torch

        smallest = self._nodes.fewest_cpus()
        if smallest < torch.get_num_threads():
            self.say(
                f"ray: embeddings use {smallest} threads, as many as the smallest node has"
                f" processors, not {torch.get_num_threads()}"
            )
            torch.set_num_threads(smallest)

    def _needs(self, what: str, device: str) -> dict[str, float]:
        """Resources of a task."""
        import torch

        if device.startswith("cuda"):
            return {"CPU": 1, "GPU": self.gpus_per_job}
        return {"CPU": torch.get_num_threads() if what == "listen" else 1}

    def _begun(self, what: str, device: str, *arguments: Any) -> Future[Answer]:
        import torch

        if (
            self._setting is None
        ):  # not before: by now the run's plugins are known, and what its plan needs everywhere
            wanted = self._wanted if self.address is not None else {}
            self._setting = self._ray.put(
                Setting(single_file.running(), wanted, torch.get_num_threads())
            )
        needs = self._needs(what, device)
        if not self.slots(what, device) and not self._refs:
            raise UsageError(
                "no node of the Ray cluster has"
                f" {' and '.join(f'{n:g} {kind}' for kind, n in needs.items())} for a task; add one"
            )
        self._refs = {f: ref for f, ref in self._refs.items() if not f.done()}
        task = self._task.options(
            max_retries=RETRIES,
            retry_exceptions=False,
            num_cpus=needs["CPU"],
            num_gpus=needs.get("GPU", 0),
        )
        ref = task.remote(self._setting, self._depot, *arguments)
        answer: Future[Answer] = Future()
        self._refs[answer] = ref
        ref.future().add_done_callback(
            functools.partial(_arrived, answer, f"a task of Ray ({what})")
        )
        return answer


def _arrived(answer: Future[Answer], what: str, came: Future[Answer]) -> None:
    """What Ray gave for a task; its own errors mean that the task was lost."""
    error = came.exception()
    if answer.done():
        return
    if error is None:
        answer.set_result(came.result())
    else:
        answer.set_exception(handing.lost(what, connection.text(error)))


def _task(setting: Setting, depot: Any, action: Callable[..., Any], *arguments: Any) -> Answer:
    """What runs in a worker of Ray."""
    return answered(setting, action, finder(depot), *arguments)


def finder(depot: Any) -> Finder:
    """Who finds files in a worker: where Ray runs on one machine only, everything is in place."""
    if depot is None:
        return InPlace()
    import ray

    return Fetcher(
        lambda name, offset: ray.get(depot.piece.remote(name, offset)),
        lambda digest: ray.get(depot.listing.remote(digest)),
    )
