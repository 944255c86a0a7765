"""Laws of every published corpus as a folder, on the tiny tree of its loader: exactly its clips,
wherever it lies and whatever lies in it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nverbench import Clip, Dataset, DatasetError, Misfit
from nverbench._io.state import read_state
from nverbench.cli import main
from nverbench.data import corpus as corpora
from nverbench.data.folds import assign
from nverbench.plugin.options import PartRef
from nverbench_datasets import crema_d, donate_a_cry, jnv, mesd
from nverbench_datasets.file_listing import of_the_system
from support.named_corpora import CASES, Case
from support.wrong_names import mutated

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.dataset.name)
Tree = Callable[[Case], Path]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The tiny tree of a dataset, written once; read-only by agreement."""
    made: dict[str, Path] = {}

    def get(case: Case) -> Path:
        if case.dataset.name not in made:
            made[case.dataset.name] = tmp_path_factory.mktemp(case.dataset.name)
            case.dataset.sample(made[case.dataset.name])
        return made[case.dataset.name]

    return get


@pytest.fixture
def copy(case: Case, tree: Tree, tmp_path: Path) -> Path:
    """A copy of the tiny tree that a test may spoil."""
    return Path(shutil.copytree(tree(case), tmp_path / "copy"))


def clips(dataset: Dataset, root: Path) -> list[Clip]:
    return [item for item in dataset.load(root) if isinstance(item, Clip)]


def misfits(dataset: Dataset, root: Path) -> dict[str, str]:
    return {item.path: item.reason for item in dataset.load(root) if isinstance(item, Misfit)}


def audio(case: Case, root: Path) -> Path:
    """The first file in the place of the clips."""
    return min(path for path in (root / case.place).iterdir() if path.suffix in (".wav", ".mp3"))


def digest(case: Case, root: Path) -> str:
    return corpora.load(case.dataset, PartRef(case.dataset.name), root).digest


@each
def test_the_tiny_tree_loads_to_exactly_its_clips(case: Case, tree: Tree):
    items = list(case.dataset.load(tree(case)))
    assert [item for item in items if isinstance(item, Misfit)] == []
    assert {clip.id: (clip.label, clip.unit) for clip in items} == dict(case.clips)
    assert len(items) == len(case.clips)
    assert all(clip.path.is_file() and clip.path.stem in clip.id for clip in items)


@each
def test_the_tiny_tree_can_be_heard(case: Case, tree: Tree):
    wave, rate = soundfile.read(audio(case, tree(case)))
    assert len(wave) > rate / 4
    assert 0.1 < np.abs(wave).max() < 1


@each
@pytest.mark.parametrize("below", [".", "elsewhere", "archive"])
def test_neither_the_place_of_the_folder_nor_the_order_of_writing_changes_anything(
    case: Case, tree: Tree, tmp_path: Path, below: str
):
    inside = case.archive if below == "archive" else below
    for path in sorted((p for p in tree(case).rglob("*") if p.is_file()), reverse=True):
        target = tmp_path / inside / path.relative_to(tree(case))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert digest(case, tmp_path) == digest(case, tree(case))
    here, there = (list(case.dataset.load(root)) for root in (tmp_path, tree(case)))
    assert [(c.id, c.label, c.unit, c.split, c.turn) for c in here] == [
        (c.id, c.label, c.unit, c.split, c.turn) for c in there
    ]


@each
def test_one_changed_sample_changes_the_digest(case: Case, tree: Tree, copy: Path):
    first = next(clip for clip in clips(case.dataset, copy) if clip.label is not None).path
    wave, rate = soundfile.read(first)
    soundfile.write(first, wave * 0.5, rate)
    assert digest(case, copy) != digest(case, tree(case))


@each
def test_no_group_and_no_clip_of_the_tiny_tree_lies_in_two_folds(case: Case, tree: Tree):
    found = sorted(
        (c for c in clips(case.dataset, tree(case)) if c.label is not None), key=lambda c: c.id
    )
    kind = assign.default_kind(found, case.dataset.folds)
    assert kind == case.dataset.folds[0]
    cut = assign.make_folds(found, kind, k=5, seed=1, inner=None)
    assert sorted(i for fold in cut.folds for i in fold.test) == list(range(len(found)))
    if kind != "random":
        assert all(
            not {found[i].unit for i in fold.train} & {found[i].unit for i in fold.test}
            for fold in cut.folds
        )


