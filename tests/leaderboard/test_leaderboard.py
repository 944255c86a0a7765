"""The table: every number with its interval, whole words on a narrow terminal, controls named,
published scores beside ours, chance below.
"""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from nverbench.leaderboard import (
    describe,
    differences,
    footnotes,
    min_width,
    order,
    record,
    status_text,
    table,
)
from nverbench.metrics.scores import SHOWN
from nverbench.results.published import TERMS, published
from nverbench.results.record import Combination, Score
from nverbench.results.scoring import score_text
from support.results import finished


def score(value: float, low: float | None = 0.3, high: float | None = 0.6) -> Score:
    return Score(
        value=value,
        low=low,
        high=high,
        se=0.1,
        bootstrap=None,
        fold_mean=value,
        fold_sd=0.0,
        seed_sd=None,
    )


def row(
    value: float = 0.456,
    *,
    control: bool = False,
    optimistic: bool = False,
    kind: str = "speaker",
    heard: tuple[str, ...] = (),
    licence: str = "CC BY-NC 4.0 (vivae)",
    published: bool = False,
) -> Any:
    """A row; ``published``: of RENO's Table II, Audio-Mamba base and UniSpeech-SAT on VIVAE, 68.53
    / 67.08.
    """
    trained = "" if published else ":untrained"
    dataset = "vivae" if published else "vocal-demo"
    entry = SimpleNamespace(
        backbones=[f"audio-mamba-base{trained}", f"unispeech-sat-base{trained}"],
        fusion="reno",
        loss="renyi",
        dataset=dataset,
    )
    scores = {name: score(value) for name, _ in SHOWN}
    worth = {
        "standing": "official",
        "control": control,
        "optimistic": optimistic,
        "heard_in_pretraining": list(heard),
    }
    counts = SimpleNamespace(per_class={"anger": 30, "fear": 10, "pain": 10})
    facts = {
        "folds": SimpleNamespace(kind=kind),
        "scores": scores,
        "counts": counts,
        "protocol": "nver-1",
        "id": f"{value}",
        "shuffle": "none",
        "provenance": SimpleNamespace(dataset_digest="0" * 64),
    }
    return SimpleNamespace(licence=licence, entry=entry, **facts, **worth)


def printed(rows: list[Any], width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(table(rows, width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 179, 180, 190])
def test_names_numbers_and_standing_are_readable_whole_at_any_width(width: int):
    text = printed([row(control=True)], width)
    assert max(len(line) for line in text.splitlines()) <= width
    found = [
        word
        for word in (
            "audio-mamba-base:untrained",
            "reno",
            "renyi",
            "45.6",
            "[30.0, 60.0]",
            "vocal-demo",
            "speaker",
        )
        if word not in text
    ]
    assert found == []


@pytest.mark.parametrize("width", [80, 100, 140, 180, 190, 200, 210, 220, 230, 240, 250, None])
def test_no_name_is_broken_whatever_the_rows_and_the_width(width: int | None):
    rows = [
        row(0.4, published=True),
        row(
            control=True,
            licence="unknown (audio-mamba-base: see the audio-mamba-official repository)",
        ),
    ]
    rows[0].entry.fusion, rows[0].entry.loss, rows[0].folds.kind = (
        "reno",
        "renyi",
        "leave-one-group-out",
    )
    rows[1].entry.fusion, rows[1].entry.loss, rows[1].entry.dataset = (
        "parrot-hadamard",
        "cross-entropy",
        "emogator-41",
    )
    text = printed(rows, width or min_width(table(rows)))
    names = [
        *rows[0].entry.backbones,
        *rows[1].entry.backbones,
        "parrot-hadamard",
        "cross-entropy",
        "emogator-41",
        "leave-one-group-out",
    ]
    assert [name for name in names if name not in text] == []
    assert (width is None or width > 240) <= (
        "backbone" in text
    )  # wide enough for a column of its own for everything


LICENCES = [
    "CC BY-NC 4.0 (vivae)",
    "CC BY 4.0 (asvp-esd: declared; third-party recordings, consent unknown)",
    "unknown (audio-mamba-base: see the audio-mamba-official repository)",
]


@pytest.mark.parametrize("licence", LICENCES)
@pytest.mark.parametrize("width", [80, 100, 180, 190])
def test_every_row_says_its_licence_and_the_rest_stays_readable(width: int, licence: str):
    text = printed([row(control=True, licence=licence)], width)
    assert max(len(line) for line in text.splitlines()) <= width
    words = [
        *licence.replace("(", " ").replace(")", " ").split(),
        "audio-mamba-base:untrained",
        "45.6",
        "[30.0, 60.0]",
        "speaker",
    ]
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({}, "official"),
        ({"control": True}, "control, not a result"),
        ({"optimistic": True}, "official, optimistic"),
        ({"heard": ("net",)}, "official, pretrained on these recordings"),
    ],
)
def test_a_row_says_what_it_is_worth(made: dict[str, bool], words: str):
    assert status_text(row(**made)) == words


