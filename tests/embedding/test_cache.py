"""The embedding cache returns what was stored or reports a damaged entry, and its keys depend on
everything that changes the numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nverbench import Backbone, Clip
from nverbench.data import audio
from nverbench.embedding import keys
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.weights import PlannedBackbone, Weights
from nverbench.errors import DiskError
from nverbench.plugin.options import resolve

KEY = "ab" + "0" * 62
IN_A_TEST = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def listening(root: Path) -> tuple[EmbeddingCache, list[str]]:
    """A store, and what it says."""
    messages: list[str] = []
    return EmbeddingCache(root, say=messages.append), messages


# store


@IN_A_TEST
@given(
    array=arrays.arrays(
        st.sampled_from((np.float32, np.float64, np.int64)),
        arrays.array_shapes(max_dims=3, max_side=5),
    ),
    samples=st.integers(0, 2**63),
)
def test_what_is_put_in_comes_out_to_the_bit(tmp_path: Path, array: Any, samples: int):
    store, messages = listening(tmp_path)
    store.put(KEY, array, samples)
    found = store.get(KEY)
    assert found is not None
    assert (found[0].tobytes(), found[0].dtype, found[0].shape, found[1], messages) == (
        array.tobytes(),
        array.dtype,
        array.shape,
        samples,
        [],
    )


def test_an_unknown_key_is_absent_and_no_message_is_given(tmp_path: Path):
    store, messages = listening(tmp_path / "never made")
    assert (store.get(KEY), messages, store.damaged) == (None, [], [])


@pytest.fixture
def stored(tmp_path: Path) -> tuple[EmbeddingCache, list[str], bytes]:
    """A store with one entry, what it says, and the entry's bytes."""
    store, messages = listening(tmp_path)
    store.put(KEY, np.arange(4, dtype=np.float32), 123)
    return store, messages, store.path(KEY).read_bytes()


@contextmanager
def damaged(store: EmbeddingCache, content: bytes) -> Iterator[None]:
    store.path(KEY).write_bytes(content)
    store.damaged.clear()
    yield


@IN_A_TEST
@given(data=st.data())
def test_an_entry_cut_at_any_byte_is_reported_and_counts_as_absent(
    stored: tuple[EmbeddingCache, list[str], bytes], data: st.DataObject
):
    store, messages, whole = stored
    with damaged(store, whole[: data.draw(st.integers(0, len(whole) - 1))]):
        assert (store.get(KEY), store.damaged) == (None, [KEY])
        assert (
            messages[-1]
            == f"cache entry {store.path(KEY)} is damaged (its digest does not match its content);"
            " it is computed again"
        )


@IN_A_TEST
@given(data=st.data())
def test_an_entry_with_any_byte_flipped_is_reported_and_counts_as_absent(
    stored: tuple[EmbeddingCache, list[str], bytes], data: st.DataObject
):
    store, _, whole = stored
    at, mask = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    with damaged(store, whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :]):
        assert (store.get(KEY), store.damaged) == (None, [KEY])


@IN_A_TEST
@given(content=st.binary(max_size=200))
def test_an_entry_of_random_bytes_is_reported_and_counts_as_absent(
    stored: tuple[EmbeddingCache, list[str], bytes], content: bytes
):
    store, _, _ = stored
    with damaged(store, content):
        assert (store.get(KEY), store.damaged) == (None, [KEY])


def test_a_damaged_entry_is_replaced_by_putting_it_again(
    stored: tuple[EmbeddingCache, list[str], bytes],
):
    store, _, whole = stored
    with damaged(store, whole[:-1]):
        store.put(KEY, np.arange(4, dtype=np.float32), 123)
    assert store.path(KEY).read_bytes() == whole


