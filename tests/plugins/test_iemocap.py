"""IEMOCAP: turns in order of time with their place in the conversation, and every line or file that
does not fit is named.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nverbench import Clip, DatasetError, Misfit
from nverbench.data import corpus as corpora
from nverbench.data.folds import assign
from nverbench.plugin.options import PartRef
from nverbench_datasets import iemocap
from nverbench_datasets.iemocap import FOUR, IEMOCAP_4, IEMOCAP_6, SIX, UNSCORED, Turn, parse

DIALOGUE = "Ses01F_impro01"
LINE = "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]"
EVALUATION = Path("Session1") / "dialog" / "EmoEvaluation" / f"{DIALOGUE}.txt"
AUDIO = Path("Session1") / "sentences" / "wav" / DIALOGUE


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    iemocap.sample(tmp_path)
    return tmp_path


def spoil(tree: Path, old: str, new: str) -> None:
    """Replaces text in the first dialogue's file."""
    text = (tree / EVALUATION).read_text(encoding="latin-1")
    assert old in text
    (tree / EVALUATION).write_text(text.replace(old, new, 1), encoding="latin-1", newline="")


def first(tree: Path) -> list[Clip]:
    return [
        item
        for item in IEMOCAP_6.load(tree)
        if isinstance(item, Clip) and item.conversation == DIALOGUE
    ]


def misfits(tree: Path) -> dict[str, str]:
    return {item.path: item.reason for item in IEMOCAP_6.load(tree) if isinstance(item, Misfit)}


def test_a_turn_has_its_conversation_place_onset_speaker_and_session(tree: Path):
    turns = first(tree)
    assert [(c.id[-4:], c.turn, c.onset, c.label) for c in turns[:4]] == [
        ("F000", 0, 0.25, "neu"),
        ("M000", 1, 2.25, "fru"),
        ("F001", 2, 4.25, None),
        ("M001", 3, 6.25, "ang"),
    ]
    assert {(c.conversation, c.group, c.start, c.end) for c in turns} == {
        (DIALOGUE, "Ses01", None, None)
    }
    assert {c.speaker for c in turns} == {"Ses01F", "Ses01M"}


def test_who_speaks_is_the_last_letter_not_the_one_who_wore_the_markers(tree: Path):
    worn = [c for c in IEMOCAP_6.load(tree) if c.conversation == "Ses03M_script01_1b"]
    assert {(c.id, c.speaker) for c in worn} >= {
        ("Ses03M_script01_1b_F000", "Ses03F"),
        ("Ses03M_script01_1b_M000", "Ses03M"),
    }


def test_turns_are_ordered_by_their_start_whatever_the_order_of_lines_and_ties_by_name(tree: Path):
    lines = (tree / EVALUATION).read_text().split("\n")
    (tree / EVALUATION).write_text("\n".join(reversed(lines)))
    spoil(tree, "[2.2500 - 3.7500]", "[0.2500 - 3.7500]")
    assert [c.id[-4:] for c in first(tree)] == ["F000", "M000", "F001", "M001", "F002", "M002"]
    spoil(tree, "[0.2500 - 1.7500]\tSes01F_impro01_F000", "[9.0000 - 9.5000]\tSes01F_impro01_F000")
    assert [c.id[-4:] for c in first(tree)] == ["M000", "F001", "M001", "F002", "F000", "M002"]
    assert [c.turn for c in first(tree)] == list(range(6))


def test_the_counts_are_the_published_ones():
    assert (sum(SIX.values()), sum(FOUR.values())) == (7380, 5531)
    assert FOUR["hap"] == SIX["hap"] + SIX["exc"]
    assert (IEMOCAP_6.task, IEMOCAP_4.task, IEMOCAP_6.share, IEMOCAP_4.corpus) == (
        "conversation",
        "clip",
        "none",
        "iemocap",
    )


def test_sessions_are_left_out_one_at_a_time_and_no_speaker_is_on_both_sides(tree: Path):
    scored = sorted((c for c in IEMOCAP_6.load(tree) if c.label is not None), key=lambda c: c.id)
    cut = assign.make_folds(scored, IEMOCAP_6.folds[0], k=5, seed=1, inner=None)
    assert [fold.name for fold in cut.folds] == [f"Ses0{n}" for n in range(1, 6)]
    assert all(
        not {scored[i].speaker for i in fold.train} & {scored[i].speaker for i in fold.test}
        for fold in cut.folds
    )