def test_a_score_without_an_interval_says_so():
    assert score_text(score(0.5, None, None)) == "50.0 [no interval]"


def test_rows_stand_best_first_and_controls_last():
    rows = [row(0.2), row(0.9, control=True), row(0.7), row(0.5, kind="random")]
    found = [(r.folds.kind, r.scores["macro_f1"].value) for r in order(rows)]
    assert found == [("random", 0.5), ("speaker", 0.7), ("speaker", 0.2), ("speaker", 0.9)]


# published scores and chance


def reproduced(**changes: Any) -> Any:
    """A finished result of RENO's Table II, 68.53 / 67.08 there."""
    entry = Combination(
        backbones=["audio-mamba-base", "unispeech-sat-base"],
        families=["mamba", "attention"],
        fusion="reno",
        loss="renyi",
        dataset="vivae",
        grid="reno-table-2",
        paper="p",
        demo=False,
    )
    return finished(entry=entry, **changes)


@pytest.mark.parametrize("protocol", ["nver-1", "as-published-stop", "as-published-last"])
def test_the_difference_is_ours_minus_published_under_any_protocol(protocol: str):
    result = reproduced(protocol=protocol)
    reference = published(result.entry)
    assert reference is not None
    assert differences(result, reference) == {
        "accuracy": pytest.approx(0.5 - 0.6853),
        "macro_f1": pytest.approx(0.5 - 0.6708),
    }


@pytest.mark.parametrize("width", [80, 100, 180, 190, 220, 240])
def test_a_published_score_and_the_difference_are_complete_at_any_width(width: int):
    mixed = [
        row(0.456, published=True),
        row(0.4, control=True),
        row(0.5, kind="random", optimistic=True, heard=("audio-mamba-base",)),
    ]
    text = printed(mixed, width)
    assert max(len(line) for line in text.splitlines()) <= width
    words = [
        "68.5 / 67.1",
        "-22.9 / -21.5",
        "45.6",
        "[30.0, 60.0]",
        "audio-mamba-base:untrained",
        "vivae",
        "speaker",
        "random",
        "control",
    ]
    assert [word for word in words if word not in text] == []


def test_a_table_without_a_published_score_has_no_column_for_it():
    assert "published" not in printed([row()], 190)
    assert min_width(table([row()])) < min_width(table([row(), row(published=True)]))


@pytest.mark.parametrize("width", [80, 100, 180, 190, 226])
def test_chance_stands_last_once_for_every_dataset_and_folds(width: int):
    text = printed(
        [row(0.9, published=True), row(0.1, published=True), row(control=True), row(kind="random")],
        width,
    )
    assert (text.count("uniform guessing"), text.count("majority class")) == (3, 3)
    assert text.rindex("reno") < text.index("uniform guessing")
    assert "chance" in text
    assert [
        number for number in ("33.3", "60.0", "25.0") if number not in text
    ] == []  # 1/k; max p; 2 p / (1 + p) / k


def test_the_record_holds_the_published_score_the_difference_and_chance():
    found = record(reproduced())
    shown = {
        "source": "RENO (arXiv 2506.02258)",
        "table": "II",
        "accuracy": pytest.approx(0.6853),
        "macro_f1": pytest.approx(0.6708),
    }
    assert found["published"] == {
        **shown,
        "difference": {"accuracy": pytest.approx(-0.1853), "macro_f1": pytest.approx(-0.1708)},
        "terms": TERMS,
    }
    assert found["chance"]["majority"]["accuracy"] == 0.5  # type: ignore[index]
    assert "published" not in record(finished())
    assert "chance" in record(finished())


def test_a_result_in_words_says_what_was_published_on_which_terms_and_what_chance_is():
    text = "\n".join(describe(reproduced()))
    assert (
        f"published: 68.5 / 67.1 accuracy / macro-F1 (RENO (arXiv 2506.02258), Table II; {TERMS});"
        " ours - published: -18.5 / -17.1" in text
    )
    assert (
        "chance: uniform guessing 50.0 / 50.0, majority class 50.0 / 33.3 accuracy / macro-F1"
        in text
    )
    assert "published" not in "\n".join(describe(finished()))


def test_a_footnote_says_that_a_published_score_is_no_test():
    assert [
        note
        for note in footnotes([reproduced(), finished()])
        if TERMS in note and "no test" in note
    ]
    assert not [note for note in footnotes([finished()]) if "published" in note]


@pytest.mark.parametrize("width", [80, 240])
def test_two_tables_of_one_file_name_are_told_apart(width: int) -> None:
    one, two = row(), row()
    two.provenance = SimpleNamespace(dataset_digest="abcdef01" + "0" * 56)
    assert "copy" not in printed([one, row()], width)
    text = printed([one, two], width)
    assert "00000000" in text
    assert "abcdef01" in text
