"""``--executor ray``: shards and trainings as tasks of Ray, on this machine or on a running
cluster.

The run's process plans, waits and writes; tasks return records. Ray runs a task again elsewhere
when its worker or its machine is lost, at most ``RETRIES`` times, and the attempt that returns is
the one that counts. Nothing is started before there is work.
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
from nverbench.pipeline.executors import tasks, versions
from nverbench.pipeline.executors.ray import connection
from nverbench.pipeline.executors.ray.files import FileServer, RemoteFiles, clip_files, frame_files
from nverbench.pipeline.executors.ray.nodes import Nodes
from nverbench.pipeline.executors.worker import TaskResult, WorkerConfig, run_task
from nverbench.pipeline.job import Plan
from nverbench.plugin import single_file
from nverbench.plugin.records import Clip
from nverbench.training.records import TrainingTasks
from nverbench.training.sequences import TurnFrames

if TYPE_CHECKING:
    from numpy.typing import NDArray

RETRIES = 3


class RayExecutor:
    """An executor whose tasks Ray runs; use as a context manager."""

    def __init__(
        self,
        address: str | None = None,
        gpus_per_job: float = 1.0,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """``address``: of a running cluster (``auto``: the one of this machine); None: Ray is
        started here, and ended.

        Raises:
            UsageError: Ray is not installed, or ``gpus_per_job`` is out of range.
        """
        connection.check_installed()
        if not (0 < gpus_per_job <= 1 or gpus_per_job in range(1, 1025)):
            raise UsageError(
                f"--gpus-per-job {gpus_per_job:g}: expected a share above 0 and up to 1, or a whole"
                " number"
            )
        self.address, self.gpus_per_job, self.say = address, gpus_per_job, say
        self._ray: Any = None
        self._nodes: Nodes
        self._server: Any = None
        """The actor that serves the run's files to other machines."""
        self._software: dict[str, str] = {}
        self._config: Any = None
        self._refs: dict[Future[TaskResult], Any] = {}
        self._device = "cpu"
        """Of the trainings."""
        self._threads: int | None = None
        """Torch's threads before this run reduced them."""

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *error: object) -> None:
        if self._ray is not None and error[0] is None and not self._nodes.gone:
            with contextlib.suppress(ClusterGone):  # the work is done
                self._nodes.check_alive(at_once=True)
        self.shut_down()

    def resolve(self, device: str) -> str:
        """``cpu`` or ``cuda``, by what the cluster has."""
        if self.address is None or device not in ("auto", "cuda"):
            return devices.resolve(device)
        self._start()
        gpus = self._nodes.total("GPU")
        if device == "cuda" and not gpus:
            raise UsageError(
                f"device cuda was asked for, but the Ray cluster at {self.address} has no GPU; say"
                " --device cpu"
            )
        return "cuda" if gpus else "cpu"

    def check(self, plan: Plan) -> None:
        """Compare the software of every node with this machine's; a worker of a node that joins
        later compares its own.

        Raises:
            UsageError: a node has another version of software that numbers may depend on.
        """
        self._software = versions.required(plan.jobs)
        if self.address is None or not plan.jobs:
            return
        self._start()
        probe = self._ray.remote(versions.prober())
        names = [name for name in self._software if name != "python"]
        refs = {
            i: probe.options(num_cpus=0, scheduling_strategy=connection.on_node(i)).remote(names)
            for i in self._nodes.alive
        }
        for node, ref in refs.items():
            name = self._nodes.name(node)
            try:
                have = self._ray.get(ref, timeout=120)
            except self._ray.exceptions.RayError as error:
                if self._nodes.leaves(node):  # it died a moment ago
                    continue
                raise UsageError(
                    f"node {name} does not answer ({connection.text(error)}); repair it, or remove"
                    " it from the cluster"
                ) from error
            versions.compare(name, self._software, have)

    def worth_starting(self, seconds: float) -> bool:
        """True: the user asked for Ray."""
        return True

    def takes_jobs(self, device: str) -> bool:
        """Whether a job is one task: on a GPU its folds are trained as one model."""
        return device.startswith("cuda")

    @property
    def wants_work(self) -> bool:
        """Whether Ray runs and will soon be idle."""
        if self._ray is None or self._nodes.gone:
            return False
        running = sum(not f.done() for f in list(self._refs))
        return running < 2 * max(1, self.slots("train", self._device))

    def embed(
        self,
        request: shards.EmbeddingRequest,
        clips: Sequence[Clip],
        missing: set[str],
        cost: Extraction,
    ) -> Generator[shards.EmbeddedClip, None, None]:
        """Embed the missing clips in shards. A shard takes a GPU's share, or as many processors as
        this process has threads, because bits may depend on their number.
        """
        self._start()
        if not request.device.startswith("cuda"):
            self._limit_threads()
        return tasks.embed(self, request, clips, missing, cost)

    def submit(self, trainings: TrainingTasks) -> tasks.TaskTrainings | None:
        """Start the trainings: one processor each, or a GPU's share for a whole job."""
        self._start()
        self._device = trainings.setup.device
        return tasks.submit(self, trainings)

    def slots(self, kind: tasks.Kind, device: str) -> int:
        """The number of tasks that can run at once on the present nodes."""
        return self._nodes.slots(self._needs(kind, device))

    def publish_files(self, request: shards.EmbeddingRequest, clips: Sequence[Clip]) -> None:
        """Let the file server serve the clips and the weights."""
        if self._server is not None:
            found = clip_files(clips, request.sha256, request.planned.weights)
            self._ray.get(self._server.publish.remote(*found))

    def share_arrays(
        self, trainings: TrainingTasks, arrays: Sequence[NDArray[Any]]
    ) -> tuple[list[Any], Callable[[], None]]:
        """Put the arrays into Ray's object store, once for all tasks; let the file server serve
        frames on disk.
        """
        if self._server is not None and isinstance(trainings.streams, TurnFrames):
            self._ray.get(self._server.publish.remote(frame_files(trainings.streams), {}))
        refs = [self._ray.put(array) for array in arrays]
        return refs, refs.clear

    def start(
        self, kind: tasks.Kind, device: str, action: Callable[..., Any], *arguments: Any
    ) -> Future[TaskResult]:
        """Run an action as a task of Ray.

        Raises:
            UsageError: no node has what a task needs.
        """
        import torch

        if self._config is None:  # not earlier: now the run's plugins and versions are known
            software = self._software if self.address is not None else {}
            config = WorkerConfig(single_file.running(), software, torch.get_num_threads())
            self._config = self._ray.put(config)
        needs = self._needs(kind, device)
        if not self.slots(kind, device) and not self._refs:
            missing = " and ".join(f"{n:g} {resource}" for resource, n in needs.items())
            raise UsageError(f"no node of the Ray cluster has {missing} for a task; add one")
        self._refs = {f: ref for f, ref in self._refs.items() if not f.done()}
        task = self._task.options(
            max_retries=RETRIES,
            retry_exceptions=False,
            num_cpus=needs["CPU"],
            num_gpus=needs.get("GPU", 0),
        )
        ref = task.remote(self._config, self._server, action, *arguments)
        result: Future[TaskResult] = Future()
        self._refs[result] = ref
        what = f"a task of Ray ({kind})"
        ref.future().add_done_callback(functools.partial(_finish, result, what))
        return result

    def cancel(self, futures: Iterable[Future[TaskResult]]) -> None:
        """Cancel tasks; a training cannot be interrupted, so that its worker is killed."""
        for future in futures:
            ref = self._refs.pop(future, None)
            if ref is not None and self._ray is not None and not future.done():
                self._ray.cancel(ref, force=True)

    def check_alive(self) -> None:
        """Report which nodes were lost or joined."""
        self._nodes.check_alive()

    def shut_down(self) -> None:
        """Cancel all tasks and leave the cluster; a Ray that was started here ends."""
        if self._ray is None:
            return
        import torch

        self.cancel(list(self._refs))
        connection.leave(self._ray, self._server)
        self._ray = self._server = self._config = None
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
            own = connection.on_node(self._nodes.own)
            actor = self._ray.remote(FileServer).options(num_cpus=0, scheduling_strategy=own)
            self._server = actor.remote()
        self._task = self._ray.remote(_run)

    def _limit_threads(self) -> None:
        """Take no more threads than the smallest node has processors, and say so: embeddings use
        the same number of threads everywhere.
        """
        import torch

        smallest = self._nodes.fewest_cpus()
        if smallest < torch.get_num_threads():
            self.say(
                f"ray: embeddings use {smallest} threads, as many as the smallest node has"
                f" processors, not {torch.get_num_threads()}"
            )
            torch.set_num_threads(smallest)

    def _needs(self, kind: tasks.Kind, device: str) -> dict[str, float]:
        """The resources of a task."""
        import torch

        if device.startswith("cuda"):
            return {"CPU": 1, "GPU": self.gpus_per_job}
        return {"CPU": torch.get_num_threads() if kind == "embed" else 1}


def _finish(result: Future[TaskResult], what: str, done: Future[TaskResult]) -> None:
    """Pass on a task's result; an error of Ray's own means that the task was lost."""
    error = done.exception()
    if result.done():
        return
    if error is None:
        result.set_result(done.result())
    else:
        result.set_exception(tasks.lost_task(what, connection.text(error)))


def _run(
    config: WorkerConfig, server: Any, action: Callable[..., Any], *arguments: Any
) -> TaskResult:
    """Run an action in a worker of Ray."""
    return run_task(config, action, RemoteFiles.of(server) if server else None, *arguments)
