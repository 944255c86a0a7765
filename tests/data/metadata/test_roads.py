"""The same faulty names are refused whatever road they come by: a row of ``ROADS`` is a road."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from nverbench import NverbenchError, evaluate
from nverbench.data import corpus as corpora
from nverbench.leaderboard.score_csv.read import read
from nverbench_datasets.folder import FOLDER
from nverbench_datasets.table import TABLE

Names = Sequence[str]
CLIPS = 24
LABELS = ["laugh", "cry"] * (CLIPS // 2)
SPEAKERS = [f"p{i // 4}" for i in range(CLIPS)]


def by_table(folder: Path, labels: Names, speakers: Names) -> object:
    write(folder / "t.csv", ("path", "label", "speaker"), labels, speakers)
    return corpora.load_local(TABLE, f"table:{folder / 't.csv'}")


def by_json_lines(folder: Path, labels: Names, speakers: Names) -> object:
    import json

    rows = zip(files(folder), labels, speakers, strict=True)
    lines = [json.dumps({"wav": w, "emo": label, "spk": who}) for w, label, who in rows]
    (folder / "t.jsonl").write_text("\n".join(lines))
    return corpora.load_local(TABLE, f"table:{folder / 't.jsonl'}")


def by_score(folder: Path, labels: Names, speakers: Names) -> object:
    rows = zip(files(folder), labels, ["laugh"] * CLIPS, speakers, strict=True)
    with (folder / "p.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "label", "prediction", "speaker"), *rows])
    return read(folder / "p.csv")


def by_evaluate(folder: Path, labels: Names, speakers: Names) -> object:
    features = np.random.default_rng(0).standard_normal((CLIPS, 3)).astype(np.float32)
    return evaluate(features, list(labels), list(speakers))


def by_folder(folder: Path, labels: Names, speakers: Names) -> object:
    for i, (label, who) in enumerate(zip(labels, speakers, strict=True)):
        place = folder / "clips" / label / who
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i:02d}.wav").write_bytes(f"{i:02d}.wav".encode())
    return corpora.load_local(FOLDER, f"folder:{folder / 'clips'}")


ROADS: dict[str, Callable[[Path, Names, Names], object]] = {
    "table": by_table,
    "json lines": by_json_lines,
    "score": by_score,
    "evaluate": by_evaluate,
    "folder": by_folder,
}
NOT_ON_A_ROAD = {
    # a folder has a name, and numbers are ordinary names of folders
    *(("folder", name) for name in ("a missing label", "a missing speaker", "no speaker")),
    *(("folder", name) for name in ("a label N/A", "labels that are numbers on a scale")),
    # evaluate is called without groups where no speaker is known
    *(("evaluate", name) for name in ("no speaker", "no speaker in words")),
}


def on_roads(cases: Iterable[str]) -> list[tuple[str, str]]:
    """Each road with each case that it can carry."""
    pairs = itertools.product(ROADS, cases)
    return [pair for pair in pairs if pair not in NOT_ON_A_ROAD]


def files(folder: Path) -> list[str]:
    names = [f"{i:02d}.wav" for i in range(CLIPS)]
    for name in names:
        (folder / name).write_bytes(name.encode())
    return names


def write(path: Path, header: Names, labels: Names, speakers: Names) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = zip(files(path.parent), labels, speakers, strict=True)
        csv.writer(file).writerows([header, *rows])


def changed(names: Names, place: int, name: str) -> list[str]:
    return [*names[:place], name, *names[place + 1 :]]


FAULTS = {
    "a label of another letter case": (changed(LABELS, 2, "Laugh"), SPEAKERS),
    "a label with an invisible character inside": (changed(LABELS, 2, "la\u200bugh"), SPEAKERS),
    "a label of full width": (changed(LABELS, 2, "\uff4caugh"), SPEAKERS),
    "a missing label": (changed(LABELS, 2, ""), SPEAKERS),
    "a label nan": (changed(LABELS, 2, "nan"), SPEAKERS),
    "a label N/A": (changed(LABELS, 2, "N/A"), SPEAKERS),
    "labels that are numbers on a scale": ([f"{i / CLIPS}" for i in range(CLIPS)], SPEAKERS),
    "a speaker of another letter case": (LABELS, changed(SPEAKERS, 2, "P0")),
    "a speaker with zeros": (LABELS, changed(SPEAKERS, 2, "p00")),
    "a speaker as a decimal": (LABELS, changed([s[1:] for s in SPEAKERS], 2, "0.0")),
    "a missing speaker": (LABELS, changed(SPEAKERS, 2, "")),
    "a speaker nan": (LABELS, changed(SPEAKERS, 2, "nan")),
    "a speaker unknown": (LABELS, changed(SPEAKERS, 2, "unknown")),
}


@pytest.mark.parametrize(("road", "fault"), on_roads(FAULTS))
def test_faulty_names_are_refused_in_one_line(tmp_path: Path, road: str, fault: str) -> None:
    with pytest.raises(NverbenchError) as error:
        ROADS[road](tmp_path, *FAULTS[fault])
    assert len(str(error.value).splitlines()) == 1


RIGHT = {
    "as they are": (LABELS, SPEAKERS),
    "spaces at the ends": (changed(LABELS, 2, " laugh "), changed(SPEAKERS, 2, "p0 ")),
    "invisible ends": (changed(LABELS, 2, "laugh\u200b"), changed(SPEAKERS, 2, "\ufeffp0")),
    "no speaker": (LABELS, [""] * CLIPS),
    "no speaker in words": (LABELS, ["nan", "unknown"] * (CLIPS // 2)),
    "whole numbers": (["0", "1"] * (CLIPS // 2), [s[1:] for s in SPEAKERS]),
    "a class called unknown": (changed(LABELS, 2, "unknown"), SPEAKERS),
}


@pytest.mark.parametrize(("road", "names"), on_roads(RIGHT))
def test_right_names_are_read(tmp_path: Path, road: str, names: str) -> None:
    assert ROADS[road](tmp_path, *RIGHT[names])
