"""The functions for notebooks: run, load_results, compare, list_parts, in the tiny world and by
their own examples.
"""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nverbench
from nverbench.errors import NverbenchError, ResultError, UsageError
from nverbench.leaderboard import notebook
from nverbench.pipeline.executors import processes
from nverbench.results import tracking

TINY = {"backbones": "tiny-spectrum", "dataset": "tiny-bursts", "registry": ["tiny.yaml"]}


def run(fusion: str = "tiny-linear", **options: Any) -> list[nverbench.Result]:
    return nverbench.run(fusion=fusion, **{**TINY, "quiet": True, **options})


def test_a_notebook_runs_reads_and_compares(world: Any) -> None:
    (linear,) = run(folds="speaker")
    (wide,) = run("tiny-wide", folds="speaker")
    assert [r.id for r in nverbench.load_results()] == sorted([linear.id, wide.id])
    compared = nverbench.compare(linear, wide.id[:8])
    assert compared.metrics["macro_f1"].difference.value == pytest.approx(
        linear.scores["macro_f1"].value - wide.scores["macro_f1"].value
    )
    by_path = nverbench.compare(world.results[0], world.results[1])
    assert by_path.clips == compared.clips == linear.counts.clips


def test_it_gives_the_result_of_the_command_line(world: Any) -> None:
    (result,) = run(seeds=2, selection="last", folds="random")
    words = ("--seeds", 2, "--selection", "last", "--folds", "random")
    (record,) = world.job(*words, "--json").records
    assert record["id"] == result.id
    assert "already finished" in world.job(*words).err


def test_a_second_call_reads_the_finished_result(world: Any) -> None:
    first = run()
    passes = world.passes
    assert (run(), world.passes) == (first, passes)
    assert [r.result_digest for r in run(rerun=True)] == [r.result_digest for r in first]


def test_the_results_come_in_the_order_of_the_plan(world: Any) -> None:
    found = run(["tiny-wide", "tiny-linear"], folds=["random", "speaker"])
    kinds = [(r.entry.fusion, r.folds.kind) for r in found]
    assert sorted(kinds) == [
        (fusion, kind) for fusion in ("tiny-linear", "tiny-wide") for kind in ("random", "speaker")
    ]
    assert [
        (r.entry.fusion, r.folds.kind)
        for r in run(["tiny-wide", "tiny-linear"], folds=["random", "speaker"])
    ] == kinds


@pytest.mark.parametrize(("uri", "logged"), [(None, 0), ("sqlite:///x.db", 1)])
def test_mlflow_is_used_only_with_a_tracking_uri(
    uri: str | None, logged: int, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uris: list[str] = []
    monkeypatch.setattr(tracking, "log", lambda result, folder, uri: uris.append(uri))
    run(tracking_uri=uri)
    assert uris == [uri] * logged


def test_quiet_prints_nothing_and_otherwise_progress_goes_to_standard_error(
    world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    assert capsys.readouterr() == ("", "")
    run(quiet=False)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "already finished" in printed.err


def test_a_failed_job_is_an_error_once_the_others_have_run(world: Any) -> None:
    with pytest.raises(
        NverbenchError, match=r"1 of 2 jobs failed: .*forgot something.*load_results"
    ):
        run(["tiny-broken", "tiny-linear"])
    assert [r.entry.fusion for r in nverbench.load_results()] == ["tiny-linear"]


def needs_views(world: Any, *fusions: int) -> None:
    """Gives fusions of the world a default loss that needs the aligned views they do not have."""
    world.losses.append(replace(world.losses[0], name="tiny-views", needs="views"))
    for i in fusions:
        world.fusions[i] = replace(world.fusions[i], default_loss="tiny-views")


def test_entries_that_cannot_run_are_a_warning(world: Any) -> None:
    needs_views(world, 1)
    with pytest.warns(UserWarning, match=r"1 of the matching entries cannot run here: .*views"):
        (result,) = nverbench.run(**TINY, quiet=True)
    assert result.entry.fusion == "tiny-linear"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fusion": "tiny-liner"}, "did you mean tiny-linear"),
        ({"selection": "best"}, "selection=best: expected one of inner, test, last"),
        ({"storage": "int8"}, "storage=int8: expected one of float32, float16"),
        ({"train": "shuffle=all"}, "expected one of none, intra, inter-speaker, inter"),
        ({"seeds": 0}, "seeds=0: expected at least one replicate"),
        ({"device": "tpu"}, "device 'tpu' is unknown"),
        ({"dtype": "int8"}, "dtype 'int8' is unknown"),
    ],
)
def test_a_wrong_value_is_a_usage_error(options: Any, message: str, world: Any) -> None:
    with pytest.raises(UsageError, match=message):
        run(**options)


def test_nothing_that_can_run_is_a_usage_error(world: Any) -> None:
    needs_views(world, 0, 1)
    with pytest.raises(UsageError, match=r"nothing could run: .*views"):
        nverbench.run(**TINY, quiet=True)


def test_damaged_results_are_a_warning_and_learning_curves_come_on_request(world: Any) -> None:
    run()
    damaged = world.results[0].with_name("damaged.json")
    damaged.write_text("{")
    with pytest.warns(UserWarning, match="damaged.json"):
        (bare,) = nverbench.load_results("nverbench-runs")
    damaged.unlink()
    (whole,) = nverbench.load_results(Path("nverbench-runs"), curves=True)
    assert not bare.per_fold[0].curves
    assert whole.per_fold[0].curves
    assert whole.without_curves() == bare


def test_a_folder_that_is_not_there_is_a_usage_error(world: Any) -> None:
    with pytest.raises(UsageError, match="nowhere: there is no such folder"):
        nverbench.load_results("nowhere")


def test_compare_names_what_is_wrong(world: Any) -> None:
    (result,) = run()
    with pytest.raises(UsageError, match="has an id that begins with 'zz'"):
        nverbench.compare(result, "zz")
    (other,) = run(folds="random")
    with pytest.raises(UsageError, match="differ in the kind of folds"):
        nverbench.compare(result, other)
    with pytest.raises(ResultError, match=r"predictions\.npz"):
        nverbench.compare(result, result, folder="elsewhere")


def test_parts_are_listed_as_plain_records(world: Any) -> None:
    parts = nverbench.list_parts()
    assert {part["kind"] for part in parts} == {"backbones", "datasets", "fusions", "losses"}
    (tiny,) = [part for part in parts if part["name"] == "tiny-spectrum"]
    assert (tiny["kind"], tiny["dim"]) == ("backbones", 8)
    assert json.loads(json.dumps(parts)) == parts
    with pytest.raises(UsageError, match="did you mean"):
        nverbench.list_parts("fusion")


def test_neither_the_import_nor_the_list_of_parts_imports_torch(tmp_path: Path) -> None:
    code = (
        "import sys, nverbench; nverbench.list_parts(); nverbench.Result;"
        " print([m for m in ('torch', 'transformers', 'mlflow') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize("name", ["run", "load_results", "compare", "list_parts"])
def test_the_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(processes, "WORTH_STARTING", float("inf"))
    if name == "load_results":
        nverbench.run("logmel-stats", "linear", "vocal-demo", quiet=True)
    function = getattr(notebook, name)
    (test,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert doctest.DocTestRunner().run(test).failed == 0
