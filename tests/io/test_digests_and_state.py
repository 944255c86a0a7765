"""Digests are the same everywhere, a known file is not read twice, and what this machine keeps is
written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nverbench._io import atomic, digests, state
from nverbench._io import paths as home
from nverbench._io.digests import digest_of, file_digests, path_digest
from nverbench.errors import ArtifactError, DiskError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
THINGS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)


# digest_of


@given(pairs=st.dictionaries(st.text(max_size=6), THINGS, max_size=6), order=st.randoms())
def test_the_order_of_keys_does_not_matter(pairs: dict[str, Any], order: Any):
    shuffled = list(pairs.items())
    order.shuffle(shuffled)
    assert digest_of(dict(shuffled)) == digest_of(pairs)


@given(THINGS)
def test_what_json_carries_has_the_same_digest_afterwards(thing: Any):
    assert digest_of(json.loads(json.dumps(thing))) == digest_of(thing)


@given(st.lists(SCALARS, min_size=2, max_size=5, unique_by=repr))
def test_the_order_of_a_list_matters(things: list[Any]):
    assert digest_of(things) != digest_of(things[1:] + things[:1])


@pytest.mark.parametrize(
    ("thing", "golden"),
    [
        (
            {"b": [1, 2.5, None, True], "a": "é"},
            hashlib.sha256(b'{"a":"\\u00e9","b":[1,2.5,null,true]}').hexdigest(),
        ),
        ([], hashlib.sha256(b"[]").hexdigest()),
        ("", hashlib.sha256(b'""').hexdigest()),
    ],
)
def test_a_digest_is_the_sha256_of_canonical_json(thing: Any, golden: str):
    assert digest_of(thing) == golden


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_hold_has_no_digest(value: float):
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_of({"a": value})


# files


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files whose bytes are read."""
    names: list[str] = []
    real = digests.file_sha256

    def counted(path: Path) -> str:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(digests, "file_sha256", counted)
    return names


def file(folder: Path, name: str = "a", content: bytes = b"one") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def test_the_digest_of_a_file_is_the_sha256_of_its_bytes(tmp_path: Path):
    path = file(tmp_path)
    assert file_digests([path]) == {path: hashlib.sha256(b"one").hexdigest()}


def test_a_known_file_is_not_read_again(tmp_path: Path, reads: list[str]):
    paths = [file(tmp_path, "a"), file(tmp_path, "b")]
    assert file_digests(paths) == file_digests(paths)
    assert reads == ["a", "b"]


def test_only_new_files_are_read(tmp_path: Path, reads: list[str]):
    file_digests([file(tmp_path, "a")])
    file_digests([tmp_path / "a", file(tmp_path, "b")])
    assert reads == ["a", "b"]


def test_a_file_given_twice_is_read_once(tmp_path: Path, reads: list[str]):
    file_digests([file(tmp_path)] * 3)
    assert reads == ["a"]


@pytest.mark.parametrize(
    ("content", "later"),
    [(b"two", 1), (b"longer", 0), (b"one", 1)],
    ids=["other time", "other size", "touched"],
)
def test_a_file_of_another_size_or_time_is_read_again(
    tmp_path: Path, reads: list[str], content: bytes, later: int
):
    path = file(tmp_path)
    file_digests([path])
    stamp = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(stamp, stamp + later))
    assert file_digests([path]) == {path: hashlib.sha256(content).hexdigest()}
    assert reads == ["a", "a"]


def test_two_spellings_of_a_relative_path_are_one_file(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
):
    path = file(tmp_path)
    file_digests([path])
    monkeypatch.chdir(tmp_path)
    file_digests([Path("a")])
    assert reads == ["a"]


def test_a_missing_file_is_an_os_error_and_others_stay_unknown(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        file_digests([tmp_path / "none"])


def test_eight_threads_may_digest_the_same_files(tmp_path: Path):
    paths = [file(tmp_path, f"{i}", bytes([i])) for i in range(20)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: file_digests(paths), range(16)))
    assert answers == [answers[0]] * 16


