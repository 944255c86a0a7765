"""A published corpus sorted into other folders gives the same clips, or is refused in one line that
names the place: never fewer clips in silence.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nverbench import Clip, DatasetError, Misfit
from nverbench.data import corpus as corpora
from nverbench.plugin.options import PartRef
from nverbench_datasets import donate_a_cry, iemocap, jnv, ravdess, vivae, vocalsound
from support.named_corpora import CASES, NAMED, Case

each = pytest.mark.parametrize("case", NAMED, ids=lambda case: case.dataset.name)

Sorted = Callable[[Clip, Path, int], Path]
"""(clip, its path below the root, its number) -> its new path below the root."""

SORTED: dict[str, Sorted] = {
    "by class": lambda c, path, n: Path(str(c.label), path.name),
    "by class with odd names": lambda c, path, n: Path(f"{c.label} (all)", path.name),
    "by speaker": lambda c, path, n: Path(str(c.unit), path.name),
    "by class and speaker": lambda c, path, n: Path(str(c.label), str(c.unit), path.name),
    "by speaker and class": lambda c, path, n: Path(str(c.unit), str(c.label), path.name),
    "by class in a folder": lambda c, path, n: Path("data", str(c.label), path.name),
    "by class in two folders": lambda c, path, n: Path("a", "b", str(c.label), path.name),
    "by class in the published folder": lambda c, path, n: path.parent / str(c.label) / path.name,
    "by class above the published folder": lambda c, path, n: Path(str(c.label)) / path,
    "in two halves": lambda c, path, n: Path(("male", "female")[n % 2]) / path,
    "in two folders of two": lambda c, path, n: Path("ab"[n % 2], "xy"[n // 2 % 2], path.name),
    "one clip elsewhere": lambda c, path, n: Path("more", path.name) if n == 3 else path,
    "one clip deeper": lambda c, path, n: path.parent / "more" / path.name if n == 3 else path,
    "one clip above": lambda c, path, n: Path(path.name) if n == 3 else path,
    "flat": lambda c, path, n: Path(path.name),
    "small letters": lambda c, path, n: Path(str(path.parent).lower()) / path.name,
    "capital letters": lambda c, path, n: Path(str(path.parent).upper()) / path.name,
    "capital suffixes": lambda c, path, n: path.with_suffix(path.suffix.upper()),
}


def resorted(case: Case, folder: Path, how: str) -> tuple[Path, Path]:
    """A published copy, and one that is sorted otherwise."""
    published, root = folder / "published", folder / "sorted"
    case.dataset.sample(published)
    for number, clip in enumerate(clips(case, published)):
        place = root / SORTED[how](clip, clip.path.relative_to(published), number)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip.path, place)
    return published, root


def clips(case: Case, root: Path) -> list[Clip]:
    return [item for item in case.dataset.load(root) if isinstance(item, Clip)]


def misfits(case: Case, root: Path) -> dict[str, str]:
    return {item.path: item.reason for item in case.dataset.load(root) if isinstance(item, Misfit)}


FIXED = {"asvp-esd", "vivae"}
"""Corpora whose ids or sets depend on the published folders: they may refuse other ones."""


@each
@pytest.mark.parametrize("how", SORTED)
def test_a_copy_sorted_otherwise_gives_every_clip_or_is_refused(
    case: Case, how: str, tmp_path: Path
):
    published, root = resorted(case, tmp_path, how)
    if case.dataset.corpus in FIXED and is_refused(case, root):
        return
    before, after = clips(case, published), clips(case, root)
    assert sorted((c.path.stem, c.label, c.unit) for c in after) == sorted(
        (c.path.stem, c.label, c.unit) for c in before
    )
    assert misfits(case, root) == {}
    if case.dataset.corpus != "asvp-esd":  # its ids hold the folder
        assert {c.id for c in after} == {c.id for c in before}


def is_refused(case: Case, root: Path) -> bool:
    """Whether a folder is refused, in one line that names it."""
    try:
        clips(case, root)
    except DatasetError as error:
        return str(root) in str(error) and "\n" not in str(error)
    return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.dataset.name)
def test_files_of_the_operating_system_are_passed_over_everywhere(case: Case, tmp_path: Path):
    case.dataset.sample(tmp_path)
    folders = [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]
    for folder in folders:
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._03a01Fa.wav"):
            (folder / name).write_bytes(b"\0")
        shutil.copytree(folder, folder / "__MACOSX", ignore=lambda *_: ["__MACOSX"])
    assert {clip.id for clip in clips(case, tmp_path)} == set(case.clips)
    assert misfits(case, tmp_path) == {}


@each
def test_a_second_copy_of_the_same_files_is_named_file_by_file(case: Case, tmp_path: Path):
    case.dataset.sample(tmp_path)
    shutil.copytree(tmp_path, tmp_path / "zz-backup", ignore=lambda *_: ["zz-backup"])
    if case.dataset.corpus == "asvp-esd":
        with pytest.raises(DatasetError, match="zz-backup"):
            clips(case, tmp_path)
        return
    found = misfits(case, tmp_path)
    assert {clip.id for clip in clips(case, tmp_path)} == set(case.clips)
    if case.dataset.corpus != "vivae":  # its sets lie in folders apart, and the first is taken
        assert len(found) == len(case.clips)
        assert all(path.startswith("zz-backup") for path in found)
        assert all("the same clip as" in reason for reason in found.values())


@each
def test_two_different_files_of_one_clip_are_refused_with_both_places(case: Case, tmp_path: Path):
    case.dataset.sample(tmp_path)
    first = clips(case, tmp_path)[0].path
    other = first.parent / "zz-other" / first.name
    other.parent.mkdir()
    other.write_bytes(first.read_bytes() + b"\0\0")
    if case.dataset.corpus == "asvp-esd":  # each folder has clips of its own there
        assert len(clips(case, tmp_path)) == len(case.clips) + 1
        return
    with pytest.raises(DatasetError, match="different files; compare them and remove one") as error:
        clips(case, tmp_path)
    assert first.relative_to(tmp_path).as_posix() in str(error.value)
    assert other.relative_to(tmp_path).as_posix() in str(error.value)


MISPLACED = {
    "ravdess": (ravdess.RAVDESS, "Actor_02/03-01-04-01-01-01-01.wav", "Actor_01"),
    "jnv": (jnv.JNV, "F2/F1_angry_01_R.wav", "F1"),
    "donate-a-cry": (
        donate_a_cry.DONATE_A_CRY,
        f"{donate_a_cry.CLEANED}/tired/00000000-0000-4000-8000-000000000000-1430000000-1.0-f-04-hu.wav",
        "hungry",
    ),
}


@pytest.mark.parametrize("name", MISPLACED)
@pytest.mark.parametrize("there", ["nothing", "the same file", "another file"])
def test_a_clip_in_the_folder_of_another_is_never_to_be_put_over_a_different_file(
    name: str, there: str, tmp_path: Path
):
    dataset, place, home = MISPLACED[name]
    dataset.sample(tmp_path)
    wrong = tmp_path / place
    right = wrong.parent.with_name(home) / wrong.name
    wrong.write_bytes(right.read_bytes() + (b"\0" if there == "another file" else b""))
    if there == "nothing":
        right.unlink()
    [reason] = [i.reason for i in dataset.load(tmp_path) if isinstance(i, Misfit)]
    folder = wrong.parent.name
    assert reason.startswith(f"lies in {folder}, but its name says {home}")
    words = {
        "nothing": f"put it into {home}",
        "the same file": f"remove it from {folder}",
        "another file": "another file of that name lies there; compare them and remove one",
    }
    assert words[there] in reason
    assert ("put it" in reason) == (there == "nothing")


def test_both_releases_of_vocalsound_may_lie_side_by_side(tmp_path: Path):
    vocalsound.sample(tmp_path)
    shutil.copytree(tmp_path / "audio_16k", tmp_path / "audio_44k")
    items = list(vocalsound.load(tmp_path))
    assert len(items) == 24
    assert {item.path.parent.name for item in items} == {"audio_16k"}


def test_the_split_of_vocalsound_is_found_however_its_clips_are_sorted(tmp_path: Path):
    vocalsound.sample(tmp_path)
    for path in sorted((tmp_path / "audio_16k").iterdir()):
        folder = path.parent / path.stem.rpartition("_")[2] / "deep"
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    assert {item.split for item in vocalsound.load(tmp_path)} == {"train", "valid", "test"}


def test_the_core_set_of_vivae_is_not_read_into_the_full_set(tmp_path: Path):
    vivae.sample(tmp_path)
    one = next((tmp_path / "core_set").iterdir())
    one.write_bytes(one.read_bytes() + b"\0\0")
    assert len(list(vivae.load_full(tmp_path))) == 20


def test_sessions_of_iemocap_in_two_folders_are_all_read(tmp_path: Path):
    iemocap.sample(tmp_path)
    for number in (4, 5):
        (tmp_path / "disc2").mkdir(exist_ok=True)
        (tmp_path / f"Session{number}").rename(tmp_path / "disc2" / f"session{number}")
    assert len(list(iemocap.load_six(tmp_path))) == 60
    shutil.copytree(tmp_path / "Session1", tmp_path / "disc2" / "Session1")
    with pytest.raises(DatasetError, match=r"Session1 and disc2/Session1 in .* are one session"):
        list(iemocap.load_six(tmp_path))


@pytest.mark.parametrize("suffix", [".WAV", ".Wav"])
def test_iemocap_with_capital_suffixes_is_complete(tmp_path: Path, suffix: str):
    iemocap.sample(tmp_path)
    for path in sorted(tmp_path.rglob("*.wav")):
        path.rename(path.with_suffix(suffix))
    items = list(iemocap.load_six(tmp_path))
    assert [item for item in items if isinstance(item, Misfit)] == []
    assert len(items) == 60


def test_a_corpus_sorted_into_folders_has_one_digest_with_the_published_one(tmp_path: Path):
    published, root = tmp_path / "published", tmp_path / "sorted"
    ravdess.sample(published)
    for clip in ravdess.load(published):
        (root / str(clip.label)).mkdir(parents=True, exist_ok=True)
        shutil.copy(clip.path, root / str(clip.label))
    one, two = (
        corpora.load(ravdess.RAVDESS, PartRef("ravdess"), folder) for folder in (published, root)
    )
    assert one.digest == two.digest
