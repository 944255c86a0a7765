"""A copy of conversation-demo is read strictly: every line and file that does not fit is named,
with what to do.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nverbench import Clip, Dataset, DatasetError, Misfit
from nverbench_datasets.conversation_demo import CONVERSATION_DEMOS, HEADER

DEMO = CONVERSATION_DEMOS[0]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    DEMO.sample(tmp_path)
    return tmp_path


def spoil(root: Path, old: str, new: str) -> None:
    text = (root / "turns.csv").read_text()
    assert old in text
    (root / "turns.csv").write_text(text.replace(old, new, 1))


def misfits(root: Path) -> dict[str, str]:
    return {item.path: item.reason for item in DEMO.load(root) if isinstance(item, Misfit)}


LINES = {
    "another session's speaker": (",ses1f,", ",ses2f,"),
    "no session of the corpus": ("ses2/c01/t00", "ses9/c01/t00"),
    "an unknown label": (",-\n", ",joy\n"),
    "no label": (",-\n", ",\n"),
    "onset in words": (",0.00,", ",zero,"),
    "a path that leaves the folder": ("ses1/c01/t00", "ses1/../ses1/c01/t00"),
}


@pytest.mark.parametrize("what", LINES)
def test_a_line_that_does_not_fit_is_named_with_its_number_and_the_others_are_still_read(
    copy: Path, what: str
):
    before = sum(isinstance(item, Clip) for item in DEMO.load(copy))
    spoil(copy, *LINES[what])
    assert misfits(copy)["turns.csv"].startswith("line ")
    assert sum(isinstance(item, Clip) for item in DEMO.load(copy)) == before - 1


def test_a_turn_that_has_two_lines_is_named(copy: Path):
    line = (copy / "turns.csv").read_text().split("\n")[1]
    spoil(copy, f"{line}\n", f"{line}\n{line}\n")
    assert "line 3: ses1/c01/t00.wav has a line already" in misfits(copy)["turns.csv"]


def test_a_missing_turn_is_named_and_the_others_keep_their_place(copy: Path):
    (copy / "ses1/c01/t01.wav").unlink()
    assert list(misfits(copy)) == ["ses1/c01/t01.wav"]
    assert misfits(copy)["ses1/c01/t01.wav"].startswith(
        "missing, though turns.csv has a line for it"
    )
    assert [item.turn for item in DEMO.load(copy) if isinstance(item, Clip)][:3] == [0, 2, 3]


@pytest.mark.parametrize("content", [b"", b"RIFF", b"x" * 100_000])
def test_a_turn_of_another_size_is_named_as_a_damaged_copy(copy: Path, content: bytes):
    (copy / "ses1/c01/t01.wav").write_bytes(content)
    assert "a damaged copy" in misfits(copy)["ses1/c01/t01.wav"]


@pytest.mark.parametrize(
    "name", ["notes.txt", "ses1/c01/t99.wav", "ses1/c01/deep/t00.wav", "t00.wav"]
)
def test_a_file_without_a_line_is_named(copy: Path, name: str):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).touch()
    assert misfits(copy) == {name: "no line of turns.csv has this name; remove it"}


def test_a_broken_link_is_named(copy: Path):
    (copy / "ses1/c01/t01.wav").unlink()
    (copy / "ses1/c01/t01.wav").symlink_to(copy / "nowhere")
    assert "a broken link" in misfits(copy)["ses1/c01/t01.wav"]


@pytest.mark.parametrize("content", [None, b"", b"turn,label\n", b"\xff\xfe", HEADER.encode()])
def test_a_folder_without_a_listing_of_turns_is_refused_in_one_line(
    copy: Path, content: bytes | None
):
    (copy / "turns.csv").unlink()
    if content is not None:
        (copy / "turns.csv").write_bytes(content)
    with pytest.raises(
        DatasetError,
        match=r"^conversation-demo: expected .*turns\.csv.*made again on the next run$",
    ):
        list(DEMO.load(copy))


@pytest.mark.parametrize("dataset", CONVERSATION_DEMOS, ids=lambda d: d.name)
def test_every_corpus_says_what_it_is_and_is_named_in_its_own_messages(
    dataset: Dataset, tmp_path: Path
):
    assert (dataset.task, dataset.group, dataset.share, dataset.corpus) == (
        "conversation",
        "session",
        "open",
        dataset.name,
    )
    assert "synthetic" in dataset.label_card.setting
    with pytest.raises(DatasetError, match=f"^{dataset.name}: "):
        list(dataset.load(tmp_path))
    dataset.sample(tmp_path)
    assert not [item for item in dataset.load(tmp_path) if isinstance(item, Misfit)]
    assert dataset.name in (tmp_path / "README.txt").read_text()
