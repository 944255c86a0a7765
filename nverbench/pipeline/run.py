"""The straight line: embed, train, score, store and log every job of a plan. The next job begins
while the executor still trains the last one.
"""

from __future__ import annotations

import functools
import shutil
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from nverbench._io import paths, state, tempfiles
from nverbench.embedding import cache
from nverbench.errors import (
    ClusterError,
    ClusterGone,
    DiskError,
    FitError,
    NverbenchError,
    PartError,
    reason_of,
)
from nverbench.pipeline import assemble
from nverbench.pipeline.embeddings import RunEmbeddings, Watch, unwatched
from nverbench.pipeline.executors import Executor
from nverbench.pipeline.executors.local import local_executor
from nverbench.pipeline.job import Job, Plan
from nverbench.results import speaker_gap, tracking
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result
from nverbench.results.store import ResultStore


@dataclass(frozen=True)
class Failure:
    """A job that did not finish, the reason in one line, and whether the user's input was wrong."""

    job: Job
    reason: str
    users_mistake: bool


@dataclass
class Summary:
    """The outcome of a run."""

    plan: Plan
    finished: list[Result] = field(default_factory=list)
    unchanged: list[Result] = field(default_factory=list)
    """Results of an earlier run: nothing was computed."""
    failures: list[Failure] = field(default_factory=list)
    gaps: list[speaker_gap.Gap] = field(default_factory=list)
    """Of every system that ran on random and on speaker-disjoint folds."""

    @property
    def exit_code(self) -> int:
        """0: a job finished, now or earlier, and none failed; 1: a job failed; 2: no job could run,
        or the input was wrong.
        """
        if any(not f.users_mistake for f in self.failures):
            return 1
        return 2 if self.failures or not (self.finished or self.unchanged) else 0


@dataclass(frozen=True)
class _Sink:
    """Where results and messages go."""

    store: ResultStore
    uri: str | None
    """Of MLflow; None: nothing is logged there."""
    say: Callable[[str], None]

    def try_to(self, act: Callable[[], object]) -> None:
        """Do what a result does not depend on; an error is reported in one line."""
        try:
            act()
        except NverbenchError as error:
            self.say(str(error))


def run(
    plan: Plan,
    out: Path,
    uri: str | None,
    *,
    say: Callable[[str], None],
    watch: Watch = unwatched,
    rerun: bool = False,
    debug: bool = False,
    executor: Executor | None = None,
) -> Summary:
    """Embed, train, score, store and log every job of a plan. A finished job is skipped; a failed
    one is recorded and the others go on; ctrl-C keeps everything that is finished.

    Args:
        out: the folder of results.
        uri: of the MLflow server or database; None: nothing is logged to MLflow.
        say: prints a message.
        watch: shows progress.
        rerun: compute finished jobs again.
        debug: raise the first error.
        executor: embeds and trains, and shuts down at the end; None: this machine, by its devices.
    """
    sink, summary = _Sink(ResultStore(out), uri, say), Summary(plan)
    for folder in (sink.store.root, paths.home()):
        tempfiles.remove_stale(folder)  # of killed runs
    executor = executor or local_executor({job.selection.device for job in plan.jobs}, say)
    store = cache.EmbeddingCache(paths.embeddings_folder(), say)
    embeddings = RunEmbeddings(store, executor, out / "checkpoints", say)
    with executor:
        try:
            todo = (job for job in plan.jobs if rerun or not sink.store.path(job.id).exists())
            embeddings.prepare(todo, watch)
            for started in _begin_ahead(plan, sink.store, embeddings, watch, rerun=rerun):
                _finish(started, summary, sink, debug=debug)
        except ClusterGone:  # the job that met it first has reported it
            say("the other jobs were not tried")
    summary.gaps = _gaps(summary, sink)
    return summary


@dataclass(frozen=True)
class _Started:
    """A job whose trainings may still run."""

    job: Job
    label: str
    result: Callable[[], tuple[Result, Predictions | None]]
    """Waits for the result; without predictions if an earlier run finished the job."""


def _begin_ahead(
    plan: Plan, store: ResultStore, embeddings: RunEmbeddings, watch: Watch, *, rerun: bool
) -> Iterator[_Started]:
    """The jobs in order, each to be finished next; as long as the executor wants work, further jobs
    begin before.
    """
    started: deque[_Started] = deque()
    for number, job in enumerate(plan.jobs, 1):
        label = f"[{number}/{len(plan.jobs)}] {job}"
        started.append(_Started(job, label, _begin(job, store, embeddings, watch, rerun=rerun)))
        while started and not embeddings.workers.wants_work:
            yield started.popleft()
    while started:
        yield started.popleft()


