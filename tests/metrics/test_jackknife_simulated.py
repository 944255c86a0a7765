"""A small run of ``benchmarks/science/stats.py``: intervals cover the truth about 95 times in 100,
and equal systems mostly tie.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest

from nverbench.metrics import scores
from support.paths import ROOT


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    path = ROOT / "benchmarks" / "science" / "stats.py"
    spec = importlib.util.spec_from_file_location("simulation_of_intervals", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("speakers", [5, 11, 24])
def test_intervals_cover_the_truth_about_95_times_in_100(simulation: ModuleType, speakers: int):
    accuracy, f1, _ = simulation.covered(400, speakers, 6)
    assert 0.90 <= accuracy <= 0.99
    assert 0.90 <= f1 <= 0.99


@pytest.mark.parametrize("speakers", [5, 24])
def test_two_seeds_of_one_system_are_mostly_a_tie(simulation: ModuleType, speakers: int):
    pairs = list(simulation.corpora(2, 200, speakers, 6, systems=2))
    assert simulation.tied(pairs) >= 0.90
    assert simulation.ranked_alike(pairs) >= simulation.tied(pairs)


def test_the_truth_of_the_simulation_is_what_very_many_speakers_score(simulation: ModuleType):
    ((system,),) = simulation.corpora(1, 1, 20_000, 6)
    found = scores.scores(system.counts.sum((0, 1)))
    assert found == pytest.approx(simulation.truth(6), abs=0.01)


def test_the_simulation_is_seeded(simulation: ModuleType):
    first, again = (next(iter(simulation.corpora(1, 3, 5, 6)))[0].counts for _ in range(2))
    assert np.array_equal(first, again)
