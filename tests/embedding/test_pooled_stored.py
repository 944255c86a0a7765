"""Pooling follows its definition; features from a user's file are looked up and checked, and never
cached.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench import Backbone, Clip, PartError
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.keys import pool
from nverbench.embedding.pooled import Embeddings, embed
from nverbench.embedding.weights import PlannedBackbone, Weights
from nverbench.plugin.options import PartRef

CLIPS = [Clip(f"c{i}", Path(f"c{i}.wav"), "x") for i in range(8)]
FRAMES = np.array([[1, 5], [3, -1], [8, 2]], dtype=np.float32)


@pytest.mark.parametrize(
    ("how", "expected"),
    [("mean", [4, 2]), ("mean+max", [12, 7]), ("stats", [4, 2, np.sqrt(26 / 3), np.sqrt(6)])],
)
def test_pooling_follows_its_definition(how: str, expected: list[float]) -> None:
    got = pool(FRAMES, how)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def looked_up(matrix: Any, store: EmbeddingCache) -> Embeddings:
    part = Backbone(name="ear", family="features", frame_dim=0, dim=0, lookup=lambda ids: matrix)
    return embed(
        PlannedBackbone(part, PartRef("ear"), Weights(None, "w", pinned=False)),
        CLIPS,
        {},
        store,
        device="cpu",
    )


def test_stored_features_are_looked_up_and_never_cached(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path)
    got = looked_up(np.arange(16.0).reshape(8, 2), store)
    assert got.matrix.dtype == np.float32
    assert (got.forward_passes, got.matrix[3].tolist(), store.size()) == (0, [6, 7], (0, 0))


@pytest.mark.parametrize("matrix", [np.ones((7, 2)), np.ones(8), np.ones((8, 2, 2))])
def test_stored_features_of_another_shape_are_named(tmp_path: Path, matrix: Any) -> None:
    with pytest.raises(PartError, match=r"ear features: expected \(n=8, d\), got"):
        looked_up(matrix, EmbeddingCache(tmp_path))


def test_stored_features_that_are_not_finite_are_named(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="not finite"):
        looked_up(np.full((8, 2), np.nan), EmbeddingCache(tmp_path))