def test_a_write_that_dies_leaves_the_old_entry_and_nothing_else(
    stored: tuple[EmbeddingCache, list[str], bytes], monkeypatch: pytest.MonkeyPatch
):
    store, _, whole = stored

    def no_space(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", no_space)
        with pytest.raises(
            DiskError, match=r"cannot be written \(No space left on device\); make room"
        ):
            store.put(KEY, np.zeros(9), 1)
    assert ([p.name for p in store.path(KEY).parent.iterdir()], store.path(KEY).read_bytes()) == (
        [store.path(KEY).name],
        whole,
    )


def test_pickles_are_neither_written_nor_left_behind(tmp_path: Path):
    store, _ = listening(tmp_path)
    with pytest.raises(ValueError, match="would be a pickle"):
        store.put(KEY, np.array([object()]), 1)
    assert store.size() == (0, 0)


def test_the_size_counts_entries_and_their_bytes(tmp_path: Path):
    store, _ = listening(tmp_path / "store")
    assert store.size() == (0, 0)
    store.put(KEY, np.zeros(4), 1)
    store.put("cd" + KEY[2:], np.zeros(4), 1)
    (store.path(KEY).parent / ".writing-left-by-a-dead-process").write_bytes(b"x")
    assert store.size() == (2, 2 * store.path(KEY).stat().st_size)


def test_a_store_copied_elsewhere_still_works(
    stored: tuple[EmbeddingCache, list[str], bytes], tmp_path: Path
):
    elsewhere, _ = listening(tmp_path / "elsewhere")
    elsewhere.path(KEY).parent.mkdir(parents=True)
    elsewhere.path(KEY).write_bytes(stored[2])
    assert elsewhere.get(KEY) is not None


# keys


def load(context: Any, *, layer: int = 12) -> Any: ...


def planned(
    text: str = "net", *, weights: str = "w" * 64, path: Path | None = None, **changes: Any
) -> PlannedBackbone:
    part = Backbone(
        **{"name": "net", "family": "mamba", "frame_dim": 2, "dim": 2, "load": load, **changes}
    )
    return PlannedBackbone(part, resolve(part, text), Weights(path, weights, pinned=True))


CLIP = Clip("corpus/a.wav", Path("/data/corpus/a.wav"), "joy", "ann")


def key(
    backbone: PlannedBackbone | None = None,
    clip: Clip = CLIP,
    sha256: str = "f" * 64,
    dtype: str = "float32",
    pooling: str = "mean",
) -> str:
    return keys.embedding_key(backbone or planned(), clip, sha256, dtype, pooling)


@pytest.mark.parametrize(
    "changed",
    [
        {"sha256": "e" * 64},
        {"dtype": "bfloat16"},
        {"pooling": "stats"},
        {"clip": dataclasses.replace(CLIP, start=0.5)},
        {"clip": dataclasses.replace(CLIP, end=0.5)},
        {"backbone": planned(weights="v" * 64)},
        {"backbone": planned("net:layer=3")},
        {"backbone": planned("net:untrained")},
        {"backbone": planned(revision="2")},
        {"backbone": planned(sample_rate=8000)},
        {"backbone": planned("other", name="other")},
    ],
    ids=[
        "file",
        "dtype",
        "pooling",
        "start",
        "end",
        "weights",
        "options",
        "untrained",
        "revision",
        "rate",
        "backbone",
    ],
)
def test_the_key_changes_with_everything_that_changes_the_numbers(changed: dict[str, Any]):
    assert key(**changed) != key()


def test_the_key_changes_with_the_revision_of_decoding(monkeypatch: pytest.MonkeyPatch):
    before = key()
    monkeypatch.setattr(audio, "REVISION", "another")
    assert key() != before


@pytest.mark.parametrize("decoder", ["counted", "ffmpeg 5.1.9", "ffmpeg 7.0"])
def test_the_key_changes_with_a_decoder_other_than_libsndfile_alone(
    monkeypatch: pytest.MonkeyPatch, decoder: str
):
    monkeypatch.setattr(audio, "decoder", lambda path, start=None: "")
    plain = key()
    monkeypatch.setattr(audio, "decoder", lambda path, start=None: decoder)
    assert key() != plain


def test_the_key_of_a_file_that_libsndfile_decodes_is_the_one_it_always_had():
    assert key() == ("a075983f871d2e96fb9212bca1471aa6c50f2acf4011231d864139478661a0ad")


def test_a_segment_with_start_and_end_swapped_has_another_key():
    assert key(clip=dataclasses.replace(CLIP, start=1.0)) != key(
        clip=dataclasses.replace(CLIP, end=1.0)
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"clip": dataclasses.replace(CLIP, id="another/name.wav")},
        {"clip": dataclasses.replace(CLIP, path=Path("/elsewhere/b.wav"))},
        {"clip": dataclasses.replace(CLIP, label="anger")},
        {
            "clip": dataclasses.replace(
                CLIP, speaker="bob", group="dyad", split="test", conversation="c", turn=3
            )
        },
        {"backbone": planned("net:layer=12")},
        {"backbone": planned(path=Path("/data/weights.pth"))},
        {"backbone": planned("net:weights=/home/ann/w.pth", path=Path("/home/ann/w.pth"))},
        {"backbone": planned(licence="MIT", citation="someone")},
    ],
    ids=[
        "id",
        "path",
        "label",
        "speaker and split",
        "default written out",
        "place of weights",
        "own weights of the same bytes",
        "licence",
    ],
)
def test_the_key_stays_with_everything_that_does_not_change_the_numbers(changed: dict[str, Any]):
    assert key(**changed) == key()


def test_the_key_is_pinned_so_that_stores_outlive_versions():
    assert key() == "a075983f871d2e96fb9212bca1471aa6c50f2acf4011231d864139478661a0ad"
