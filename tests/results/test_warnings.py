"""Warnings about trainings: each with the case next to it that has none."""

from __future__ import annotations

from typing import Any

import pytest

from nverbench import leaderboard
from nverbench.metrics.scores import NAMES
from nverbench.results.record import Combination, FoldScore, Result
from nverbench.results.warnings import warnings
from support.results import finished


def trained(number: int = 4, **changes: Any) -> list[FoldScore]:
    """Trainings that ended after their patience."""
    facts: dict[str, Any] = {
        "replicate": 0,
        "train": 6,
        "validation": 2,
        "test": 4,
        **dict.fromkeys(NAMES, 0.5),
        "absent": [],
        "best_epoch": 3,
        "epochs": 8,
        "curves": [],
    }
    return [FoldScore(fold=str(i), **{**facts, **changes}) for i in range(number)]


def scored(accuracy: float, macro_f1: float = 0.5, **changes: Any) -> Result:
    """A result on 80 clips of one class and 20 of another."""
    plain = finished()
    values = {"accuracy": accuracy, "macro_f1": macro_f1}
    scores = {
        name: s.model_copy(update={"value": values.get(name, s.value)})
        for name, s in plain.scores.items()
    }
    facts = {"scores": scores, "confusion": [[60, 20], [10, 10]], "per_fold": trained()}
    return finished(**{**facts, **changes})


@pytest.mark.parametrize(
    ("accuracy", "macro_f1", "words"),
    [
        (0.374, 0.5, ["accuracy 37.4 % is below the majority class, 80.0 %"]),
        (0.9, 0.3, ["macro-F1 30.0 % is below the majority class, 44.4 %"]),
        (0.7996, 0.5, []),  # equal in tenths of a point
        (0.8, 0.5, []),
    ],
)
def test_a_score_below_the_majority_class_is_named(
    accuracy: float, macro_f1: float, words: list[str]
):
    assert [line.partition(":")[0] for line in warnings(scored(accuracy, macro_f1))] == words


LAST = {"best_epoch": 20, "epochs": 20}


@pytest.mark.parametrize(
    ("per_fold", "selection", "words"),
    [
        ([*trained(3, **LAST), *trained(1)], "inner", ["3 of 4 trainings ended at the last"]),
        ([*trained(2, **LAST), *trained(2)], "inner", []),
        (trained(4, **LAST), "test", ["4 of 4 trainings ended at the last"]),
        (trained(4, **LAST), "last", []),  # no epoch was chosen
        (trained(4, **LAST, chosen={"l2": 0.1, "gradient": 0.0}), "inner", []),  # no epochs at all
    ],
)
def test_trainings_that_were_cut_off_are_counted(
    per_fold: list[FoldScore], selection: str, words: list[str]
):
    found = warnings(scored(0.9, per_fold=per_fold, selection=selection))
    assert [line.partition(" allowed")[0] for line in found] == words


RATES = {"lr=0.0001": 0.4, "lr=0.0003": 0.3, "lr=0.001": 0.4}


@pytest.mark.parametrize(
    ("chosen", "tried", "words"),
    [
        ({"lr": 1e-4}, RATES, ["lowest learning rate of the grid, 0.0001: a lower one"]),
        ({"lr": 1e-3}, RATES, ["highest learning rate of the grid, 0.001: a higher one"]),
        ({"lr": 3e-4}, RATES, []),
        ({"lr": 1e-3}, {"lr=0.001": 0.3}, []),  # nothing to choose from
        ({"lr": 1e-4}, {"lr=0.0001": 0.4, "lr=0.001": 0.4}, []),  # no better than its neighbour
        (
            {"l2": 1.0, "gradient": 1e-9},
            {"l2=0.1": 0.2, "l2=1": 0.3},
            ["highest L2 penalty of the grid, 1: a higher one"],
        ),
        ({}, {}, []),
    ],
)
def test_what_was_chosen_at_the_edge_of_its_grid_is_named(
    chosen: dict[str, float], tried: dict[str, float], words: list[str]
):
    per_fold = [
        *trained(3, chosen=chosen, tried=tried),
        *trained(1, chosen={"lr": 3e-4} if chosen else {}, tried=RATES if tried else {}),
    ]
    found = warnings(scored(0.9, per_fold=per_fold))
    assert [
        line.partition("chose the ")[2].removesuffix(" may be better") for line in found
    ] == words


def test_choices_at_both_ends_are_no_edge():
    per_fold = [f for lr in (1e-4, 1e-3) for f in trained(2, chosen={"lr": lr}, tried=RATES)]
    assert warnings(scored(0.9, per_fold=per_fold)) == []


def test_warnings_are_not_part_of_a_result():
    poor = scored(0.374)
    assert warnings(poor)
    assert not any("majority" in text for text in poor.model_dump_json().split('"'))


def test_a_row_shows_its_warnings_and_a_demo_row_has_none_below_its_table():
    poor = scored(0.374)
    line = warnings(poor)[0]
    assert f"warning: {line}" in leaderboard.describe(poor)
    assert leaderboard.warning_lines([poor]) == [f"warning: a + b / reno / renyi / jnv: {line}"]
    entry = Combination(**{**poor.entry.model_dump(), "demo": True})
    assert leaderboard.warning_lines([poor.model_copy(update={"entry": entry})]) == []


def test_many_warnings_are_cut_off_with_a_count():
    found = leaderboard.warning_lines([scored(0.374)] * 25)
    assert (len(found), found[-1]) == (21, "5 more warnings: nverbench show ID")
