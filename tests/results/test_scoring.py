"""``score``: a paired test of two files or of a file and a result, and the command, which never
imports torch.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nverbench.cli import main
from nverbench.errors import UsageError
from nverbench.leaderboard import compare
from nverbench.leaderboard.score_csv import report
from nverbench.leaderboard.score_csv.read import read
from nverbench.results.store import ResultStore
from support.leaderboards import COLUMNS, cells_of, competitor, filed, said, write


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good.csv", cells_of(said(0.9, seed=1)))


def test_two_files_get_the_paired_test_of_two_results(tmp_path: Path, good: Path):
    weak = write(tmp_path / "weak.csv", cells_of(said(0.5, seed=2)))
    expected = compare.results(filed("good", 0.9, seed=1), filed("weak", 0.5, seed=2))
    found = report.pair(read(good), read(weak))
    assert found.metrics == expected.metrics
    assert compare.verdict(found) == compare.verdict(expected)
    assert found.notes == ("over folds: all other folds are taken to have trained",)
    assert found.folds["accuracy"].difference.value == pytest.approx(
        expected.folds["accuracy"].difference.value
    )


def test_a_file_without_speakers_takes_those_of_the_other(tmp_path: Path, good: Path):
    columns = ["id", "label", "prediction", "replicate"]
    bare = write(tmp_path / "bare.csv", cells_of(said(0.5, seed=2), columns), columns)
    whole = write(tmp_path / "whole.csv", cells_of(said(0.5, seed=2)))
    assert (
        report.pair(read(good), read(bare)).metrics == report.pair(read(good), read(whole)).metrics
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c[:-1], "lacks clip 'clip-095'"),
        (
            lambda c: [[*r[:3], "x" if r[0] == "clip-007" else r[3], *r[4:]] for r in c],
            "differ in the group",
        ),
        (
            lambda c: [[r[0], "joy" if r[0] == "clip-000" else r[1], *r[2:]] for r in c],
            "differ in the label of clip 'clip-000': 'anger' and 'joy'",
        ),
    ],
    ids=["clips", "groups", "labels"],
)
def test_two_files_that_do_not_fit_are_refused(
    tmp_path: Path, good: Path, change: object, words: str
):
    one = write(tmp_path / "one.csv", cells_of(said(0.9, seed=1, replicates=1)))
    other = write(tmp_path / "other.csv", change(cells_of(said(0.5, seed=2, replicates=1))))  # type: ignore[operator]
    with pytest.raises(UsageError, match=words):
        report.pair(read(one), read(other))


def test_a_file_against_a_result_is_the_same_comparison_in_the_results_groups(
    tmp_path: Path, good: Path
):
    columns = ["id", "label", "prediction", "replicate"]
    bare = read(write(tmp_path / "bare.csv", cells_of(said(0.9, seed=1), columns), columns))
    expected = compare.results(filed("good", 0.9, seed=1), filed("weak", 0.5, seed=2))
    assert report.against(bare, filed("weak", 0.5, seed=2)).metrics == expected.metrics
    assert report.against(read(good), filed("weak", 0.5, seed=2)).metrics == expected.metrics


def test_a_result_over_other_clips_or_labels_is_refused(good: Path):
    with pytest.raises(UsageError, match=r"differ in clips: 'clip-\d+' is in one only"):
        report.against(read(good), filed("weak", 0.5, speakers=7))
    with pytest.raises(UsageError, match="differ in the label of clip"):
        report.against(read(good), filed("weak", 0.5, labels=["anger", "joy", "fear"]))


# the command


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        main(["score", *map(str, words)])
    return int(left.value.code or 0)


def test_the_command_prints_scores_recall_confusion_and_chance(
    good: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(good) == 0
    text = capsys.readouterr().out
    words = (
        "good.csv: 96 clips, 8 speakers, 3 classes, 2 replicates",
        "macro-F1",
        "chance, uniform guessing: accuracy 33.3",
        "recall",
        "confusion",
    )
    assert [word for word in words if word not in text] == []


def test_the_command_compares_with_a_second_file_or_a_result(
    tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]
):
    stored = said(0.5, seed=2)
    ResultStore(tmp_path).write(competitor("ab12", stored), stored)
    weak = write(tmp_path / "weak.csv", cells_of(stored))
    assert run(good, weak) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("A is better by ")
    assert run(good, "--against", "ab", "--out", tmp_path, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["comparison"]["verdict"].startswith("A is better by ")
    assert record["files"][0]["clips"] == 96


def test_three_files_or_a_file_and_a_result_beside_two_are_refused(
    good: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(good, good, good) == 2
    assert run(good, good, "--against", "ab") == 2
    assert "expected one file, two, or one --against" in capsys.readouterr().err


@pytest.mark.parametrize("classes", [3, 20])
def test_hostile_labels_are_shown_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], classes: int
):
    names = ["\u202eevil", "a\u2066red", *(f"label {i}" for i in range(classes))]
    cells = [
        [f"{name} {i}", name, names[(n + i) % 2], f"s{i}"]
        for n, name in enumerate(names)
        for i in range(6)
    ]
    assert run(write(tmp_path / "x.csv", cells, COLUMNS[:4])) == 0
    text = capsys.readouterr().out
    assert not {"\u202e", "\u2066"} & set(text)
    assert "\\u202eevil" in text


def test_a_control_character_is_refused_and_shown_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    cells = [[f"c{i}", "a\x1b[31mred", "joy", f"s{i}"] for i in range(6)]
    assert run(write(tmp_path / "x.csv", cells, COLUMNS[:4])) == 2
    said = capsys.readouterr().err
    assert "x.csv, line 2: expected text, got control character '\\x1b'" in said
    assert "\x1b" not in said


def test_score_imports_no_torch(good: Path):
    code = (
        "import sys\nfrom nverbench.cli import main\ntry:\n main(['score', *sys.argv[1:]])\nexcept"
        " SystemExit as left:\n assert not left.code, left.code\nassert not {'torch',"
        " 'transformers', 'mlflow'} & set(sys.modules), 'heavy imports'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(good), str(good)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
