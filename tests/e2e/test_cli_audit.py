"""``nverbench data audit``: a report, the same as JSON, and pictures, whatever the files hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest


def test_an_audit_prints_its_report_and_writes_report_json_and_pictures(world: Any) -> None:
    shutil.copy(world.corpus / "spk0" / "high-0.wav", world.corpus / "spk1" / "high-9.wav")
    ran = world.run("data", "audit", "tiny-bursts")
    assert ran.code == 0
    assert ran.out.startswith("audit of tiny-bursts: 49 clips, 3 classes, 8 speakers")
    folder = world.root / "nverbench-audit" / "tiny-bursts"
    assert sorted(p.name for p in folder.iterdir()) == [
        "audit.json",
        "clips.png",
        "confounds.png",
        "duration.png",
        "level.png",
        "report.txt",
        "same_recordings.yaml",  # its tones of one pitch are near-identical by any such measure
    ]
    words = ("data", "audit", "tiny-bursts", "--registry", str(folder / "same_recordings.yaml"))
    assert "same_recordings" not in world.run(*words, "--out", "again").out
    assert (folder / "report.txt").read_text() + "" == ran.out.rstrip("\n") + "\n"
    (group,) = json.loads((folder / "audit.json").read_text())["copies"]["identical"]
    assert group["clips"] == ["spk0/high-0", "spk1/high-9"]
    assert group["relation"]["speakers"] == "across"
    assert "spk0/high-0, spk1/high-9" in ran.out


def test_json_is_all_that_standard_output_holds(world: Any) -> None:
    ran = world.run("data", "audit", "tiny-bursts", "--json", "--folds", "random", "--out", "there")
    assert ran.code == 0
    record = json.loads(ran.out)
    assert record == json.loads((world.root / "there" / "audit.json").read_text())
    assert record["folds"]["kind"] == "random"
    assert len(record["measured"]) == 48
    assert "written to there" in ran.err
    assert str(world.root) not in ran.out


def test_own_recordings_in_a_folder_are_audited_with_what_does_not_fit(world: Any) -> None:
    mine = world.root / "mine"
    for path in sorted(world.corpus.glob("*/*-0.wav")):
        target = mine / path.stem.partition("-")[0] / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    speaker = mine / "low" / "spk0"
    (speaker / "broken.wav").symlink_to(mine / "nowhere.wav")
    (speaker / "zero.wav").write_bytes(b"")
    (speaker / "notes.txt").write_text("hello")
    ran = world.run("data", "audit", "folder:mine")
    assert ran.code == 0
    assert "audit of folder:mine: 25 clips" in ran.out
    assert "1 clips cannot be used" in ran.out
    assert "low/spk0/broken.wav: a broken link" in ran.out
    assert "low/spk0/notes.txt: not audio" in ran.out
    assert (world.root / "nverbench-audit" / "folder-mine" / "audit.json").is_file()


def test_a_table_is_audited(world: Any) -> None:
    rows = [
        f"{p.relative_to(world.root)},{p.stem.partition('-')[0]},{p.parent.name}"
        for p in sorted(world.corpus.glob("*/*.wav"))
    ]
    (world.root / "mine.csv").write_text("\n".join(["path,label,speaker", *rows]))
    ran = world.run("data", "audit", "table:mine.csv")
    assert ran.code == 0
    assert "48 clips" in ran.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nothing-like-it",), "nothing-like-it"),
        (("emogator",), "nverbench data get emogator"),
        (("tiny-bursts", "--folds", "moon"), "unknown kind of folds 'moon'"),
        (("folder:nowhere",), "expected a folder"),
    ],
)
def test_a_mistake_is_one_sentence(world: Any, words: tuple[str, ...], sentence: str) -> None:
    ran = world.run("data", "audit", *words)
    assert ran.code == 2
    assert sentence in ran.err


def test_a_folder_that_cannot_be_written_is_one_sentence(world: Any) -> None:
    Path("taken").write_text("a file")
    ran = world.run("data", "audit", "tiny-bursts", "--out", "taken/here")
    assert ran.code == 2
    assert "choose another folder with --out" in ran.err
