"""Folds and replicates of one job: a fusion trained on frozen embeddings, and its predictions of
the test parts (protocol nver-1, "Training").

Which way they are trained is an execution detail: one by one, in processes beside each other, or
jointly as one batched model (``NVERBENCH_FIT`` chooses: one, processes, joint). Every training runs
on one thread on the CPU, so that all ways give the same numbers. Who trains beside this process is
a :class:`Crew`: processes of this machine, or of several.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Protocol

import torch

from nverbench.data.folds.assign import Fold
from nverbench.errors import UsageError
from nverbench.training import batched, sequences
from nverbench.training.data import FoldData, PooledData
from nverbench.training.loop import FoldTraining, train
from nverbench.training.processes import Data, Task, Tasks, Work
from nverbench.training.records import FoldPredictions, TrainingSetup, within_memory
from nverbench.training.scaling import Scaler, project
from nverbench.training.seeds import forked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


WAYS = ("auto", "one", "processes", "joint")


class UnderWay(Protocol):
    """Trainings that were handed out."""

    def results(self) -> list[Any] | None:
        """Wait for what each task gave, in their order; None: they have to be done here after all.
        What one of them raised is raised.
        """


class Crew(Protocol):
    """Who trains beside this process."""

    def worth(self, seconds: float) -> bool:
        """Whether that much work is worth handing out."""

    def takes_jobs(self, device: str) -> bool:
        """Whether a job whose folds are trained as one model on that device is handed out whole."""

    @property
    def hungry(self) -> bool:
        """Whether somebody will soon have nothing to do."""

    def hand(
        self,
        work: Work,
        training: TrainingSetup,
        streams: Data,
        target: NDArray[np.int64],
        tasks: Tasks,
        tick: Callable[[int], None],
    ) -> UnderWay | None:
        """``work(training, streams, target, *task)`` for every task, under way; ticked once for
        each. None: not possible, to be done here.
        """


def fit_folds(
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    folds: Sequence[Fold],
    replicates: int,
    tick: Callable[[int], None] = lambda n: None,
    workers: Crew | None = None,
) -> list[list[FoldPredictions]]:
    """Every fold of every replicate: ``[replicate][fold]``; arguments and errors as
    :func:`begin_folds`.
    """
    return submit_folds(training, streams, target, folds, replicates, tick, workers)()


def submit_folds(
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    folds: Sequence[Fold],
    replicates: int,
    tick: Callable[[int], None] = lambda n: None,
    workers: Crew | None = None,
) -> Callable[[], list[list[FoldPredictions]]]:
    """Train every fold of every replicate; call what comes back for the results. Until then workers
    may still be busy with them.

    Args:
        training: what and how.
        streams: one matrix (n, d_i) per backbone, rows as the folds count them; (n, L, d_i) where a
            softmax over layers is to be learned; or frames on disk.
        target: (n,) class indices.
        folds: training, validation and test rows.
        replicates: other seeds, the same folds.
        tick: told how many trainings ended.
        workers: who trains beside this process, where that is faster; None: nobody.

    Raises (here or when called back):
        FoldError: selection is ``inner`` and a fold has no validation part.
        FitError: a loss term is not finite (names fold, epoch and term).
        PartError: the fusion or the loss breaks its contract.
    """
    tasks = [(fold, replicate) for replicate in range(replicates) for fold in folds]
    way = chosen(training.device)
    if way == "joint" and workers is not None and workers.takes_jobs(training.device):
        whole = workers.hand(
            fit_job,
            training,
            streams,
            target,
            [(tuple(folds), replicates)],
            lambda n: tick(len(tasks)),
        )
        if whole is not None:
            return lambda: (
                found[0]
                if (found := whole.results()) is not None
                else fit_folds(training, streams, target, folds, replicates)
            )
    together = _jointly(training, streams, target, folds, replicates) if way == "joint" else None
    if together is not None:
        tick(len(tasks))
        later: Callable[[], list[FoldPredictions]] = functools.partial(list, together)
    else:
        own = workers if way in ("auto", "processes") else None
        later = _train_each(training, streams, target, tasks, tick, own, at_once=way == "processes")

    def ended() -> list[list[FoldPredictions]]:
        fitted = later()
        return [fitted[i : i + len(folds)] for i in range(0, len(fitted), len(folds))]

    return ended


def _train_each(
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    tasks: Sequence[Task],
    tick: Callable[[int], None],
    workers: Crew | None,
    *,
    at_once: bool,
) -> Callable[[], list[FoldPredictions]]:
    """Each task as a training of its own; once the first has shown how long they take, the rest in
    processes where that pays.
    """

    def here(some: Sequence[Task]) -> list[FoldPredictions]:
        found = []
        for fold, replicate in some:
            found.append(fit_fold(training, streams, target, fold, replicate))
            tick(1)
        return found

    def handed(some: Sequence[Task]) -> UnderWay | None:
        return (
            workers.hand(fit_fold, training, streams, target, some, tick)
            if workers is not None and some
            else None
        )

    first: list[FoldPredictions] = []
    away = handed(tasks) if at_once or (workers is not None and workers.worth(0)) else None
    if away is None:
        first = here(tasks[:1])
        left = tasks[1:]
        away = (
            handed(left)
            if workers is not None and workers.worth(first[0].seconds * len(left))
            else None
        )
    else:
        left = tasks
    if away is None:
        first += here(left)
        return lambda: first
    return lambda: first + (fitted if (fitted := away.results()) is not None else here(left))


def fit_fold(
    training: TrainingSetup, streams: Data, target: NDArray[np.int64], fold: Fold, replicate: int
) -> FoldPredictions:
    """Train on one fold and predict its test part; arguments and errors as :func:`begin_folds`."""
    with one_thread(), forked(training.device), within_memory(training, fold.name):
        labels = _labels(training, target)
        return train(
            FoldTraining(
                training,
                prepared(training, streams, labels, fold, replicate),
                labels,
                fold,
                replicate,
            )
        )


def fit_job(
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    folds: Sequence[Fold],
    replicates: int,
) -> list[list[FoldPredictions]]:
    """Every fold of every replicate, here: what a whole job is handed out as."""
    return fit_folds(training, streams, target, folds, replicates)


def chosen(device: str) -> str:
    """How folds are trained on a device: jointly on a GPU, where a small model leaves it idle; on a
    CPU one by one (one), in processes, or in processes once the first training has shown that it
    pays (auto).
    """
    way = os.environ.get("NVERBENCH_FIT", "auto")
    if way not in WAYS:
        raise UsageError(f"NVERBENCH_FIT={way}: expected one of {', '.join(WAYS)}")
    return "joint" if way == "auto" and device.startswith("cuda") else way


def _jointly(
    training: TrainingSetup,
    streams: Data,
    target: NDArray[np.int64],
    folds: Sequence[Fold],
    replicates: int,
) -> list[FoldPredictions] | None:
    """All trainings as one model; None where the fusion or the loss does not allow it."""
    with one_thread(), forked(training.device):
        labels = _labels(training, target)
        data = [prepared(training, streams, labels, fold, 0) for fold in folds]
        runs = [
            FoldTraining(training, own, labels, fold, r)
            for r in range(replicates)
            for fold, own in zip(folds, data, strict=True)
        ]
        try:
            return batched.train_jointly(runs)
        except batched.NotBatchable:  # also where they do not fit the memory all at once
            return None


def prepared(
    training: TrainingSetup, streams: Data, labels: Tensor, fold: Fold, replicate: int
) -> FoldData:
    """The data as a fold trains on them: scaled and projected by its training rows."""
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
    """The array as a tensor; what a worker maps from a file is read-only, which torch does not
    know: that is copied.
    """
    return torch.from_numpy(array) if array.flags.writeable else torch.tensor(array)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread inside: on a busy machine two make tiny operations many times slower, and every
    way of training gives the same bits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
