"""Estimates what a plan needs before it starts: forward passes, disk and minutes.

Imports no torch.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nverbench._io import paths, state
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.keys import expected_bytes
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import UsageError
from nverbench.pipeline.job import Job
from nverbench.plugin.records import Clip


@dataclass(frozen=True)
class Need:
    """The clips that a job must pass through one of its backbones, and the bytes of their
    embeddings.
    """

    job: Job
    backbone: PlannedBackbone
    clips: list[Clip]
    bytes: int


@dataclass(frozen=True)
class Estimate:
    """The cost of a plan on this machine."""

    passes: dict[str, int]
    """Backbone -> forward passes, one per clip."""
    bytes: int
    """Disk that new embeddings take."""
    seconds: float
    """Time for the parts whose speed is known from earlier runs."""
    never_timed: tuple[str, ...]
    """Names of backbones and fusions without a known speed."""


def needs(jobs: Iterable[Job]) -> Iterator[Need]:
    """What is missing in the cache, for each job and backbone; embeddings that an earlier job
    computes are not counted again.
    """
    store = EmbeddingCache(paths.embeddings_folder())
    counted: set[str] = set()
    requests: set[Hashable] = set()
    for job in jobs:
        for b in job.backbones:
            request = _request(job, b)
            # Thousands of jobs share a request: its keys are computed once.
            keys = job.wanted(b) if b.part.load and request not in requests else {}
            requests.add(request)
            fresh = [c for k, c in keys.items() if k not in counted and not store.path(k).exists()]
            counted |= keys.keys()
            frames, storage = job.fusion.wants == "frames", job.selection.storage
            size = expected_bytes(b, fresh, frames=frames, storage=storage)
            yield Need(job, b, fresh, size or 0)


def _request(job: Job, backbone: PlannedBackbone) -> Hashable:
    """Everything that ``Job.wanted`` depends on."""
    frames, selection = job.fusion.wants == "frames", job.selection
    reference = repr(sorted(backbone.reference.identity().items()))
    digests = backbone.weights.digest, job.corpus.digest
    return reference, *digests, frames, selection.dtype, selection.storage


def check_disk(jobs: Iterable[Job]) -> str:
    """A sentence on the disk that frames will take; empty where none is needed. Pooled embeddings
    are not counted: they take a thousandth of it.

    Raises:
        UsageError: the disk of the cache has less free space.
    """
    size = sum(need.bytes for need in needs(job for job in jobs if job.fusion.wants == "frames"))
    if not size:
        return ""
    folder = paths.embeddings_folder()
    free = _free_bytes(folder)
    if size > free:
        raise UsageError(
            f"frames will take {size / 1e9:.1f} GB in {folder}, and {free / 1e9:.1f} GB are free;"
            " free some, move the cache with NVERBENCH_HOME, or take half with --storage float16"
            " (unofficial)"
        )
    return f"frames will take {size / 1e6:,.1f} MB in {folder} ({free / 1e9:,.0f} GB are free)"


def _free_bytes(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free


def estimate(jobs: Sequence[Job]) -> Estimate:
    """Forward passes, disk and time of jobs, from the speeds that this machine measured before."""
    from nverbench.pipeline.executors.processes import ProcessExecutor

    speeds = state.read_state("speeds")
    passes: Counter[str] = Counter()
    size, seconds, never_timed = 0, 0.0, set()
    for need in needs(jobs):
        passes[str(need.backbone)] += len(need.clips)
        size += need.bytes
        name = need.backbone.part.name
        speed = speeds.get("embed", {}).get(f"{name}@{need.job.selection.device}")
        seconds += len(need.clips) * (speed or 0.0)
        never_timed |= {name} if need.clips and speed is None else set()
    for job in jobs:
        speed = speeds.get("fit", {}).get(job.speed_key)
        workers = ProcessExecutor().number if job.selection.device == "cpu" else 1
        seconds += len(job.cut.folds) * job.selection.seeds * (speed or 0.0) / workers
        never_timed |= {job.fusion.name} if speed is None else set()
    return Estimate(dict(passes), size, seconds, tuple(sorted(never_timed)))
