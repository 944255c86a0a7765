"""The table: every number with its interval, whole words on a narrow terminal, controls named."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from nverbench.leaderboard import order, score_text, table, worth
from nverbench.metrics import SHOWN
from nverbench.results import Score


def score(value: float, low: float | None = 0.3, high: float | None = 0.6) -> Score:
    return Score(value=value, low=low, high=high, se=0.1, bootstrap=None, fold_mean=value, fold_sd=0.0, seed_sd=None)


def row(value: float = 0.456, *, control: bool = False, optimistic: bool = False, kind: str = "speaker", heard: tuple[str, ...] = (),
        licence: str = "CC BY-NC 4.0 (vivae)") -> Any:  # fmt: skip
    backbones = ["audio-mamba-base:untrained", "unispeech-sat-base:untrained"]
    entry = SimpleNamespace(backbones=backbones, fusion="reno", loss="renyi", dataset="vocal-demo")
    scores = {name: score(value) for name, _ in SHOWN}
    worth = {"standing": "official", "control": control, "optimistic": optimistic, "heard_in_pretraining": list(heard)}
    return SimpleNamespace(licence=licence, entry=entry, folds=SimpleNamespace(kind=kind), scores=scores, protocol="nver-1", id=f"{value}", **worth)


def printed(rows: list[Any], width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(table(rows, width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 179, 180, 190])
def test_names_numbers_and_standing_are_readable_whole_at_any_width(width: int):
    text = printed([row(control=True)], width)
    assert max(len(line) for line in text.splitlines()) <= width
    found = [word for word in ("audio-mamba-base:untrained", "reno", "renyi", "45.6", "[30.0, 60.0]", "vocal-demo", "speaker") if word not in text]
    assert found == []


LICENCES = ["CC BY-NC 4.0 (vivae)", "CC BY 4.0 (asvp-esd: declared; third-party recordings, consent unknown)",
            "unknown (audio-mamba-base: see the audio-mamba-official repository)"]  # fmt: skip


@pytest.mark.parametrize("licence", LICENCES)
@pytest.mark.parametrize("width", [80, 100, 180, 190])
def test_every_row_says_its_licence_and_the_rest_stays_readable(width: int, licence: str):
    text = printed([row(control=True, licence=licence)], width)
    assert max(len(line) for line in text.splitlines()) <= width
    words = [*licence.replace("(", " ").replace(")", " ").split(), "audio-mamba-base:untrained", "45.6", "[30.0, 60.0]", "speaker"]
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({}, "official"),
        ({"control": True}, "control, not a result"),
        ({"optimistic": True}, "official, optimistic"),
        ({"heard": ("net",)}, "official, heard in pretraining"),
    ],
)
def test_a_row_says_what_it_is_worth(made: dict[str, bool], words: str):
    assert worth(row(**made)) == words


def test_a_score_without_an_interval_says_so():
    assert score_text(score(0.5, None, None)) == "50.0 [no interval]"


def test_rows_stand_best_first_and_controls_last():
    rows = [row(0.2), row(0.9, control=True), row(0.7), row(0.5, kind="random")]
    found = [(r.folds.kind, r.scores["macro_f1"].value) for r in order(rows)]
    assert found == [("random", 0.5), ("speaker", 0.7), ("speaker", 0.2), ("speaker", 0.9)]
