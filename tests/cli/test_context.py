"""``nverbench atmosphere`` and ``nverbench figure ricoh-3``: two results of one field, found or
refused in one line, the same numbers in both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench.cli import main
from nverbench.data.corpus import Corpus
from nverbench.leaderboard.context.analysis import analyse
from nverbench.leaderboard.context.turns import turns
from nverbench.leaderboard.rows import find_result as filed
from nverbench.plugin import discovery
from nverbench.plugin.types import UNSCORED
from nverbench.results.store import ResultStore
from support.conversations import ALONE, MAMBA, leave, tree
from support.leaderboards import competitor, said


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return tree(tmp_path, turns=6)


@pytest.fixture
def out(tmp_path: Path, corpus: Corpus) -> Path:
    """aa and bb leave sessions out, hh and ii hold the fifth out, ee is order-free, cc of single
    clips.
    """
    for name, changes in {
        "aa": {"skill": 0.8},
        "bb": {"fusion": ALONE},
        "hh": {"skill": 0.8, "session": "Ses05", "replicates": 3},
        "ii": {"fusion": ALONE, "session": "Ses05", "replicates": 3},
        "ij": {"fusion": ALONE, "session": "Ses05"},
        "ee": {"fusion": "erc-mean"},
    }.items():
        leave(tmp_path, corpus, name, **changes)
    single = said(0.7)
    ResultStore(tmp_path).write(competitor("cc", single, dataset="vocal-demo"), single)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(list(map(str, words)))
    printed = capsys.readouterr()
    return int(left.value.code or 0), printed.out, printed.err


# the turns


def test_every_turn_of_a_tested_conversation_is_there_once_and_what_was_said_of_it(
    out: Path, corpus: Corpus
):
    a = filed("hh", out)
    found = turns(a, filed("ii", out), discovery.discover())
    heard = [clip for clip in corpus.heard if clip.unit == "Ses05"]
    assert (found.conversations, found.places) == (
        tuple(clip.conversation for clip in heard),
        tuple(clip.turn for clip in heard),
    )
    assert set(found.groups) == {"Ses05"}
    assert [None if t == UNSCORED else found.labels[t] for t in found.target] == [
        clip.label for clip in heard
    ]
    stored, scored = a.predictions(), found.target != UNSCORED
    by_id = {
        clip_id: stored.probabilities[:, row].argmax(-1) for row, clip_id in enumerate(stored.ids)
    }
    np.testing.assert_array_equal(
        found.contextual[:, scored].T, [by_id[clip.id] for clip in heard if clip.label]
    )


def test_the_accuracy_of_all_conversations_is_that_of_the_predictions(out: Path):
    a, b = filed("aa", out), filed("bb", out)
    found = analyse(turns(a, b, discovery.discover()), draws=10)
    right = [
        (one.predictions().decisions(6).predicted == one.predictions().target).mean()
        for one in (a, b)
    ]
    assert (found.accuracy.contextual, found.accuracy.single) == (
        pytest.approx(right[0]),
        pytest.approx(right[1]),
    )


# the command


def test_the_command_finds_the_single_utterance_model_of_the_same_field_and_as_many_replicates(
    out: Path, capsys: pytest.CaptureFixture[str]
):
    code, printed, err = run(capsys, "atmosphere", "hh", "--json", "--out", out)
    record = json.loads(printed)
    assert code == 0
    assert (record["contextual"], record["single"], record["dataset"], record["folds"]) == (
        "hh",
        "ii",
        "iemocap-6",
        "holdout=Ses05",
    )
    assert record["replicates"] == [3, 3]
    assert f"single utterances: {ALONE}, result ii" in err
    assert {c["group"] for c in record["conversations"]} == {"Ses05"}


def test_published_gains_stand_in_the_conversations_of_their_name(
    out: Path, capsys: pytest.CaptureFixture[str]
):
    record = json.loads(run(capsys, "atmosphere", "aa", "--json", "--out", out)[1])
    assert {c["name"]: c["published"] for c in record["conversations"] if "published" in c} == {
        "Ses05F_impro01": {"fru": pytest.approx(0.347)}
    }


def test_an_order_free_baseline_is_held_against_the_papers_single_utterance_model(
    out: Path, capsys: pytest.CaptureFixture[str]
):
    assert json.loads(run(capsys, "atmosphere", "ee", "--json", "--out", out)[1])["single"] == "bb"


def test_a_file_is_as_good_as_an_id_and_the_text_names_both(
    out: Path, capsys: pytest.CaptureFixture[str]
):
    code, printed, _ = run(
        capsys, "atmosphere", out / "results" / "aa.json", out / "results" / "bb.json"
    )
    assert code == 0
    assert printed.splitlines()[:2] == [
        f"contextual: logmel-stats / {MAMBA} / cross-entropy (aa)",
        f"single utterance: logmel-stats / {ALONE} / cross-entropy (bb)",
    ]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_ricoh_3_is_the_picture_and_the_numbers_of_atmosphere(
    out: Path, capsys: pytest.CaptureFixture[str], suffix: str
):
    one, two = out / f"one{suffix}", out / f"two{suffix}"
    drawn = run(capsys, "atmosphere", "aa", "--json", "--figure", one, "--out", out)
    again = run(capsys, "figure", "ricoh-3", "aa", "--json", "-o", two, "--out", out)
    assert (drawn[0], drawn[1]) == (again[0], again[1])
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("aa", "ii"),
            "aa and ii differ in the kind of folds: leave-one-group-out and holdout=Ses05",
        ),
        (
            ("bb",),
            (
                f"{ALONE} (result bb) sees single utterances; expected a model that sees"
                " conversations"
            ),
        ),
        (
            ("aa", "ee"),
            (
                "erc-mean (result ee) sees whole conversations; expected a model that sees"
                " single utterances"
            ),
        ),
        (
            ("cc", "bb"),
            (
                "result cc is over single clips (vocal-demo); give one of a dataset that has"
                " conversations"
            ),
        ),
        (("cc",), "result cc is over single clips (vocal-demo)"),
        (("zz",), "has an id that begins with 'zz'"),
        (("aa", "--figure", "x.gif"), "x.gif: expected a name that ends in .png, .svg, .pdf"),
    ],
)
def test_what_cannot_be_analysed_is_one_line(
    out: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str
):
    code, printed, err = run(capsys, "atmosphere", *words, "--out", out)
    assert (code, printed, err.count("\n")) == (2, "", 1)
    assert expected in err


@pytest.mark.parametrize("changes", [{"selection": "test"}, {"protocol": "other"}], ids=str)
def test_rows_of_another_field_are_refused_and_not_found(
    out: Path, corpus: Corpus, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
):
    leave(out, corpus, "kk", **changes)
    (what,) = changes
    assert f"kk and bb differ in {what}" in run(capsys, "atmosphere", "kk", "bb", "--out", out)[2]
    code, _, err = run(capsys, "atmosphere", "kk", "--out", out)
    assert code == 2
    assert f"no result of {ALONE} is in" in err
    assert (
        f"this makes it: nverbench run --backbone logmel-stats --fusion {ALONE} --loss"
        " cross-entropy --dataset iemocap-6" in err
    )


def test_another_copy_of_the_corpus_is_refused(out: Path, capsys: pytest.CaptureFixture[str]):
    next((out / "IEMOCAP").rglob("Ses01F_impro01_F000.wav")).unlink()
    code, _, err = run(capsys, "atmosphere", "aa", "--out", out)
    assert code == 2
    assert "the copy of iemocap-6 here has digest" in err
