"""What this machine keeps: embeddings, digests of files, features of others. Damage is found and
computed again, or refused in one line.
"""

from __future__ import annotations

import hashlib
import io
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench._io import digests, paths
from nverbench.embedding import cache
from nverbench_backbones import npz
from support.foreign_text import TEXTS, lawful, often, spoilt_bytes

ARRAY = np.arange(12, dtype=np.float32).reshape(3, 4)
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
DTYPES = st.sampled_from(
    ["f4", "f2", "f8", "i8", "u1", "?", ">f4", "c8", "S3", "U2", "M8[s]", "V3"]
)
HEADERS = st.one_of(
    st.builds(
        lambda descr, order, shape: repr({"descr": descr, "fortran_order": order, "shape": shape}),
        st.one_of(DTYPES, st.sampled_from(["<f4", "|O", "O", "x" * 3000, [("a", "<f4")], 5])),
        st.sampled_from([True, False, 0, "x"]),
        st.one_of(
            SHAPES,
            st.sampled_from(
                [
                    (1 << 62,),
                    (1 << 40, 1 << 40),
                    (-1,),
                    (1 << 200,),
                    "x",
                    5,
                    None,
                    (1.5,),
                    (True,),
                    [3, 4],
                ]
            ),
        ),
    ),
    st.sampled_from(
        [
            "",
            "{}",
            "[" * 500,
            "{'descr': '<f4'",
            "__import__('os').system('x')",
            "1" * 5000,
            "{'shape': (3, 4), 'descr': '<f4', 'fortran_order': False, 'more': 1}",
        ]
    ),
    TEXTS,
)


def entry(header: str, data: bytes, version: bytes = b"\x01\x00", samples: int = 9) -> bytes:
    """A file of the store with a digest that fits, whatever it holds."""
    text = header.encode("latin-1", "replace")[:65000]
    content = (
        samples.to_bytes(8, "little")
        + b"\x93NUMPY"
        + version
        + len(text).to_bytes(2, "little")
        + text
        + data
    )
    return hashlib.sha256(content).digest() + content


@pytest.fixture(scope="module")
def good(room: Path) -> bytes:
    store = cache.EmbeddingCache(room / "good", say=lambda _: None)
    store.put("ab" * 32, ARRAY, 9)
    return store.path("ab" * 32).read_bytes()


def looked_up(store: cache.EmbeddingCache, key: str) -> tuple[Any, Any]:
    """The same entry, read and mapped."""
    read = lawful("cache: embeddings", lambda: store.get(key))
    mapped = lawful("cache: embeddings", lambda: store.open(key))
    assert (read is None) == (mapped is None), (read, mapped)
    if read is not None and mapped is not None:
        assert read[0].shape == mapped[0].shape
        assert read[1] == mapped[1]
    return read, mapped


@given(st.data())
@often(120)
def test_a_damaged_entry_of_the_cache_counts_as_absent(
    room: Path, good: bytes, data: st.DataObject
) -> None:
    printed: list[str] = []
    store, key = cache.EmbeddingCache(room / "store", say=printed.append), "cd" * 32
    store.path(key).parent.mkdir(parents=True, exist_ok=True)
    sealed = st.builds(
        entry,
        HEADERS,
        st.binary(max_size=64),
        st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\xff\xff"]),
    )
    content = data.draw(st.one_of(spoilt_bytes(good), sealed))
    store.path(key).write_bytes(content)
    read, _ = looked_up(store, key)
    assert all(len(line.splitlines()) == 1 and len(line) < 2000 for line in printed), printed
    if read is not None and content != good:
        assert hashlib.sha256(content[32:]).digest() == content[:32]  # only what was sealed so


HARD = [
    "",
    "{}",
    "[" * 500,
    "(" * 60_000,
    "{'descr': '<f4'",
    "'",
    '"""',
    "\\",
    "1" * 5000,
    "-" * 60_000 + "1",
    "\n" * 1000,
    "#",
    *(
        repr({"descr": "<f4", "fortran_order": False, "shape": shape})
        for shape in [(1 << 62,), (1 << 200,), (-1,), (-3, -4), (1 << 40, 1 << 40), (0, 1 << 62)]
    ),
]


@pytest.mark.parametrize("header", HARD)
def test_a_header_that_hurts_is_refused(room: Path, header: str) -> None:
    store = cache.EmbeddingCache(room / "hard", say=lambda _: None)
    store.path("ab" * 32).parent.mkdir(parents=True, exist_ok=True)
    store.path("ab" * 32).write_bytes(entry(header, ARRAY.tobytes()))
    assert looked_up(store, "ab" * 32) == (None, None)
    (room / "h.npz").write_bytes(member("embeddings", header, ARRAY.tobytes()))
    assert (
        lawful("corpora: npz features", lambda: npz.lookup(IDS, path=str(room / "h.npz")), "h.npz")
        is None
    )


@given(SHAPES, DTYPES.filter(lambda d: d[0] not in ">"), st.integers(0, 2**63))
@often(60)
def test_an_entry_is_read_as_it_was_put(
    room: Path, shape: tuple[int, ...], dtype: str, samples: int
) -> None:
    store, array = cache.EmbeddingCache(room / "own"), np.zeros(shape, dtype)
    store.put("ef" * 32, array, samples)
    read, mapped = looked_up(store, "ef" * 32)
    for found in (read, mapped):
        assert found is not None
        assert (found[0].shape, found[0].dtype, found[1]) == (array.shape, array.dtype, samples)


