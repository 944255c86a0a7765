"""Published scores: each row of RENO and PARROT is one registered entry, the difference is ours
minus theirs, and damage is one line.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from nverbench import registry
from nverbench.errors import ResultError
from nverbench.leaderboard import describe, footnotes, min_width, record, table
from nverbench.leaderboard.tables.wording import published_text
from nverbench.plugin import discovery
from nverbench.results.published import published, reported
from nverbench.results.published_files import FOLDER
from nverbench.results.record import Result
from support.results import finished

TABLES = {"reno": ("reno-table-1", "reno-table-2"), "parrot": ("parrot-table-1", "parrot-table-2")}
HERE = {
    ("reno", "fcn"): "fcn",
    ("reno", "cnn"): "cnn",
    ("reno", "concat"): "concat",
    ("reno", "reno"): "reno",
    ("parrot", "cnn"): "parrot-cnn",
    ("parrot", "concat"): "parrot-concat",
    ("parrot", "parrot"): "parrot",
}


def combination(backbones: str, fusion: str, dataset: str, loss: str = "cross-entropy") -> Any:
    return SimpleNamespace(
        backbones=backbones.split("+"), fusion=fusion, loss=loss, dataset=dataset
    )


def rows(source: str) -> list[dict[str, str]]:
    with (FOLDER / f"{source}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def registered() -> list[tuple[str, Any]]:
    """Grid and combination of every registered entry, with the loss it is trained with."""
    fusions = discovery.discover().fusions.parts

    def loss(entry: registry.Entry) -> str:
        return entry.loss or fusions[entry.fusion.partition(":")[0]].default_loss

    return [
        (e.grid, combination("+".join(e.backbones), e.fusion, e.dataset, loss(e)))
        for e in registry.load().entries
    ]


@pytest.mark.parametrize(("source", "number"), [("reno", 150), ("parrot", 24)])
def test_every_entry_of_a_papers_tables_finds_its_row_and_every_row_is_found_once(
    registered: list[tuple[str, Any]], source: str, number: int
):
    found = Counter(
        (grid, "+".join(c.backbones), c.fusion, c.dataset)
        for grid, c in registered
        if grid in TABLES[source] and published(c)
    )
    row = [
        ("+".join(r["backbones"].split("+")), HERE[source, r["fusion"]], r["dataset"])
        for r in rows(source)
    ]
    assert Counter((b, f, d) for _, b, f, d in found.elements()) == Counter(row)
    assert len(row) == number == sum(grid in TABLES[source] for grid, _ in registered)


def test_no_entry_of_another_grid_has_a_published_score(registered: list[tuple[str, Any]]):
    assert {grid for grid, c in registered if published(c)} == {
        grid for grids in TABLES.values() for grid in grids
    }


@pytest.mark.parametrize("source", ["reno", "parrot"])
def test_the_score_found_is_the_rows_own_as_a_fraction(source: str):
    expected = {
        (r["backbones"], r["fusion"], r["dataset"]): (
            float(r["accuracy"]),
            float(r["macro_f1"]),
            r["table"],
        )
        for r in rows(source)
    }
    loss = {"reno": "renyi"}
    got = {
        key: published(
            combination(key[0], HERE[source, key[1]], key[2], loss.get(key[1], "cross-entropy"))
        )
        for key in expected
    }
    found = {
        key: (round(100 * p.accuracy, 6), round(100 * p.macro_f1, 6), p.table)
        for key, p in got.items()
        if p
    }
    assert found == expected


@pytest.mark.parametrize(
    "other",
    [
        {"backbones": "wavlm-base+audio-mamba-base"},
        {"backbones": "audio-mamba-base:untrained+wavlm-base"},
        {"backbones": "audio-mamba-base:project=768+wavlm-base"},
        {"backbones": "audio-mamba-base+audio-mamba-base"},
        {"fusion": "reno:align_dim=128"},
        {"fusion": "late"},
        {"loss": "cross-entropy"},
        {"loss": "renyi:beta=3.0"},
        {"dataset": "jnv:exclude=anger"},
        {"dataset": "vocal-demo"},
    ],
    ids=str,
)
def test_anything_but_the_papers_own_combination_has_no_published_score(other: dict[str, str]):
    own = {
        "backbones": "audio-mamba-base+wavlm-base",
        "fusion": "reno",
        "dataset": "jnv",
        "loss": "renyi",
    }
    assert str(published(combination(**own))) == "RENO (arXiv 2506.02258), Table II"
    assert published(combination(**{**own, **other})) is None


def test_a_papers_row_without_a_counterpart_here_is_found_by_nothing():
    assert published(combination("languagebind+imagebind", "concat", "jnv")) is None
    found = published(combination("languagebind+imagebind", "mata", "jnv"))
    assert found is not None
    assert (str(found), found.accuracy, found.macro_f1) == (
        "MATA (arXiv 2409.14221)",
        pytest.approx(0.7740),
        pytest.approx(0.7619),
    )


@pytest.mark.parametrize(
    "name", ["emobox", "erc", "erc_table4", "mata", "papers", "parrot", "reno"]
)
def test_every_reference_is_listed_with_its_origin(name: str):
    assert (FOLDER / f"{name}.csv").exists()
    assert f"`{name}.csv`" in (FOLDER.parent / "README.md").read_text(encoding="utf-8")


# damage


def swap(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


ROW = "reno,I,audio-mamba-tiny,fcn,asvp-esd,66.51,58.71"


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        (
            "reno",
            swap("66.51", "high"),
            "reno.csv, line 2: column accuracy: input should be a valid number",
        ),
        ("reno", swap("66.51", "nan"), "line 2: column accuracy: "),
        (
            "reno",
            swap("66.51", "-3"),
            "line 2: column accuracy: input should be greater than 0, got '-3'",
        ),
        (
            "reno",
            swap("66.51", "166.51"),
            "line 2: column accuracy: input should be less than or equal to 100",
        ),
        ("reno", swap("66.51", ""), "line 2: column accuracy: "),
        ("reno", swap("66.51,", ""), "line 2: expected 7 cells (source, table, backbones"),
        ("reno", swap("66.51", "66,51"), "line 2: expected 7 cells"),
        ("reno", swap("macro_f1", "f1"), "line 2: column macro_f1: field required"),
        ("reno", swap("source,", "sauce,"), "line 2: column source: field required"),
        ("reno", swap("audio-mamba-tiny,fcn", ",fcn"), "line 2: column backbones: "),
        (
            "reno",
            swap("fcn", "fnc"),
            "line 2: no fusion 'fnc' of 'reno' in papers.csv; add it there or correct the row",
        ),
        ("reno", swap("reno,I,", "parrot,I,"), "line 2: no fusion 'fcn' of 'parrot' in papers.csv"),
        (
            "reno",
            swap(ROW, f"{ROW}\n{ROW}"),
            "line 3: audio-mamba-tiny / fcn / asvp-esd is given twice; keep one",
        ),
        ("reno", swap(ROW, f'"{ROW}'), "reno.csv: not a readable table of published scores"),
        ("reno", lambda text: "", "reno.csv: holds no row"),
        (
            "papers",
            swap("renyi,,\n", "renyi,,\nreno,RENO,reno,reno,renyi,,\n"),
            "papers.csv, line 6: reno / reno is given twice",
        ),
        ("papers", swap(",cross-entropy", ""), "papers.csv, line 2: expected 7 cells"),
    ],
)
def test_damage_to_a_reference_is_one_line_with_file_row_and_what_was_expected(
    tmp_path: Path, name: str, damage: Any, words: str
):
    folder = tmp_path / "references"
    shutil.copytree(FOLDER, folder)
    (folder / f"{name}.csv").write_text(
        damage((folder / f"{name}.csv").read_text(encoding="utf-8")), encoding="utf-8"
    )
    with pytest.raises(ResultError) as error:
        published(combination("a", "b", "c"), folder)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_reference_that_is_gone_or_not_text_is_one_line(tmp_path: Path):
    shutil.copytree(FOLDER, tmp_path / "gone")
    (tmp_path / "gone" / "mata.csv").unlink()
    with pytest.raises(
        ResultError, match=r"mata\.csv: not a readable table of published scores \(.*No such file"
    ):
        published(combination("a", "b", "c"), tmp_path / "gone")
    shutil.copytree(FOLDER, tmp_path / "bytes")
    (tmp_path / "bytes" / "mata.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResultError, match=r"mata\.csv: not a readable table of published scores"):
        published(combination("a", "b", "c"), tmp_path / "bytes")


# conversations: the number of one's own folds, and what the paper's other table makes of it

LEFT_OUT, HELD = "leave-one-group-out", "holdout=Ses05"
ALONE = "erc-mamba:context=utterance"
SPOKEN = {
    ("erc-mamba", LEFT_OUT, "none"): ("2", {"accuracy": 0.615, "weighted_f1": 0.612}),
    ("erc-mamba", HELD, "none"): ("3", {"accuracy": 0.615}),
    ("erc-mamba", HELD, "intra"): ("3", {"accuracy": 0.601}),
    ("erc-mamba", HELD, "inter-speaker"): ("3", {"accuracy": 0.582}),
    ("erc-mamba", HELD, "inter"): ("3", {"accuracy": 0.586}),
    (ALONE, LEFT_OUT, "none"): ("2", {"accuracy": 0.572, "weighted_f1": 0.57}),
    (ALONE, HELD, "none"): ("3", {"accuracy": 0.572}),
}


def talked(
    fusion: str = "erc-mamba", kind: str = LEFT_OUT, shuffle: Any = "none", **entry: Any
) -> Result:
    """A result on iemocap-6 with the paper's features."""
    named = {
        "backbones": ["wavlm-large:layer=21"],
        "loss": "cross-entropy",
        "dataset": "iemocap-6",
        "fusion": fusion,
        **entry,
    }
    made = finished()
    identity = {"train": {"shuffle": shuffle}} if shuffle != "none" else {}
    return finished(
        entry=made.entry.model_copy(update=named),
        folds=made.folds.model_copy(update={"kind": kind}),
        scores=dict.fromkeys(
            ("accuracy", "macro_f1", "uar", "weighted_f1"), made.scores["accuracy"]
        ),
        provenance=made.provenance.model_copy(update={"identity": identity}),
    )


