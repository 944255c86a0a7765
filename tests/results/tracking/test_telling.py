"""Uploads to a tracking server: parents, folds, curves, datasets, ranks; complete, and nothing twice."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nverbench.errors import TrackingError
from nverbench.leaderboard.rows import StoredResult, rows
from nverbench.results.speaker_gap import Difference, Gap
from nverbench.results.store import ResultStore
from nverbench.results.tracking import log, log_gap, log_ranks, push
from nverbench.results.tracking.addresses import address, shown
from nverbench.results.tracking.client import FINISHED, Server, connect
from nverbench.results.tracking.fields import fold_points, mean_curves
from support.tracking_results import IDS, entry, folder, folds, predictions, result


def client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def everything(uri: str) -> list[Any]:
    """Every active run, parents first."""
    c = client(uri)
    found = c.search_runs([e.experiment_id for e in c.search_experiments()])
    return sorted(found, key=lambda r: "mlflow.parentRunId" in r.data.tags)


def test_a_job_has_its_folds_below_it_and_its_replicates_in_them(uri: str, tmp_path: Path) -> None:
    r = result(replicates=3)
    assert log(r, folder(tmp_path, r), uri) is True
    parent, *children = everything(uri)
    assert [
        c.data.tags["nverbench.fold"] for c in sorted(children, key=lambda c: c.info.run_name)
    ] == ["1", "2"]
    first = next(c for c in children if c.data.tags["nverbench.fold"] == "1")
    assert first.data.metrics["accuracy"] == pytest.approx(0.7)  # the mean of 0.5, 0.7, 0.9
    history = client(uri).get_metric_history(first.info.run_id, "replicates/accuracy")
    assert sorted((m.step, round(m.value, 6)) for m in history) == [(0, 0.5), (1, 0.7), (2, 0.9)]
    assert all(x.info.status == "FINISHED" for x in (parent, *children))


def test_parts_can_be_filtered_by(uri: str, tmp_path: Path) -> None:
    r = result()
    log(r, folder(tmp_path, r), uri)
    c = client(uri)
    query = (
        "tags.`backbone.1` = 'a' AND tags.`backbone.2` = 'b' AND tags.pair = 'mixed' AND"
        " tags.fusion = 'reno' AND tags.loss = 'renyi' AND tags.dataset = 'jnv' AND tags.folds ="
        " 'speaker' AND tags.standing = 'provisional' AND tags.control = 'false' AND"
        " tags.optimistic = 'false' AND tags.paper = 'p' AND tags.grid = 'g' AND tags.licence ="
        " 'MIT (a)'"
    )
    assert len(c.search_runs([e.experiment_id for e in c.search_experiments()], query)) == 1


@pytest.mark.parametrize(
    ("families", "kind"),
    [(["mamba"], "single"), (["mamba", "mamba"], "same family"), (["mamba", "attention"], "mixed")],
)
def test_the_kind_of_a_pair_is_a_tag(families: list[str], kind: str) -> None:
    from nverbench.results.tracking.fields import tags

    assert tags(result(entry=entry(families=families)))["pair"] == kind


def test_a_run_has_the_times_of_the_job_and_not_of_the_upload(uri: str, tmp_path: Path) -> None:
    r = result()
    log(r, folder(tmp_path, r), uri)
    parent = everything(uri)[0]
    assert (parent.info.start_time, parent.info.end_time) == (
        1767225597000,
        1767225600000,
    )  # 1 s of embedding and 2 s of fit


def test_the_dataset_is_an_input_with_its_classes_and_groups_and_no_path(
    uri: str, tmp_path: Path
) -> None:
    r = result()
    log(r, folder(tmp_path, r), uri)
    (logged,) = everything(uri)[0].inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("jnv", "e" * 12)
    assert [
        (c["name"], c["type"]) for c in json.loads(logged.dataset.schema)["mlflow_colspec"]
    ] == [("anger", "6 clips"), ("joy", "6 clips"), ("(speaker)", "6 groups")]
    assert str(tmp_path) not in logged.dataset.source + logged.dataset.profile


def test_mean_curves_end_where_the_first_fold_ended() -> None:
    points = mean_curves(folds(epochs=3))  # the folds trained 3 and 4 epochs
    assert [(name, step) for name, _, step in points if name == "curves/train_loss"] == [
        ("curves/train_loss", e) for e in (1, 2, 3)
    ]
    assert next(
        v for name, v, step in points if (name, step) == ("curves/train_loss", 2)
    ) == pytest.approx((1.5 + 2.5) / 2)


def test_a_term_that_one_fold_lacks_at_an_epoch_has_no_mean_there() -> None:
    one, two = folds()
    del two.curves[0]["train_loss"]
    assert [step for name, _, step in mean_curves([one, two]) if name == "curves/train_loss"] == [2]


def test_a_single_replicate_is_not_logged_twice() -> None:
    assert not [name for name, _, _ in fold_points(folds()[:1]) if name.startswith("replicate")]


def test_thousands_of_metrics_params_and_tags_arrive(uri: str) -> None:
    server = connect(uri)
    run = server.begin(server.experiment("many", ""), "many", {}, 0)
    points = [("loss", 1.0 / step, step) for step in range(1, 2502)]
    server.write(
        run, points, {f"p{i}": "x" * 6000 for i in range(250)}, {f"t{i}": "y" for i in range(130)}
    )
    logged = client(uri).get_run(run).data
    assert (len(logged.params), len(client(uri).get_metric_history(run, "loss"))) == (250, 2501)
    assert sum(tag.startswith("t") for tag in logged.tags) == 130


def test_the_upload_of_a_dead_process_starts_again(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    r, f = result(), folder(tmp_path, result())
    with monkeypatch.context() as patched:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(Server, "attach", die)
        with pytest.raises(KeyboardInterrupt):
            log(r, f, uri)
    assert len(everything(uri)) == 3
    assert log(r, f, uri) is True
    assert sorted(run.info.status for run in everything(uri)) == ["FINISHED"] * 3


def test_without_the_record_of_uploads_nothing_is_uploaded_twice(uri: str, tmp_path: Path) -> None:
    r, f = result(), folder(tmp_path, result())
    log(r, f, uri)
    (f.root / f"{r.id}.tracked").unlink()
    assert log(r, f, uri) is False
    assert len(everything(uri)) == 3


def test_experiments_are_looked_up_once(uri: str, tmp_path: Path) -> None:
    server = connect(uri)
    requests: list[str] = []
    real = server._client.get_experiment_by_name
    server._client.get_experiment_by_name = lambda name: requests.append(name) or real(name)
    results = [result(job) for job in IDS]
    push(folder(tmp_path, *results), uri, print)
    assert requests == ["nver-1 / jnv"]


def test_an_experiment_opens_as_a_table_of_jobs(uri: str, tmp_path: Path) -> None:
    r = result()
    log(r, folder(tmp_path, r), uri)
    (made,) = [e for e in client(uri).search_experiments() if e.name == "nver-1 / jnv"]
    view = json.loads(made.tags["mlflow.sharedViewState.nverbench"])
    assert (
        f"](#/experiments/{made.experiment_id}/runs?viewStateShareKey=nverbench)"
        in made.tags["mlflow.note.content"]
    )
    parent, *children = everything(uri)
    have = (
        {f"metrics.`{n}`" for n in parent.data.metrics}
        | {f"params.`{n}`" for n in parent.data.params}
        | {f"tags.`{n}`" for n in parent.data.tags}
    )
    assert set(view["selectedColumns"]) - have <= {
        "tags.`rank`",
        "metrics.`uar`",
    }  # logged later; this tiny result has no UAR
    assert not any("fusion" in child.data.tags for child in children)


def test_ranks_are_logged_after_a_run_and_only_when_they_changed(uri: str, tmp_path: Path) -> None:
    results = [result(job, seeds=5) for job in IDS[:2]]
    f = folder(tmp_path, *results)
    push(f, uri, print)
    filed = [StoredResult(r, lambda r=r: predictions(IDS.index(r.id))) for r in results]  # type: ignore[misc]
    assert log_ranks(rows(filed), uri) == 2
    assert log_ranks(rows(filed), uri) == 0
    logged = [run for run in everything(uri) if "rank" in run.data.tags]
    assert [run.data.tags["rank"] for run in logged] == ["1", "1"]
    assert sorted(run.data.metrics["rank/behind_best"] for run in logged)[0] == 0.0
    outside = SimpleNamespace(
        result=results[0], rank=None, unranked="not reproduced <b>", behind=None
    )
    assert log_ranks([outside], uri) == 1
    run = next(r for r in everything(uri) if r.data.tags.get("rank") == "none")
    assert run.data.tags["rank_note"] == "not reproduced <b>"
    assert run.data.metrics["rank/group"] == 0.0


def test_a_speaker_gap_is_logged_once_in_both_runs(uri: str, tmp_path: Path) -> None:
    f = folder(tmp_path, result(IDS[0]), result(IDS[1]))
    push(f, uri, print)
    value = Difference(value=0.1, low=0.05, high=None, se=0.02)
    names = {
        "system": "s",
        "dataset": "jnv",
        "protocol": "nver-1",
        "kind": "speaker",
        "unit": "speaker",
    }
    gap = Gap(random=IDS[0], disjoint=IDS[1], values={"macro_f1": value}, **names)
    log_gap(gap, f, uri)
    log_gap(gap, f, uri)
    logged = {
        run.data.tags["nverbench.id"]: run.data
        for run in everything(uri)
        if "speaker_gap_with" in run.data.tags
    }
    assert {job: data.tags["speaker_gap_with"] for job, data in logged.items()} == {
        IDS[0]: IDS[1],
        IDS[1]: IDS[0],
    }
    assert logged[IDS[0]].metrics["speaker_gap/macro_f1"] == 0.1
    assert "speaker_gap/high_macro_f1" not in logged[IDS[0]].metrics


def test_a_password_is_neither_printed_nor_stored() -> None:
    assert (
        shown("postgresql://me:secret@host/db and http://u:p@h")
        == "postgresql://host/db and http://h"
    )
    assert shown("sqlite:////a@b/c.db") == "sqlite:////a@b/c.db"


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("postgresql://me:se@cret@host/db", "postgresql://host/db"),
        ("postgresql://me:se/cret@host/db", "postgresql://host/db"),
        ("postgresql://me:se:cret@host/db", "postgresql://host/db"),
        ("http://:cret@host", "http://host"),
        ("http://cret@host", "http://host"),
        (
            "postgresql://host/db?user=me&password=secret&sslmode=require",
            "postgresql://host/db?user=me&password=...&sslmode=require",
        ),
        ("https://host/?access_token=secret#x", "https://host/?access_token=...#x"),
        ("http://host:5000/path", "http://host:5000/path"),
    ],
)
def test_no_part_of_a_password_is_shown(given: str, printed: str) -> None:
    assert shown(given) == printed
    assert "cret" not in shown(given)


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "postgresql", "postgres"])
def test_an_address_of_postgresql_names_its_driver(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert (
        address(f"{scheme}://me:secret@h:1/d")
        == address(address(f"{scheme}://me:secret@h:1/d"))
        == "postgresql+psycopg2://me:secret@h:1/d"
    )


@pytest.mark.parametrize(
    "uri", ["sqlite:///x.db", "http://postgres:5000", "mysql+pymysql://h/d", "file:///x"]
)
def test_other_addresses_stay_as_they_are(uri: str) -> None:
    assert address(uri) == uri


def test_a_driver_that_is_not_installed_is_one_line_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        TrackingError,
        match=r"^mlflow postgresql://h/d: .* needs its driver: pip install psycopg2-binary",
    ):
        push(folder(tmp_path, result()), "postgresql://me:secret@h/d", print)


def test_runs_of_other_projects_are_not_changed(uri: str, tmp_path: Path) -> None:
    c = client(uri)
    other = c.create_run("0").info.run_id
    push(folder(tmp_path), uri, print)
    server = connect(uri)
    assert other not in {run.run for run in server.runs(FINISHED, server.experiments())}
    assert c.get_run(other).info.status == "RUNNING"
    assert isinstance(ResultStore(tmp_path).finished(IDS[0]), object)
