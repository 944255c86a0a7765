"""MLflow: one parent run per job, one child per fold, uploaded once; an unreachable server costs one
line.
"""

from __future__ import annotations

import ast
import json
import multiprocessing
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import nverbench
from nverbench.errors import TrackingError
from nverbench.leaderboard import run_ranks
from nverbench.results import tracking
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, read_result
from nverbench.results.tracking import log_results

log = tracking.log  # the real one: the tiny world puts a stand-in in its place

# MLflow 3.17 and its SQLAlchemy models warn about their own deprecated calls while the tables are
# made; nothing of ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sqlalchemy"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:alembic"),
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning"
    ),  # pooled sqlite connections are closed by the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def finished(world: Any) -> tuple[Result, ResultStore]:
    """One finished job of two replicates on four folds."""
    world.job("--seeds", "2")
    return read_result(world.results[0]), ResultStore(world.root / "nverbench-runs")


@pytest.fixture
def runs(finished: tuple[Result, ResultStore], tmp_path: Path) -> list[Any]:
    """Every run in the database after the upload of a job; the artifacts lie next to it."""
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert log(*finished, uri) is True
    assert log(*finished, uri) is False  # uploaded once
    client = MlflowClient(tracking_uri=uri)
    return [client, *client.search_runs([e.experiment_id for e in client.search_experiments()])]


