"""Folders as people have them: whatever changes the classes is labelled or refused, layouts that
are no classes are refused, files are judged by content, and speakers are found in file names.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nverbench import Clip, DatasetError, Misfit
from nverbench.data import corpus as corpora
from nverbench.data.corpus import Corpus
from nverbench.plugin.options import resolve
from nverbench_datasets.folder import FOLDER

WAVE = (0.3 * np.sin(np.arange(2000) / 5)).astype(np.float32)


def tree(root: Path, *names: str) -> Path:
    """A folder with a short recording under each name, whatever its suffix."""
    root.mkdir(parents=True, exist_ok=True)
    soundfile.write(root.parent / "short.wav", WAVE, 16000)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((root.parent / "short.wav").read_bytes())
    return root


def of(root: Path, **options: str) -> tuple[list[Clip], list[Misfit]]:
    items = list(FOLDER.load(None, path=str(root), **options))
    return [i for i in items if isinstance(i, Clip)], [i for i in items if isinstance(i, Misfit)]


def loaded(root: Path, options: str = "") -> Corpus:
    return corpora.load(FOLDER, resolve(FOLDER, f"folder:{root}{options}"), None)


def refused(root: Path, options: str = "") -> str:
    with pytest.raises(DatasetError) as error:
        loaded(root, options)
    assert "\n" not in str(error.value)
    return str(error.value)


CLASSES = ("cry/1.wav", "cry/2.wav", "laugh/1.wav", "laugh/2.wav")


# classes that would vanish


LOST: dict[str, Callable[[Path], object]] = {
    "an empty folder": lambda folder: folder.mkdir(),
    "empty folders": lambda folder: (folder / "ann").mkdir(parents=True),
    "m4a without ffmpeg": lambda folder: (
        folder.mkdir(),
        (folder / "1.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(40)),
    ),
    "an unknown suffix": lambda folder: (folder.mkdir(), (folder / "1.xyz").write_bytes(b"abc")),
    "text only": lambda folder: (folder.mkdir(), (folder / "1.txt").write_text("abc")),
    "a broken link": lambda folder: (
        folder.mkdir(),
        (folder / "1.wav").symlink_to(folder / "gone.wav"),
    ),
    "a folder that leads back": lambda folder: (
        folder.mkdir(),
        (folder / "again").symlink_to(folder.parent),
    ),
    "a zip of it": lambda folder: (
        folder.mkdir(),
        zipfile.ZipFile(folder / "sigh.zip", "w").close(),
    ),
    "a download that did not finish": lambda folder: (
        folder.mkdir(),
        (folder / "1.wav.part").write_bytes(b"RIFF"),
    ),
}


@pytest.mark.parametrize("how", LOST)
def test_a_class_folder_without_a_clip_is_a_misfit_with_the_class_it_would_have_had(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NVERBENCH_FFMPEG", "/nonexistent")
    root = tree(tmp_path / "root", *CLASSES)
    LOST[how](root / "sigh")
    clips, misfits = of(root)
    assert {clip.label for clip in clips} == {"cry", "laugh"}
    assert {misfit.label for misfit in misfits} == {"sigh"}
    assert all(misfit.path.startswith("sigh") for misfit in misfits)


@pytest.mark.parametrize(
    "name",
    [
        "README",
        "LICENSE.md",
        "labels.csv",
        "meta.json",
        "docs/readme.txt",
        "scripts/convert.py",
        "metadata/train/speakers.tsv",
        "labels/1.TextGrid",
    ],
)
def test_documents_beside_the_class_folders_are_named_and_are_no_class(tmp_path: Path, name: str):
    root = tree(tmp_path / "root", *CLASSES)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("about these recordings")
    assert [(m.path, m.label) for m in of(root)[1]] == [(name, None)]


SYSTEM = (
    *(".DS_Store", "Thumbs.db", "thumbs.db", "desktop.ini", "._1.wav", "__MACOSX/cry/1.wav"),
    *("cry/.DS_Store", "cry/Thumbs.db", "cry/desktop.ini", "cry/._1.wav", "cry/__MACOSX/1.wav"),
)


@pytest.mark.parametrize("name", SYSTEM)
def test_files_of_the_operating_system_are_passed_over(tmp_path: Path, name: str):
    clips, misfits = of(tree(tmp_path / "root", *CLASSES, name))
    assert ([clip.id for clip in clips], misfits) == (list(CLASSES), [])


# files are judged by their content


@pytest.mark.parametrize("name", ["1.WAV", "1.Wav", "1.wave", "1.au", "1", "1.wav.copy", "1.001"])
def test_a_recording_is_a_clip_whatever_its_suffix(tmp_path: Path, name: str):
    clips, misfits = of(tree(tmp_path / "root", *CLASSES, f"sigh/{name}"))
    assert (clips[-1].id, clips[-1].label, misfits) == (f"sigh/{name}", "sigh", [])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "an HTML page"),
        (b"PK\x03\x04" + bytes(40), "a zip archive: unpack it"),
        (b"", "an empty file"),
        (b"\0\0\0\x20ftypM4A " + bytes(40), "needs ffmpeg"),
        (b"\x1aE\xdf\xa3" + bytes(40), "needs ffmpeg"),
    ],
)
def test_what_is_no_recording_is_named_by_its_first_bytes(
    tmp_path: Path, content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NVERBENCH_FFMPEG", "/nonexistent")
    root = tree(tmp_path / "root", *CLASSES)
    (root / "cry" / "odd.m4a").write_bytes(content)
    [misfit] = of(root)[1]
    assert (misfit.path, misfit.label) == ("cry/odd.m4a", "cry")
    assert words in misfit.reason


def test_a_folder_of_one_unreadable_kind_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NVERBENCH_FFMPEG", "/nonexistent")
    for label in ("cry", "laugh"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(40))
    (tmp_path / "README.txt").write_text("x")
    assert "none among 3 files; first cry/1.m4a: MP4, which needs ffmpeg" in refused(tmp_path)


# layouts that are no classes


EMOTIONS = ("angry", "happy", "sad")
PEOPLE = {
    "numbers": ("01", "02", "03"),
    "actors": ("Actor_01", "Actor_02"),
    "letters": ("s01", "s02", "s03", "s04"),
    "speakers": ("speaker3", "speaker10"),
    "names": ("anna", "bert"),
    "codes": ("F1", "F2", "M1", "M2"),
}


@pytest.mark.parametrize("people", PEOPLE.values(), ids=PEOPLE)
@pytest.mark.parametrize(
    "classes", [EMOTIONS, ("cry", "laugh", "sigh"), ("Wut", "Freude"), ("happy_high", "sad_low")]
)
def test_a_folder_the_other_way_round_is_refused_with_both_layouts(
    tmp_path: Path, people: tuple[str, ...], classes: tuple[str, ...]
):
    root = tree(tmp_path / "root", *(f"{p}/{c}/1.wav" for p in people for c in classes))
    message = refused(root)
    assert f"look like {root}/SPEAKER/CLASS/file; expected {root}/CLASS/SPEAKER/file" in message
    assert people[0] in message
    assert classes[0] in message


def test_people_with_any_classes_in_them_are_refused(tmp_path: Path):
    names = [f"spk{p}/{c}/1.wav" for p in range(3) for c in ("typeA", "typeB")]
    assert "SPEAKER/CLASS" in refused(tree(tmp_path / "root", *names))


def test_people_in_place_of_classes_are_refused(tmp_path: Path):
    names = [f"Actor_0{p}/03-01-0{e}.wav" for p in (1, 2) for e in (1, 2)]
    assert "look like" in refused(tree(tmp_path / "root", *names))


ORDINARY = {
    "emotions and actors": ("angry/Actor_01", "angry/Actor_02", "sad/Actor_01", "sad/Actor_02"),
    "emotions and names": ("angry/ann", "angry/bob", "sad/ann", "sad/bob"),
    "numbered classes and speakers": ("0/01", "0/02", "1/01", "1/02"),
    "numbered classes and named speakers": ("0/ann", "0/bob", "1/ann", "1/bob", "2/ann", "2/bob"),
    "unknown classes and named speakers": ("grunt/ann", "grunt/joy", "hum/ann", "hum/joy"),
    "classes that begin as emotions do": ("hapax/ann", "hapax/angela", "sadu/ann", "sadu/angela"),
    "numbered classes": ("01", "02", "03"),
    "coded classes": ("c1", "c2"),
    "letters": ("A/s1", "A/s2", "B/s1", "B/s2"),
    "sexes": ("male", "female"),
    "testy": ("testy", "trained"),
    "speakers of one class each": ("angry/s1", "sad/s2", "calm/s3"),
}


@pytest.mark.parametrize("folders", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_layouts_are_read_without_a_word(tmp_path: Path, folders: tuple[str, ...]):
    root = tree(tmp_path / "root", *(f"{folder}/{k}.wav" for folder in folders for k in (1, 2)))
    corpus = loaded(root)
    assert set(corpus.labels) == {folder.split("/")[0] for folder in folders}
    assert len(corpus.clips) == 2 * len(folders)
    assert (corpus.misfits, corpus.notes, corpus.remarks) == ((), (), ())


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "test"),
        ("Train", "dev", "test"),
        ("train/cry", "train/laugh", "test/cry", "test/laugh"),
        ("training", "validation"),
        ("cry", "laugh", "test"),
    ],
)
def test_parts_of_a_split_are_no_classes(tmp_path: Path, folders: tuple[str, ...]):
    message = refused(tree(tmp_path / "root", *(f"{folder}/1.wav" for folder in folders)))
    assert "of a split" in message or "a part of one" in message
    assert "table:FILE.csv" in message


def test_a_folder_around_the_classes_is_named(tmp_path: Path):
    root = tree(tmp_path / "root", *(f"corpus-1.0/{name}" for name in CLASSES), "README.wavs")
    assert f"give {root}/corpus-1.0" in refused(root)
    assert loaded(root / "corpus-1.0").labels == ("cry", "laugh")


def test_an_archive_in_place_of_a_folder_is_to_be_unpacked(tmp_path: Path):
    root = tree(tmp_path / "root", *CLASSES)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
        file.write(root / "cry" / "1.wav")
    for kind in ("", "gz", "bz2", "xz"):
        with tarfile.open(tmp_path / f"t.{kind}", f"w:{kind}") as tar:  # type: ignore[call-overload]
            tar.add(root)
    for name in ("z.zip", "t.", "t.gz", "t.bz2", "t.xz"):
        assert "archive: unpack it, then give the folder" in refused(tmp_path / name)


def test_a_table_in_place_of_a_folder_leads_to_table(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("path,label\n")
    assert "found a file; give the path of that folder; for a table write table:" in refused(
        tmp_path / "labels.csv"
    )


# names of classes and speakers


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("Cry", "cry", "laugh"), "'Cry' and 'cry'"),
        (("cry out", "cry_out", "laugh"), "look like one label"),
        (("cry", "nan"), "a word for a missing value"),
        (("cry", "N A"), None),
        (("cry/03", "laugh/3"), "speakers '03' and '3'"),
        (("cry/s03", "laugh/S3"), "look like one speaker"),
        (("cry/ann", "laugh/unknown"), "have a speaker"),
    ],
)
def test_names_that_look_like_one_name_are_refused(
    tmp_path: Path, folders: tuple[str, ...], words: str | None
):
    root = tree(tmp_path / "root", *(f"{folder}/1.wav" for folder in folders))
    if words is None:
        assert loaded(root).labels
    else:
        assert words in refused(root)


@pytest.mark.parametrize("name", ["cry ", "ge\u0301mir", "cry\u200b"])
def test_invisible_differences_of_folder_names_are_removed(tmp_path: Path, name: str):
    root = tree(tmp_path / "root", f"{name}/1.wav", "laugh/1.wav")
    assert set(loaded(root).labels) == {"laugh", "g\u00e9mir" if "m" in name else "cry"}


# speakers in file names


FLAT = ("cry/s01_a.wav", "cry/s02_a.wav", "laugh/s01_b.wav", "laugh/s02_b.wav")


@pytest.mark.parametrize(
    "regex", [r"(s\d+)", r"/(s[0-9]+)_", r"(?P<speaker>s\d+)", r"(cry|laugh)/(?P<speaker>s\d\d)"]
)
def test_a_regular_expression_finds_the_speaker_in_the_path(tmp_path: Path, regex: str):
    corpus = loaded(tree(tmp_path / "root", *FLAT), f",speaker={regex}")
    assert [clip.speaker for clip in corpus.clips] == ["s01", "s02", "s01", "s02"]


def test_a_regular_expression_goes_before_the_folders(tmp_path: Path):
    names = ("cry/day1/ann_1.wav", "cry/bob_1.wav", "laugh/day2/ann_2.wav", "laugh/bob_2.wav")
    corpus = loaded(tree(tmp_path / "root", *names), ",speaker=([a-z]+)_")
    assert {clip.speaker for clip in corpus.clips} == {"ann", "bob"}


@pytest.mark.parametrize(
    ("regex", "words"),
    [
        ("(s[0-9]", "is no regular expression"),
        (r"(s[0-9]{99999999999999999999})", "is no regular expression"),
        ("s[0-9]+", "has no group"),
        ("(t[0-9]+)", "finds no speaker in cry/s01_a.wav"),
        ("(x)?s01", "finds no speaker in cry/s01_a.wav"),
        ("(s01)", "finds no speaker in cry/s02_a.wav"),
    ],
)
def test_a_regular_expression_that_does_not_fit_is_one_line(tmp_path: Path, regex: str, words: str):
    assert words in refused(tree(tmp_path / "root", *FLAT), f",speaker={regex}")


def test_the_option_speaker_does_not_change_the_identity_of_a_folder(tmp_path: Path):
    root = tree(tmp_path / "root", *FLAT)
    plain = resolve(FOLDER, f"folder:{root}").identity()
    assert plain["options"] == {}
    assert resolve(FOLDER, f"folder:{root},speaker=(s..)").identity() == plain
    assert loaded(root).digest != loaded(root, ",speaker=(s..)").digest
