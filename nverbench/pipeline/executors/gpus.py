"""One process per GPU of this machine. Each process sees one GPU; whole jobs, and shards of an
embedding, go to a GPU that is free.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from nverbench.embedding import devices, shards
from nverbench.pipeline.executors import tasks
from nverbench.pipeline.executors.processes import (
    end_pool,
    environment,
    malloc_settings,
    new_pool,
    shared_files,
)
from nverbench.pipeline.executors.worker import TaskResult, WorkerConfig, run_task
from nverbench.plugin.records import Clip
from nverbench.training.records import TrainingTasks

if TYPE_CHECKING:
    from numpy.typing import NDArray

VISIBLE = "CUDA_VISIBLE_DEVICES"
TIMES = 4
"""How often a task is started whose process dies."""


def visible() -> list[str]:
    """The GPUs that this run may use, by their names in ``CUDA_VISIBLE_DEVICES``, or by their
    numbers.
    """
    count = devices.cuda_devices()
    named = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return named[:count] if named else [str(i) for i in range(count)]


@dataclass
class GpuPool:
    """An executor of one process per GPU; each thread of this process takes one GPU and serves its
    process.
    """

    ids: Sequence[str]
    say: Callable[[str], None] = lambda sentence: None
    _threads: ThreadPoolExecutor | None = None
    _own: threading.local = field(default_factory=threading.local)
    _processes: dict[str, ProcessPoolExecutor] = field(default_factory=dict)
    _futures: list[Future[TaskResult]] = field(default_factory=list)
    _starting: threading.Lock = field(default_factory=threading.Lock)
    """Held while the environment names the GPU of a new process."""
    _closed: bool = False
    _files: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> GpuPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.shut_down()

    def worth_starting(self, seconds: float) -> bool:
        """True: every GPU has a process of its own."""
        return True

    def takes_jobs(self, device: str) -> bool:
        """Whether a job is one task: on a GPU its folds are trained as one model."""
        return device.startswith("cuda")

    @property
    def wants_work(self) -> bool:
        """Whether processes run that will soon be idle."""
        self._futures = [f for f in self._futures if not f.done()]
        return bool(self._processes) and len(self._futures) < 2 * len(self.ids)

    @property
    def embed(self) -> shards.EmbeddingBackend:
        """Embeds missing clips in shards."""
        return functools.partial(tasks.embed, self)

    def submit(self, trainings: TrainingTasks) -> tasks.TaskTrainings | None:
        """Start the trainings."""
        return tasks.submit(self, trainings)

    def slots(self, kind: tasks.Kind, device: str) -> int:
        """One task at a time on each GPU."""
        return len(self.ids)

    def publish_files(self, request: shards.EmbeddingRequest, clips: Sequence[Clip]) -> None:
        """Nothing: the processes see the files of this machine."""

    def share_arrays(
        self, trainings: TrainingTasks, arrays: Sequence[NDArray[Any]]
    ) -> tuple[tuple[str, ...], Callable[[], None]]:
        """Write the arrays to files, which the processes map into memory."""
        files = contextlib.ExitStack()
        self._files.push(files)
        return files.enter_context(shared_files(arrays)), files.close

    def start(
        self, kind: tasks.Kind, device: str, action: Callable[..., Any], *arguments: Any
    ) -> Future[TaskResult]:
        """Run an action on the next free GPU."""
        if self._threads is None:
            gpus: SimpleQueue[str] = SimpleQueue()
            for gpu in self.ids:
                gpus.put(gpu)
            self._threads = ThreadPoolExecutor(
                len(self.ids), initializer=lambda: setattr(self._own, "gpu", gpus.get())
            )
        future = self._threads.submit(self._run, action, arguments)
        self._futures.append(future)
        return future

    def cancel(self, futures: Iterable[Future[TaskResult]]) -> None:
        """Cancel the tasks that wait; those that run end by themselves, or with their process."""
        for future in futures:
            future.cancel()

    def check_alive(self) -> None:
        """Nothing: the thread of a process sees its end."""

    def shut_down(self) -> None:
        """End the processes."""
        self._closed = True
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        with self._starting:
            for pool in list(self._processes.values()):
                end_pool(pool)
        if self._threads is not None:
            self._threads.shutdown()
        self._files.close()

    def _run(self, action: Callable[..., Any], arguments: tuple[Any, ...]) -> TaskResult:
        """Run an action in the process of this thread's GPU; in a new process if that one dies."""
        import torch

        gpu, reason = self._own.gpu, ""
        config = WorkerConfig((), {}, torch.get_num_threads())
        for _ in range(TIMES):
            try:
                return self._submit(gpu, config, action, arguments).result()
            except BrokenProcessPool as error:
                reason = str(error)
            if self._closed:
                break
            self._processes.pop(gpu).shutdown(wait=False)
            self.say(f"the process of GPU {gpu} died (out of memory?)")
        raise tasks.lost_task(f"a task on GPU {gpu}", reason)

    def _submit(self, gpu: str, *arguments: Any) -> Future[TaskResult]:
        with self._starting, environment({**malloc_settings(), VISIBLE: gpu}):
            if self._closed:
                raise BrokenProcessPool("the run ends")
            if gpu not in self._processes:
                self._processes[gpu] = new_pool(1)
            config, action, given = arguments
            return self._processes[gpu].submit(run_task, config, action, None, *given)
