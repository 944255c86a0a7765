"""A run that is killed at any moment goes on, and two runs at once do not disturb each other; benchmarks/reliability.py does it more often."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))  # pytest's importlib mode leaves that folder off the path

import reliability
import reliability_left
from reliability_world import STAGES, World, made

Calm = tuple[Path, list[float], dict[str, str]]
"""An empty database, the seconds of every stage, and the digests of an undisturbed run."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    root = tmp_path_factory.mktemp("calm")
    database = reliability_left.empty_database(root / "empty" / "mlflow.db")
    world = made(root / "world", database=database)
    seconds = reliability.undisturbed(world)
    return database, seconds, world.digests()


@pytest.mark.parametrize(("stage", "fit"), [("embed", "one"), ("fit", "processes"), ("write", "one"), ("tell", "one")])
def test_a_run_killed_at_a_random_moment_goes_on_to_the_same_results(calm: Calm, tmp_path: Path, stage: str, fit: str) -> None:
    database, seconds, expected = calm
    delay = random.Random(stage).uniform(0.0, seconds[STAGES.index(stage)])
    outcome = reliability.killed(made(tmp_path / "world", fit=fit, database=database), stage, delay, expected)
    assert outcome.troubles == []


def test_two_runs_at_once_lose_nothing_and_double_nothing(calm: Calm, tmp_path: Path) -> None:
    database, _, expected = calm
    assert reliability.together(made(tmp_path / "world", database=database), expected).troubles == []


def test_the_table_counts_cases_with_trouble() -> None:
    fine, bad = reliability.Outcome("killed in fit", killed=True), reliability.Outcome("killed in fit", killed=True, lost=["a", "b"])
    unhurt: Any = reliability.Outcome("killed in fit", hung=["ended before it could be killed"])
    assert reliability.table([fine, bad, unhurt]).splitlines()[2:] == ["| killed in fit | 2 | 1 | 0 | 0 | 0 |"]


def test_what_is_looked_for_is_found(tmp_path: Path) -> None:
    world: World = made(tmp_path / "world")
    (world.root / "home" / ".writing-1-x").touch()
    (world.root / "tmp" / "left").touch()
    assert len(reliability_left.files(world.root)) == 2
