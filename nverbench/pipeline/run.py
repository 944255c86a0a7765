"""The straight line: plan -> for each job: execute -> result on disk -> MLflow; the next job begins
while workers still train the last.
"""

from __future__ import annotations

import functools
import shutil
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nverbench._io import paths, state, tempfiles
from nverbench.embedding import cache
from nverbench.errors import (
    ClusterError,
    ClusterGone,
    DiskError,
    FitError,
    NverbenchError,
    PartError,
)
from nverbench.pipeline import assemble
from nverbench.pipeline.embeddings import Crew, RunEmbeddings, Watch, unwatched
from nverbench.pipeline.job import Job, Plan
from nverbench.results import speaker_gap, tracking
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result
from nverbench.results.store import ResultStore


@dataclass(frozen=True)
class Failure:
    """A job that did not finish: the one line that says why, and whether the user's input was at
    fault.
    """

    job: Job
    reason: str
    users_mistake: bool


@dataclass
class Summary:
    """What became of a plan."""

    plan: Plan
    finished: list[Result] = field(default_factory=list)
    unchanged: list[Result] = field(default_factory=list)
    """Finished by an earlier run: nothing was computed."""
    failures: list[Failure] = field(default_factory=list)
    gaps: list[speaker_gap.Gap] = field(default_factory=list)
    """Of every system that ran on random and on disjoint folds."""

    @property
    def exit_code(self) -> int:
        """0: a job finished, now or earlier, and none failed; 1: a job failed; 2: nothing could
        run, or the input was wrong.
        """
        if any(not f.users_mistake for f in self.failures):
            return 1
        return 2 if self.failures or not (self.finished or self.unchanged) else 0


def run(
    plan: Plan,
    out: Path,
    uri: str | None,
    *,
    say: Callable[[str], None],
    watch: Watch = unwatched,
    rerun: bool = False,
    debug: bool = False,
    crew: Crew | None = None,
) -> Summary:
    """Carry out a plan's jobs. A finished job is a no-op that says so; a failed one is named and
    the rest go on; ctrl-C keeps all that is done.

    ``crew``: who embeds and trains; None: this machine, as fits its devices. They end with the run.
    """
    folder, summary = ResultStore(out), Summary(plan)
    for place in (
        folder.root,
        paths.home(),
    ):  # what a killed run left there, also where this one will write nothing
        tempfiles.remove_stale(place)
    crew = crew or assemble.crew({job.selection.device for job in plan.jobs}, say)
    shared = RunEmbeddings(
        cache.EmbeddingCache(paths.embeddings_folder(), say), crew, out / "checkpoints"
    )
    with crew:
        try:
            _jobs(
                plan, summary, folder, uri, shared, say=say, watch=watch, rerun=rerun, debug=debug
            )
        except ClusterGone:  # said, as the failure of the job that met it first
            say("the other jobs were not tried")
    summary.gaps = _gaps(summary, folder, uri, say)
    return summary


def _jobs(
    plan: Plan,
    summary: Summary,
    folder: ResultStore,
    uri: str | None,
    shared: RunEmbeddings,
    *,
    say: Callable[[str], None],
    watch: Watch,
    rerun: bool,
    debug: bool,
) -> None:
    """One job after the other, each begun before the one before it ends: no worker waits for it."""
    begun: deque[_Begun] = deque()
    shared.prepare((job for job in plan.jobs if rerun or not folder.path(job.id).exists()), watch)
    for number, job in enumerate(plan.jobs, 1):
        begun.append(
            _begin(job, f"[{number}/{len(plan.jobs)}] {job}", folder, shared, watch, rerun=rerun)
        )
        while begun and not shared.workers.hungry:
            _end(begun.popleft(), summary, folder, uri, say, debug=debug)
    while begun:
        _end(begun.popleft(), summary, folder, uri, say, debug=debug)


@dataclass(frozen=True)
class _Begun:
    """A job whose trainings may still be under way."""

    job: Job
    place: str
    result: Callable[[], tuple[Result, Predictions | None]]
    """Waits for it; without predictions where it was finished before."""


def _begin(
    job: Job, place: str, folder: ResultStore, shared: RunEmbeddings, watch: Watch, *, rerun: bool
) -> _Begun:
    """A job of a run, begun; what goes wrong is kept for its end."""
    try:
        done = None if rerun else folder.finished(job.id)
        return _Begun(
            job,
            place,
            (lambda: (done, None)) if done is not None else assemble.begin_job(job, shared, watch),
        )
    except Exception as error:
        wrong = error

        def failed() -> tuple[Result, Predictions | None]:
            raise wrong

        return _Begun(job, place, failed)


