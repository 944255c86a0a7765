"""What the jobs of one run have in common: embeddings, each backbone x clip once, and the processes
that train.

Embeddings come before any training (``prepare``), so that a run which must stop for a missing file
does so early and a device is not loaded again and again. They are held in memory as far as
``MOST_BYTES`` goes, the longest unused given up first; the store on disk has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Protocol

from nverbench._io.digests import file_digests
from nverbench.embedding import cache, costs, extract, frames, keys, pooled
from nverbench.embedding.extract import Extraction
from nverbench.embedding.shards import EmbeddingBackend
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import ClusterGone, DatasetError
from nverbench.pipeline.job import Job
from nverbench.training.folds import Crew as Trainers
from nverbench.training.processes import Workers

Embedded = pooled.Embeddings | frames.FrameEmbeddings
MOST_BYTES = 4_000_000_000
Watch = Callable[[str, int], extract.Tick]
"""Told of a stage and its size; gives what to call after each step of it."""


class Crew(Trainers, Protocol):
    """Who listens and who trains, here or elsewhere; what they give is written by this process
    alone. A context manager, so that it ends.
    """

    @property
    def listen(self) -> EmbeddingBackend:
        """Computes the store's entries that are missing."""

    def __enter__(self) -> object:
        """Nothing is started before there is work."""

    def __exit__(self, *error: object) -> None:
        """Everybody is sent home."""


def unwatched(stage: str, total: int) -> extract.Tick:
    """Progress that nobody watches."""
    return extract.no_tick


@dataclass
class RunEmbeddings:
    """Embeddings and workers of one run."""

    store: cache.EmbeddingCache
    workers: Crew = field(default_factory=Workers)
    """Who embeds and trains; nothing is started before a job is worth it."""
    checkpoints: Path | None = None
    """Where trainings of conversations keep their last epoch, a folder per job."""
    _held: dict[str, pooled.Embeddings] = field(default_factory=dict)
    _costs: dict[str, Extraction] = field(default_factory=dict)
    """What each cost when it was computed: read again from the store, it still says so."""
    _frames: dict[str, frames.FrameEmbeddings] = field(default_factory=dict)
    """On disk: nothing of it is held but where it is."""
    _failed: dict[str, Exception] = field(default_factory=dict)

    def prepare(self, jobs: Iterable[Job], watch: Watch) -> None:
        """Embed what the jobs need. What cannot be embedded fails the jobs that need it, later and
        with its reason.
        """
        done = set()
        for job in jobs:
            for planned in job.backbones:
                key = run_key(job, planned)
                if key not in done:
                    done.add(key)
                    try:
                        self.heard(job, planned, watch)
                    except Exception as error:
                        self._failed[key] = error
                        if isinstance(error, ClusterGone):  # nobody is left to embed the rest
                            return

    def heard(self, job: Job, planned: PlannedBackbone, watch: Watch) -> Embedded:
        """What a job's fusion wants of one backbone: frames, or an embedding per clip.

        Raises:
            DatasetError: a file changed between planning and now.
            PartError, AudioError, UsageError: as :func:`nverbench.embedding.pooled.embed`; once for
                a run, then the same error again.
        """
        key = run_key(job, planned)
        if key in self._failed:
            raise self._failed[key]
        return (
            self._framed(key, job, planned, watch)
            if job.fusion.wants == "frames"
            else self._pooled(key, job, planned, watch)
        )

    def _pooled(
        self, key: str, job: Job, planned: PlannedBackbone, watch: Watch
    ) -> pooled.Embeddings:
        if key not in self._held:
            check_files_unmodified(job)
            tick = watch(f"embed {planned} x {job.corpus.reference}", len(job.corpus.clips))
            found = pooled.embed(
                planned,
                job.corpus.clips,
                job.corpus.sha256,
                self.store,
                device=job.selection.device,
                dtype=job.selection.dtype,
                tick=tick,
                listen=self.workers.listen,
            )
            costs.complete(
                found, planned, job.corpus.digest, job.selection.device, job.selection.dtype
            )
            for name in (f.name for f in fields(Extraction)):
                setattr(found, name, getattr(self._costs.setdefault(key, found), name))
            self._hold(key, found)
        self._held[key] = self._held.pop(key)  # the last used stands last
        return self._held[key]

    def _framed(
        self, key: str, job: Job, planned: PlannedBackbone, watch: Watch
    ) -> frames.FrameEmbeddings:
        if key not in self._frames:
            check_files_unmodified(job)
            asked = job.selection
            tick = watch(f"frames of {planned} x {job.corpus.reference}", len(job.heard))
            found = frames.embed_frames(
                planned,
                job.heard,
                job.corpus.sha256,
                self.store,
                device=asked.device,
                dtype=asked.dtype,
                storage=asked.storage,
                tick=tick,
                listen=self.workers.listen,
            )
            costs.complete(found, planned, job.corpus.digest, asked.device, asked.dtype)
            self._frames[key] = found
        return self._frames[key]

    def _hold(self, key: str, found: pooled.Embeddings) -> None:
        self._costs[key] = Extraction(
            **{f.name: getattr(found, f.name) for f in fields(Extraction)}
        )
        self._held[key] = found
        while len(self._held) > 1 and sum(map(_bytes, self._held.values())) > MOST_BYTES:
            self._held.pop(next(iter(self._held)))


def run_key(job: Job, planned: PlannedBackbone) -> str:
    """What tells one set of embeddings from another."""
    identity = keys.embedding_identity(planned.reference)
    # Pooled, one set serves every layer; frames are those of one layer.
    kind = (
        f"frames {job.selection.storage} layer {planned.reference.layer}"
        if job.fusion.wants == "frames"
        else "pooled"
    )
    return f"{identity}{planned.weights.digest}{job.corpus.digest}{job.selection.dtype}{job.selection.device}{kind}"


def check_files_unmodified(job: Job) -> None:
    """Raise when a clip's file is no longer the one that was planned."""
    now = file_digests(c.path for c in job.heard)
    for clip in job.heard:
        if now[clip.path] != job.corpus.sha256[clip.id]:
            raise DatasetError(
                f"{clip.path}: the file changed while the job was running; run it again"
            )


def _bytes(found: pooled.Embeddings) -> int:
    return found.matrix.nbytes + (found.layers.nbytes if found.layers is not None else 0)