GARBAGE = st.one_of(
    st.binary(max_size=200), spoilt_bytes(b"SQLite format 3\x00" + bytes(84)), st.just(b"")
)
SCHEMAS = st.sampled_from(
    [
        "CREATE TABLE digest_of_bytes (a)",
        "CREATE TABLE digest_of_bytes (path, size, mtime, sha256)",
        "CREATE VIEW digest_of_bytes AS SELECT 1",
        (
            "CREATE TABLE digest_of_bytes (path BLOB PRIMARY KEY, size INTEGER, mtime INTEGER,"
            " sha256 TEXT, more TEXT)"
        ),
        "CREATE TABLE other (a)",
    ]
)
ROWS = st.sampled_from(
    [
        (None, None, None, None),
        (b"x", "y", "z", 5),
        ("text", 1, 1, "0" * 64),
        (b"\xff", 2**62, -1, b"\x00"),
    ]
)


@given(st.one_of(GARBAGE, st.tuples(SCHEMAS, ROWS)), st.data())
@often(40)
def test_a_damaged_memory_of_digests_is_begun_again(
    room: Path, content: Any, data: st.DataObject
) -> None:
    place = paths.home() / "file-digests.sqlite"
    place.parent.mkdir(parents=True, exist_ok=True)
    for stale in place.parent.glob("file-digests.sqlite*"):
        stale.unlink()
    if isinstance(content, bytes):
        place.write_bytes(content)
    else:
        memory = sqlite3.connect(place)
        memory.execute(content[0])
        if content[0].startswith("CREATE TABLE digest_of_bytes (path"):
            memory.execute(
                "INSERT INTO digest_of_bytes (path, size, mtime, sha256) VALUES (?, ?, ?, ?)",
                content[1],
            )
        memory.commit()
        memory.close()
    if isinstance(content, tuple) and data.draw(st.booleans()):
        place.write_bytes(data.draw(spoilt_bytes(place.read_bytes())))
    (room / "file").write_bytes(b"abc")
    for _ in range(2):
        assert lawful("digests of files", lambda: digests.file_digests([room / "file"])) == {
            room / "file": hashlib.sha256(b"abc").hexdigest()
        }


def features(**arrays: Any) -> bytes:
    np.savez(buffer := io.BytesIO(), **arrays)
    return buffer.getvalue()


GOOD = features(embeddings=ARRAY, files=np.array(["x/a.wav", "x/b.wav", "y/a.wav"]))
IDS = ("x/a.wav", "b.wav", "y/a")


@given(
    st.one_of(
        spoilt_bytes(GOOD),
        st.builds(
            lambda shape, dtype, names: features(
                embeddings=np.zeros(shape, dtype), files=np.array(names)
            ),
            SHAPES,
            DTYPES,
            st.lists(TEXTS.filter(lambda t: "\x00" not in t), max_size=4),
        ),
    )
)
@often(120)
def test_features_of_others_are_read_or_refused(room: Path, content: bytes) -> None:
    (room / "f.npz").write_bytes(content)
    found = lawful(
        "corpora: npz features", lambda: npz.lookup(IDS, path=str(room / "f.npz")), "f.npz"
    )
    assert found is None or (
        found.shape[0] == 3 and found.dtype == np.float32 and np.isfinite(found).all()
    )


@given(
    st.lists(TEXTS.filter(lambda t: "\x00" not in t), min_size=1, max_size=4),
    st.lists(TEXTS, min_size=1, max_size=4, unique=True),
)
@often(60)
def test_features_are_matched_by_any_names_or_refused(
    room: Path, names: list[str], ids: list[str]
) -> None:
    (room / "n.npz").write_bytes(features(embeddings=np.ones((len(names), 2)), ids=np.array(names)))
    lawful("corpora: npz features", lambda: npz.lookup(ids, path=str(room / "n.npz")), "n.npz")


def member(name: str, header: str, data: bytes) -> bytes:
    """An archive with an array of that header, and good names."""
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        text = header.encode("latin-1", "replace")[:60000]
        archive.writestr(
            f"{name}.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
        )
        np.lib.format.write_array(file := io.BytesIO(), np.array(IDS))
        archive.writestr("files.npy", file.getvalue())
    return buffer.getvalue()


@given(HEADERS, st.binary(max_size=64))
@often(60)
def test_features_with_headers_that_lie_are_refused(room: Path, header: str, data: bytes) -> None:
    (room / "h.npz").write_bytes(member("embeddings", header, data))
    lawful("corpora: npz features", lambda: npz.lookup(IDS, path=str(room / "h.npz")), "h.npz")


def test_features_that_unpack_to_more_than_they_should_are_refused(room: Path) -> None:
    header = repr({"descr": "<f4", "fortran_order": False, "shape": (3, 25_000_000)})
    (room / "bomb.npz").write_bytes(member("embeddings", header, bytes(300_000_000)))
    assert (
        lawful(
            "corpora: npz features",
            lambda: npz.lookup(IDS, path=str(room / "bomb.npz")),
            "bomb.npz",
        )
        is None
    )
