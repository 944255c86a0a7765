"""Pictures of embeddings: seeded, in the order of the clips, and only of embeddings that are complete
in the local cache under the digests of the result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench import Backbone, Clip, Dataset, LabelCard
from nverbench.data.corpus import Corpus, load_local
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.keys import embedding_key
from nverbench.embedding.pooled import Embeddings
from nverbench.embedding.weights import PlannedBackbone, find_weights
from nverbench.leaderboard.page.embedding_map import EmbeddingSources, from_store, points
from nverbench.plugin.catalog import Catalog, Origin
from nverbench.plugin.options import resolve
from nverbench.registry import load
from nverbench.results.pseudonyms import Names
from nverbench.results.record import Result
from support.pages import result

CLIPS, DIM = 24, 6
ORIGIN = Origin("tiny", "tiny", "1")


def audio(folder: Path) -> Path:
    for i in range(CLIPS):
        (folder / f"{i:02d}.wav").write_bytes(f"clip {i}".encode())
    return folder


@pytest.fixture
def sources(tmp_path: Path) -> EmbeddingSources:
    """A catalogue of one backbone and one corpus of 24 clips of 6 people."""
    folder = audio(tmp_path)
    catalog = Catalog()
    backbone = Backbone(
        name="tiny", family="features", frame_dim=DIM, dim=DIM, load=lambda ctx: None
    )  # type: ignore[arg-type,return-value]
    clips = [
        Clip(f"{i:02d}", folder / f"{i:02d}.wav", ("high", "low")[i % 2], f"person {i // 4}")
        for i in range(CLIPS)
    ]
    card = LabelCard(kind="portrayed", setting="acted")
    dataset = Dataset(
        name="bursts", labels=("high", "low"), label_card=card, load=lambda root: clips
    )
    catalog.backbones.add(backbone, ORIGIN)
    catalog.datasets.add(dataset, ORIGIN)
    return EmbeddingSources(
        catalog, load(()), EmbeddingCache(tmp_path / "store", lambda line: None)
    )


def filled(sources: EmbeddingSources, *, leave_out: int = 0) -> tuple[Corpus, Embeddings, str]:
    """The store with the embeddings of the corpus, but for the last ones."""
    corpus = load_local(sources.catalog.dataset("bursts"), "bursts")
    part = sources.catalog.backbone("tiny")
    planned = PlannedBackbone(
        part, resolve(part, "tiny"), find_weights(part, resolve(part, "tiny"), None)
    )  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    matrix = (rng.normal(size=(CLIPS, DIM)) + 10 * (np.arange(CLIPS) % 2)[:, None]).astype(
        np.float32
    )
    for clip, vector in zip(corpus.clips[: CLIPS - leave_out], matrix, strict=False):
        sources.store.put(
            embedding_key(planned, clip, corpus.sha256[clip.id], "float32", part.pool), vector, 100
        )
    embeddings = Embeddings(tuple(c.id for c in corpus.clips), matrix)
    return corpus, embeddings, planned.weights.digest


def measured(sources: EmbeddingSources, *, leave_out: int = 0, **facts: Any) -> tuple[Result, str]:
    corpus, embeddings, weights = filled(sources, leave_out=leave_out)
    groups = {f"person {i}": f"group {i + 1:02d}" for i in range(CLIPS // 4)}
    r = result(0, backbones=("tiny",), dataset="bursts", labels=["high", "low"], **facts)
    provenance = {
        "dataset_digest": corpus.digest,
        "embedding_digests": {"tiny": embeddings.digest},
        "weights_digests": {"tiny": weights},
    }
    names = Names(texts={}, clips={}, groups=groups, folds={})
    return (
        r.model_copy(
            update={"provenance": r.provenance.model_copy(update=provenance), "names": names}
        ),
        embeddings.digest,
    )


def test_a_picture_holds_every_clip_with_its_class_and_a_number_for_its_speaker(
    sources: EmbeddingSources,
):
    r, digest = measured(sources)
    picture = from_store([r], sources, pytest.fail)[digest]
    assert np.array(picture["xy"]).shape == (CLIPS, 2)
    assert picture["labels"] == [i % 2 for i in range(CLIPS)]
    assert (picture["people"], picture["groups"]) == (
        [f"group {i + 1:02d}" for i in range(6)],
        [i // 4 for i in range(CLIPS)],
    )
    assert "person" not in str(picture)


def test_classes_far_apart_are_apart_in_the_picture(sources: EmbeddingSources):
    r, digest = measured(sources)
    picture = from_store([r], sources, pytest.fail)[digest]
    xy, labels = np.array(picture["xy"]), np.array(picture["labels"])
    nearest = np.array(
        [
            np.delete(np.arange(CLIPS), i)[np.argmin(np.delete(((xy - p) ** 2).sum(1), i))]
            for i, p in enumerate(xy)
        ]
    )
    assert np.mean(labels[nearest] == labels) == 1.0


def test_a_second_picture_comes_from_the_store_and_is_the_same(
    sources: EmbeddingSources, monkeypatch: pytest.MonkeyPatch
):
    r, _ = measured(sources)
    first = from_store([r], sources, pytest.fail)
    monkeypatch.setattr(
        "nverbench.leaderboard.page.embedding_map.points",
        lambda matrix: pytest.fail("computed again"),
    )
    assert from_store([r], sources, pytest.fail) == first


def test_the_same_numbers_make_the_same_points():
    matrix = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)
    assert np.array_equal(points(matrix), points(matrix))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_handful_of_clips_still_has_a_picture(count: int):
    assert points(np.eye(count, 4, dtype=np.float32)).shape == (count, 2)


def refusal(sources: EmbeddingSources, r: Result) -> str:
    said: list[str] = []
    assert from_store([r], sources, said.append) == {}
    assert len(said) == 1
    return said[0]


def test_incomplete_embeddings_are_left_out_and_reported(sources: EmbeddingSources):
    assert "not in the local store" in refusal(sources, measured(sources, leave_out=1)[0])


def test_labels_that_may_not_be_published_are_not_drawn(sources: EmbeddingSources):
    assert "share: labels-only" in refusal(sources, measured(sources, share="labels-only")[0])


def test_another_copy_of_the_corpus_is_not_drawn(sources: EmbeddingSources):
    r, _ = measured(sources)
    other = r.provenance.model_copy(update={"dataset_digest": "0" * 64})
    assert "has digest" in refusal(sources, r.model_copy(update={"provenance": other}))


def test_other_numbers_than_the_results_own_are_not_drawn(sources: EmbeddingSources):
    r, _ = measured(sources)
    other = r.provenance.model_copy(update={"embedding_digests": {"tiny": "0" * 64}})
    assert "others than the result's" in refusal(
        sources, r.model_copy(update={"provenance": other})
    )


def test_a_part_that_is_not_installed_is_reported_once(sources: EmbeddingSources):
    said: list[str] = []
    assert from_store([result(0), result(1)], sources, said.append) == {}
    assert [line.split(":")[0] for line in said] == [
        "no picture of alpha on vivae",
        "no picture of beta on vivae",
    ]