@pytest.mark.parametrize(("fusion", "kind", "shuffle"), SPOKEN)
def test_a_row_of_conversations_finds_the_score_of_its_own_folds_and_shuffle(
    fusion: str, kind: str, shuffle: str
):
    found = reported(talked(fusion, kind, shuffle))
    assert found is not None
    assert (found.table, found.scores) == (
        SPOKEN[fusion, kind, shuffle][0],
        pytest.approx(SPOKEN[fusion, kind, shuffle][1]),
    )
    assert [other.table for other in found.others] == (
        [] if shuffle != "none" else ["3" if kind == LEFT_OUT else "2"]
    )


def test_every_row_of_the_papers_own_system_is_found_by_one_result():
    ours = [row for row in rows("erc") if row["protocol"] != "as published"]
    assert len(ours) == len(SPOKEN)
    assert sorted(float(row["weighted_accuracy"]) for row in ours) == sorted(
        round(100 * scores["accuracy"], 6) for _, scores in SPOKEN.values()
    )


@pytest.mark.parametrize(
    "other",
    [
        {"kind": LEFT_OUT, "shuffle": "intra"},
        {"kind": "random"},
        {"kind": "holdout=Ses04"},
        {"kind": "holdout=session 05"},
        {"fusion": ALONE, "shuffle": "intra", "kind": HELD},
        {"fusion": "erc-mamba:dim=8"},
        {"fusion": "erc-gru"},
        {"backbones": ["wavlm-large"]},
        {"backbones": ["wavlm-large:layer=21,untrained"]},
        {"dataset": "iemocap-4"},
        {"loss": "focal"},
        {"shuffle": ["hostile"], "kind": HELD},
    ],
    ids=str,
)
def test_anything_but_the_papers_own_cut_shuffle_and_system_has_no_published_score(
    other: dict[str, Any],
):
    assert reported(talked(**other)) is None


