"""Folds and replicates of one job: a fusion trained on frozen embeddings, and its predictions of
the test parts (protocol nver-1, "Training").

How they are trained is an execution detail: one by one, in several processes at once, or
jointly as one batched model (``NVERBENCH_FIT`` chooses: one, processes, joint). Every training runs
on one thread on the CPU, so that all ways give the same numbers. A
:class:`~nverbench.training.records.TrainingExecutor` trains in other processes, on this machine or
on several.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import torch

from nverbench.data.folds.assign import Fold
from nverbench.data.folds.inner import inner_folds
from nverbench.errors import UsageError
from nverbench.training import batched, search, sequences
from nverbench.training.data import FoldData, PooledData
from nverbench.training.loop import FoldTraining, train
from nverbench.training.records import (
    Data,
    FoldPredictions,
    Pending,
    Task,
    TrainingExecutor,
    TrainingSetup,
    TrainingTasks,
    within_memory,
)
from nverbench.training.scaling import Scaler, project
from nverbench.training.seeds import forked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


WAYS = ("auto", "one", "processes", "joint")


def fit_folds(
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    folds: Sequence[Fold],
    replicates: int,
    tick: Callable[[int], None] = lambda n: None,
    workers: TrainingExecutor | None = None,
) -> list[list[FoldPredictions]]:
    """Train every fold of every replicate: ``[replicate][fold]``; arguments and errors as
    :func:`submit_folds`.
    """
    return submit_folds(training, streams, target, folds, replicates, tick, workers)()


def submit_folds(
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    folds: Sequence[Fold],
    replicates: int,
    tick: Callable[[int], None] = lambda n: None,
    workers: TrainingExecutor | None = None,
) -> Callable[[], list[list[FoldPredictions]]]:
    """Start training every fold of every replicate; the returned function waits for the results.

    Args:
        training: what and how.
        streams: one matrix (n, d_i) per backbone, rows as the folds count them; (n, L, d_i) where a
            softmax over layers is to be learned; or frames on disk.
        target: (n,) class indices.
        folds: training, validation and test rows.
        replicates: other seeds, the same folds.
        tick: called with the number of trainings that ended.
        workers: trains in other processes where that is faster; None: this process trains alone.

    Returns:
        A function that waits for the predictions: ``[replicate][fold]``.

    Raises (here, or from the returned function):
        FoldError: selection is ``inner`` and a fold has no validation part.
        FitError: a loss term is not finite (names fold, epoch and term).
        PartError: the fusion or the loss breaks its contract.
    """
    tasks = [(fold, replicate) for replicate in range(replicates) for fold in folds]
    trainings = TrainingTasks(fit_fold, training, streams, target, tasks, tick)
    way = training_mode(training.device)
    if way == "joint" and not search.searches(training):
        together = _train_together(trainings, folds, replicates, workers)
        if together is not None:
            return together
    executor = workers if way in ("auto", "processes") else None
    later = _train_each(trainings, executor, at_once=way == "processes")
    return lambda: _by_replicate(later(), len(folds))


def _by_replicate(fitted: list[FoldPredictions], folds: int) -> list[list[FoldPredictions]]:
    return [fitted[i : i + folds] for i in range(0, len(fitted), folds)]


def _train_together(
    trainings: TrainingTasks,
    folds: Sequence[Fold],
    replicates: int,
    executor: TrainingExecutor | None,
) -> Callable[[], list[list[FoldPredictions]]] | None:
    """Train all folds as one model, as one task of the executor if it takes whole jobs; None where
    the fusion, the loss or the memory prevents it.
    """
    given = trainings.setup, trainings.streams, trainings.target

    def tick(jobs: int) -> None:
        trainings.tick(len(trainings.tasks))

    if executor is not None and executor.takes_jobs(trainings.setup.device):
        whole = replace(trainings, work=fit_job, tasks=[(tuple(folds), replicates)], tick=tick)
        pending = executor.submit(whole)
        if pending is not None:
            return lambda: (pending.results() or [fit_folds(*given, folds, replicates)])[0]
    fitted = _train_jointly(*given, folds, replicates)
    if fitted is None:
        return None
    tick(1)
    return lambda: _by_replicate(fitted, len(folds))


def _train_each(
    given: TrainingTasks, executor: TrainingExecutor | None, *, at_once: bool
) -> Callable[[], list[FoldPredictions]]:
    """Run each task as a training of its own. Where it pays, by the time that the first one took,
    the executor runs the rest.
    """

    def run_here(tasks: Sequence[Task]) -> list[FoldPredictions]:
        found = []
        for fold, replicate in tasks:
            fitted = fit_fold(given.setup, given.streams, given.target, fold, replicate)
            found.append(fitted)
            given.tick(1)
        return found

    def submitted(tasks: Sequence[Task]) -> Pending | None:
        return executor.submit(replace(given, tasks=tasks)) if executor and tasks else None

    first: list[FoldPredictions] = []
    left, pending = given.tasks, None
    if at_once or (executor and executor.worth_starting(0)):
        pending = submitted(left)
    if pending is None:
        first, left = run_here(left[:1]), left[1:]
        if executor and executor.worth_starting(first[0].seconds * len(left)):
            pending = submitted(left)
    if pending is None:
        first += run_here(left)
        return lambda: first
    return lambda: first + (done if (done := pending.results()) is not None else run_here(left))


def fit_fold(
    training: TrainingSetup, streams: Data, target: NDArray[np.int64], fold: Fold, replicate: int
) -> FoldPredictions:
    """Train on one fold and predict its test part; arguments and errors as :func:`submit_folds`."""
    with one_thread(), forked(training.device), within_memory(training, fold.name):
        labels = _labels(training, target)

        def prepare(own: Fold) -> FoldData:
            return prepared(training, streams, labels, own, replicate)

        if search.searches(training):
            return search.fit_searched(training, prepare, labels, fold, replicate)
        own = inner_folds(fold, training.protocol, replicate)[0]
        return train(FoldTraining(training, prepare(own), labels, own, replicate))


def fit_job(
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    folds: Sequence[Fold],
    replicates: int,
) -> list[list[FoldPredictions]]:
    """Train every fold of every replicate in this process: the work of a job submitted whole."""
    return fit_folds(training, streams, target, folds, replicates)


def training_mode(device: str) -> str:
    """The way folds are trained on a device: jointly on a GPU, which a small model leaves idle; on
    a CPU one by one (one), in processes, or in processes if the time of the first training shows
    that it pays (auto).
    """
    way = os.environ.get("NVERBENCH_FIT", "auto")
    if way not in WAYS:
        raise UsageError(f"NVERBENCH_FIT={way}: expected one of {', '.join(WAYS)}")
    return "joint" if way == "auto" and device.startswith("cuda") else way


def _train_jointly(
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    folds: Sequence[Fold],
    replicates: int,
) -> list[FoldPredictions] | None:
    """Train all folds as one model; None where the fusion, the loss or the memory prevents it."""
    with one_thread(), forked(training.device):
        labels = _labels(training, target)
        # replicates of a fold share its scaled data, unless each has a validation part of its own
        data: dict[tuple[int, ...], FoldData] = {}
        runs = []
        for replicate, fold in itertools.product(range(replicates), folds):
            own = inner_folds(fold, training.protocol, replicate)[0]
            if own.train not in data:
                data[own.train] = prepared(training, streams, labels, own, replicate)
            runs.append(FoldTraining(training, data[own.train], labels, own, replicate))
        try:
            return batched.train_jointly(runs)
        except batched.NotBatchable:  # also if they do not fit the memory at the same time
            return None


def prepared(
    training: TrainingSetup, streams: Data, labels: Tensor, fold: Fold, replicate: int
) -> FoldData:
    """The training data of a fold: scaled and projected by its training rows."""
    dtype = torch.float64 if training.double else torch.float32
    scaled = training.protocol.scaling == "z-score"
    if isinstance(streams, sequences.TurnFrames):
        return sequences.prepared(
            training, streams, labels, fold, replicate, scaled=scaled, dtype=dtype
        )
    if scaled:
        streams = Scaler.fit(streams, fold.train).apply(streams)
    streams = [
        project(s, fold.train, width) if width else s
        for s, width in zip_longest(streams, training.widths[: len(streams)])
    ]
    return PooledData(tuple(_owned(s).to(training.device, dtype) for s in streams), labels)


def _labels(training: TrainingSetup, target: NDArray[np.int64]) -> Tensor:
    return _owned(target).to(training.device)


def _owned(array: NDArray[Any]) -> Tensor:
    """The array as a tensor. An array that a worker maps from a file is read-only, which torch does
    not support: it is copied.
    """
    return torch.from_numpy(array) if array.flags.writeable else torch.tensor(array)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread: on a busy machine two threads make small operations many times
    slower, and with one thread every way of training gives the same bits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
