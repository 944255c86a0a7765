"""A run that is killed at any moment goes on, and two runs at once do not disturb each other;
benchmarks/reliability/reliability.py does it more often.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import reliability
import reliability_cases
import reliability_left
from reliability_cases import Calm, Outcome
from reliability_world import STAGES, World, made

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    root = tmp_path_factory.mktemp("calm")
    database = reliability_left.empty_database(root / "empty" / "mlflow.db")
    world = made(root / "world", database=database)
    return Calm(database, reliability_cases.undisturbed(world), world.digests())


@pytest.mark.parametrize(
    ("stage", "fit"), [("embed", "one"), ("fit", "processes"), ("write", "one"), ("tell", "one")]
)
def test_a_run_killed_at_a_random_moment_goes_on_to_the_same_results(
    calm: Calm, tmp_path: Path, stage: str, fit: str
) -> None:
    delay = random.Random(stage).uniform(0.0, calm.seconds[STAGES.index(stage)])
    outcome = reliability_cases.killed(
        made(tmp_path / "world", fit=fit, database=calm.database), stage, delay, calm.digests
    )
    assert outcome.troubles == []


def test_two_runs_at_once_lose_nothing_and_double_nothing(calm: Calm, tmp_path: Path) -> None:
    world = made(tmp_path / "world", database=calm.database)
    assert (
        reliability_cases.together(world, 2, calm, None, server=False, folders=True).troubles == []
    )


def test_a_worker_that_is_killed_costs_no_result(calm: Calm, tmp_path: Path) -> None:
    world = made(tmp_path / "world", fit="processes", database=calm.database)
    assert reliability_cases.worker_killed(world, random.Random(1), calm).troubles == []


def test_the_table_counts_cases_with_trouble() -> None:
    fine, bad = (
        Outcome("killed in fit", happened=True),
        Outcome("killed in fit", happened=True, lost=["a", "b"]),
    )
    unhurt = Outcome("killed in fit", hung=["ended before it could be killed"])
    assert reliability.table([fine, bad, unhurt]).splitlines()[2:] == [
        "| killed in fit | 2 | 1 | 0 | 0 | 0 |"
    ]


def test_what_is_looked_for_is_found(tmp_path: Path) -> None:
    world: World = made(tmp_path / "world")
    (world.root / "home" / ".writing-1-x").touch()
    (world.root / "tmp" / "left").touch()
    assert len(reliability_left.files(world.root)) == 2
