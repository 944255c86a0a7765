"""Ranked rows: compared within a field only, never for a control, an optimistic row, one of too few
replicates or one that nobody vouches for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench.errors import ResultError
from nverbench.leaderboard.rows import (
    NOT_RERUN,
    Row,
    StoredResult,
    competitors,
    distinct,
    field_of,
    find_result,
    load_results,
    rows,
)
from nverbench.metrics.scores import NAMES
from nverbench.results.predictions import Predictions
from nverbench.results.record import Counts, Folds, Result, Score
from nverbench.results.store import ResultStore
from support.results import finished

SPEAKERS, EACH = 8, 12
FEW = Counts(
    clips=96,
    groups=4,
    per_class={"anger": 96},
    left_out={},
    misfits=0,
    padded={},
    forward_passes={},
)


def predicted(right: float, seed: int = 0) -> Predictions:
    """Two replicates over eight speakers that are right in that share of clips."""
    rng = np.random.default_rng(seed)
    n = SPEAKERS * EACH
    target = np.arange(n) % 2
    hit = rng.random((2, n)) < right
    chosen = np.where(hit, target, 1 - target)
    names = [f"c{i:03d}" for i in range(n)]
    return Predictions(
        names,
        [f"s{i // EACH}" for i in range(n)],
        target,
        ["1"] * n,
        np.eye(2)[chosen].astype(np.float32),
        names,
    )


def filed(
    name: str, right: float, *, seed: int = 0, level: Any = "own", **changes: Any
) -> StoredResult:
    score = Score(
        value=right,
        low=None,
        high=None,
        se=None,
        bootstrap=None,
        fold_mean=right,
        fold_sd=0.0,
        seed_sd=None,
    )
    counts = Counts(
        clips=96,
        groups=8,
        per_class={"anger": 48, "joy": 48},
        left_out={},
        misfits=0,
        padded={},
        forward_passes={},
    )
    facts = {"id": name, "scores": dict.fromkeys(NAMES, score), "counts": counts, "seeds": 5}
    facts |= changes
    return StoredResult(finished(**facts), lambda: predicted(right, seed), level)


def by_id(found: list[Row]) -> dict[str, Row]:
    return {row.result.id: row for row in found}


def test_a_clearly_better_row_is_ahead_and_the_other_says_by_how_much() -> None:
    found = by_id(rows([filed("weak", 0.55), filed("strong", 0.95)]))
    assert [found[name].rank for name in ("strong", "weak")] == [1, 2]
    behind = found["weak"].behind
    assert behind is not None
    assert behind.difference.low is not None
    assert behind.difference.low > 0
    assert found["strong"].behind is None


def test_two_seeds_of_one_system_share_a_rank() -> None:
    found = rows([filed("one", 0.7, seed=1), filed("two", 0.7, seed=2)])
    assert [row.rank for row in found] == [1, 1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"control": True}, "control"),
        ({"optimistic": True}, "optimistic"),
        ({"level": "self-consistent"}, NOT_RERUN),
        ({"counts": FEW}, "fewer"),
        ({"seeds": 1}, "1 replicate; a ranked row carries 5"),
        ({"seeds": 4}, "4 replicates; a ranked row carries 5"),
    ],
)
def test_rows_that_must_not_be_ranked_have_no_rank_and_do_not_lower_others(
    changes: dict[str, Any], reason: str
) -> None:
    found = by_id(rows([filed("best", 0.99, **changes), filed("other", 0.6)]))
    assert found["best"].rank is None
    assert reason in found["best"].unranked
    assert found["best"].behind is None
    assert found["other"].rank == 1


@pytest.mark.parametrize("level", ["own", "rerun", "reproduced"])
def test_a_row_that_was_rerun_is_ranked(level: str) -> None:
    assert rows([filed("one", 0.7, level=level)])[0].rank == 1


@pytest.mark.parametrize(
    "other",
    [
        {"protocol": "as-published-stop"},
        {"selection": "last"},
        {"folds": Folds(kind="random", digest="a" * 64, number=2, speakers_seen=True, notes=[])},
    ],
)
def test_rows_of_another_field_are_not_compared(other: dict[str, Any]) -> None:
    found = rows([filed("here", 0.95), filed("there", 0.55, **other)])
    assert [row.rank for row in found] == [1, 1]
    assert all(row.behind is None for row in found)


def test_damaged_predictions_cost_their_own_rank_only() -> None:
    def gone() -> Predictions:
        raise ResultError("predictions.npz: gone")

    good, bad = filed("good", 0.9), filed("bad", 0.8)
    found = by_id(rows([good, StoredResult(bad.result, gone)]))
    assert (found["good"].rank, found["bad"].rank, found["bad"].unranked) == (
        1,
        None,
        "predictions.npz: gone",
    )


def test_the_order_of_the_files_changes_nothing() -> None:
    some = [filed(f"r{i}", 0.5 + i / 20, seed=i) for i in range(6)]
    results: list[list[Result]] = [
        [row.result for row in rows(order)] for order in (some, some[::-1])
    ]
    assert results[0] == results[1]


def test_stored_results_read_their_predictions_and_curves_on_demand(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    one = filed("aa11", 0.9, seeds=2)
    store.write(one.result, one.predictions())
    (stored,), problems = load_results(store)
    assert (stored.level, stored.whole, problems) == ("own", one.result, [])
    assert stored.predictions().ids == one.predictions().ids
    assert find_result("aa", tmp_path).result == stored.result


def test_competitors_are_the_readable_results_of_the_fields(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    other = Folds(kind="random", digest="b" * 64, number=2, speakers_seen=True, notes=[])
    for one in (filed("aa11", 0.9), filed("bb22", 0.8, folds=other)):
        store.write(one.result, one.predictions())
    store.path("cc33").write_text("b" * 64)
    (found,) = competitors(store, {field_of(filed("bb22", 0.8, folds=other).result)})
    assert found.result.id == "bb22"


def test_of_two_copies_of_a_result_the_stronger_level_stays() -> None:
    levels = ("reproduced", "self-consistent", "own", "rerun")
    copies = [filed("aa11", 0.9, level=level) for level in levels]
    assert [one.level for one in distinct([*copies, filed("bb22", 0.5)])] == ["reproduced", "own"]
