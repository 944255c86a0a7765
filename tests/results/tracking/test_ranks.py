"""Ranks after a run: of its own fields only; a server that fails costs one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from nverbench.cli.common import echo_err
from nverbench.cli.leaderboard.push import push
from nverbench.errors import TrackingError
from nverbench.leaderboard import rows, run_ranks
from nverbench.leaderboard.rows import competitors, field_of
from nverbench.results.predictions import Predictions
from nverbench.results.record import Folds, Result
from nverbench.results.store import ResultStore
from nverbench.results.tracking import log
from nverbench.results.tracking import ranks as ranking
from support.tracking_results import IDS, folder, predictions, result

OTHER = Folds(kind="random", digest="a" * 64, number=2, speakers_seen=True, notes=[])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of all predictions that were read."""
    ids: list[str] = []
    own = Predictions.read
    monkeypatch.setattr(
        Predictions, "read", lambda path: (ids.append(path.name.partition(".")[0]), own(path))[1]
    )
    return ids


def three(tmp_path: Path) -> tuple[ResultStore, list[Result]]:
    """Two results that compete, and one on other folds; they say that they have five replicates,
    as ranked rows do.
    """
    each = ({}, {}, {"folds": OTHER})
    results = [result(job, seeds=5, **own) for job, own in zip(IDS, each, strict=True)]
    return folder(tmp_path, *results), results


def ranks_at(uri: str) -> dict[str, str]:
    """Id -> the rank in MLflow."""
    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return {
        run.data.tags["nverbench.id"]: run.data.tags["rank"]
        for run in runs
        if "rank" in run.data.tags
    }


def test_a_run_logs_ranks_of_its_own_field_and_reads_no_predictions_of_others(
    uri: str, tmp_path: Path, read: list[str]
) -> None:
    f, results = three(tmp_path)
    for r in results:
        log(r, f, uri)
    read.clear()
    run_ranks.upload_ranks(results[:1], ResultStore(tmp_path), uri, echo_err)
    assert ranks_at(uri) == {IDS[0]: "1", IDS[1]: "1"}  # who competes with it moves too
    assert sorted(read) == sorted(IDS[:2])


def test_a_server_without_the_result_gets_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[str]
) -> None:
    def connect(uri: str) -> Any:
        raise AssertionError("no request is expected")

    monkeypatch.setattr(ranking, "connect", connect)
    _, results = three(tmp_path)
    run_ranks.upload_ranks(results, ResultStore(tmp_path), "http://127.0.0.1:9", echo_err)
    assert read == []


def test_a_failure_is_one_line(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def connect(uri: str) -> Any:
        raise TrackingError("mlflow x: it is gone")

    f, results = three(tmp_path)
    log(results[0], f, uri)
    (f.root / "damaged.json").write_text('{"' + results[0].folds.digest)
    monkeypatch.setattr(ranking, "connect", connect)
    run_ranks.upload_ranks(results[:1], ResultStore(tmp_path), uri, echo_err)
    assert capsys.readouterr().err == "mlflow x: it is gone\n"


def test_a_field_of_very_many_rows_is_left_to_push(
    uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    read: list[str],
) -> None:
    monkeypatch.setattr(run_ranks, "MAX_ROWS", 1)
    f, results = three(tmp_path)
    for r in results:
        log(r, f, uri)
    read.clear()
    run_ranks.upload_ranks([results[0], results[2]], ResultStore(tmp_path), uri, echo_err)
    assert ranks_at(uri).keys() == {IDS[2]}
    assert read == [IDS[2]]
    assert (
        "where 2 rows compete; nverbench leaderboard push uploads them" in capsys.readouterr().err
    )


def test_files_of_other_folds_are_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    f, results = three(tmp_path)
    parsed: list[str] = []
    real = rows.load_result
    monkeypatch.setattr(rows, "load_result", lambda path: (parsed.append(path.stem), real(path))[1])
    found = competitors(f, {field_of(results[2])})
    assert (parsed, [one.result.id for one in found]) == ([IDS[2]], [IDS[2]])
    assert found[0].predictions().ids == predictions(2).ids


def test_predictions_of_another_result_cost_push_their_own_rank_only(
    uri: str, tmp_path: Path
) -> None:
    f, _ = three(tmp_path)
    assert push(uri, tmp_path) == 0
    f.predictions_path(IDS[0]).write_bytes(predictions(groups=3, classes=5).to_bytes())
    assert push(uri, tmp_path) == 0
    assert ranks_at(uri) == {IDS[0]: "none", IDS[1]: "1", IDS[2]: "1"}


def test_a_digest_that_is_none_never_gets_into_a_filter() -> None:
    hostile: Any = result(folds=OTHER.model_copy(update={"digest": "' OR 1=1"}))
    assert ranking._queries([type("Row", (), {"result": hostile})()]) == [ranking.FINISHED]
