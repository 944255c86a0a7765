"""A small run of ``benchmarks/science/stats_hard.py``: near 100% and with unequal speakers the rule
of nver-2 covers the truth where t(G - 1) does not.
"""

from __future__ import annotations

import numpy as np
import pytest
from stats_hard import CASES, Case, corpora, coverage, truth
from stats_ranks import PRIMARY, advantage

from nverbench.metrics import scores

CASE = {case.name: case for case in CASES}
every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@pytest.mark.parametrize("name", ["98 %", "lognormal 1.5"])
def test_the_rule_of_nver_2_covers_the_truth_where_that_of_nver_1_does_not(name: str):
    before, _, _, after, *_ = coverage(CASE[name], 200, 5)[1]["accuracy"]
    assert before < 0.93 <= after


@every_case
def test_the_truth_is_what_very_many_speakers_score(case: Case):
    rows = [row for (row,) in corpora(7, case, 20, 2000)]
    found = scores.scores(np.sum([row.counts.sum((0, 1)) for row in rows], axis=0))
    assert found == pytest.approx(truth(case), abs=0.01)


def test_an_advantage_in_points_is_what_the_truth_gains():
    case = CASES[0]
    gained = truth(case, advantage(case, 3))[PRIMARY] - truth(case)[PRIMARY]
    assert gained == pytest.approx(0.03, abs=1e-6)
