"""Tables of clips are read whatever program wrote them, or refused in one line that names the row."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path

import pytest

from nverbench import DatasetError, Table, read_table
from nverbench.data.metadata import names

ROWS = [
    ("a/1.wav", "laugh", "ann"),
    ("a/2.wav", "cry", "ann"),
    ("b/1.wav", "laugh", "bob"),
    ("b/2.wav", "dégoût", "bob"),
]
PLAIN = ("path", "label", "speaker")


def written(header=PLAIN, rows=ROWS, sep=",", **options: object) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=sep, **options).writerows([header, *rows])  # type: ignore[arg-type]
    return out.getvalue()


def table_of(tmp_path: Path, text: str | bytes, name: str = "t.csv", **options: object) -> Table:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(file, **options)  # type: ignore[arg-type]


def cells(table: Table) -> list[tuple[str, str, str]]:
    return [(row.path, row.label, row.speaker) for row in table.rows]


def refusal(tmp_path: Path, text: str | bytes, **options: object) -> str:
    with pytest.raises(DatasetError) as error:
        table_of(tmp_path, text, **options)
    assert len(str(error.value).splitlines()) == 1
    assert "t.csv" in str(error.value)
    return str(error.value)


WRITTEN = {
    "plain": written().encode(),
    "byte order mark": written().encode("utf-8-sig"),
    "utf-16": written().encode("utf-16"),
    "utf-16 of the other order": b"\xfe\xff" + written().encode("utf-16-be"),
    "utf-32": written().encode("utf-32"),
    "semicolons": written(sep=";").encode(),
    "tabs": written(sep="\t").encode(),
    "pipes": written(sep="|").encode(),
    "tabs in utf-16": written(sep="\t").encode("utf-16"),
    "sep line": b"sep=;\r\n" + written(sep=";").encode(),
    "sep line in quotes": b'\xef\xbb\xbf"sep=;"\r\n' + written(sep=";").encode(),
    "sep line with a comma": b"sep=,\n" + written().encode(),
    "comments": b"# version 2, path, label\n#\n" + written().encode(),
    "comments and sep": b"# version 2\nsep=|\n" + written(sep="|").encode(),
    "blank lines": b"\n\n" + written().replace("\r\n", "\r\n\r\n").encode(),
    "line feeds": written().replace("\r\n", "\n").encode(),
    "carriage returns": written().replace("\r\n", "\r").encode(),
    "all quoted": written(quoting=csv.QUOTE_ALL).encode(),
    "no last line end": written().rstrip().encode(),
    "empty cells at the end": written().replace("\r\n", ",,\r\n").encode(),
    "spaces around cells": written().replace(",", " , ").encode(),
    "invisible characters": written().replace(",", "\u200b,\u00a0").encode(),
    "decomposed accents": unicodedata.normalize("NFD", written()).encode(),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_how_a_table_is_written_changes_nothing(tmp_path: Path, how: str) -> None:
    table = table_of(tmp_path, WRITTEN[how])
    found = [(names.clean(row.path), row.label, row.speaker) for row in table.rows]
    assert found == ROWS
    assert table.notes == ()


HEADERS = [
    *((name, "label", "speaker") for name in ("file", "filename", "file_name", "filepath", "wav")),
    *((name, "label", "speaker") for name in ("audio", "audio_path", "wav_path", "wav_file")),
    *(("path", name, "speaker") for name in ("emotion", "emo", "class", "category", "Emotion")),
    *(("path", "label", name) for name in ("speaker_id", "spk", "spk_id", "subject", "Subject ID")),
    *(("path", "label", name) for name in ("Actor", "client_id", "participant", "user", "person")),
    ("File Name", "EMOTION", "Speaker-ID"),
    ("\u200bPath ", " LABEL", "\ufeffspeaker"),
]


@pytest.mark.parametrize("header", HEADERS)
def test_the_fields_names_of_columns_are_known_in_any_letter_case(
    tmp_path: Path, header: tuple[str, str, str]
) -> None:
    assert cells(table_of(tmp_path, written(header))) == ROWS


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_the_order_of_columns_does_not_matter(tmp_path: Path, order: tuple[int, ...]) -> None:
    turned = written([PLAIN[i] for i in order], [[row[i] for i in order] for row in ROWS])
    assert cells(table_of(tmp_path, turned)) == ROWS


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_json_lines_are_a_table(tmp_path: Path, name: str) -> None:
    lines = [json.dumps({"wav": p, "emo": e, "spk": s, "words": ["a"]}) for p, e, s in ROWS]
    table = table_of(tmp_path, "\n\n".join(lines) + "\n", name)
    assert cells(table) == ROWS
    assert [row.number for row in table.rows] == [1, 3, 5, 7]
    assert table.notes == ("column words is not used",)


def test_numbers_of_json_lines_are_kept_as_they_are_written(tmp_path: Path) -> None:
    lines = '{"path": "a", "label": 1, "start": 0.10, "end": 1e0}\n{"path": "b", "label": 2}'
    (one, two) = table_of(tmp_path, lines).rows
    assert (one.label, one.segment.text, one.segment.end, two.segment.text) == (
        "1",
        "0.10-1e0",
        1.0,
        "",
    )


def test_an_option_names_any_column(tmp_path: Path) -> None:
    header = ("recording of the day", "mood", "who")
    asked = {"path": "recording of the day", "label": "Mood", "speaker": "who"}
    assert cells(table_of(tmp_path, written(header), columns=asked)) == ROWS


def test_an_option_takes_a_column_out(tmp_path: Path) -> None:
    table = table_of(tmp_path, written(("path", "label", "user")), columns={"speaker": "-"})
    assert [row.speaker for row in table.rows] == [""] * 4
    assert "column user is not used" in table.notes[0]


@pytest.mark.parametrize(("sep", "word"), [(";", "semicolon"), ("|", "|"), ("\t", "tab")])
def test_the_separator_can_be_named(tmp_path: Path, sep: str, word: str) -> None:
    assert cells(table_of(tmp_path, written(sep=sep), sep=word)) == ROWS


def test_the_encoding_can_be_named(tmp_path: Path) -> None:
    raw = written().encode("cp1252")
    assert "give encoding=" in refusal(tmp_path, raw)
    assert cells(table_of(tmp_path, raw, encoding="cp1252")) == ROWS


# what is not used is named


def with_column(name: str, values: list[str]) -> str:
    rows = [(*row, value) for row, value in zip(ROWS, values, strict=True)]
    return written((*PLAIN, name), rows)


NOTED: dict[tuple[str, str | tuple[str, ...]], str] = {
    ("session", "1122"): "column session is not used",
    ("actor", "xyzz"): "column actor is not used: the speaker is column speaker",
    ("emotion", "abab"): "column emotion is not used: the label is column label",
    ("fold", "1122"): "column fold is not used",
    ("duration", "1111"): "column duration is not used: no column says where a clip starts",
    ("group", ("", "nan", "", "NaN")): "column group is empty: no group is known",
    ("", "0123"): "column 4 (it has no name) is not used",
    ("set", "1122"): "column set is not used",
}


@pytest.mark.parametrize("column", NOTED)
def test_a_column_that_is_not_used_is_named(
    tmp_path: Path, column: tuple[str, str | tuple[str, ...]]
) -> None:
    table = table_of(tmp_path, with_column(column[0], list(column[1])))
    assert cells(table) == ROWS
    assert len(table.notes) == 1
    assert NOTED[column] in table.notes[0]


def test_speakers_are_asked_for_where_no_column_names_them(tmp_path: Path) -> None:
    table = table_of(tmp_path, written(("path", "label", "who")))
    assert table.notes == ("column who is not used (speaker=COLUMN names the speakers)",)


def test_two_columns_of_one_meaning_that_agree_are_one(tmp_path: Path) -> None:
    rows = [(path, path, label) for path, label, _ in ROWS]
    table = table_of(tmp_path, written(("file", "filename", "label"), rows))
    assert [row.path for row in table.rows] == [row[0] for row in ROWS]


def test_a_partition_of_known_parts_is_the_split(tmp_path: Path) -> None:
    table = table_of(tmp_path, with_column("partition", ["train", "train", "dev", "test"]))
    assert [row.split for row in table.rows] == ["train", "train", "dev", "test"]
    assert table.notes == ()


def test_a_cell_of_several_lines_in_a_column_that_is_not_used_is_read(tmp_path: Path) -> None:
    table = table_of(tmp_path, with_column("text", ["oh", "oh,\nwell", "a", "b"]))
    assert cells(table) == ROWS
    assert [row.number for row in table.rows] == [2, 3, 5, 6]


# refusals

R2, R3 = "a,laugh,ann\n", "b,cry,bob\n"
REFUSED = {
    "rows of too many cells": ("path,label\na,x\nb,y,z\n", "row 3: expected 2 cells"),
    "rows of too few cells": ("path,label,speaker\na,x,s\nb,y\n", "row 3: expected 3 cells"),
    "a forgotten quote": ('path,label,note\na,x,"u\nb,y,v"\n', "row 2: expected cells on one line"),
    "a quote after a space": ('path,label\na, "x"\n', "row 2: got a quote after a space"),
    "text after a quote": ('path,label\na,"x"y\n', "row 2: expected CSV"),
    "two columns of one name": ("path,label,Label\na,x,x\n", "expected one column label, found 2"),
    "two names of one meaning": (
        "path,emotion,class\na,x,x\nb,y,z\n",
        "row 3: columns emotion and class may both be the label",
    ),
    "a label that is missing": ("path,label\na,x\nb,N/A\n", "row 3: expected a label, got 'N/A'"),
    "an empty label": ("path,label\na,x\nb,\u200b\n", "row 3: expected a label, got an empty cell"),
    "half the speakers": (
        f"path,label,speaker\n{R2}b,cry,unknown\n",
        "row 3: expected a speaker, as in 1 of 2 rows, got 'unknown'",
    ),
    "labels in two letter cases": (
        f"path,label\n{R2.replace(',ann', '')}b,Laugh\n",
        "labels 'Laugh' (row 3) and 'laugh' (row 2) look like one label",
    ),
    "speakers with and without zeros": (
        "path,label,spk\na,x,03\nb,y,3\n",
        "speakers '03' (row 2) and '3' (row 3) look like one speaker",
    ),
    "speakers as decimals": ("path,label,spk\na,x,3.0\nb,y,3\n", "look like one speaker"),
    "groups in two spellings": ("path,label,group\na,x,S 1\nb,y,s-1\n", "look like one group"),
    "continuous labels": (
        "path,label\na,0.13\nb,0.27\nc,0.5\nd,0.9\n",
        "label looks continuous (0.13, 0.27, 0.5, ...",
    ),
    "many numbers": (
        "path,label\n" + "".join(f"{i},{i}\n" for i in range(30)),
        "label looks continuous",
    ),
    "latin-1": (
        "path,label\na,été\n".encode("latin-1"),
        "row 2: expected UTF-8 text, got byte 0xe9",
    ),
    "utf-16 without a mark": ("path,label\na,x\n".encode("utf-16-le"), "got control character"),
    "half a character of utf-16": ("path,label\n".encode("utf-16")[:-1], "expected UTF-16 text"),
    "a control character": ("path,label\na,x\x07\n", "row 2: expected text, got control character"),
    "an Excel workbook": (b"PK\x03\x04...", "an Excel workbook"),
    "an HTML page": (b"<!DOCTYPE html><html>", "an HTML page; the download failed"),
    "a git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "another separator": ("path:label\na:x\n", "expected columns path and label"),
    "a sep line of another": ("sep=^\npath^label\n", "row 1: separator '^' is not known"),
    "no rows": ("path,label\n", "expected at least one row"),
    "nothing": ("", "expected columns path and label"),
    "a JSON line that is none": (
        '{"path": "a", "label": "x"}\n{"path"\n',
        "row 2: expected one JSON",
    ),
    "a JSON key twice": ('{"path": "a", "path": "b", "label": "x"}\n', "path' is there twice"),
    "a JSON list as label": ('{"path": "a", "label": ["x"]}\n', "holds lists or objects"),
    "a JSON control character": ('{"path": "a", "label": "x\\u0000"}\n', "a control character"),
    "half a JSON character": ('{"path": "a", "label": "\\ud83d"}\n', "a control character"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_right_is_refused_with_its_row(tmp_path: Path, kind: str) -> None:
    text, expected = REFUSED[kind]
    assert expected in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"label": "mood"}, "label=mood: expected one column of this name, found path, label"),
        ({"speaker": "who"}, "speaker=who: expected one column"),
    ],
)
def test_an_option_that_names_no_column_is_refused(
    tmp_path: Path, columns: dict[str, str], expected: str
) -> None:
    assert expected in refusal(tmp_path, "path,label\na,x\n", columns=columns)


@pytest.mark.parametrize("option", [{"sep": "^"}, {"encoding": "klingon"}, {"encoding": "hex"}])
def test_an_unknown_separator_or_encoding_is_refused(
    tmp_path: Path, option: dict[str, str]
) -> None:
    assert next(iter(option)) in refusal(tmp_path, "path,label\na,x\n", **option)


@pytest.mark.parametrize(
    "labels", [["0", "1", "6"], ["0.0", "1.0", "2.0"], ["1", "1.5", "x"], ["-1", "0", "1"]]
)
def test_whole_numbers_are_classes(tmp_path: Path, labels: list[str]) -> None:
    table = table_of(tmp_path, written(("path", "label"), list(zip("abc", labels, strict=True))))
    assert [row.label for row in table.rows] == labels


# times

TIMES = {
    ("start", "end"): [
        (("0", "1.5"), (0.0, 1.5, "0-1.5")),
        (("", ""), (None, None, "")),
        (("NaT", "nan"), (None, None, "")),
        (("3", ""), (3.0, None, "3-")),
        (("", "2"), (None, 2.0, "-2")),
        (("0 days", "NaT"), (0.0, None, "0-")),
        (("0 days 00:00:00.100000", "0 days 00:00:01"), (0.1, 1.0, "0.1-1")),
        (("00:00:01.5", "0:01:00"), (1.5, 60.0, "1.5-60")),
        (("1e-1", "1 days 01:00:00"), (0.1, 90000.0, "1e-1-90000")),
    ],
    ("start", "duration"): [
        (("0.1", "0.2"), (0.1, 0.3, "0.1-0.3")),
        (("", "0.2"), (None, 0.2, "-0.2")),
        (("1", ""), (1.0, None, "1-")),
    ],
    ("start", "end", "duration"): [
        (("0.1", "0.3", "0.2"), (0.1, 0.3, "0.1-0.3")),
        (("0.12", "0.33", "0.2"), (0.12, 0.33, "0.12-0.33")),
    ],
    ("onset", "offset"): [(("1", "2"), (1.0, 2.0, "1-2"))],
    ("offset", "duration"): [(("1", "2"), (1.0, 3.0, "1-3"))],
    ("start_ms", "end_ms"): [(("100", "250"), (0.1, 0.25, "0.1-0.25"))],
    ("begin", "stop"): [(("1", "2"), (1.0, 2.0, "1-2"))],
    ("start_time", "end_time"): [(("1", "2"), (1.0, 2.0, "1-2"))],
}
CASES = [(columns, *case) for columns, cases in TIMES.items() for case in cases]


@pytest.mark.parametrize(("columns", "given", "expected"), CASES)
def test_times_are_seconds(
    tmp_path: Path,
    columns: tuple[str, ...],
    given: tuple[str, ...],
    expected: tuple[float | None, float | None, str],
) -> None:
    first = ("5", "6", "1") if len(columns) == 3 else ("5", "6")
    rows = [("a.wav", "x", *first), ("b.wav", "y", *given)]
    row = table_of(tmp_path, written(("path", "label", *columns), rows)).rows[1]
    assert (row.segment.start, row.segment.end, row.segment.text) == expected


WRONG_TIMES = {
    ("start", "0,1"): "expected start in seconds, 0 or more, got '0,1'",
    ("start", "-1"): "got '-1'",
    ("start", "01:30"): "got '01:30'",
    ("start", "1_000"): "got '1_000'",
    ("start", "1.234.567"): "got '1.234.567'",
    ("end", "inf"): "got 'inf'",
    ("end", "0"): "expected end > start",
    ("start,end", "2;1"): "expected end > start, got start 2 and end 1",
    ("start,duration", "2;0"): "expected end > start, got start 2 and duration 0",
    ("start,end,duration", "0.1;0.3;0.25"): "expected start + duration = end",
    ("start,end,duration", "0.1;0.3;2"): "expected start + duration = end",
    ("offset", "1"): "column offset may be the start or the end",
}


@pytest.mark.parametrize("case", WRONG_TIMES)
def test_a_time_that_is_not_clear_is_refused(tmp_path: Path, case: tuple[str, str]) -> None:
    header, given = ("path", "label", *case[0].split(",")), case[1].split(";")
    text = written(header, [("a.wav", "x", *given)], sep=";")
    assert WRONG_TIMES[case] in refusal(tmp_path, text)


# what a table says about speakers

FACTS = {
    ("sex", "fmfm"): ("sex", ["f", "m", "f", "m"]),
    ("Gender", "fmfm"): ("sex", ["f", "m", "f", "m"]),
    ("Age", ("31", "", "nan", "7")): ("age", ["31", None, None, "7"]),
    ("age group", ("20s\nor so", "x", "x", "x")): ("age", ["20s or so", "x", "x", "x"]),
    ("locale", ("de", "unknown", "?", "en")): ("language", ["de", None, None, "en"]),
}


@pytest.mark.parametrize("column", FACTS)
def test_facts_about_speakers_are_read_and_may_be_missing(
    tmp_path: Path, column: tuple[str, str | tuple[str, ...]]
) -> None:
    table = table_of(tmp_path, with_column(column[0], list(column[1])))
    fact, values = FACTS[column]
    assert [row.facts.get(fact) for row in table.rows] == values
    assert (cells(table), table.notes) == (ROWS, ())


def test_an_option_names_the_column_of_a_fact_or_takes_it_out(tmp_path: Path) -> None:
    text = with_column("who it is", list("abab"))
    assert table_of(tmp_path, text, columns={"sex": "who it is"}).rows[1].facts == {"sex": "b"}
    refused = refusal(tmp_path, text, columns={"age": "years"})
    assert "age=years: expected one column of this name, found" in refused
    left = table_of(tmp_path, with_column("sex", list("fmfm")), columns={"sex": "-"})
    assert (left.rows[0].facts, left.notes) == ({}, ("column sex is not used",))


def test_a_label_or_a_column_that_is_there_twice_is_no_fact(tmp_path: Path) -> None:
    assert (
        table_of(tmp_path, written(("path", "sex", "speaker")), columns={"label": "sex"})
        .rows[0]
        .facts
        == {}
    )
    rows = [(*row, "f", "m") for row in ROWS]
    twice = table_of(tmp_path, written((*PLAIN, "sex", "Sex"), rows))
    assert twice.rows[0].facts == {}
    assert twice.notes == ("columns sex, Sex are not used",)
