"""EmoGator: ten of its thirty classes, and emogator-41, which is exactly its pinned files."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Clip, Dataset, registry
from nverbench_datasets import emogator
from nverbench_datasets.emogator import (
    CATEGORIES,
    EMOGATOR,
    EMOGATOR_10,
    EMOGATOR_41,
    TEN,
    manifest,
    parse,
    pin,
)
from nverbench_datasets.named_files import Said
from support.paths import SHARED

PART = SHARED / "data" / "EmoGator"
needs_part = pytest.mark.skipif(
    not PART.is_dir(), reason=f"{PART} (the shared part of EmoGator) is not on this machine"
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("emogator")
    emogator.sample(root)
    return root


@pytest.fixture
def empty_tree(tmp_path: Path) -> Path:
    """One clip that counts as one, with no audio in it: names are read, not sound."""
    (tmp_path / "data" / "mp3").mkdir(parents=True)
    put(tmp_path, "000001-02-1.mp3")
    return tmp_path


def put(root: Path, name: str) -> None:
    (root / "data" / "mp3" / name).write_bytes(b"ID3")


def clips(dataset: Dataset, root: Path) -> list[Clip]:
    return [item for item in dataset.load(root) if isinstance(item, Clip)]


def test_importing_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, nverbench_datasets; print([m for m in ('numpy', 'scipy', 'soundfile', 'torch',"
        " 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("dataset", "classes", "total"),
    [(EMOGATOR, 30, 32130), (EMOGATOR_10, 10, 10710), (EMOGATOR_41, 10, 1230)],
)
def test_the_counts_are_the_published_ones(dataset: Dataset, classes: int, total: int):
    assert (len(dataset.labels), sum(dataset.counts.values()), dataset.corpus) == (
        classes,
        total,
        "emogator",
    )
    assert set(dataset.counts) == set(dataset.labels)


def test_the_ten_are_among_the_thirty():
    assert len(set(CATEGORIES)) == 30
    assert set(TEN) <= set(CATEGORIES)


@given(st.tuples(st.integers(0, 999), st.integers(0, 99), st.integers(0, 9)))
def test_a_number_outside_the_corpus_is_never_a_clip(numbers: tuple[int, int, int]):
    contributor, category, take = numbers
    inside = 1 <= contributor <= 357 and 1 <= category <= 30 and 1 <= take <= 3
    assert isinstance(parse(f"{contributor:06d}-{category:02d}-{take}.mp3"), Said) == inside


@pytest.mark.parametrize("below", ["", "data", "data/mp3"])
def test_the_clone_its_data_folder_and_the_mp3_folder_give_the_same_ids(tree: Path, below: str):
    assert [c.id for c in clips(EMOGATOR, tree / below)] == [c.id for c in clips(EMOGATOR, tree)]


def test_classes_outside_the_ten_are_not_part_of_emogator_10(empty_tree: Path):
    put(empty_tree, "000001-01-1.mp3")
    assert [c.id for c in clips(EMOGATOR_10, empty_tree)] == ["000001-02-1"]


def test_clips_that_are_not_pinned_are_silently_not_part_of_emogator_41(empty_tree: Path):
    put(empty_tree, "000002-02-1.mp3")
    assert [c.id for c in EMOGATOR_41.load(empty_tree)] == ["000001-02-1"]


def test_the_manifest_pins_three_takes_of_ten_classes_by_41_contributors():
    parsed = [parse(f"{clip_id}.mp3") for clip_id in manifest()]
    assert len(parsed) == 1230
    assert len({said.speaker for said in parsed}) == 41
    assert {said.label for said in parsed} == set(TEN)
    assert set(EMOGATOR_41.defects) <= set(manifest())


def test_each_dataset_declares_the_silent_clips_of_its_own_categories():
    codes = {f"{CATEGORIES.index(label) + 1:02d}" for label in TEN}
    assert set(EMOGATOR_10.defects) == {c for c in EMOGATOR.defects if c[7:9] in codes}
    assert (len(EMOGATOR.defects), len(EMOGATOR_10.defects)) == (17, 7)
    assert list(EMOGATOR_41.defects) == ["000086-04-1"]


def test_the_pairs_of_equal_files_are_takes_of_one_contributor_and_category():
    pairs = registry.load().same_recordings("emogator")
    assert len(pairs) == 20
    assert registry.load().same_recordings("emogator-10") == pairs
    assert all(a[:9] == b[:9] and a != b for a, b in pairs)
    assert not {clip for pair in pairs for clip in pair} & set(manifest())


def test_the_manifest_is_sorted_in_the_format_of_sha256sum_and_small():
    lines = emogator.MANIFEST.read_text(encoding="ascii").splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  [0-9]{6}-[0-9]{2}-[0-9]\.mp3", line) for line in lines)
    assert lines == sorted(lines, key=lambda line: line[66:])
    assert emogator.MANIFEST.stat().st_size < 150_000


def test_pin_writes_what_sha256sum_would(tree: Path, tmp_path: Path):
    first = pin(tree).splitlines()[0]
    shutil.copy(tree / "data" / "mp3" / first[66:], tmp_path / "copy")
    assert first[:64] == hashlib.sha256((tmp_path / "copy").read_bytes()).hexdigest()


@needs_part
def test_emogator_41_finds_every_pinned_clip_in_the_real_part():
    found = clips(EMOGATOR_41, PART)
    assert {c.id for c in found} == set(manifest())
    assert {label: sum(c.label == label for c in found) for label in TEN} == dict(
        EMOGATOR_41.counts
    )


@needs_part
def test_the_real_part_has_all_thirty_classes_and_no_misfit():
    items = list(EMOGATOR.load(PART))
    assert len(items) == len(clips(EMOGATOR, PART)) == 3690


@needs_part
@pytest.mark.parametrize("clip_id", ["000001-02-1", "000086-04-1", "000190-18-2", "000352-30-3"])
def test_the_bytes_of_the_real_part_are_the_pinned_ones(clip_id: str):
    assert (
        hashlib.sha256((PART / "data" / "mp3" / f"{clip_id}.mp3").read_bytes()).hexdigest()
        == manifest()[clip_id]
    )
