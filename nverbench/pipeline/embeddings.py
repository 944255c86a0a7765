"""The embeddings that the jobs of one run share: each clip goes through each backbone once.

Embeddings come before any training (``prepare``), so that a run which must stop for a missing file
stops early, and a device does not load the same network again and again. Memory holds them up to
``MOST_BYTES``; beyond that the least recently used are dropped, and read from the cache again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

from nverbench._io.digests import file_digests
from nverbench.data import clip_facts
from nverbench.embedding import cache, costs, extract, frames, keys, pooled
from nverbench.embedding.extract import Extraction
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import ClusterGone, DatasetError
from nverbench.pipeline.bad_clips import check_usable, to_decode
from nverbench.pipeline.executors import Executor
from nverbench.pipeline.executors.processes import ProcessExecutor
from nverbench.pipeline.job import Job
from nverbench.pipeline.run_confounds import confound_lines

Embedded = pooled.Embeddings | frames.FrameEmbeddings
MOST_BYTES = 4_000_000_000
Watch = Callable[[str, int], extract.Tick]
"""Shows the progress of a stage, given its name and size; returns a function to call after each
step.
"""


def silent(message: str) -> None:
    """Drop a message."""


def unwatched(stage: str, total: int) -> extract.Tick:
    """Show no progress."""
    return extract.no_tick


@dataclass
class RunEmbeddings:
    """The embeddings and the executor of one run."""

    store: cache.EmbeddingCache
    workers: Executor = field(default_factory=ProcessExecutor)
    """Embeds and trains; no process starts before the work is worth it."""
    checkpoints: Path | None = None
    """The folder in which trainings of conversations keep their last epoch, one folder per job."""
    say: Callable[[str], None] = silent
    """Prints a message."""
    _held: dict[str, pooled.Embeddings] = field(default_factory=dict)
    _costs: dict[str, Extraction] = field(default_factory=dict)
    """What each cost when it was computed; kept when it is read from the cache again."""
    _frames: dict[str, frames.FrameEmbeddings] = field(default_factory=dict)
    """Frames stay on disk: only their places are held."""
    _failed: dict[str, Exception] = field(default_factory=dict)

    def prepare(self, jobs: Iterable[Job], watch: Watch) -> None:
        """Compute the embeddings of all jobs. A failure is raised later, by each job that needs the
        embedding.
        """
        needed = {
            run_key(job, planned): (job, planned) for job in jobs for planned in job.backbones
        }
        for key, (job, planned) in needed.items():
            try:
                self._check_clips(job, planned, watch)
            except Exception as error:
                self._failed[key] = error
        self._warn_of_confounds(job for job, _ in needed.values())
        for key, (job, planned) in needed.items():
            if key in self._failed:
                continue
            try:
                self.heard(job, planned, watch)
            except Exception as error:
                self._failed[key] = error
                if isinstance(error, ClusterGone):  # no machine is left for the rest
                    return

    def _check_clips(self, job: Job, planned: PlannedBackbone, watch: Watch) -> None:
        """Decode, once, the clips that are to be embedded and that this machine has not decoded
        before, so that an unusable one is found before hours of embedding. With ``--skip-bad`` the
        embedding leaves it out, and no decode comes before.

        Raises:
            AudioError: some cannot be used.
            DatasetError: a file changed between planning and now.
        """
        if job.selection.skip_bad:
            return
        clips = to_decode(job, planned, self.store)
        if clips:
            check_files_unmodified(job)
            name = str(job.corpus.reference)
            facts = clip_facts.facts_of(
                clips, job.corpus.sha256, watch(f"check {name}", len(clips))
            )
            check_usable({i: f.reason for i, f in facts.items() if f.reason is not None}, name)

    def _warn_of_confounds(self, jobs: Iterable[Job]) -> None:
        """Print the facts of recordings that alone predict the label, for each set of folds."""
        for job in {(j.corpus.digest, j.cut.digest): j for j in jobs}.values():
            for line in confound_lines(job.corpus, job.cut):
                self.say(line)

    def heard(self, job: Job, planned: PlannedBackbone, watch: Watch) -> Embedded:
        """The embeddings of a job's clips by one backbone: frames where its fusion needs them, else
        one vector per clip.

        Raises:
            DatasetError: a file changed between planning and now.
            PartError, AudioError, UsageError: as :func:`nverbench.embedding.pooled.embed`; later
                calls of the run raise the same error again.
        """
        key = run_key(job, planned)
        if key in self._failed:
            raise self._failed[key]
        if job.fusion.wants == "frames":
            if key not in self._frames:
                self._frames[key] = self._frames_of(job, planned, watch)
            return self._frames[key]
        if key not in self._held:
            self._hold(key, self._pooled(job, planned, watch))
        self._held[key] = self._held.pop(key)  # the last used becomes the last item
        return self._held[key]

    def _pooled(self, job: Job, planned: PlannedBackbone, watch: Watch) -> pooled.Embeddings:
        check_files_unmodified(job)
        clips, sha256 = job.corpus.clips, job.corpus.sha256
        tick = watch(f"embed {planned} x {job.corpus.reference}", len(clips))
        device, dtype, embed = job.selection.device, job.selection.dtype, self.workers.embed
        found = pooled.embed(
            planned, clips, sha256, self.store, device=device, dtype=dtype, tick=tick, listen=embed
        )
        costs.complete(found, planned, job.corpus.digest, device, dtype)
        return found

    def _frames_of(
        self, job: Job, planned: PlannedBackbone, watch: Watch
    ) -> frames.FrameEmbeddings:
        check_files_unmodified(job)
        tick = watch(f"frames of {planned} x {job.corpus.reference}", len(job.heard))
        device, dtype = job.selection.device, job.selection.dtype
        found = frames.embed_frames(
            planned,
            job.heard,
            job.corpus.sha256,
            self.store,
            device=device,
            dtype=dtype,
            storage=job.selection.storage,
            tick=tick,
            listen=self.workers.embed,
        )
        costs.complete(found, planned, job.corpus.digest, device, dtype)
        return found

    def _hold(self, key: str, found: pooled.Embeddings) -> None:
        """Keep embeddings with the cost of their first computation, up to the limit."""
        names = [f.name for f in fields(Extraction)]
        if key not in self._costs:
            self._costs[key] = Extraction(**{name: getattr(found, name) for name in names})
        for name in names:
            setattr(found, name, getattr(self._costs[key], name))
        self._held[key] = found
        while len(self._held) > 1 and sum(map(_bytes, self._held.values())) > MOST_BYTES:
            self._held.pop(next(iter(self._held)))


def run_key(job: Job, planned: PlannedBackbone) -> str:
    """The key of a set of embeddings within a run."""
    asked = job.selection
    # pooled embeddings serve every layer; frames are those of one layer
    kind = (
        f"frames {asked.storage} layer {planned.reference.layer}"
        if job.fusion.wants == "frames"
        else "pooled"
    )
    identity = keys.embedding_identity(planned.reference)
    digests = f"{planned.weights.digest}{job.corpus.digest}"
    return f"{identity}{digests}{asked.dtype}{asked.device}{kind}"


def check_files_unmodified(job: Job) -> None:
    """Raise a DatasetError when the file of a clip is no longer the one that was planned."""
    now = file_digests(c.path for c in job.heard)
    for clip in job.heard:
        if now[clip.path] != job.corpus.sha256[clip.id]:
            raise DatasetError(
                f"{clip.path}: the file changed while the job was running; run it again"
            )


def _bytes(found: pooled.Embeddings) -> int:
    return found.matrix.nbytes + (found.layers.nbytes if found.layers is not None else 0)
