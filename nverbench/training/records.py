"""The setup of a training, and the predictions of one fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.embedding.devices import is_out_of_memory
from nverbench.errors import FitError
from nverbench.plugin.records import Fusion, Loss, Recipe
from nverbench.registry import Protocol
from nverbench.training.early_stopping import CROSS_ENTROPY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TrainingSetup:
    """What a job trains, and with which constants."""

    fusion: Fusion
    fusion_options: Mapping[str, Any]
    loss: Loss
    loss_options: Mapping[str, Any]
    protocol: Protocol
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
        """The training recipe of the fusion's paper for these options."""
        return self.fusion.recipe_for(self.fusion_options)

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
        """The score that early stopping selects by: cross-entropy or weighted-f1."""
        return self.recipe.select or CROSS_ENTROPY

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
