"""The record of all rows: lean, strict JSON, in the published form, with chance and what is
compared with what.
"""

from __future__ import annotations

import json
import math
from typing import Any, get_args

import pytest

from nverbench.leaderboard.page.content import COLUMNS, content, kind
from nverbench.leaderboard.page.detail import words
from nverbench.leaderboard.page.part_info import PartInfo
from nverbench.leaderboard.rows import Level
from nverbench.metrics.chance import chance
from support.pages import board, row
from support.paths import ROOT


def lines(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows with their texts."""
    texts = record["texts"]
    read = {
        "raw": lambda cell: cell,
        "text": lambda cell: texts[cell],
        "texts": lambda cell: [texts[place] for place in cell],
    }
    return [
        {
            name: read[how](cell)
            for (name, how), cell in zip(record["columns"].items(), cells, strict=True)
        }
        for cells in record["rows"]
    ]


def test_the_record_is_strict_json_and_the_same_every_time():
    assert json.dumps(content(board()), allow_nan=False) == json.dumps(
        content(board()), allow_nan=False
    )


def test_every_text_is_stored_once():
    texts = content(board())["texts"]
    assert len(texts) == len(set(texts))


def test_a_line_holds_score_interval_rank_and_notes():
    first = lines(content(board()))[0]
    assert first["macro_f1"] == [0.7, 0.65, 0.75]
    assert (first["rank"], first["behind"], first["published"], first["gap"]) == (
        1,
        None,
        [0.6, 0.58],
        [0.05, 0.02, 0.08],
    )
    assert (first["kind"], first["frozen"], first["seconds"], first["level"]) == (
        "Mamba + attention",
        2000,
        0.02,
        "own",
    )


def test_rows_share_a_field_exactly_when_they_are_compared():
    record = content(board())
    assert [line["field"] for line in lines(record)] == [0, 0, 0, 0, 0, 0, 1, 2, 2]
    fields = [(field["corpus"], field["folds"], field["ranked"]) for field in record["fields"]]
    assert fields == [("vivae", "speaker", 5), ("vivae", "random", 1), ("jnv", "speaker", 1)]


def test_a_field_says_what_chance_scores():
    field = content(board())["fields"][0]
    expected = chance({"anger": 4, "joy": 4})["uniform"]
    assert field["chance"][0]["how"] == "uniform guessing"
    assert math.isclose(field["chance"][0]["macro_f1"], expected["macro_f1"])


def test_two_copies_of_one_corpus_have_different_names():
    other = row(1, 0.5)
    changed = other.result.model_copy(
        update={
            "provenance": other.result.provenance.model_copy(update={"dataset_digest": "ab" * 32})
        }
    )
    moved = type(other)(
        type(other.filed)(changed, other.filed.predictions), 1, "", None, None, None
    )
    names = [field["corpus"] for field in content([row(0), moved])["fields"]]
    assert names[1] == "vivae (copy abababab)"
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        (("mamba", "attention"), "Mamba + attention"),
        (("attention", "mamba"), "Mamba + attention"),
        (("attention", "attention"), "attention + attention"),
        (("features", "convolution"), "convolution + features"),
        (("mamba",), "Mamba"),
    ],
)
def test_the_kind_of_a_pair_does_not_depend_on_its_order(families: tuple[str, ...], expected: str):
    assert kind(families) == expected


def test_what_is_not_known_is_null_not_zero():
    unknown = row(0)
    provenance = unknown.result.provenance.model_copy(
        update={"parameters_frozen": {"alpha": 10, "beta": None}}
    )
    r = unknown.result.model_copy(update={"provenance": provenance})
    line = lines(
        content(
            [
                type(unknown)(
                    type(unknown.filed)(r, unknown.filed.predictions), None, "why", None, None, None
                )
            ]
        )
    )[0]
    assert (line["frozen"], line["behind"], line["published"], line["gap"]) == (
        None,
        None,
        None,
        None,
    )


def test_private_names_never_reach_the_record():
    assert "private-clip" not in json.dumps(content(board()))


def test_the_columns_are_those_of_the_script():
    assert content(board())["columns"] == COLUMNS


def test_no_rows_make_an_empty_record():
    record = content([])
    assert (record["rows"], record["fields"], record["texts"]) == ([], [], [])


@pytest.mark.parametrize("level", get_args(Level))
def test_every_level_is_explained_on_the_page_of_a_result_and_only_one_names_another_party(
    level: Level,
):
    r = row(0, level=level)
    said = words(r, r.result, PartInfo(), (), ())["level_means"]
    assert ("made again by another party" in said) == (level == "reproduced")
    assert (ROOT / "leaderboard" / "page" / "about.html").read_text().count(
        f"<dt>{level}</dt>"
    ) == 1
