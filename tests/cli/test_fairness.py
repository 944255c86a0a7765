"""``nverbench show RESULT --by FACT`` and ``nverbench score FILE --by COLUMN``: the corpus on this
machine says who speaks, the result says what was predicted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nverbench.cli import main
from nverbench.data.corpus import Corpus
from nverbench.results.store import ResultStore
from support.conversations import leave, tree
from support.leaderboards import COLUMNS, cells_of, said, write

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(map(str, words)))
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return tree(tmp_path, dialogues=2, turns=6)


@pytest.fixture
def out(tmp_path: Path, corpus: Corpus) -> Path:
    leave(tmp_path, corpus, "aabb", skill=0.7, replicates=2)
    return tmp_path


def test_a_result_is_shown_by_sex_from_the_corpus_of_this_machine(
    out: Path, corpus: Corpus, run: Run
) -> None:
    code, printed, _ = run("show", "aa", "--by", "Gender", "--json", "--out", out)
    found = json.loads(printed)
    assert (code, found["id"], found["fact"], found["unknown"]) == (0, "aabb", "sex", 0)
    women = [clip for clip in corpus.clips if str(clip.speaker).endswith("F")]
    assert [(g["value"], g["speakers"]) for g in found["groups"]] == [("female", 5), ("male", 5)]
    assert found["groups"][0]["clips"] == len(women)
    stored = ResultStore(out)
    p = stored.predictions(stored.finished("aabb")).decisions(6)
    rows = [i for i, clip in enumerate(corpus.clips) if clip in women]
    right = (p.predicted[:, rows] == p.target[rows]).mean()
    assert found["groups"][0]["scores"]["accuracy"]["value"] == pytest.approx(right)
    _, text, _ = run("show", out / "results" / "aabb.json", "--by", "sex")
    assert text.startswith("aabb: logmel-stats / erc-mamba / cross-entropy / iemocap-6\nby sex, ")
    assert "\nworst group" in text


def test_the_published_form_gives_the_same_numbers(out: Path, corpus: Corpus, run: Run) -> None:
    store = ResultStore(out)
    result = store.finished("aabb")
    p = store.predictions(result)
    order = np.argsort(p.keys)
    keys = [p.keys[i] for i in order]
    public = replace(
        p,
        ids=keys,
        keys=keys,
        groups=[""] * len(keys),
        target=p.target[:0],
        folds=[p.folds[i] for i in order],
        probabilities=p.probabilities[:, order],
    )
    store.write(result.model_copy(update={"id": "pub"}).sealed(), public)
    one, two = (
        json.loads(run("show", name, "--by", "sex", "--json", "--out", out)[1])["groups"]
        for name in ("aabb", "pub")
    )
    assert one == two


def test_nothing_about_people_is_written(out: Path, run: Run) -> None:
    before = {path: path.read_bytes() for path in (out / "results").iterdir()}
    run("show", "aabb", "--by", "sex", "--out", out)
    assert {path: path.read_bytes() for path in (out / "results").iterdir()} == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("aabb", "--by", "age"), "--by age: dataset iemocap-6 says sex only about its speakers"),
        (("zz", "--by", "sex"), "has an id that begins with 'zz'"),
        (("aabb", "--by", "sex", "--dataset", "jnv"), "corpus jnv is missing"),
        (("linear", "--dataset", "jnv"), "give --by too"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    out: Path, run: Run, words: tuple[str, ...], expected: str
) -> None:
    code, printed, err = run("show", *words, "--out", out)
    assert (code, printed, err.count("\n")) == (2, "", 1)
    assert expected in err


def test_another_copy_of_the_corpus_is_refused(out: Path, run: Run) -> None:
    next((out / "IEMOCAP").rglob("Ses01F_impro01_F000.wav")).unlink()
    code, _, err = run("show", "aabb", "--by", "sex", "--out", out)
    assert code == 2
    assert "the copy of iemocap-6 here has digest" in err


# predictions of any system


def with_sex(tmp_path: Path, name: str = "sex", spoil: bool = False) -> Path:
    """A file of predictions with one more column."""
    rows = [
        [*row, ("F", "m")[int(row[3].split()[-1]) % 2]]
        for row in cells_of(said(0.7, speakers=12), COLUMNS)
    ]
    if spoil:
        rows[-1][-1] = "x"
    return write(tmp_path / "given.csv", rows, [*COLUMNS, name])


@pytest.mark.parametrize("name", ["sex", "Gender"])
def test_score_prints_groups_of_the_column_that_is_named(
    tmp_path: Path, run: Run, name: str
) -> None:
    file = with_sex(tmp_path, name)
    code, printed, _ = run("score", file, "--by", "sex", "--json")
    found = json.loads(printed)["files"][0]["by"]
    assert (code, found["fact"], found["unit"]) == (0, "sex", "speaker")
    assert [(g["value"], g["speakers"], g["clips"]) for g in found["groups"]] == [
        ("female", 6, 72),
        ("male", 6, 72),
    ]
    text = run("score", file, "--by", name)[1]
    assert text.startswith(run("score", file)[1])
    assert "\nby sex, intervals over speakers\n" in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--by", "mood"), "by=mood: expected one column of this name, found id, label"),
        (("--by", "age"), "by=age: expected one column of this name"),
        (("--by", "sex", "--against", "zz"), "--by looks at one file"),
    ],
)
def test_what_score_cannot_group_is_one_line(
    tmp_path: Path, run: Run, words: tuple[str, ...], expected: str
) -> None:
    code, printed, err = run("score", with_sex(tmp_path), *words)
    assert (code, printed, err.count("\n")) == (2, "", 1)
    assert expected in err


def test_a_fact_that_differs_between_replicates_is_refused(tmp_path: Path, run: Run) -> None:
    code, _, err = run("score", with_sex(tmp_path, spoil=True), "--by", "sex")
    assert code == 2
    assert "fact 'x' of clip" in err


def test_an_empty_column_is_refused(tmp_path: Path, run: Run) -> None:
    rows = [[*row, ""] for row in cells_of(said(0.7), COLUMNS)]
    code, _, err = run("score", write(tmp_path / "g.csv", rows, [*COLUMNS, "sex"]), "--by", "sex")
    assert code == 2
    assert "column sex holds no value; expected the sex of the speakers" in err
