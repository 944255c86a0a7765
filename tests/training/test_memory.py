"""A training that does not fit the memory: all folds together, then one by one, and then one line
that says what to do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nverbench import Batch, Fusion, Output
from nverbench.data.folds.assign import Fold
from nverbench.errors import FitError
from nverbench.training import batched
from nverbench.training.folds import fit_folds
from support.training import CLASSES, FOLD, Net, data, fit, training

OUT_OF_MEMORY = {
    "torch on a GPU": lambda: torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB"
    ),
    "torch on a CPU": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"
        " to allocate 9"
    ),
    "Python": lambda: MemoryError(),
}


def too_large(error: str, where: str) -> Fusion:
    """A fusion that does not fit the memory."""

    class TooLarge(Net):
        def forward(self, batch: Batch) -> Output:
            raise OUT_OF_MEMORY[error]()

    def build(dims: tuple[int, ...], classes: int) -> torch.nn.Module:
        if where == "build":
            raise OUT_OF_MEMORY[error]()
        return TooLarge(dims, classes)

    return Fusion(name="large", arity=(1, None), build=build)


@pytest.mark.parametrize("where", ["build", "step"])
@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_a_training_that_does_not_fit_says_what_to_do(error: str, where: str) -> None:
    with pytest.raises(
        FitError,
        match=(
            r"^fold a: training large does not fit the memory of cpu; take narrower features"
            r" \(BACKBONE:project=D\)"
        ),
    ):
        fit(training(too_large(error, where)))


def test_another_error_of_a_fusion_is_not_taken_for_a_lack_of_memory() -> None:
    def build(dims: tuple[int, ...], classes: int) -> torch.nn.Module:
        raise RuntimeError("the plugin forgot something")

    with pytest.raises(RuntimeError, match="the plugin forgot"):
        fit(training(Fusion(name="broken", arity=(1, None), build=build)))


def test_trainings_that_do_not_fit_together_are_done_one_by_one_with_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, target = data()
    cuts = [FOLD, Fold("b", tuple(range(24, 60)), tuple(range(12, 24)), tuple(range(12)), False)]
    plan, tasks = training(), {"folds": cuts, "replicates": 1}
    alone: Any = fit_folds(plan, [features], target, **tasks)
    epoch, began = batched._Joint.epoch, list[int]()

    def full(self: Any, active: Any, number: int) -> Any:
        began.append(number)
        if number == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return epoch(self, active, number)

    monkeypatch.setattr(batched._Joint, "epoch", full)
    monkeypatch.setenv("NVERBENCH_FIT", "joint")
    together: Any = fit_folds(plan, [features], target, **tasks)
    assert began == [1, 2]
    for one, other in zip(alone[0], together[0], strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
    assert len(alone[0]) == len(together[0]) == 2
    assert one.probabilities.shape[1] == CLASSES