def test_a_job_is_one_parent_run_with_a_child_per_fold(
    runs: list[Any], finished: tuple[Result, ResultStore]
) -> None:
    client, *all_runs = runs
    result = finished[0]
    (parent,) = [r for r in all_runs if "mlflow.parentRunId" not in r.data.tags]
    children = [r for r in all_runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(all_runs) == 1 + len(children) == 5  # 4 folds; the second upload added none
    assert all(r.info.status == "FINISHED" for r in all_runs)
    # the parent
    assert parent.data.metrics["macro_f1"] == pytest.approx(
        result.scores["macro_f1"].value, abs=1e-5
    )
    logged = {
        "interval/low_accuracy",
        "interval/high_uar",
        "over_folds/mean_weighted_f1",
        "over_seeds/sd_macro_f1",
        "recall/high",
    }
    assert logged | {"resources/fit_seconds"} <= set(parent.data.metrics)
    assert parent.data.params["backbones"] == "tiny-spectrum"
    assert parent.data.tags["nverbench.id"] == result.id
    assert parent.data.tags["nverbench.result_digest"] == result.result_digest
    assert parent.data.tags["standing"] == "unofficial"
    assert parent.data.tags["nverbench.fold_digest"] == result.folds.digest
    assert {a.path for a in client.list_artifacts(parent.info.run_id)} == {
        f"{result.id}.json",
        f"{result.id}.predictions.npz",
    }
    # the children
    assert {
        (c.data.tags["nverbench.fold"], c.data.tags["nverbench.replicates"]) for c in children
    } == {(f, "2") for f in "1234"}
    curve = client.get_metric_history(children[0].info.run_id, "replicate 1/train_loss")
    assert [(m.step, m.value > 0) for m in sorted(curve, key=lambda m: m.step)] == [
        (1, True),
        (2, True),
    ]
    assert "curves/watched_cross_entropy" in children[0].data.metrics
    assert client.get_experiment(parent.info.experiment_id).name == "quick / tiny-bursts"


def test_an_upload_is_recorded_next_to_the_result(
    finished: tuple[Result, ResultStore], tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    log(*finished, uri)
    logged = json.loads((finished[1].root / f"{finished[0].id}.tracked").read_text())
    assert logged[uri] == finished[0].result_digest


@pytest.mark.parametrize(
    "uri", ["sqlite:////proc/none/mlflow.db", "http://127.0.0.1:9"], ids=["folder", "server"]
)
def test_an_unreachable_server_is_one_line_and_the_result_is_safe(
    finished: tuple[Result, ResultStore], uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"
    )  # else MLflow waits for minutes; see the last test
    path = finished[1].path(finished[0].id)
    before = path.read_bytes()
    with pytest.raises(
        TrackingError,
        match=(
            rf"^mlflow {uri}: .*the result is safe in .*nverbench leaderboard push --tracking-uri"
            rf" {uri} uploads it later"
        ),
    ) as caught:
        log(*finished, uri)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert not path.with_suffix(".tracked").exists()


def test_an_address_that_can_never_work_promises_no_push(
    finished: tuple[Result, ResultStore],
) -> None:
    with pytest.raises(TrackingError, match=r"^mlflow nowhere://server: .* are safe; ") as caught:
        log(*finished, "nowhere://server")
    assert "later" not in str(caught.value)
    assert "until then" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_line(
    finished: tuple[Result, ResultStore], tmp_path: Path
) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to be looked at as one")
    with pytest.raises(TrackingError, match=r"(DatabaseError|OperationalError|MlflowException)"):
        log(*finished, f"sqlite:///{tmp_path}/mlflow.db")


def test_a_run_goes_on_when_tracking_fails(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "log", log)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ran = world.job("--tracking-uri", "http://127.0.0.1:9")
    assert ran.code == 0
    assert "mlflow http://127.0.0.1:9: " in ran.err
    assert "1 finished, 0 already finished, 0 failed" in ran.err
    assert len(world.results) == 1


def test_a_job_that_was_not_uploaded_is_uploaded_by_its_next_run(
    world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tracking, "log", log)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    world.job("--tracking-uri", "http://127.0.0.1:9")
    ran = world.job("--tracking-uri", f"sqlite:///{tmp_path}/later.db")
    assert "already finished" in ran.err
    with sqlite3.connect(tmp_path / "later.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (5,)
    database.close()


def test_the_variable_of_mlflow_names_the_database_of_a_run(
    world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tracking, "log", log)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mine.db")
    ran = world.job()
    assert f"MLflow: mlflow ui --backend-store-uri sqlite:///{tmp_path}/mine.db" in ran.err
    assert (tmp_path / "mine.db").is_file()
    assert not (world.root / "mlflow.db").exists()


@pytest.mark.parametrize("uri", ["./mlruns", "ftp://x", "sqlite://x.db"])
def test_an_address_that_can_never_work_ends_a_run_before_it_begins(world: Any, uri: str) -> None:
    ran = world.job("--tracking-uri", uri)
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1
    assert ran.err.startswith(f"nverbench: --tracking-uri {uri}: ")
    assert not world.results
    assert world.passes == 0


def upload(path: str, root: str, uri: str, ready: Any) -> None:
    """A process that logs one result as soon as the other is ready too."""
    ready.wait(timeout=120)
    log(read_result(Path(path)), ResultStore(Path(root)), uri)


def test_two_processes_that_make_one_database_at_once_both_succeed(
    world: Any, tmp_path: Path
) -> None:
    world.run("run", "--dataset", "tiny-bursts", "--registry", "tiny.yaml")
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(2)
    uri = f"sqlite:///{tmp_path}/shared.db"
    processes = [
        spawn.Process(target=upload, args=(str(p), str(world.root / "nverbench-runs"), uri, ready))
        for p in world.results
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)  # a busy machine imports MLflow for a minute
    assert [p.exitcode for p in processes] == [0, 0]
    with sqlite3.connect(tmp_path / "shared.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (10,)
        assert database.execute(
            "SELECT count(*) FROM experiments WHERE name = 'quick / tiny-bursts'"
        ).fetchone() == (1,)
    database.close()


PACKAGE = Path(nverbench.__file__).parent


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_only_tracking_imports_mlflow(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    imported = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert (
        not any(n.partition(".")[0] == "mlflow" for n in imported)
        or path == PACKAGE / "results" / "tracking" / "client.py"
    )


def test_an_unreachable_server_is_given_up_soon(
    finished: tuple[Result, ResultStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES

    monkeypatch.setattr(
        log_results, "upload", lambda *a: ("run", True)
    )  # nothing is sent: only the settings of the client count
    log(*finished, "http://127.0.0.1:9")
    assert MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() <= 2


def test_a_run_logs_the_ranks_of_what_it_finished_after_its_table(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[list[str]] = []
    monkeypatch.setattr(
        run_ranks,
        "upload_ranks",
        lambda results, folder, uri, say: requests.append([r.id for r in results]),
    )
    world.job()
    world.job()
    assert requests == [[world.results[0].stem], []]  # what was finished before is not ranked again
