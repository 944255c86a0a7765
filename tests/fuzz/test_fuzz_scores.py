"""Tables of text: predictions to score, tables of clips, references of papers. Any bytes are a
table or one line that names the file.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Clip
from nverbench.data.metadata import names
from nverbench.leaderboard import compare
from nverbench.leaderboard.context import report as context_report
from nverbench.leaderboard.score_csv import read as scored
from nverbench.leaderboard.score_csv import report
from nverbench.results import published, published_files
from nverbench_datasets import table
from support.foreign_text import NUMBERS, TEXTS, lawful, often, spoilt_bytes
from support.results import finished

CELLS = st.one_of(
    TEXTS,
    NUMBERS.map(lambda n: repr(n) if not isinstance(n, int) or n.bit_length() < 200 else "9" * 400),
)
GOOD: list[list[str]] = [
    ["id", "label", "prediction", "speaker", "fold", "replicate"],
    ["a", "x", "x", "s", "1", "1"],
    ["b", "y", "x", "t", "2", "1"],
    ["a", "x", "y", "s", "1", "2"],
    ["b", "y", "y", "t", "2", "2"],
]
PROBABLE: list[list[str]] = [
    ["id", "label", "p_x", "p_y"],
    ["a", "x", "0.9", "0.1"],
    ["b", "y", "0.4", "0.6"],
]
CLIPS: list[list[str]] = [
    ["path", "label", "speaker", "group", "split", "id", "start", "end"],
    ["a.wav", "x", "s", "g", "train", "1", "0", "1"],
    ["b.wav", "y", "t", "h", "test", "2", "", "0.5"],
]


def written(rows: list[list[str]], *, quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    # a Literal of constants
    csv.writer(buffer := io.StringIO(), quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return buffer.getvalue().encode("utf-8", "surrogatepass")


@st.composite
def tables(draw: st.DrawFn, rows: list[list[str]]) -> bytes:
    """A table with cells changed, columns and rows doubled or taken out, or its bytes spoilt."""
    own = [list(row) for row in rows]
    for _ in range(draw(st.integers(0, 3))):
        row, column = draw(st.integers(0, len(own) - 1)), draw(st.integers(0, len(rows[0]) - 1))
        match draw(st.sampled_from(["cell", "cell", "row", "twice", "column", "known"])):
            case "cell" if column < len(own[row]):
                own[row][column] = draw(CELLS)
            case "known" if column < len(own[row]):
                own[row][column] = draw(st.sampled_from([cell for line in rows for cell in line]))
            case "row" if len(own) > 1:
                del own[row]
            case "twice":
                own.insert(row, list(own[row]))
            case "column":
                own = [line[:column] + line[column + 1 :] for line in own]
    content = written(own, quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])))
    return draw(spoilt_bytes(content)) if draw(st.booleans()) else content


HARD = {
    "a long cell": b"id,label,prediction\na,b," + b"x" * 200_000,
    "a long quote": b'id,label,prediction\na,b,"' + b"\n" * 200_000,
    "columns": b"id,label," + b",".join(b"p_%d" % i for i in range(20_000)),
    "path,label": b"path,label\n" + b"x" * 200_000 + b",a\n",
    "UTF-16 without its mark": "id,label,prediction\na,b,c".encode("utf-16-le"),
    "": b"",
    "BOM": b"\xef\xbb\xbf",
    "carriage returns": b"\r" * 10_000,
    "quotes": b'"' * 100_001,
    "separators": b"," * 200_000,
    "names": b",".join([b"id"] * 20_000),
}


def score(path: Path) -> list[str]:
    """What ``nverbench score`` does."""
    read = scored.read(path)
    return [*report.lines(read), *compare.lines(report.pair(read, read))]


@given(st.one_of(tables(GOOD), tables(PROBABLE)))
@often(100)
def test_predictions_to_score_are_scored_or_refused(room: Path, content: bytes) -> None:
    (room / "p.csv").write_bytes(content)
    lines = lawful("score: PREDICTIONS.csv", lambda: score(room / "p.csv"), "p.csv")
    assert lines is None or lines


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=6), st.sampled_from("xyz")),
        min_size=2,
        max_size=6,
        unique_by=lambda row: row[0].strip(),
    )
)
@often(40)
def test_predictions_written_are_read_as_they_were(room: Path, rows: list[tuple[str, str]]) -> None:
    own = [(name, label) for name, label in rows if name.strip() and name.isprintable()]
    own = list({names.clean(name): (name, label) for name, label in own}.values())
    if len({label for _, label in own}) < 2:
        return
    (room / "p.csv").write_bytes(
        written([["id", "label", "prediction"], *([name, label, label] for name, label in own)])
    )
    found = scored.read(room / "p.csv")
    assert dict(
        zip(found.ids, [found.labels[i] for i in found.predictions.target], strict=True)
    ) == {names.clean(name): label for name, label in own}


@pytest.mark.parametrize("name", HARD)
def test_a_table_of_a_shape_that_hurts_is_refused(room: Path, name: str) -> None:
    (room / "p.csv").write_bytes(HARD[name])
    assert lawful("score: PREDICTIONS.csv", lambda: score(room / "p.csv"), "p.csv") is None
    assert (
        lawful("corpora: table", lambda: list(table.load(None, path=str(room / "p.csv"))), "p.csv")
        is None
    )
    assert (
        lawful(
            "references: a paper's table",
            lambda: published_files.read(room / "p.csv", published_files.ReferenceRow),
            "p.csv",
        )
        is None
    )


@given(tables(CLIPS))
@often(100)
def test_a_table_of_clips_is_read_or_refused(room: Path, content: bytes) -> None:
    for name in ("a.wav", "b.wav"):
        (room / name).write_bytes(b"RIFF")
    (room / "t.csv").write_bytes(content)
    clips = lawful(
        "corpora: table", lambda: list(table.load(None, path=str(room / "t.csv"))), "t.csv"
    )
    ids = [item.id for item in clips or () if isinstance(item, Clip)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "/",
        "\x00",
        "a\nb.csv",
        "nothing",
        "x" * 5000,
        "/dev/null",
        "/dev/null/x",
        "~nobody/x",
        "~/x",
        "~no-such-user/x",
        "\ud800.csv",
    ],
)
def test_a_table_that_is_no_file_costs_a_line(room: Path, path: str) -> None:
    (room / "long.csv").write_bytes(
        written([["path", "label"], ["x" * 5000, "a"], ["\ufeff", "b"], [path, "c"]])
    )
    assert lawful("score: PREDICTIONS.csv", lambda: score(Path(path))) is None
    assert lawful("corpora: table", lambda: list(table.load(None, path=path)), "table") is None
    assert (
        lawful(
            "corpora: table",
            lambda: list(table.load(None, path=str(room / "long.csv"), audio=path)),
            "table",
        )
        is None
    )


FOLDER = published.FOLDER
FILES = {name: (FOLDER / name).read_bytes() for name in ("papers.csv", "reno.csv", "erc.csv")}


@given(st.sampled_from(sorted(FILES)), st.data())
@often(60)
def test_papers_scores_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp(
        "references"
    )  # a new one each time: what was read of a folder is kept
    for path in FOLDER.glob("*.csv"):
        (folder / path.name).write_bytes(path.read_bytes())
    lines = list(csv.reader(FILES[name].decode().splitlines()))
    (folder / name).write_bytes(
        data.draw(tables(lines[:1] + lines[1:4]) | spoilt_bytes(FILES[name]))
    )
    lawful(
        "references: a paper's table",
        lambda: published.reported(finished(), folder),
        name,
        "references",
    )
    lawful(
        "references: a paper's table",
        lambda: [published.cells(source, folder) for source in ("reno", "erc")],
        name,
        "references",
    )


TABLE4 = (FOLDER / "erc_table4.csv").read_bytes()


@given(st.one_of(spoilt_bytes(TABLE4), tables(list(csv.reader(TABLE4.decode().splitlines()))[:4])))
@often(40)
def test_the_published_table_of_gains_is_read_or_refused(room: Path, content: bytes) -> None:
    (room / "erc_table4.csv").write_bytes(content)
    lawful(
        "references: gains by conversation",
        lambda: context_report.published(room / "erc_table4.csv"),
        "erc_table4.csv",
    )
