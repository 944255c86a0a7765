"""Embeddings of segments of time, and the mean of a frame's blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nverbench import UsageError
from nverbench.embedding.keys import (
    average_blocks,
    cut_in_time,
    embedding_key,
    expected_bytes,
    pool,
)
from nverbench.embedding.pooled import embed_files
from support.embedding import DIM, Bench, deep, made, planned


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Eight clips of eight lengths."""
    return made(tmp_path)


# --- segments


@given(t=st.integers(1, 40), segments=st.integers(2, 12), seed=st.integers(0, 99))
def test_segments_are_those_of_adaptive_average_pooling(t: int, segments: int, seed: int) -> None:
    frames = np.random.default_rng(seed).standard_normal((t, 3)).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool1d(
        torch.from_numpy(frames).double().T[None], segments
    )[0].T
    got = pool(frames, "mean", segments).reshape(segments, 3)
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-6, atol=1e-6)


@given(t=st.integers(1, 40), segments=st.integers(2, 12))
def test_every_frame_is_in_a_segment_and_no_segment_is_empty(t: int, segments: int) -> None:
    parts = cut_in_time(np.arange(t, dtype=np.float32)[:, None], segments)
    assert min(map(len, parts)) >= 1
    assert max(map(len, parts)) - min(map(len, parts)) <= 2
    assert sorted(set(np.concatenate(parts)[:, 0])) == list(range(t))


def test_the_mean_of_equal_segments_is_the_mean_of_the_clip() -> None:
    frames = np.random.default_rng(0).standard_normal((35, 4)).astype(np.float32)
    segments = pool(frames, "mean", 5).reshape(5, 4)
    np.testing.assert_allclose(segments.mean(0), pool(frames, "mean"), rtol=1e-5, atol=1e-6)


def test_segments_are_cached_under_keys_of_their_own(bench: Bench) -> None:
    part = bench.ear.backbone()
    whole, five = bench.embed(part), bench.embed(part, "ear:segments=5")
    assert (whole.forward_passes, five.forward_passes) == (8, 8)
    again = bench.embed(part, "ear:segments=5")
    assert (again.forward_passes, again.digest) == (0, five.digest)
    assert five.matrix.shape == (8, 5 * DIM)
    assert bench.embed(part).digest == whole.digest
    (clip,), frames = bench.clips[:1], bench.frames(part)
    expected = pool(np.asarray(frames[0]), part.pool, 5)
    np.testing.assert_array_equal(five.matrix[five.ids.index(clip.id)], expected)


def test_a_network_with_layers_gives_segments_of_its_output(bench: Bench) -> None:
    part = deep(bench.ear)
    five = bench.embed(part, "ear:segments=5")
    assert five.layers is None
    assert five.matrix.shape == (8, 5 * DIM)
    own = expected_bytes(planned(part, "ear:segments=5"), bench.clips)
    assert own == 8 * (4 * 5 * DIM + 200)


def test_the_keys_of_other_embeddings_do_not_depend_on_the_new_options(bench: Bench) -> None:
    part, clip = bench.ear.backbone(blocks=2), bench.clips[0]
    plain, blocks = (
        embedding_key(planned(part, text), clip, "0" * 64, "float32", part.pool)
        for text in ("ear", "ear:blocks=mean")
    )
    assert plain == blocks


# --- blocks


def test_the_mean_of_the_blocks_costs_no_pass(bench: Bench) -> None:
    part = bench.ear.backbone(blocks=2)
    whole, mean = bench.embed(part), bench.embed(part, "ear:blocks=mean")
    assert mean.forward_passes == 0
    got = mean.read_out(planned(part, "ear:blocks=mean").reference)
    assert got.shape == (8, DIM // 2)
    halves = whole.matrix[:, : DIM // 2], whole.matrix[:, DIM // 2 :]
    np.testing.assert_allclose(got, (halves[0] + halves[1]) / 2, rtol=1e-6)


@pytest.mark.parametrize("text", ["ear:layer=1,blocks=mean", "ear:layers=weighted,blocks=mean"])
def test_blocks_of_every_layer_are_averaged_alike(bench: Bench, text: str) -> None:
    part = deep(bench.ear, blocks=2)
    held, reference = bench.embed(part), planned(part, text).reference
    assert held.layers is not None
    every = average_blocks(held.layers, reference, DIM)
    got = held.read_out(reference)
    np.testing.assert_array_equal(got, every if reference.weighted else every[:, 1])


def test_blocks_are_averaged_within_segments(bench: Bench) -> None:
    part = bench.ear.backbone(blocks=2)
    both = planned(part, "ear:segments=3,blocks=mean")
    five = bench.embed(part, str(both))
    got = five.read_out(both.reference).reshape(8, 3, DIM // 2)
    expected = five.matrix.reshape(8, 3, 2, DIM // 2).mean(2)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


# --- own files


def test_vectors_of_own_files_are_pooled_alike_and_frames_are_not_cut(bench: Bench) -> None:
    part, files = bench.ear.backbone(blocks=2), [c.path for c in bench.clips]
    both = planned(part, "ear:segments=3,blocks=mean")
    rows, _ = embed_files(both, files, device="cpu", frames=False)
    held: Any = bench.embed(part, str(both))
    np.testing.assert_array_equal(np.stack(rows), held.read_out(both.reference))
    with pytest.raises(UsageError, match="segments and blocks are of pooled vectors"):
        embed_files(both, files, device="cpu", frames=True)