def test_a_file_name_that_is_not_utf_8_can_be_digested(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")  # Latin-1, as old corpora have it
    try:
        path.write_bytes(b"one")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert file_digests([path]) == {path: hashlib.sha256(b"one").hexdigest()}


def test_a_damaged_memory_of_digests_is_made_again(tmp_path: Path):
    atomic.write_atomically(home.home() / "file-digests.sqlite", b"garbage" * 100)
    path = file(tmp_path)
    assert (
        file_digests([path]) == file_digests([path]) == {path: hashlib.sha256(b"one").hexdigest()}
    )


# path_digest


def test_the_digest_of_one_file_is_that_of_its_bytes(tmp_path: Path):
    assert path_digest(file(tmp_path)) == hashlib.sha256(b"one").hexdigest()


def test_the_digest_of_a_folder_knows_names_and_contents_and_not_its_place(tmp_path: Path):
    folders = [tmp_path / name for name in ("first", "second", "renamed", "changed")]
    for folder, name, content in zip(
        folders, "aaba", (b"one", b"one", b"one", b"two"), strict=True
    ):
        folder.mkdir()
        file(folder, name, content)
    first, second, renamed, changed = map(path_digest, folders)
    assert first == second
    assert len({first, renamed, changed}) == 3


def test_hidden_files_and_unwanted_ones_do_not_count(tmp_path: Path):
    file(tmp_path, "a")
    plain, wanted = path_digest(tmp_path), path_digest(tmp_path, ["a"])
    file(tmp_path, ".hidden")
    assert path_digest(tmp_path) == plain
    file(tmp_path, "b")
    assert (path_digest(tmp_path) == plain, path_digest(tmp_path, ["a"]) == wanted) == (False, True)


# home


@pytest.mark.parametrize(
    "folder",
    [
        home.embeddings_folder,
        lambda: home.weights_folder("net"),
        lambda: home.corpus_folder("demo"),
    ],
)
def test_everything_lies_under_the_home_that_the_environment_names(
    folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NVERBENCH_HOME", str(tmp_path / "moved"))
    assert folder().is_relative_to(tmp_path / "moved")


def test_without_the_variable_the_home_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NVERBENCH_HOME")
    assert (home.home().is_absolute(), home.home().name) == (True, "nverbench")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary())
def test_what_is_written_is_what_is_read_and_nothing_lies_beside_it(tmp_path: Path, content: bytes):
    path = tmp_path / "new" / "folder" / "a"
    atomic.write_atomically(path, content)
    assert (path.read_bytes(), [p.name for p in path.parent.iterdir()]) == (content, ["a"])


@pytest.mark.parametrize(
    ("failure", "raised"),
    [(OSError(28, "No space left on device"), DiskError), (KeyboardInterrupt(), KeyboardInterrupt)],
    ids=["full disk", "interrupted"],
)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
    raised: type[BaseException],
):
    path = file(tmp_path)

    def fail(self: Path, target: Path) -> Path:
        raise failure

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", fail)
        with pytest.raises(raised):
            atomic.write_atomically(path, b"two")
    assert (path.read_bytes(), [p.name for p in tmp_path.iterdir()]) == (b"one", ["a"])


@pytest.mark.parametrize(
    "within", [False, True], ids=["in its own folder", "in another until it is whole"]
)
def test_a_write_that_fails_in_the_middle_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, within: bool
):
    path = file(tmp_path)

    def half() -> None:
        with atomic.atomic_open(path, tmp_path / "there" if within else None) as written:
            written.write(b"tw")
            raise OSError(28, "No space left on device")

    (tmp_path / "there").mkdir()
    with pytest.raises(
        DiskError, match=r"a: cannot be written \(No space left on device\); make room"
    ):
        half()
    assert path.read_bytes() == b"one"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "there"]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path):
    atomic.write_atomically(tmp_path / "written", b"")
    assert (tmp_path / "written").stat().st_mode == file(tmp_path, "plain").stat().st_mode


def test_nothing_is_remembered_at_first():
    assert state.read_state("corpora") == {}


def test_notes_are_kept_by_section_and_key():
    state.write_state("lock", "weights", "a", "1")
    state.write_state("lock", "weights", "b", "2")
    state.write_state("lock", "folds", "a", ["3"])
    state.write_state("lock", "weights", "a", "4")
    assert state.read_state("lock") == {"weights": {"a": "4", "b": "2"}, "folds": {"a": ["3"]}}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("lock", {"weights": {"a": ["1"]}}, "weights, a: got \\['1'\\]"),
        ("lock", {"folds": {"a": [1]}}, "folds, a"),
        ("corpora", {"paths": {"a": None}}, "paths, a"),
    ],
)
def test_a_note_of_another_type_is_refused_in_one_line_that_names_it(
    name: str, content: dict[str, object], words: str
):
    home.home().mkdir(parents=True, exist_ok=True)
    (home.home() / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=words):
        state.read_state(name)


def test_eight_threads_that_note_at_once_lose_nothing():
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda i: state.write_state("lock", f"section {i % 3}", f"key {i}", i), range(64)
            )
        )
    notes = state.read_state("lock")
    assert sorted(v for section in notes.values() for v in section.values()) == list(range(64))


def damaged(content: bytes) -> None:
    atomic.write_atomically(home.home() / "corpora.json", content)


@pytest.mark.parametrize("content", [b"", b"{", b"{'a': 1}", b"\xff\xfe", b"\x00" * 50], ids=repr)
@pytest.mark.parametrize(
    "use",
    [lambda: state.read_state("corpora"), lambda: state.write_state("corpora", "paths", "a", "b")],
    ids=["read", "note"],
)
def test_damaged_notes_are_named_with_what_to_do_and_never_overwritten(content: bytes, use: Any):
    damaged(content)
    with pytest.raises(
        ArtifactError,
        match=r"corpora\.json: expected JSON, but it cannot be read .*; repair or delete it",
    ):
        use()
    assert (home.home() / "corpora.json").read_bytes() == content


@pytest.mark.parametrize("content", [b"[1]", b"3", b'"x"', b"null", b'{"paths": 3}'], ids=repr)
def test_notes_of_another_shape_are_named_too(content: bytes):
    damaged(content)
    with pytest.raises(ArtifactError, match=r"corpora\.json"):
        state.write_state("corpora", "paths", "a", "b")