@each
def test_data_add_takes_the_tiny_tree_and_remembers_it(
    case: Case,
    tree: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("NVERBENCH_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        main(["data", "add", case.dataset.name, str(tree(case))])
    assert not left.value.code
    assert f"as corpus {case.dataset.corpus}" in capsys.readouterr().out
    assert read_state("corpora")["paths"] == {case.dataset.corpus: str(tree(case).resolve())}


@each
@pytest.mark.parametrize(
    "kind", ["nothing", "a file", "an empty folder", "2 entries, none of them a clip"]
)
def test_a_root_that_is_not_the_corpus_is_one_line_of_what_was_expected_found_and_to_do(
    case: Case, tmp_path: Path, kind: str
):
    root = tmp_path / "root"
    if kind == "a file":
        root.touch()
    elif kind != "nothing":
        root.mkdir()
    if kind.startswith("2"):
        (root / "so\nng.wav").touch()
        (root / "folder" / "empty").mkdir(parents=True)
    with pytest.raises(DatasetError) as error:
        list(case.dataset.load(root))
    message = str(error.value)
    assert all(
        words in message
        for words in ("expected", kind, str(root), f"nverbench data add {case.dataset.corpus}")
    )
    assert (f"nverbench data get {case.dataset.corpus}" in message) == (
        not case.dataset.sources[0].how
    )
    assert "\n" not in message


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "broken link": (
        lambda path: (path.unlink(), path.symlink_to(path.with_name("nowhere")))[1],
        "a broken link",
    ),
    "link to itself": (lambda path: (path.unlink(), path.symlink_to(path))[1], "a broken link"),
    "empty file": (lambda path: path.write_bytes(b"") and None, "an empty file"),
    "folder": (lambda path: (path.unlink(), path.mkdir())[1], "a folder among the clips"),
    "pipe": (lambda path: (path.unlink(), os.mkfifo(path))[1], "neither a file nor a folder"),
}


# The clips of ASVP-ESD lie at any depth: there a folder is walked, not named.
PAIRS = [
    (case, how)
    for case in CASES
    for how in SPOILT
    if (case.dataset.corpus, how) != ("asvp-esd", "folder")
]


@pytest.mark.parametrize(
    ("case", "how"),
    [pytest.param(c, how, id=f"{c.dataset.name}-{how.replace(' ', '-')}") for c, how in PAIRS],
)
def test_what_is_no_recording_is_named_under_a_clips_name_and_the_others_are_still_found(
    case: Case, how: str, copy: Path
):
    spoil, words = SPOILT[how]
    gone = audio(case, copy)
    spoil(gone)
    named = misfits(case.dataset, copy)
    assert list(named) == [gone.relative_to(copy).as_posix()]
    assert words in named[gone.relative_to(copy).as_posix()]
    rest = {i for i in case.clips if not i.endswith(gone.stem)}
    assert {clip.id for clip in clips(case.dataset, copy)} == rest


@each
def test_a_recording_that_may_not_be_read_is_named(
    case: Case, copy: Path, monkeypatch: pytest.MonkeyPatch
):
    locked = audio(case, copy)
    allowed = os.access  # these tests may run as root, to whom everything is readable
    monkeypatch.setattr(os, "access", lambda path, mode: path != locked and allowed(path, mode))
    assert misfits(case.dataset, copy) == {
        locked.relative_to(copy).as_posix(): "it may not be read; correct its permissions"
    }


LETTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
TEXTS = st.one_of(
    st.sampled_from([".hidden", "new\nline.wav", "notes.txt"]),
    st.text(LETTERS, min_size=1, max_size=60),
)


@each
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_that_does_not_belong_is_always_named_and_nothing_else_changes(
    case: Case, tree: Tree, data: st.DataObject
):
    name = data.draw(st.one_of(TEXTS, mutated(audio(case, tree(case)).name)))
    assume(name.strip(".") and not set(name) & set("/\0") and len(os.fsencode(name)) < 256)
    assume(not belongs(case, name, tree(case)))
    with tempfile.TemporaryDirectory() as made:
        root = Path(shutil.copytree(tree(case), Path(made) / "copy", copy_function=os.link))
        (root / case.place / name).write_bytes(b"RIFF")
        items = list(case.dataset.load(root))
    wrong = [item for item in items if isinstance(item, Misfit)]
    assert [item.path for item in wrong] == [f"{case.place}/{name}".removeprefix("/")]
    assert wrong[0].reason.strip()
    assert {item.id for item in items if isinstance(item, Clip)} == set(case.clips)


def belongs(case: Case, name: str, root: Path) -> bool:
    """Whether a name is one of the tree, another published one, or one that is passed over."""
    if of_the_system(name):
        return True
    stem, dot, suffix = name.rpartition(".")
    name = f"{stem}{dot}{suffix.lower()}"
    mates = [
        other
        for other in CASES
        if other.dataset.corpus == case.dataset.corpus and other.parse is not None
    ]
    spoken = case.dataset.corpus == "asvp-esd" and name.startswith("03-01-")
    return (
        (root / case.place / name).exists()
        or spoken
        or any(other.published(name) for other in mates)
    )


def test_a_name_that_is_not_utf_8_is_named_with_its_bytes_escaped(tmp_path: Path):
    mesd.sample(tmp_path)
    Path(os.fsdecode(bytes(tmp_path) + b"/Anger_F_A_m\xe1s.wav")).write_bytes(b"x")
    assert misfits(mesd.MESD, tmp_path) == {
        "Anger_F_A_m\\udce1s.wav": "its name is not UTF-8 text; rename it"
    }


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_accent_gives_the_same_id_composed_and_decomposed(tmp_path: Path, form: str):
    (tmp_path / unicodedata.normalize(form, "Neutral_C_B_dif\u00edcil.wav")).write_bytes(b"x")
    assert [clip.id for clip in clips(mesd.MESD, tmp_path)] == ["Neutral_C_B_dif\u00edcil"]


def test_one_clip_under_two_names_counts_once_and_the_second_is_named(tmp_path: Path):
    for name in ("1040_ITH_SAD_X.wav", "1040_ITH_SAD_XX.wav"):
        (tmp_path / name).write_bytes(b"x")
    assert [clip.id for clip in clips(crema_d.CREMA_D, tmp_path)] == ["1040_ITH_SAD_XX"]
    assert misfits(crema_d.CREMA_D, tmp_path) == {
        "1040_ITH_SAD_XX.wav": "the same clip as 1040_ITH_SAD_X.wav; remove one of them"
    }


def test_a_clone_without_git_lfs_is_one_line_that_says_what_to_run(tmp_path: Path):
    (tmp_path / "1001_DFA_ANG_XX.wav").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 72862\n"
    )
    with pytest.raises(
        DatasetError,
        match=(
            r"^CREMA-D: 1001_DFA_ANG_XX.wav is a pointer of git-lfs, not audio; run 'git lfs pull'"
        ),
    ):
        list(crema_d.load(tmp_path))


def test_what_is_published_beside_the_clips_is_passed_over_there_and_named_among_them(
    tmp_path: Path,
):
    donate_a_cry.sample(tmp_path)
    (tmp_path / donate_a_cry.CLEANED / "README.md").touch()
    (tmp_path / donate_a_cry.CLEANED / "hungry" / "README.md").touch()
    assert list(misfits(donate_a_cry.DONATE_A_CRY, tmp_path)) == [
        f"{donate_a_cry.CLEANED}/hungry/README.md"
    ]


def test_papers_beside_the_speakers_of_jnv_are_passed_over_and_anything_else_is_named(
    tmp_path: Path,
):
    jnv.sample(tmp_path)
    for name in (
        "readme.txt",
        "phrases.txt",
        "file_rating_scale.csv",
        "F1_angry_02_R.wav",
        "M1_copy",
    ):
        (tmp_path / name).touch()
    (tmp_path / "F3").mkdir()
    assert list(misfits(jnv.JNV, tmp_path)) == ["F1_angry_02_R.wav", "F3", "M1_copy"]
