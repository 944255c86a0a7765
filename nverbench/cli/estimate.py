"""What a plan needs before it starts: forward passes, disk, minutes."""

from __future__ import annotations

import shutil
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from nverbench.cli.common import echo, echo_err

if TYPE_CHECKING:
    from nverbench.embedding.weights import PlannedBackbone
    from nverbench.pipeline.job import Job, Plan
    from nverbench.plugin.records import Clip

Need = tuple["Job", "PlannedBackbone", "list[Clip]", int]
"""A job, one of its backbones, the clips that it must hear first, and the bytes their embeddings
take.
"""


def needs(jobs: Iterable[Job]) -> Iterable[Need]:
    """What is not in the cache yet, job by job; what an earlier job brings is there for a later
    one.
    """
    from nverbench._io import paths
    from nverbench.embedding.cache import EmbeddingCache
    from nverbench.embedding.keys import expected_bytes

    store = EmbeddingCache(paths.embeddings_folder())
    done: set[str] = set()
    heard: set[Hashable] = set()
    for job in jobs:
        for b in job.backbones:
            asked = _heard(job, b)
            keys = (
                job.wanted(b) if b.part.load and asked not in heard else {}
            )  # thousands of jobs hear the same: its keys are worked out once
            heard.add(asked)
            fresh = [c for k, c in keys.items() if k not in done and not store.path(k).exists()]
            done |= keys.keys()
            yield (
                job,
                b,
                fresh,
                expected_bytes(
                    b.part,
                    fresh,
                    frames=job.fusion.wants == "frames",
                    storage=job.selection.storage,
                )
                or 0,
            )


def _heard(job: Job, backbone: PlannedBackbone) -> Hashable:
    """What tells one set of wanted entries from another: everything that ``Job.wanted`` looks
    at.
    """
    frames, asked = job.fusion.wants == "frames", job.selection
    said = repr(sorted(backbone.reference.identity().items()))
    return said, backbone.weights.digest, job.corpus.digest, frames, asked.dtype, asked.storage


def check_room(planned: Plan) -> None:
    """Say the disk that frames will take, before any is computed; pooled embeddings are a
    thousandth of it.

    Raises:
        UsageError: the disk of the cache has less left.
    """
    from nverbench._io import paths
    from nverbench.errors import UsageError

    disk = sum(
        size for _, _, _, size in needs(job for job in planned.jobs if job.fusion.wants == "frames")
    )
    if not disk:
        return
    folder = paths.embeddings_folder()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if disk > free:
        raise UsageError(
            f"frames will take {disk / 1e9:.1f} GB in {folder}, and {free / 1e9:.1f} GB are free;"
            " free some, move the cache with NVERBENCH_HOME, or take half with --storage float16"
            " (unofficial)"
        )
    echo_err(f"frames will take {disk / 1e6:,.1f} MB in {folder} ({free / 1e9:,.0f} GB are free)")


def say_dry_run(planned: Plan) -> int:
    """Jobs, forward passes, disk and minutes, from what this machine measured before."""
    from nverbench._io import state
    from nverbench.pipeline.executors.processes import ProcessExecutor

    speeds = state.read_state("speeds")
    passes: dict[str, int] = {}
    disk, seconds, unknown = 0, 0.0, set()
    for job in planned.jobs:
        echo(f"{job.id}  {job}  [{job.standing.level}]")
    for job, b, fresh, size in needs(planned.jobs):
        passes[str(b)] = passes.get(str(b), 0) + len(fresh)
        disk += size
        speed = speeds.get("embed", {}).get(f"{b.part.name}@{job.selection.device}")
        seconds += len(fresh) * (speed or 0.0)
        unknown |= {b.part.name} if fresh and speed is None else set()
    for job in planned.jobs:
        speed = speeds.get("fit", {}).get(f"{job.fusion.name}@{job.selection.device}")
        seconds += (
            len(job.cut.folds)
            * job.selection.seeds
            * (speed or 0.0)
            / (ProcessExecutor().number if job.selection.device == "cpu" else 1)
        )
        unknown |= {job.fusion.name} if speed is None else set()
    for name, count in passes.items():
        echo(f"{name}: {count} forward passes")
    time = f"about {seconds / 60:.1f} minutes" if seconds or not unknown else "minutes unknown"
    late = f", not counting {', '.join(sorted(unknown))} (never timed here)" if unknown else ""
    total = (
        f"{len(planned.jobs)} jobs, {sum(passes.values())} forward passes, {disk / 1e6:.1f} MB of"
        " cache"
    )
    echo(f"{total}, {time}{late}")
    return 0 if planned.jobs else 2
