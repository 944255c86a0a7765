"""Layers: one pass gives the mean of every layer, they are stored together, and the harness pools
the last one itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench import PartError, UsageError
from nverbench.embedding.keys import embedding_identity, embedding_key, layer_of
from nverbench.embedding.pooled import embed_files
from nverbench.plugin.options import PartRef
from support.embedding import DIM, Bench, L, deep, made, planned


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return made(tmp_path)


def test_one_pass_gives_every_layers_mean_and_the_last_one_is_the_matrix(bench: Bench) -> None:
    got = bench.embed(deep(bench.ear))
    flat = bench.embed(bench.ear.backbone(revision="flat"))
    assert got.layers is not None
    assert (got.forward_passes, got.layers.shape, got.layers.dtype) == (8, (8, L, DIM), np.float32)
    assert flat.layers is None
    np.testing.assert_array_equal(got.layers[:, -1], got.matrix)
    for i in range(L):
        np.testing.assert_allclose(got.layers[:, i], flat.matrix * (i + 1), rtol=1e-5, atol=1e-6)


def test_the_last_layer_is_the_harnesses_mean_of_the_frames_whatever_the_backbone_says(
    bench: Bench,
) -> None:
    honest = bench.embed(deep(bench.ear))
    off = bench.embed(deep(bench.ear, lambda m: m + 1, revision="2"))
    np.testing.assert_array_equal(off.matrix, honest.matrix)
    assert off.layers is not None
    assert honest.layers is not None
    np.testing.assert_allclose(off.layers[:, :-1], honest.layers[:, :-1] + 1, rtol=1e-5)


def test_layers_come_back_from_the_store_to_the_bit(bench: Bench) -> None:
    first, second = bench.embed(deep(bench.ear)), bench.embed(deep(bench.ear))
    assert (second.forward_passes, bench.store.size()[0]) == (0, 8)
    np.testing.assert_array_equal(first.layers, second.layers)
    assert first.digest == second.digest


def test_a_backbone_that_begins_to_give_layers_is_computed_again(bench: Bench) -> None:
    bench.embed(bench.ear.backbone())
    assert bench.embed(deep(bench.ear)).forward_passes == 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: None, r"expected time means \(b=3, L=3, d=4\), got none"),
        (lambda m: m[:, 1:], r"got \(3, 2, 4\)"),
        (lambda m: m[:, 0], r"got \(3, 4\)"),
        (lambda m: m * float("nan"), "not finite"),
    ],
    ids=["none", "one less", "no layers", "nan"],
)
def test_layers_that_are_not_as_promised_are_the_backbones_error(
    bench: Bench, change: Any, words: str
) -> None:
    with pytest.raises(PartError, match=rf"ear layers: .*{words}"):
        bench.embed(deep(bench.ear, change), clips=bench.clips[:3])


def test_the_layer_that_is_requested_afterwards_does_not_enter_the_key(bench: Bench) -> None:
    class Later(PartRef):
        def identity(self) -> dict[str, Any]:
            return {**super().identity(), "layer": 3, "layers": "weighted", "project": 768}

    part = deep(bench.ear)
    assert embedding_identity(Later("ear")) == PartRef("ear").identity()
    plain = planned(part)
    later = type(plain)(part, Later("ear"), plain.weights)
    assert embedding_key(later, bench.clips[0], "0", "float32", "mean") == embedding_key(
        plain, bench.clips[0], "0", "float32", "mean"
    )


@pytest.mark.parametrize(("layer", "wanted"), [(None, None), (0, 0), (L - 2, L - 2), (L - 1, None)])
def test_the_last_layer_has_one_name(bench: Bench, layer: int | None, wanted: int | None) -> None:
    assert layer_of(planned(deep(bench.ear)), layer) == wanted


@pytest.mark.parametrize("layer", [-1, L, 99])
def test_a_layer_that_is_not_there_is_named(bench: Bench, layer: int) -> None:
    with pytest.raises(
        UsageError, match=rf"backbone ear has no layer {layer}; it has layers 0 to 2"
    ):
        layer_of(planned(deep(bench.ear)), layer)
    with pytest.raises(UsageError, match="it gives one only"):
        layer_of(planned(bench.ear.backbone()), layer)


def test_frames_of_a_layer_are_that_layers_and_leave_the_pooled_embeddings_alone(
    bench: Bench,
) -> None:
    part = deep(bench.ear)
    last, first = bench.frames(part), bench.frames(part, layer=0)
    assert (last.forward_passes, first.forward_passes) == (8, 8)
    np.testing.assert_allclose(np.asarray(first[2]) * L, last[2], rtol=1e-6)
    assert bench.frames(part, layer=L - 1).forward_passes == 0
    assert bench.embed(part).forward_passes == 0  # the pass over the last layer left them


def test_a_pass_over_another_layer_stores_no_pooled_embedding(bench: Bench) -> None:
    bench.frames(deep(bench.ear), layer=1)
    assert bench.store.size()[0] == 8
    assert bench.embed(deep(bench.ear)).forward_passes == 8


@pytest.mark.parametrize("frames", [True, False])
def test_features_of_ones_own_audio_are_those_of_the_layer_that_is_named(
    bench: Bench, frames: bool
) -> None:
    part, files = deep(bench.ear), [c.path for c in bench.clips]
    last, _ = embed_files(planned(part), files, device="cpu", frames=frames)
    first, _ = embed_files(planned(part, "ear:layer=0"), files, device="cpu", frames=frames)
    for a, b in zip(last, first, strict=True):
        np.testing.assert_allclose(a, L * b, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [("ear:layers=weighted", "layers=weighted is fitted"), ("ear:project=2", "project is fitted")],
)
def test_what_only_training_could_give_is_refused_for_ones_own_audio(
    bench: Bench, text: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        embed_files(
            planned(deep(bench.ear), text), [bench.clips[0].path], device="cpu", frames=False
        )
    assert bench.ear.passes == 0
