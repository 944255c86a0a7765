"""Datasheets name what is known of a corpus; a path that is no folder of one is named for what it
is.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nverbench import DatasetError
from nverbench.data import corpus as corpora
from nverbench.data.datasheet import datasheet
from nverbench_datasets.emodb import EMODB
from nverbench_datasets.emogator import EMOGATOR
from nverbench_datasets.folder import FOLDER
from nverbench_datasets.ravdess import RAVDESS


def test_the_oddities_of_a_corpus_are_named_with_its_defects():
    assert datasheet(RAVDESS)["known defects"] == (
        "03-01-03-01-02-01-07 and 03-01-03-01-02-02-07 are the same file, byte for byte; five files"
        " are stereo, the others mono"
    )
    assert "silent" in datasheet(EMOGATOR)["known defects"]
    assert datasheet(EMODB)["known defects"] == "none known"


def test_the_published_sampling_rate_is_shown_where_it_is_declared():
    assert datasheet(EMODB)["sampling rate"] == "16,000 Hz"
    assert datasheet(EMOGATOR)["sampling rate"] == "not declared"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("corpus.zip", "it is a zip archive: unpack it, then give the folder"),
        ("corpus.txt", "it is a file; give the path of the folder"),
        ("nothing", "there is no such folder"),
        ("x" * 300, "there is no such folder"),
    ],
)
def test_what_is_no_folder_of_a_corpus_is_named(tmp_path: Path, name: str, words: str):
    with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
        archive.writestr("wav/03a01Fa.wav", "x")
    (tmp_path / "corpus.txt").write_text("x")
    with pytest.raises(DatasetError) as error:
        corpora.add(EMODB, tmp_path / name)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_own_recordings_need_no_local_copy_and_the_message_says_how_to_run_them(tmp_path: Path):
    with pytest.raises(DatasetError, match="just run --dataset folder:"):
        corpora.add(FOLDER, tmp_path)
