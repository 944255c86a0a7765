"""One's own recordings: folders of classes and tables of clips are read as written, and every slip
is named with its file or row.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Clip, DatasetError, Misfit
from nverbench_datasets.folder import FOLDER
from nverbench_datasets.table import TABLE


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def of_folder(root: Path) -> tuple[list[Clip], dict[str, str]]:
    """Clips, and misfits by path."""
    items = list(FOLDER.load(None, path=str(root)))
    return [i for i in items if isinstance(i, Clip)], {
        i.path: i.reason for i in items if isinstance(i, Misfit)
    }


def of_table(root: Path, text: str | bytes, **options: str) -> list[Clip]:
    (root / "clips.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(TABLE.load(None, path=str(root / "clips.csv"), **options))


def message(error: pytest.ExceptionInfo[DatasetError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


# folder


def test_one_folder_per_class_gives_sorted_clips_without_speakers(tmp_path: Path):
    clips, misfits = of_folder(tree(tmp_path, "sob/b.flac", "sob/a.WAV", "laugh/x.opus"))
    assert [(c.id, c.label, c.speaker) for c in clips] == [
        ("laugh/x.opus", "laugh", None),
        ("sob/a.WAV", "sob", None),
        ("sob/b.flac", "sob", None),
    ]
    assert misfits == {}


def test_a_second_level_names_the_speaker_and_deeper_ones_do_not_change_it(tmp_path: Path):
    clips, _ = of_folder(tree(tmp_path, "laugh/ann/1.wav", "laugh/bob/day1/1.wav", "sob/ann/1.wav"))
    assert [(c.label, c.speaker) for c in clips] == [
        ("laugh", "ann"),
        ("laugh", "bob"),
        ("sob", "ann"),
    ]


def test_speaker_folders_for_only_some_clips_are_refused_naming_one_of_each(tmp_path: Path):
    with pytest.raises(DatasetError) as error:
        of_folder(tree(tmp_path, "laugh/ann/1.wav", "sob/2.wav"))
    assert "laugh/ann/1.wav lies in a speaker folder but sob/2.wav does not" in message(error)


@pytest.mark.parametrize(
    "suffix", ["wav", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "AIFF"]
)
def test_every_suffix_that_libsndfile_decodes_is_audio(tmp_path: Path, suffix: str):
    clips, _ = of_folder(tree(tmp_path, f"laugh/1.{suffix}", "sob/1.wav"))
    assert clips[0].id == f"laugh/1.{suffix}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sob/notes.txt", "not audio"),
        ("sob/1.m4a", "an empty file"),
        ("loose.wav", "no class folder"),
        ("labels.csv", "not audio"),
    ],
)
def test_a_file_that_is_no_clip_is_a_misfit_with_its_reason(tmp_path: Path, name: str, reason: str):
    clips, misfits = of_folder(tree(tmp_path, "laugh/1.wav", "sob/1.wav", name))
    assert len(clips) == 2
    assert list(misfits) == [name]
    assert reason in misfits[name]


@pytest.mark.parametrize("name", [".DS_Store", "laugh/._1.wav", ".git/config", ".cache/deep/1.wav"])
def test_hidden_names_are_ignored(tmp_path: Path, name: str):
    clips, misfits = of_folder(tree(tmp_path, "laugh/1.wav", "sob/1.wav", name))
    assert (len(clips), misfits) == (2, {})


def test_a_link_is_followed_unless_it_leads_back_or_nowhere(tmp_path: Path):
    root = tree(tmp_path / "root", "laugh/1.wav")
    tree(tmp_path / "elsewhere", "1.wav")
    (root / "sob").symlink_to(tmp_path / "elsewhere")
    (root / "laugh" / "again").symlink_to(root)
    (root / "laugh" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    clips, misfits = of_folder(root)
    assert [c.id for c in clips] == ["laugh/1.wav", "sob/1.wav"]
    assert list(misfits) == ["laugh/again", "laugh/gone.wav"]
    assert "broken link" in misfits["laugh/gone.wav"]


def test_accents_give_the_same_id_from_macos_and_from_linux(tmp_path: Path):
    clips, _ = of_folder(tree(tmp_path, "ge\u0301mir/1.wav", "rire/1.wav"))
    assert clips[0].id == "g\u00e9mir/1.wav"


def test_a_name_that_is_not_utf8_is_a_misfit_that_can_be_printed(tmp_path: Path):
    tree(tmp_path, "laugh/1.wav", "sob/1.wav")
    try:
        (tmp_path / "sob" / os.fsdecode(b"\xff.wav")).touch()
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    _, misfits = of_folder(tmp_path)
    assert [path.encode() for path in misfits] == [b"sob/\\udcff.wav"]


NO_TWO_CLASSES = {
    (): "expected audio in",
    ("a/x.txt",): "none among 1 files",
    ("a/1.wav",): "found only a",
    ("1.wav",): "expected audio in",
}


@pytest.mark.parametrize("names", NO_TWO_CLASSES)
def test_a_folder_without_two_classes_is_refused(tmp_path: Path, names: tuple[str, ...]):
    with pytest.raises(DatasetError) as error:
        of_folder(tree(tmp_path, *names))
    assert NO_TWO_CLASSES[names] in message(error)


@pytest.mark.parametrize(
    ("name", "found"), [("missing", "found nothing"), ("clip.wav", "found a file")]
)
def test_a_path_that_is_no_folder_is_refused(tmp_path: Path, name: str, found: str):
    tree(tmp_path, "clip.wav")
    with pytest.raises(DatasetError) as error:
        of_folder(tmp_path / name)
    assert found in message(error)


# table


def test_a_table_gives_its_clips_in_order_with_ids_as_written(tmp_path: Path):
    tree(tmp_path, "wavs/b.wav", "a.wav")
    clips = of_table(
        tmp_path,
        "path,label,speaker,group,split,mood\nwavs/b.wav,laugh,ann,home,train,x\na.wav,sob,bob,work,test,y\n",
    )
    assert clips == [
        Clip("wavs/b.wav", tmp_path / "wavs/b.wav", "laugh", "ann", "home", "train"),
        Clip("a.wav", tmp_path / "a.wav", "sob", "bob", "work", "test"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.wav,sob\n",
        "\ufeffPath;LABEL\r\na.wav;sob\r\n",
        "label\tPath\nsob\ta.wav\n",
        '"path","label"\n"a.wav","sob"\n\n ,\n',
        "path , label,,\n a.wav , sob,,\n",
    ],
)
def test_separators_letter_case_quotes_spaces_and_empty_lines_do_not_matter(
    tmp_path: Path, text: str
):
    tree(tmp_path, "a.wav")
    assert [(c.id, c.label, c.speaker) for c in of_table(tmp_path, text)] == [
        ("a.wav", "sob", None)
    ]


@pytest.mark.parametrize(
    ("written", "name"),
    [('"a, b; c.wav"', "a, b; c.wav"), ("wavs\\a.wav", "wavs/a.wav"), ("wavs/a.wav", "wavs/a.wav")],
)
def test_a_path_may_hold_separators_in_quotes_and_backslashes(
    tmp_path: Path, written: str, name: str
):
    tree(tmp_path, name)
    clip = of_table(tmp_path, f"path,label\n{written},sob\n")[0]
    assert (clip.id, clip.path) == (name, tmp_path / name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "path,label,start,end\na.wav,sob,0,1.5\na.wav,sob,3,\n",
            [("a.wav#0-1.5", 0.0, 1.5), ("a.wav#3-", 3.0, None)],
        ),
        (
            "id,path,label,end\none,a.wav,sob,2\n,a.wav,laugh,\n",
            [("one", None, 2.0), ("a.wav", None, None)],
        ),
    ],
)
def test_segments_are_clips_of_their_own_and_an_id_column_wins(
    tmp_path: Path, text: str, expected: list[tuple[str, float | None, float | None]]
):
    tree(tmp_path, "a.wav")
    assert [(c.id, c.start, c.end) for c in of_table(tmp_path, text)] == expected


def test_absolute_paths_give_ids_that_do_not_depend_on_the_machine(tmp_path: Path):
    tree(tmp_path, "x/1.wav", "y/1.wav")
    assert [
        c.id
        for c in of_table(tmp_path, f"path,label\n{tmp_path}/x/1.wav,a\n{tmp_path}/y/1.wav,b\n")
    ] == ["x/1.wav", "y/1.wav"]


def test_the_audio_option_says_where_relative_paths_start(tmp_path: Path):
    tree(tmp_path, "elsewhere/a.wav")
    clip = of_table(tmp_path, "path,label\na.wav,sob\n", audio=str(tmp_path / "elsewhere"))[0]
    assert (clip.id, clip.path) == ("a.wav", tmp_path / "elsewhere/a.wav")
    with pytest.raises(DatasetError, match="audio="):
        of_table(tmp_path, "path,label\na.wav,sob\n", audio=str(tmp_path / "missing"))


SLIPS = {
    "": "columns path and label, path and label missing; found nothing",
    "file,label\na.wav,sob\n": "path missing; found file, label",
    "path,label,Path\na.wav,sob,a.wav\n": "row 1: expected one column path, found 2",
    "path,label\n": "at least one row below the header",
    "path,label\na.wav,\n": "row 2: expected a label",
    "path,label\na.wav\n": "row 2: expected a label",
    "path,label\n,sob\n": "row 2: expected a path",
    "path,label\na.wav,sob\n\nb, c.wav,sob\n": "row 4: expected 2 cells, got 3",
    'path,label\na.wav,"sob\n': "row 2: expected CSV",
    'path,label\na.wav,"so\nb"\n': "row 3: expected cells on one line",
    "path,label\na.wav,s\0b\n": "row 2: expected text, got control character",
    "path,label\na.wav,sob\na.wav,laugh\n": (
        "row 3: expected ids that are unique, got 'a.wav' as in row 2"
    ),
    "path,label,speaker\na.wav,sob,ann\nb.wav,sob,\n": (
        "row 3: expected a speaker, as in 1 of 2 rows"
    ),
    "path,label,group\na.wav,sob,\nb.wav,sob,g\n": "row 2: expected a group, as in 1 of 2 rows",
    "path,label,start\na.wav,sob,one\n": "row 2: expected start in seconds, 0 or more, got 'one'",
    "path,label,start\na.wav,sob,-1\n": "got '-1'",
    "path,label,end\na.wav,sob,nan\n": "expected end in seconds, 0 or more, got 'nan'",
    "path,label,start,end\na.wav,sob,2,2\n": "row 2: expected end > start, got start 2 and end 2",
    "path,label,end\na.wav,sob,0\n": "expected end > start, got start 0 and end 0",
    "path,label\na.wav,sob\nx.wav,sob\n": (
        "1 of 2 audio files are not there: x.wav (row 3); expected"
    ),
    "path,label\n1.wav,s\n2.wav,s\n3.wav,s\n4.wav,s\n": (
        "4 of 4 audio files are not there: 1.wav (row 2), 2.wav (row 3), 3.wav (row 4), ..."
    ),
}


@pytest.mark.parametrize("text", SLIPS)
def test_a_slip_in_the_table_is_named_with_its_row(tmp_path: Path, text: str):
    tree(tmp_path, "a.wav", "b.wav")
    with pytest.raises(DatasetError) as error:
        of_table(tmp_path, text)
    assert SLIPS[text] in message(error)
    assert "clips.csv" in message(error)


def test_a_table_that_is_not_utf8_is_refused_with_its_row(tmp_path: Path):
    with pytest.raises(DatasetError) as error:
        of_table(tmp_path, "path,label\na.wav,gémir\n".encode("latin-1"))
    assert "row 2: expected UTF-8 text, got byte 0xe9; save it as CSV UTF-8" in message(error)


@pytest.mark.parametrize(
    ("name", "found"), [("", "found a folder"), ("missing.csv", "No such file")]
)
def test_a_path_that_is_no_table_is_refused(tmp_path: Path, name: str, found: str):
    with pytest.raises(DatasetError) as error:
        list(TABLE.load(None, path=str(tmp_path / name)))
    assert found in message(error)


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory.mktemp("table"), "a.wav")


@given(
    st.binary(max_size=60)
    | st.text(alphabet='path,label\n"a.wv;\t#01-\0\r', max_size=60).map(
        lambda t: b"path,label,start,end\n" + t.encode()
    )
)
def test_any_bytes_are_clips_or_an_error_in_one_line(shared_folder: Path, raw: bytes):
    try:
        told = ["clip", *(c.id for c in of_table(shared_folder, raw))]
    except DatasetError as error:
        told = ["error", str(error)]
    assert len(set(told)) == len(told) > 1
    assert len(" ".join(told).splitlines()) == 1
