"""CSV, Markdown and LaTeX of ranked rows: everything a third party wrote stays text, our own
numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nverbench._io.text import HIDDEN, escape_control_characters
from nverbench.cli import main
from nverbench.leaderboard import table
from nverbench.leaderboard.rows import Row, rows
from nverbench.leaderboard.tables import export
from nverbench.results.store import ResultStore
from support.leaderboards import competitor, filed, said

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "<script>alert(1)</script>",
    "a|b",
    "`x`",
    "[x](javascript:y)",
    "\u202eevil",
    "a\u200bb",
    "a\nb",
    "a\x1b[31mb",
    "\\input{x}",
    "50%&$#_{}~^",
    "[/bold]",
    "[red]x",
    "https://x.org",
    '"',
    "''",
    "|=1",
    "\uff1d1+1",
]
TEXT = st.text(min_size=1, max_size=20)


def ranked(**changes: object) -> list[Row]:
    return rows(
        [
            filed("weak", 0.4, seed=1, replicates=5, **changes),
            filed("good", 0.9, seed=2, replicates=5, **changes),
            filed("also", 0.9, seed=3, replicates=5, **changes),
        ]
    )


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_best_stand_first_with_one_rank_and_the_others_say_how_far_behind_they_are():
    found = ranked()
    assert [export.rank_text(row) for row in found] == ["1", "1", "2"]
    assert export.behind_text(found[0]) == ""
    assert re.fullmatch(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", export.behind_text(found[2]))


def test_a_row_without_a_rank_says_why():
    found = rows([filed("good", 0.9, seed=2, replicates=5), filed("untrained", 0.9, control=True)])
    assert [export.rank_text(row) for row in found] == ["1", "-"]
    assert export.unranked(found) == ["not ranked (1 row: untrained): a control, not a result"]


def test_numbers_of_the_csv_are_the_results_own_to_the_last_bit():
    found = ranked()
    heading, *lines = cells(export.as_csv(found))
    for row, line in zip(found, lines, strict=True):
        read = dict(zip(heading, line, strict=True))
        assert float(read["macro_f1_low"]) == row.result.scores["macro_f1"].low
        assert read["behind"] == ("" if row.behind is None else repr(row.behind.difference.value))


def test_a_negative_number_of_ours_is_no_formula():
    assert not [
        cell for line in cells(export.as_csv(ranked())) for cell in line if cell.startswith("'")
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_the_csv_begins_a_formula(text: str):
    for line in cells(export.as_csv(ranked(fusion=text, licence=text)))[1:]:
        for cell in line:
            assert (
                re.fullmatch(r"-?\d.*", cell)
                or not cell.lstrip(" '\"").startswith(export.FORMULA)
                or cell.startswith("'")
            )


@given(TEXT)
def test_no_text_form_holds_a_sign_that_cannot_be_seen(text: str):
    found = escape_control_characters(text)
    assert all(unicodedata.category(sign) not in HIDDEN for sign in found)
    assert escape_control_characters(found) == found


@pytest.mark.parametrize("text", HOSTILE)
def test_a_markdown_table_keeps_its_columns_and_holds_no_html(text: str):
    made = export.as_markdown(ranked(fusion=text, loss=text))
    plain = re.sub(r"\\.", "", made)
    assert {line.count("|") for line in plain.splitlines()} == {len(export.HEADINGS) + 1}
    assert not re.search(r"[<>`]|\]\(|://", plain)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_latex_table_keeps_its_columns_and_runs_no_command_of_a_name(text: str):
    made = export.as_latex(ranked(fusion=text))
    rows = [line for line in made.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {len(export.HEADINGS) - 1}
    commands = set(re.findall(r"\\[a-zA-Z]+", made))
    assert commands <= {
        r"\usepackage",
        r"\begin",
        r"\end",
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"\textbf",
        r"\char",
        *(c.rstrip("{}") for c in export.LATEX.values() if c[1].isalpha()),
    }
    assert made.count("{") - made.count(r"\{") == made.count("}") - made.count(r"\}")


def test_only_the_best_rank_group_is_bold():
    lines = export.as_latex(ranked()).splitlines()
    assert [
        line.startswith(r"\textbf")
        for line in lines
        if line.endswith(r"official} \\") or line.endswith(r"official \\")
    ] == [True, True, False]


def test_a_rule_parts_fields_that_must_not_be_compared():
    both = rows([filed("one", 0.9), filed("two", 0.9, seed=2, kind="random", digest="f" * 64)])
    assert (
        export.as_latex(both).count("\\midrule")
        == export.as_latex(rows([filed("one", 0.9), filed("two", 0.9, seed=2)])).count("\\midrule")
        + 1
    )


@pytest.mark.parametrize("width", [80, 400])
@pytest.mark.parametrize("text", HOSTILE)
def test_the_table_on_a_terminal_shows_hostile_names_as_text(text: str, width: int):
    found = ranked(fusion=text)
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    places = {row.result.id: (export.rank_text(row), export.behind_text(row)) for row in found}
    console.print(table([row.result for row in found], places=places, width=width))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\u202e" not in printed
    assert "\x1b[31m" not in printed
    if width == 400:
        assert escape_control_characters(text) in printed


def test_the_table_stands_in_the_order_of_the_ranks():
    found = ranked()
    console = Console(width=300, file=io.StringIO())
    console.print(
        table(
            [row.result for row in found],
            places={r.result.id: (export.rank_text(r), export.behind_text(r)) for r in found},
        )
    )
    lines = [line for line in console.file.getvalue().splitlines() if "official" in line]  # type: ignore[attr-defined]
    assert [line.split("│")[1].strip() for line in lines] == ["1", "1", "2"]


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_table_says_rank_and_distance_too(width: int):
    found = ranked()
    console = Console(width=width, file=io.StringIO())
    places = {row.result.id: (export.rank_text(row), export.behind_text(row)) for row in found}
    console.print(table([row.result for row in found], places=places, width=width))
    printed = " ".join(console.file.getvalue().replace("│", " ").split())  # type: ignore[attr-defined]
    assert printed.count("rank 1") == 2
    assert "rank 2, behind" in printed


# the command


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        main(["leaderboard", "show", *map(str, words)])
    return int(left.value.code or 0)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for name, skill, seed, fusion in (("aa11", 0.9, 1, "concat"), ("bb22", 0.4, 2, "=1+1\u202e")):
        predictions = said(skill, seed=seed, replicates=5)
        ResultStore(tmp_path).write(competitor(name, predictions, fusion=fusion), predictions)
    return tmp_path


@pytest.mark.parametrize("form", ["--csv", "--markdown", "--latex", "--json", ""])
def test_standard_output_holds_the_table_alone_and_no_hidden_sign(
    out: Path, capsysbinary: pytest.CaptureFixture[bytes], form: str
):
    assert run("--out", out, *([form] if form else [])) == 0
    printed = capsysbinary.readouterr()
    text = printed.out.decode()
    assert b"intervals: delete-one-group jackknife" in printed.err
    assert "\u202e" not in text + printed.err.decode()
    expected = {
        "--csv": export.as_csv,
        "--markdown": export.as_markdown,
        "--latex": export.as_latex,
    }
    if form in expected:
        stored = {
            row.result.id: row
            for row in rows(
                [
                    filed("aa11", 0.9, seed=1, replicates=5),
                    filed("bb22", 0.4, seed=2, replicates=5, fusion="=1+1\u202e"),
                ]
            )
        }
        assert text == expected[form](list(stored.values()))
    if form == "--json":
        assert [
            (r["id"], r["rank"], r["behind"] is None) for r in map(json.loads, text.splitlines())
        ] == [("aa11", 1, True), ("bb22", 2, False)]


def test_two_forms_at_once_are_refused(out: Path, capsysbinary: pytest.CaptureFixture[bytes]):
    assert run("--out", out, "--csv", "--latex") == 2
    assert b"--csv and --latex are two forms of one table" in capsysbinary.readouterr().err


def test_a_dataset_without_results_has_no_table(
    out: Path, capsysbinary: pytest.CaptureFixture[bytes]
):
    assert run("--out", out, "--dataset", "jnv") == 2
    assert run("--out", out, "--dataset", "bursts", "--csv") == 0
