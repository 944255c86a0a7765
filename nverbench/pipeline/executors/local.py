"""The choice of an executor on this machine."""

from __future__ import annotations

from collections.abc import Callable, Collection

from nverbench.pipeline.executors import Executor
from nverbench.pipeline.executors.gpus import GpuPool, visible
from nverbench.pipeline.executors.processes import ProcessExecutor


def local_executor(devices: Collection[str], say: Callable[[str], None]) -> Executor:
    """One process per GPU where there are two or more and the jobs use them; else processes that
    train on the CPU.
    """
    ids = visible() if "cuda" in devices else []
    return GpuPool(ids, say) if len(ids) > 1 else ProcessExecutor(say=say)