def test_unscored_turns_are_heard_in_conversations_and_left_out_of_the_four_classes(tree: Path):
    assert sum(c.label is None for c in IEMOCAP_6.load(tree)) == 10
    assert {c.label for c in IEMOCAP_4.load(tree)} == set(FOUR)
    corpus = corpora.load(IEMOCAP_6, PartRef("iemocap-6"), tree)
    assert (len(corpus.clips), corpus.partial, corpus.misfits) == (50, True, ())


@pytest.mark.parametrize("label", UNSCORED)
def test_every_rare_label_is_heard_and_not_scored(label: str):
    assert parse(LINE.replace("neu", label), DIALOGUE) == Turn("Ses01F_impro01_F000", 6.2901, None)


JUDGES = (
    "C-E1:\tNeutral;\t()",
    "C-F1:\tOther;\t(na\xefve)",
    "A-E3:\tval 2; act 4; dom  4;\t()",
    "A-M1:\tval 1; act 5; dom  5;\t()",
)


@pytest.mark.parametrize(
    "line", ["", "   ", "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", *JUDGES]
)
def test_a_line_about_no_turn_is_passed_over(line: str):
    assert parse(line, DIALOGUE) is None


WRONG = {
    "begins without a bracket": (LINE[1:], "expected [start"),
    "spaces for tabs": (LINE.replace("\t", " "), "expected [start"),
    "no ratings": (LINE.rpartition("\t")[0], "expected [start"),
    "times that are no numbers": (LINE.replace("6.2901", "6,2901"), "expected [start"),
    "digits of another script": (LINE.replace("6.2901", "\u0666.29"), "expected [start"),
    "ends before it begins": (LINE.replace("8.2357", "6.1"), "before it begins"),
    "an endless number": (LINE.replace("8.2357", "9" * 400), "before it begins"),
    "a turn of another dialogue": (
        LINE.replace("impro01", "impro02"),
        "not named Ses01F_impro01_F000",
    ),
    "a turn without a speaker": (LINE.replace("_F000", "_X000"), "not named"),
    "an unknown label": (
        LINE.replace("neu", "joy"),
        "label joy is not one of fru, neu, ang, sad, exc, hap, xxx",
    ),
    "a label in capitals": (LINE.replace("neu", "NEU"), "expected [start"),
    "prose": ("see the other file", "expected [start"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_line_that_does_not_fit_is_named_with_its_number_and_the_others_are_still_read(
    tree: Path, what: str
):
    line, words = WRONG[what]
    if all(ord(letter) < 256 for letter in line):
        text = (tree / EVALUATION).read_text()
        (tree / EVALUATION).write_text(f"{line}\n{text}", encoding="latin-1")
        assert words in misfits(tree)[EVALUATION.as_posix()]
        assert "line 1:" in misfits(tree)[EVALUATION.as_posix()]
        assert len(first(tree)) == 6
    assert words in parse(line, DIALOGUE)


@settings(max_examples=200)
@given(
    st.one_of(
        st.text(),
        st.builds(
            lambda at, new: LINE[:at] + new + LINE[at + 1 :],
            st.integers(0, len(LINE)),
            st.text(max_size=3),
        ),
    )
)
@example("[" * 10_000)
def test_any_line_is_a_turn_of_its_dialogue_or_nothing_or_refused_in_words(line: str):
    said = parse(line, DIALOGUE)
    if isinstance(said, Turn):
        assert said.name[:-4] == f"{DIALOGUE}_"
        assert said.label in (*SIX, None)
    else:
        assert said is None or (said and "\n" not in said and len(said) < 300)


def test_windows_line_ends_and_latin_letters_are_read(tree: Path):
    text = (
        (tree / EVALUATION)
        .read_text()
        .replace("\n", "\r\n")
        .replace("Neutral;\t()", "Neutral;\t(na\xefve)")
    )
    (tree / EVALUATION).write_bytes(text.encode("latin-1"))
    assert len(first(tree)) == 6
    assert misfits(tree) == {}


def test_a_turn_without_its_wav_is_named_and_keeps_its_place(tree: Path):
    (tree / AUDIO / f"{DIALOGUE}_M000.wav").unlink()
    assert misfits(tree) == {
        (
            AUDIO / f"{DIALOGUE}_M000.wav"
        ).as_posix(): f"missing, though {DIALOGUE}.txt has a line for it; restore it"
    }
    assert [c.turn for c in first(tree)] == [0, 2, 3, 4, 5]


def test_a_wav_without_a_line_is_named(tree: Path):
    shutil.copy(tree / AUDIO / f"{DIALOGUE}_M000.wav", tree / AUDIO / f"{DIALOGUE}_M099.wav")
    assert misfits(tree) == {
        (
            AUDIO / f"{DIALOGUE}_M099.wav"
        ).as_posix(): f"no line of {DIALOGUE}.txt has this name; remove it"
    }


def test_a_turn_that_has_two_lines_counts_once_and_the_second_is_named(tree: Path):
    spoil(tree, f"{DIALOGUE}_M000\tfru", f"{DIALOGUE}_F000\tang")
    named = misfits(tree)
    assert f"turn {DIALOGUE}_F000 has a line already" in named[EVALUATION.as_posix()]
    assert named[(AUDIO / f"{DIALOGUE}_M000.wav").as_posix()].startswith("no line")
    assert first(tree)[0].label == "neu"


def test_a_dialogue_that_only_one_side_knows_is_named(tree: Path):
    (tree / EVALUATION).rename((tree / EVALUATION).with_name("Ses01F_impro09.txt"))
    assert (
        misfits(tree)[AUDIO.as_posix()] == "no dialogue of EmoEvaluation has this name; remove it"
    )
    assert (
        "is not named Ses01F_impro09_F000"
        in misfits(tree)[f"{EVALUATION.parent}/Ses01F_impro09.txt"]
    )


@pytest.mark.parametrize(
    "name", ["notes.txt", "Ses02F_impro01.txt", "Ses01F_impro01.csv", "Ses01X_impro01.txt"]
)
def test_a_file_among_the_evaluations_that_is_no_dialogue_of_the_session_is_named(
    tree: Path, name: str
):
    (tree / EVALUATION).with_name(name).write_text(LINE)
    assert list(misfits(tree)) == [f"{EVALUATION.parent}/{name}"]


def test_what_macos_left_and_single_judges_folders_are_passed_over(tree: Path):
    for path in (
        f"Session1/dialog/EmoEvaluation/._{DIALOGUE}.txt",
        f"{AUDIO}/._{DIALOGUE}_F000.wav",
        "Session1/sentences/wav/._x",
    ):
        (tree / path).write_bytes(b"\x00\x05\x16\x07")
    for folder in ("Categorical", "Attribute", "Self-evaluation"):
        (tree / EVALUATION).parent.joinpath(folder).mkdir()
        (tree / EVALUATION).parent.joinpath(folder, f"{DIALOGUE}_e1_cat.txt").write_text("x")
    assert misfits(tree) == {}
    assert len(first(tree)) == 6


def test_a_session_without_its_evaluations_is_one_line_that_says_so(tree: Path):
    shutil.rmtree(tree / "Session3" / "dialog")
    with pytest.raises(
        DatasetError,
        match=r"^IEMOCAP: expected Session3/dialog/EmoEvaluation under .*sail\.usc\.edu/iemocap",
    ) as error:
        list(IEMOCAP_6.load(tree))
    assert "\n" not in str(error.value)


def test_a_copy_of_some_sessions_loads_and_is_partial(tree: Path):
    for session in ("Session2", "Session5"):
        shutil.rmtree(tree / session)
    assert len(list(IEMOCAP_6.load(tree))) == 36
    assert corpora.load(IEMOCAP_4, PartRef("iemocap-4"), tree).partial


def test_an_evaluation_file_that_is_a_broken_link_is_named(tree: Path):
    (tree / EVALUATION).unlink()
    (tree / EVALUATION).symlink_to(tree / "nowhere")
    assert "a broken link" in misfits(tree)[EVALUATION.as_posix()]


def test_ten_thousand_random_bytes_in_an_evaluation_file_crash_nothing(tree: Path):
    (tree / EVALUATION).write_bytes(bytes((31 * n * n + 7 * n) % 256 for n in range(10_000)))
    assert len(misfits(tree)) > 1
    assert len([item for item in IEMOCAP_6.load(tree) if isinstance(item, Clip)]) == 54