def test_both_readings_stand_in_the_table_the_record_and_the_words():
    held = talked(kind=HELD)
    assert published_text(talked()) == (
        (
            "61.5 / wF1 61.2 (Table 2: leave-one-session-out); 61.5 (Table 3: train sessions 1-4"
            " test session 5)"
        ),
        "-11.5 / wF1 -11.2",
    )
    assert published_text(held) == (
        (
            "61.5 (Table 3: train sessions 1-4 test session 5); 61.5 / wF1 61.2 (Table 2:"
            " leave-one-session-out)"
        ),
        "-11.5",
    )
    note = (
        "its Table 2 prints the same 61.5 for leave-one-session-out: one of the two is mislabelled,"
        " or it is a coincidence"
    )
    assert note in str(reported(held))
    assert any(note in line for line in describe(held))
    assert any(note in line for line in footnotes([held]))
    content: Any = record(held)["published"]
    assert (content["protocol"], content["others"][0]["table"], content["difference"]) == (
        "train sessions 1-4 test session 5",
        "2",
        {"accuracy": pytest.approx(-0.115)},
    )
    assert "macro_f1" not in content


@pytest.mark.parametrize("width", [100, 180, None])
def test_the_table_shows_each_reading_on_a_line_of_its_own(width: int | None):
    console = Console(width=width or min_width(table([talked()])), file=io.StringIO())
    console.print(table([talked()], width=width))
    printed = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    whole = (
        "61.5 / wF1 61.2 (Table 2: leave-one-session-out)",
        "61.5 (Table 3: train sessions 1-4 test session 5)",
        "-11.5 / wF1 -11.2",
    )
    expected = (
        whole if width is None else ("(Table 2:", "(Table 3:", "61.5 / wF1 61.2", "wF1 -11.2")
    )
    assert [words for words in expected if words not in printed] == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            swap("no shuffle", "no-shuffle"),
            "erc.csv, line 8: no fusion 'no-shuffle' of 'ricoh' in papers.csv",
        ),
        (
            swap("no shuffle,train sessions 1-4 test session 5", "no shuffle,somehow"),
            "line 8: no shuffle has protocol 'somehow'; expected one",
        ),
        (
            swap(
                "no shuffle,train sessions 1-4 test session 5", "no shuffle,leave-one-session-out"
            ),
            "line 8: no shuffle is given twice",
        ),
        (
            swap("61.5,61.2", "615,61.2"),
            "line 2: column weighted_accuracy: input should be less than or equal to 100",
        ),
    ],
)
def test_damage_to_the_rows_of_conversations_is_one_line(tmp_path: Path, damage: Any, words: str):
    folder = tmp_path / "references"
    shutil.copytree(FOLDER, folder)
    (folder / "erc.csv").write_text(
        damage((folder / "erc.csv").read_text(encoding="utf-8")), encoding="utf-8"
    )
    with pytest.raises(ResultError) as error:
        reported(talked(), folder)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
