"""What is here: list, show, doctor, the dry run, the version, and the table of finished results."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import nverbench


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("backbones", {"tiny-spectrum", "audio-mamba-tiny", "wavlm-base", "byol-s", "npz"}),
        ("datasets", {"tiny-bursts", "vocal-demo", "emogator", "folder", "table", "jnv"}),
        ("fusions", {"tiny-linear", "linear", "fcn", "cnn", "concat", "reno"}),
        ("losses", {"tiny-loss", "cross-entropy", "renyi"}),
        ("entries", {"reno-table-1", "reno-table-2", "reno-demo"}),
        ("plugins", {"nverbench-tiny/tiny", "nverbench/backbones"}),
    ],
)
def test_list_as_json_holds_what_the_house_and_the_stranger_bring(
    world: Any, kind: str, names: set[str]
) -> None:
    ran = world.run("list", kind, "--json")
    assert ran.code == 0
    assert names <= {row["name"] for row in json.loads(ran.out)}


def test_list_without_a_kind_shows_all_four_and_who_brought_each(world: Any) -> None:
    ran = world.run("list")
    assert [line.split(" ")[0] for line in ran.out.splitlines() if not line.startswith(" ")] == [
        "backbones",
        "datasets",
        "fusions",
        "losses",
    ]
    assert "features, 8-d, pool mean, by nverbench-tiny 0.1" in ran.out
    assert set(json.loads(world.run("list", "--json").out)) == {
        "backbones",
        "datasets",
        "fusions",
        "losses",
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tiny-spectrum", "brought by: nverbench-tiny 0.1"),
        ("reno", "align_dim=256"),
        ("nver-1", "selection: inner"),
        ("tiny-bursts", "a reported or posed expression, not a person's inner state"),
        ("jnv", "folds: leave-one-group-out"),
    ],
)
def test_show_knows_parts_protocols_and_registered_corpora(
    world: Any, name: str, words: str
) -> None:
    assert words in world.run("show", name).out
    assert isinstance(json.loads(world.run("show", name, "--json").out), dict)


def test_a_registered_corpus_without_a_loader_is_listed_shown_and_missing(world: Any) -> None:
    (world.root / "later.yaml").write_text(
        "pins: {datasets: {later: {source: 'https://example.org/later', licence: MIT}}}\nentries:"
        " [{name: later-grid, backbones: [[tiny-spectrum]], fusions: [tiny-linear], datasets:"
        " [later]}]\n"
    )
    assert (
        "registered, no loader installed"
        in world.run("list", "datasets", "--registry", "later.yaml").out
    )
    assert "no loader installed" in world.run("show", "later", "--registry", "later.yaml").out
    ran = world.run("run", "--dataset", "later", "--registry", "later.yaml")
    assert ran.code == 2
    assert (
        "its loader comes with a later version or a plugin; then: nverbench data add later PATH"
        in ran.err
    )


def test_show_knows_a_result_by_its_id(world: Any) -> None:
    (record,) = world.job("--json").records
    assert json.loads(world.run("show", record["id"], "--json").out) == record


def test_doctor_names_libraries_caches_corpora_and_plugins(world: Any, install: Any) -> None:
    install("broken", RuntimeError("boom"))
    world.job()
    found = json.loads(world.run("doctor", "--json").out)
    assert found["corpora"] == {"tiny-bursts": str(world.corpus)}
    assert found["caches"]["embeddings"].startswith("48 entries")
    assert (
        found["plugins"]["nverbench-tiny/tiny"]
        == "0.1, 1 backbone, 1 dataset, 3 fusions, 1 loss, ok"
    )
    assert found["plugins"]["nverbench-broken/broken"] == "0.1, quarantined: RuntimeError: boom"
    assert "libraries" in world.run("doctor").out


def test_a_dry_run_counts_passes_and_runs_nothing(world: Any) -> None:
    ran = world.job("--dry-run")
    assert ran.code == 0
    assert "tiny-spectrum: 48 forward passes" in ran.out
    assert "1 jobs, 48 forward passes" in ran.out
    assert "never timed here" in ran.out
    assert (world.passes, world.results) == (0, [])


def test_a_dry_run_after_a_run_knows_that_nothing_is_left(world: Any) -> None:
    world.job()
    ran = world.job("--dry-run")
    assert "1 jobs, 0 forward passes, 0.0 MB" in ran.out
    assert "never timed" not in ran.out


def test_the_json_of_a_run_is_all_there_is_on_standard_output(world: Any) -> None:
    ran = world.job("--json", "--folds", "speaker", "--folds", "random")
    assert [r["folds"]["kind"] for r in ran.records] == ["speaker", "random"]
    assert "speaker gap" in ran.err


def test_the_leaderboard_shows_the_table_and_the_gap_again(world: Any) -> None:
    world.job("--folds", "speaker", "--folds", "random")
    ran = world.run("leaderboard", "show")
    assert ran.code == 0
    assert ran.out.count("tiny-linear") >= 2
    assert "speaker gap" in ran.out
    assert len(world.run("leaderboard", "show", "--json").records) == 2


def test_a_row_says_the_most_restrictive_licence_and_a_result_those_of_all_parts(
    world: Any,
) -> None:
    world.job()
    assert "unknown (tiny-bursts)" in " ".join(world.run("leaderboard", "show").out.split())
    shown = world.run("show", world.results[0].stem).out
    assert (
        "licence unknown (tiny-bursts), the most restrictive of tiny-spectrum: MIT; tiny-bursts:"
        " unknown" in shown
    )


def test_the_leaderboard_can_be_narrowed(world: Any) -> None:
    world.job()
    assert world.run("leaderboard", "show", "--dataset", "vocal-demo").code == 2
    assert world.run("leaderboard", "show", "--dataset", "tiny-bursts").code == 0


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:100], "not a readable result"),
        (
            lambda text: text.replace('"schema_version": 2', '"schema_version": 9'),
            "expected a result of schema 2, got 9",
        ),
        (
            lambda text: text.replace('"standing": "', '"standing": "very '),
            "does not match its result_digest, so it was changed",
        ),
    ],
    ids=["truncated", "version", "edited"],
)
def test_a_damaged_result_is_named_and_the_others_are_shown(
    world: Any, damage: Any, words: str
) -> None:
    world.run("run", "--dataset", "tiny-bursts", "--registry", "tiny.yaml")
    path = world.results[0]
    path.write_text(damage(path.read_text()))
    ran = world.run("leaderboard", "show")
    assert ran.code == 2
    assert f"{path.name}: " in ran.err
    assert words in ran.err
    assert ran.out.count("tiny-spectrum") == 1


@pytest.mark.parametrize("size", [0, 300], ids=["empty", "truncated"])
def test_damaged_predictions_are_named(world: Any, size: int) -> None:
    world.job("--folds", "speaker", "--folds", "random")
    path = next((world.root / "nverbench-runs" / "results").glob("*.npz"))
    path.write_bytes(path.read_bytes()[:size])
    command = [
        sys.executable,
        "-c",
        "from nverbench.cli import main; main()",
        "leaderboard",
        "show",
    ]
    shown = subprocess.run(
        command, cwd=world.root, capture_output=True, text=True, check=False
    )  # its own process: numpy leaves the file open
    assert path.name in shown.stderr
    assert "Traceback" not in shown.stderr


def test_the_version_is_printed(world: Any) -> None:
    ran = world.run("--version")
    assert (ran.code, ran.out.strip()) == (0, nverbench.__version__)