def _end(
    begun: _Begun,
    summary: Summary,
    folder: ResultStore,
    uri: str | None,
    say: Callable[[str], None],
    *,
    debug: bool,
) -> None:
    """A job's result, on disk and told to MLflow; or why there is none, which must not cost the
    others.
    """
    job, place = begun.job, begun.place
    try:
        result, predictions = begun.result()
        if predictions is None:
            summary.unchanged.append(result.without_curves())
            say(f"{place}: already finished ({job.id}), nothing to do; --rerun computes it again")
        else:
            keep(job, result, predictions, folder, say)
            summary.finished.append(result.without_curves())
            say(f"{place}: macro-F1 {result.scores['macro_f1'].value:.3f} ({result.id})")
    except Exception as error:
        if debug:
            raise
        failure = _failure(job, error)
        summary.failures.append(failure)
        say(f"{place}: failed: {failure.reason}")
        facts = {"job": str(job), "reason": failure.reason, "users_mistake": failure.users_mistake}
        _safely(say, lambda: folder.note_failure(job.id, facts))
        if isinstance(error, ClusterGone):
            raise
        return
    _safely(say, lambda: folder.clear_failure(job.id))
    if uri is not None:
        _safely(say, lambda: tracking.log(result, folder, uri))


def _safely(say: Callable[[str], None], act: Callable[[], object]) -> None:
    """What is done beside a result, which stands without it: when it fails, that is one line."""
    try:
        act()
    except NverbenchError as error:
        say(str(error))


def _gaps(
    summary: Summary, folder: ResultStore, uri: str | None, say: Callable[[str], None]
) -> list[speaker_gap.Gap]:
    """The speaker gaps of a run, written beside the results and told to MLflow."""
    found = speaker_gap.speaker_gaps(summary.finished + summary.unchanged, folder.predictions, say)
    for gap in found:
        _safely(say, functools.partial(speaker_gap.write, gap, folder))
        if uri is not None:
            _safely(say, functools.partial(tracking.log_gap, gap, folder, uri))
    return found


def keep(
    job: Job,
    result: Result,
    predictions: Predictions,
    folder: ResultStore,
    say: Callable[[str], None],
) -> None:
    """Write a job's result; then remember what it was first to see, and how long it took.

    Raises:
        DiskError: the result cannot be written.
    """
    folder.write(result, predictions)
    shutil.rmtree(
        folder.root.parent / "checkpoints" / job.id, ignore_errors=True
    )  # the result stands: its last epochs are not needed any more
    _safely(say, lambda: remember(job))
    _safely(say, lambda: note_speeds(job, result))


def remember(job: Job) -> None:
    """Fill in what nobody could record yet: this machine's first digests of a provisional row are
    enforced from here on.
    """
    if job.standing.level == "provisional":
        lock = state.read_state("lock")
        key = f"{job.corpus.dataset.name}/{job.cut.kind}"
        if key not in lock.get("folds", {}):
            state.write_state("lock", "folds", key, [job.corpus.digest, job.cut.digest])


def note_speeds(job: Job, result: Result) -> None:
    """Remember how long this machine takes, for the next ``--dry-run``."""
    for name, planned in zip(job.names, job.backbones, strict=True):
        seconds = result.timings.embed_per_clip[name]
        if seconds:
            state.write_state(
                "speeds", "embed", f"{planned.part.name}@{job.selection.device}", seconds
            )
    state.write_state(
        "speeds",
        "fit",
        f"{job.fusion.name}@{job.selection.device}",
        result.timings.fit / len(result.per_fold),
    )


def _failure(job: Job, error: Exception) -> Failure:
    if isinstance(error, NverbenchError):
        return Failure(
            job,
            " ".join(str(error).split()),
            not isinstance(error, ClusterError | DiskError | FitError | PartError),
        )
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = getattr(
        error, "happened_at", f"{Path(place.filename).name}:{place.lineno}"
    )  # in a process elsewhere, or here
    return Failure(
        job,
        f"{type(error).__name__}: {' '.join(str(error).split())} ({where}; --debug shows all)",
        False,
    )
