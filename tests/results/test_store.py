"""The folder of results: reading all of them, finding one by its id or file, records of failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nverbench.errors import ResultError, UsageError
from nverbench.results.store import ResultStore
from support.results import finished, predictions

IDS = ("aa11", "aa22", "bb33")


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """A folder with three results, written in another order than their ids."""
    made = ResultStore(tmp_path)
    for job in reversed(IDS):
        made.write(finished(id=job), predictions())
    return made


def test_an_empty_folder_has_no_results(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    assert (store.paths(), store.results()) == ([], ({}, []))


def test_results_come_sorted_by_file_name_and_without_learning_curves(store: ResultStore) -> None:
    found, problems = store.results()
    assert [(path.stem, result.id) for path, result in found.items()] == [(i, i) for i in IDS]
    assert all(not fold.curves for result in found.values() for fold in result.per_fold)
    assert problems == []


def test_a_damaged_file_is_a_message_and_costs_no_other_result(store: ResultStore) -> None:
    store.path("aa22").write_text("{")
    found, (problem,) = store.results()
    assert [path.stem for path in found] == ["aa11", "bb33"]
    assert "aa22.json" in problem


@pytest.mark.parametrize(("prefix", "id"), [("bb33", "bb33"), ("b", "bb33"), ("aa2", "aa22")])
def test_an_id_or_a_unique_beginning_of_it_names_a_result(
    prefix: str, id: str, store: ResultStore
) -> None:
    assert store.by_id(prefix) == store.locate(prefix) == store.path(id)


def test_an_exact_id_wins_over_longer_ids(store: ResultStore) -> None:
    store.write(finished(id="aa1"), predictions())
    assert store.by_id("aa1") == store.path("aa1")


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("aa", r"begins 2 ids in .*: aa11, aa22; give more of it"),
        ("aa12", r"no result in .* begins with 'aa12'; did you mean aa22, aa11\?"),
        ("", "begins with ''"),
    ],
)
def test_a_text_that_names_no_result_or_several_says_what_is_there(
    prefix: str, message: str, store: ResultStore
) -> None:
    with pytest.raises(UsageError, match=message):
        store.by_id(prefix)


def test_a_path_names_a_result_wherever_it_is(store: ResultStore, tmp_path: Path) -> None:
    moved = store.path("bb33").rename(tmp_path / "moved.json")
    assert store.locate(str(moved)) == moved
    with pytest.raises(UsageError, match=r"bb33\.json: there is no such result file"):
        store.locate(str(store.path("bb33")))


def test_missing_predictions_are_a_result_error(store: ResultStore) -> None:
    store.predictions_path("aa11").unlink()
    with pytest.raises(ResultError, match=r"aa11\.predictions\.npz"):
        store.predictions(finished(id="aa11"))


def test_a_failure_is_recorded_and_cleared(store: ResultStore, tmp_path: Path) -> None:
    store.note_failure("aa11", {"reason": "out of memory"})
    record = json.loads((tmp_path / "failures" / "aa11.json").read_text())
    assert (record["id"], record["reason"]) == ("aa11", "out of memory")
    store.clear_failure("aa11")
    store.clear_failure("aa11")
    assert not (tmp_path / "failures" / "aa11.json").exists()
