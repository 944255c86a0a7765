"""What a paper prints under two protocols, on the page: the number of the row's own folds, and what
the other table makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nverbench.leaderboard.page import build
from nverbench.leaderboard.page.content import line, notes
from nverbench.leaderboard.rows import Row
from nverbench.results.published import reported
from support.pages import identity, row

Visit = Callable[..., Any]


def talked(number: int, kind: str) -> Row:
    """The paper's system on iemocap-6, 60 %."""
    made = row(
        number,
        0.6,
        backbones=("wavlm-large:layer=21",),
        families=("attention",),
        fusion="erc-mamba",
        loss="cross-entropy",
        dataset="iemocap-6",
        kind=kind,
    )
    return replace(made, published=reported(made.result))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken") / "page"
    build([talked(0, "leave-one-group-out"), talked(1, "holdout=Ses05")], folder)
    return folder


def test_a_row_says_the_accuracy_of_a_paper_that_prints_no_macro_f1(visit: Visit, spoken: Path):
    text = visit(spoken).locator("#rows tbody tr:not(.space)").first.text_content()
    assert [words for words in ("61.5 acc.", "ours") if words not in text] == [], text


def test_the_page_of_a_result_says_both_readings(spoken: Path):
    pages = [
        next(spoken.rglob(f"{identity(number)}.html")).read_text(encoding="utf-8")
        for number in (0, 1)
    ]
    said = [
        "its Table 3 prints the same 61.5 for train sessions 1-4 test session 5",
        "its Table 2 prints the same 61.5 for leave-one-session-out",
    ]
    assert [[words in page for words in said] for page in pages] == [[True, False], [False, True]]


def test_the_record_of_all_rows_holds_no_macro_f1_that_was_not_printed():
    found = line(talked(0, "leave-one-group-out"), 0)
    assert found["published"] == [0.615, None]
    assert "one of the two is mislabelled" in found["source"]


def test_a_row_trained_on_shuffled_conversations_says_so():
    made = talked(0, "holdout=Ses05").result
    shuffled = made.model_copy(
        update={
            "provenance": made.provenance.model_copy(
                update={"identity": {"train": {"shuffle": "intra"}}}
            )
        }
    )
    assert notes(made) == []
    assert notes(shuffled) == ["trained with shuffle=intra"]
