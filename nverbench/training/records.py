"""The setup of a training, and the predictions of one fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from nverbench.embedding.devices import is_out_of_memory
from nverbench.errors import FitError
from nverbench.plugin.records import Fusion, Loss, Recipe
from nverbench.registry import Protocol as TrainingProtocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nverbench.data.folds.assign import Fold
    from nverbench.training.sequences import TurnFrames

Data: TypeAlias = "Sequence[NDArray[np.float32]] | TurnFrames"
"""The training data of a job: one matrix per backbone, or frames on disk."""
Task: TypeAlias = "tuple[Fold, int]"
"""A fold and a replicate."""


@dataclass(frozen=True)
class TrainingSetup:
    """What a job trains, and with which constants."""

    fusion: Fusion
    fusion_options: Mapping[str, Any]
    loss: Loss
    loss_options: Mapping[str, Any]
    protocol: TrainingProtocol
    classes: int
    device: str = "cpu"
    widths: tuple[int | None, ...] = ()
    """Per backbone, the width to project its embeddings to; None, or no entry: not projected."""
    checkpoints: Path | None = None
    """The folder where a long training writes its last epoch; None: it is not written."""
    shuffle: str = "none"
    """How the turns of training conversations are shuffled: none, intra, inter-speaker or inter."""
    double: bool = False
    """Weights, data and gradients in float64, for tests that compare ways of training."""

    @property
    def recipe(self) -> Recipe:
        """The training recipe of the fusion's paper for these options. A protocol without recipes
        leaves only what a training step holds.
        """
        own = self.fusion.recipe_for(self.fusion_options)
        return own if self.protocol.recipes else Recipe(unit=own.unit)

    @property
    def lr(self) -> float:
        """The recipe's learning rate where its paper fixes one, else the protocol's."""
        return self.recipe.lr or self.protocol.lr

    @property
    def is_convex(self) -> bool:
        """Whether the protocol fits this fusion and loss to their optimum."""
        own_loss = self.loss.name == self.fusion.default_loss
        return bool(self.protocol.penalties) and self.fusion.convex and own_loss

    @property
    def epochs(self) -> int:
        """The recipe's number of epochs where its paper fixes one, else the protocol's."""
        return self.recipe.epochs or self.protocol.epochs

    @property
    def patience(self) -> int:
        """Epochs without improvement before stopping."""
        return self.recipe.patience or self.protocol.patience

    @property
    def select(self) -> str:
        """The score that early stopping selects by: cross-entropy, weighted-f1 or macro-f1."""
        return self.recipe.select or self.protocol.watch

    @property
    def batch(self) -> int:
        """Rows per training step."""
        return self.recipe.batch or self.protocol.batch


@dataclass(frozen=True)
class FoldPredictions:
    """The test predictions of one fold, and the training that gave them."""

    probabilities: NDArray[np.float64]
    """(n_test, k) softmax of the logits."""
    best_epoch: int
    curves: tuple[Mapping[str, float], ...]
    """One mapping per epoch: loss terms and diagnostics of training, and cross-entropy, accuracy
    and macro-F1 of the watched part.
    """
    parameters: int
    """Number of trained parameters."""
    seconds: float
    chosen: Mapping[str, float] = field(default_factory=dict)
    """What a search chose: the learning rate, or the penalty and the largest partial derivative at
    the optimum.
    """
    tried: Mapping[str, float] = field(default_factory=dict)
    """Each candidate of a search -> its score on the validation parts, the highest being best."""


@dataclass(frozen=True)
class TrainingTasks:
    """Trainings of one job that an executor can run in other processes."""

    work: Callable[..., Any]
    """``work(setup, streams, target, *task)`` runs one task: ``fit_fold`` or ``fit_job``."""
    setup: TrainingSetup
    streams: Data
    target: NDArray[np.int64]
    tasks: Sequence[tuple[Any, int]]
    """One fold and one replicate each; or, for a whole job, all folds and the number of
    replicates.
    """
    tick: Callable[[int], None]
    """Called with 1 when a task ends."""


class Pending(Protocol):
    """Submitted trainings."""

    def results(self) -> list[Any] | None:
        """Wait for the result of each task, in the order of the tasks; None: this process must run
        them after all. An error of a task is raised.
        """


class TrainingExecutor(Protocol):
    """Runs trainings in other processes, on this machine or on several."""

    def worth_starting(self, seconds: float) -> bool:
        """Whether so many seconds of work are worth submitting."""

    def takes_jobs(self, device: str) -> bool:
        """Whether a job whose folds are trained as one model on this device is submitted as one
        task.
        """

    @property
    def wants_work(self) -> bool:
        """Whether processes run that will soon be idle."""

    def submit(self, trainings: TrainingTasks) -> Pending | None:
        """Start the tasks; None: they cannot run elsewhere, and this process must run them."""


@contextmanager
def within_memory(training: TrainingSetup, fold: str) -> Iterator[None]:
    """Raise a FitError that says what to do where the training inside does not fit the memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        smaller = (
            "take narrower features (BACKBONE:project=D), a smaller option of the fusion, or a"
            " device with more memory (--device cpu)"
        )
        raise FitError(
            f"fold {fold}: training {training.fusion.name} does not fit the memory of"
            f" {training.device}; {smaller}"
        ) from error
