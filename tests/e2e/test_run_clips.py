"""What a run says about clips before it computes: copies, classes, bad clips, confounds."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import soundfile

from nverbench import Clip, Dataset, LabelCard, Misfit
from nverbench._io.paths import home


def rows_of(world: Any) -> list[tuple[Path, str, str]]:
    paths = sorted(p.relative_to(world.root) for p in world.corpus.glob("*/*.wav"))
    return [(p, p.stem.partition("-")[0], p.parent.name) for p in paths]


def run(world: Any, rows: list[tuple[Any, ...]], *words: object, split: bool = False) -> Any:
    """``run`` on a table of these rows."""
    with (world.root / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "speaker", *(["split"] if split else [])])
        writer.writerows(rows)
    return world.run(
        "run",
        "--backbone",
        "tiny-spectrum",
        "--fusion",
        "tiny-linear",
        "--dataset",
        "table:clips.csv",
        "--protocol",
        "quick",
        "--registry",
        "tiny.yaml",
        "--json",
        *words,
    )


TINY = ("--registry", "tiny.yaml")


def test_a_run_prints_its_classes_and_speakers(world: Any) -> None:
    ran = run(world, rows_of(world))
    line = "table:clips.csv: 48 clips, 3 classes (high 16, low 16, mid 16), 8 speakers"
    assert line in ran.err
    assert "copies" not in ran.err


def test_speakers_who_share_recordings_are_joined_and_the_notes_and_the_status_count_them(
    world: Any,
) -> None:
    rows, people = rows_of(world), sorted({who for _, _, who in rows_of(world)})
    path, label, _ = next(row for row in rows if row[2] == people[0])
    shutil.copy(world.root / path, world.root / "copy.wav")
    ran = run(world, [*rows, (Path("copy.wav"), label, people[1])])
    note = "copies of 1 recordings join 2 groups into 1"
    assert f"table:clips.csv, speaker folds: {note}" in ran.err
    stored = json.loads(world.results[0].read_text())
    assert note in stored["folds"]["notes"]
    assert not any("copies" in reason for reason in stored["standing_reasons"])
    told = world.run("data", "folds", "table:clips.csv", "--protocol", "quick", "--json", *TINY)
    assert json.loads(told.out)[0]["digest"] == stored["folds"]["digest"]


def test_speakers_who_all_share_recordings_are_refused_in_one_line(world: Any) -> None:
    rows, people = rows_of(world), sorted({who for _, _, who in rows_of(world)})
    copies = []
    for path, label, who in rows:
        other = Path("copy") / path
        (world.root / other).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(world.root / path, world.root / other)
        copies.append((other, label, people[(people.index(who) + 1) % len(people)]))
    ran = run(world, [*rows, *copies])
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "96 clips that are copies of one another join spk0, spk1" in ran.err


def test_every_bad_clip_is_listed_before_anything_is_embedded(world: Any) -> None:
    rows = rows_of(world)
    for path, _, _ in rows[:5]:
        (world.root / path).write_text("no audio")
    ran = run(world, rows)
    assert (ran.code, world.passes) == (2, 0)
    assert "5 clips of table:clips.csv cannot be used" in ran.err
    (listed,) = (home() / "bad-clips").glob("*.txt")
    assert str(listed) in ran.err
    assert len(listed.read_text().splitlines()) == 5
    assert world.run("data", "check", "table:clips.csv").code == 2
    assert run(world, rows, "--skip-bad").code == 0


def test_a_class_whose_clips_are_all_bad_is_named_with_skip_bad(world: Any) -> None:
    rows = rows_of(world)
    for path, label, _ in rows:
        if label == "mid":
            (world.root / path).write_text("no audio")
    assert "no clip of mid can be used" in run(world, rows, "--skip-bad").err


def test_a_level_that_says_the_label_is_named(world: Any) -> None:
    rows = rows_of(world)
    assert "alone predicts" not in run(world, rows).err
    for path, label, _ in rows:
        wave, rate = soundfile.read(world.root / path)
        gain = {"high": 1.0, "low": 0.3, "mid": 0.1}[label]
        soundfile.write(world.root / path, gain * wave / abs(wave).max(), rate)
    assert "level alone predicts the label with" in run(world, rows).err


@pytest.mark.parametrize("kind", ["leave-one-group-out", "random", "holdout=HELD"])
def test_two_speakers_run_by_every_kind_that_data_folds_can_cut(world: Any, kind: str) -> None:
    rows = rows_of(world)
    people = sorted({who for _, _, who in rows})[:2]
    rows = [r for r in rows if r[2] in people]
    kind = kind.replace("HELD", people[0])
    ran = run(world, rows, "--folds", kind)
    assert ran.code == 0
    digest = ran.records[0]["folds"]["digest"]
    ran = world.run(
        *("data", "folds", "table:clips.csv", "--folds", kind, "--json"),
        *("--protocol", "quick", "--registry", "tiny.yaml"),
    )
    assert json.loads(ran.out)[0]["digest"] == digest


def test_a_split_column_is_run_as_official_folds_with_its_development_part(world: Any) -> None:
    parts = ("Train", "Train", "Dev", "Test")
    people = sorted({who for _, _, who in rows_of(world)})
    rows = [(*r, parts[people.index(r[2]) % 4]) for r in rows_of(world)]
    (record,) = run(world, rows, "--folds", "official", split=True).records
    (fold,) = record["per_fold"]
    assert (fold["train"], fold["validation"], fold["test"]) == (24, 12, 12)
    assert not record["folds"]["speakers_seen"]


@pytest.fixture
def vanishing(world: Any) -> Any:
    """A dataset of one's own whose class sigh has files that nobody can use."""

    def load(root: Path | None) -> list[Clip | Misfit]:
        clips = [Clip(str(p), world.root / p, c, who) for p, c, who in rows_of(world)]
        return [*clips, *(Misfit(f"sigh/{i}.xyz", "no audio", label="sigh") for i in range(3))]

    card = LabelCard(kind="portrayed", setting="acted")
    world.datasets.append(Dataset(name="own", load=load, label_card=card))
    return world


@pytest.mark.parametrize("words", [(), ("--skip-bad",)])
def test_a_class_whose_files_cannot_be_used_is_refused(vanishing: Any, words: Any) -> None:
    ran = vanishing.job("--dataset", "own", *words)
    assert "class sigh has 3 files and none can be used, first sigh/0.xyz: no audio" in ran.err
    assert ran.code == (0 if words else 2)


@pytest.mark.parametrize("command", [("data", "folds"), ("data", "check"), ("show",)])
def test_an_unknown_dataset_says_how_own_data_are_named(world: Any, command: Any) -> None:
    assert "your own recordings are table:FILE.csv or" in world.run(*command, "mine").err
    (world.root / "mine.csv").write_text("path,label\n")
    assert "a table of your own is table:mine.csv" in world.run(*command, "mine.csv").err