def _begin(
    job: Job, store: ResultStore, embeddings: RunEmbeddings, watch: Watch, *, rerun: bool
) -> Callable[[], tuple[Result, Predictions | None]]:
    """Start a job; an error is raised by the returned function."""
    try:
        done = None if rerun else store.finished(job.id)
        if done is not None:
            return lambda: (done, None)
        return assemble.begin_job(job, embeddings, watch)
    except Exception as error:
        return functools.partial(_raise, error)


def _raise(error: Exception) -> NoReturn:
    raise error


def _finish(started: _Started, summary: Summary, sink: _Sink, *, debug: bool) -> None:
    """Wait for a job's result, store it and log it to MLflow; or record the failure."""
    job, label = started.job, started.label
    try:
        result, predictions = started.result()
        if predictions is None:
            summary.unchanged.append(result.without_curves())
            sink.say(
                f"{label}: already finished ({job.id}), nothing to do; --rerun computes it again"
            )
        else:
            _store(job, result, predictions, sink)
            summary.finished.append(result.without_curves())
            sink.say(f"{label}: macro-F1 {result.scores['macro_f1'].value:.3f} ({result.id})")
    except Exception as error:
        if debug:
            raise
        failure = _failure(job, error)
        summary.failures.append(failure)
        sink.say(f"{label}: failed: {failure.reason}")
        facts = {"job": str(job), "reason": failure.reason, "users_mistake": failure.users_mistake}
        sink.try_to(lambda: sink.store.note_failure(job.id, facts))
        if isinstance(error, ClusterGone):
            raise
        return
    sink.try_to(lambda: sink.store.clear_failure(job.id))
    if (uri := sink.uri) is not None:
        sink.try_to(lambda: tracking.log(result, sink.store, uri))


def _store(job: Job, result: Result, predictions: Predictions, sink: _Sink) -> None:
    """Write a job's result; then record its digests and its speed on this machine."""
    sink.store.write(result, predictions)
    # the last epochs are not needed any more
    shutil.rmtree(sink.store.root.parent / "checkpoints" / job.id, ignore_errors=True)
    sink.try_to(lambda: _lock_digests(job))
    sink.try_to(lambda: _note_speeds(job, result))


def _lock_digests(job: Job) -> None:
    """Record this machine's first digests of a provisional row: later rows must have the same."""
    if job.standing.level == "provisional":
        key = f"{job.corpus.dataset.name}/{job.cut.kind}"
        if key not in state.read_state("lock").get("folds", {}):
            state.write_state("lock", "folds", key, [job.corpus.digest, job.cut.digest])


def _note_speeds(job: Job, result: Result) -> None:
    """Record the speed of this machine, for the estimate of ``--dry-run``."""
    device, timings = job.selection.device, result.timings
    for name, planned in zip(job.names, job.backbones, strict=True):
        if seconds := timings.embed_per_clip[name]:
            state.write_state("speeds", "embed", f"{planned.part.name}@{device}", seconds)
    seconds = timings.fit / len(result.per_fold)
    state.write_state("speeds", "fit", job.speed_key, seconds)


def _gaps(summary: Summary, sink: _Sink) -> list[speaker_gap.Gap]:
    """The speaker gaps of a run, stored with the results and logged to MLflow. A row that splits a
    gap in two completes the gap of two stored rows.
    """
    results = summary.finished + summary.unchanged
    if any(map(speaker_gap.splits_gap, results)):
        results = speaker_gap.of_the_same_systems(results, sink.store.results()[0].values())
    found = speaker_gap.speaker_gaps(results, sink.store.predictions, sink.say)
    for gap in found:
        sink.try_to(functools.partial(speaker_gap.write, gap, sink.store))
        if sink.uri is not None:
            sink.try_to(functools.partial(tracking.log_gap, gap, sink.store, sink.uri))
    return found


def _failure(job: Job, error: Exception) -> Failure:
    """The failure of a job, with the place of an error that is not ours."""
    reason = reason_of(error)
    if isinstance(error, NverbenchError):
        ours = isinstance(error, ClusterError | DiskError | FitError | PartError)
        return Failure(job, reason, users_mistake=not ours)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    # an error of another process carries its own place
    place = getattr(error, "happened_at", f"{Path(frame.filename).name}:{frame.lineno}")
    reason = f"{type(error).__name__}: {reason} ({place}; --debug shows all)"
    return Failure(job, reason, users_mistake=False)
