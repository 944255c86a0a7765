"""Embeddings: one forward pass per clip, keys that depend on everything that can change a number,
and every unusable clip is named.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from nverbench import Clip, PartError
from nverbench._io.digests import file_sha256
from nverbench.embedding.decode import plan_batches
from nverbench.embedding.keys import embedding_key
from nverbench.embedding.pooled import Embeddings, embed, embed_files
from nverbench.embedding.weights import PlannedBackbone, Weights
from nverbench.errors import AudioError
from nverbench.pipeline.bad_clips import check_usable
from nverbench.plugin.options import resolve
from support.embedding import DIM, RATE, SHORTEST, Bench, bad_clips, made, write


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Eight clips of eight lengths."""
    return made(tmp_path)


# --- one forward pass per clip, ever


def test_the_second_time_costs_no_forward_pass_and_gives_the_same_bits(bench: Bench) -> None:
    first, second = bench.embed(), bench.embed()
    assert (first.forward_passes, second.forward_passes, bench.ear.passes) == (8, 0, 8)
    assert first.ids == second.ids == tuple(c.id for c in bench.clips)
    assert first.digest == second.digest


def test_a_clip_that_is_added_costs_its_own_batch_only(bench: Bench) -> None:
    bench.embed(clips=bench.clips[:7])
    bench.ear.passes = 0
    assert bench.embed(bench.ear.backbone(batch=1)).forward_passes == 1


def test_two_datasets_with_the_same_files_share_embeddings(bench: Bench) -> None:
    bench.embed()
    (bench.root / "copy").mkdir()
    copies = [Path(shutil.copy(c.path, bench.root / "copy")) for c in bench.clips]
    others = [
        Clip(f"other/{c.id}", copy, "y", "s") for c, copy in zip(bench.clips, copies, strict=True)
    ]
    assert bench.embed(clips=others).forward_passes == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.embed(weights="other"),
        lambda b: b.embed(b.ear.backbone(revision="2")),
        lambda b: b.embed(text="ear:shift=1"),
        lambda b: b.embed(text="ear:untrained"),
        lambda b: b.embed(dtype="bfloat16"),
        lambda b: b.embed(b.ear.backbone(pool="mean+max")),
        lambda b: b.embed(b.ear.backbone(sample_rate=4000)),
        lambda b: b.embed(b.ear.backbone(name="ear2"), "ear2"),
        lambda b: b.embed(clips=[replace(c, start=0.0, end=0.06) for c in b.clips]),
    ],
    ids=[
        "weights",
        "revision",
        "option",
        "untrained",
        "dtype",
        "pooling",
        "rate",
        "name",
        "segment",
    ],
)
def test_whatever_could_change_a_number_misses_the_cache(
    bench: Bench, change: Callable[[Bench], Embeddings]
) -> None:
    bench.embed()
    assert change(bench).forward_passes == 8


@pytest.mark.parametrize("text", ["ear:shift=0", "ear"])
def test_a_default_that_is_written_out_hits_the_cache(bench: Bench, text: str) -> None:
    bench.embed()
    assert bench.embed(text=text).forward_passes == 0


def test_changed_audio_is_a_new_clip(bench: Bench) -> None:
    bench.embed(bench.ear.backbone(batch=1))
    write(bench.clips[2].path, 900, 99)
    assert bench.embed(bench.ear.backbone(batch=1)).forward_passes == 1


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-7], lambda b: b"", lambda b: b[:60] + b"\xff\xff" + b[62:]],
    ids=["truncated", "empty", "flipped"],
)
def test_a_damaged_cache_entry_is_reported_and_computed_again(
    bench: Bench, damage: Callable[[bytes], bytes]
) -> None:
    backbone = bench.ear.backbone(batch=1)
    first = bench.embed(backbone)
    planned = PlannedBackbone(backbone, resolve(backbone, "ear"), Weights(None, "w", pinned=False))
    path = bench.store.path(
        embedding_key(planned, bench.clips[0], file_sha256(bench.clips[0].path), "float32", "mean")
    )
    path.write_bytes(damage(path.read_bytes()))
    second = bench.embed(backbone)
    assert second.forward_passes == 1
    assert second.digest == first.digest
    assert len(bench.said) == 1
    assert str(path) in bench.said[0]
    assert "is damaged" in bench.said[0]
    assert bench.embed(backbone).forward_passes == 0


# --- batches and rows


def test_planned_batches_are_a_function_of_the_full_list(bench: Bench) -> None:
    straight = [[c.id for c in b] for b in plan_batches(bench.clips, 3, {})]
    turned = [[c.id for c in b] for b in plan_batches(bench.clips[::-1], 3, {})]
    assert straight == turned
    assert [len(b) for b in straight] == [3, 3, 2]


def test_a_batch_that_is_partly_known_is_computed_in_the_same_batch(bench: Bench) -> None:
    first = bench.embed()
    last = plan_batches(bench.clips, 3, {})[0][1]
    planned = PlannedBackbone(
        bench.ear.backbone(), resolve(bench.ear.backbone(), "ear"), Weights(None, "w", pinned=False)
    )
    bench.store.path(
        embedding_key(planned, last, file_sha256(last.path), "float32", "mean")
    ).unlink()
    bench.ear.batches.clear()
    assert bench.embed().digest == first.digest
    assert bench.ear.batches == [3]


@pytest.mark.parametrize("size", [1, 2, 3, 8, 50])
def test_batch_mates_do_not_change_a_row(bench: Bench, size: int) -> None:
    together = bench.embed(bench.ear.backbone(batch=size))
    bench.store.root = bench.root / "another"
    alone = np.concatenate(
        [bench.embed(bench.ear.backbone(batch=1), clips=[c]).matrix for c in bench.clips]
    )
    np.testing.assert_allclose(together.matrix, alone, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("length", "padded"), [(SHORTEST - 1, 1), (SHORTEST, 0), (150, 1)])
def test_short_clips_are_padded_and_counted_also_from_the_cache(
    bench: Bench, length: int, padded: int
) -> None:
    clips = [*bench.clips, Clip("short", write(bench.root / "short.wav", length, 5), "x")]
    assert [bench.embed(clips=clips).padded, bench.embed(clips=clips).padded] == [padded, padded]


def test_stats_pooling_doubles_the_size(bench: Bench) -> None:
    assert bench.embed(bench.ear.backbone(pool="stats", dim=2 * DIM)).matrix.shape == (8, 2 * DIM)


# --- bad clips


@pytest.mark.parametrize("size", [1, 3])
def test_every_bad_clip_is_named_and_the_good_ones_are_kept(bench: Bench, size: int) -> None:
    bad = bad_clips(bench.root)
    clips = [*bad, *bench.clips]
    shas = bench.sha([c for c in clips if c.path.exists()]) | {"absent": "0"}
    part = bench.ear.backbone(batch=size)
    got = embed(
        PlannedBackbone(part, resolve(part, "ear"), Weights(None, "w", pinned=False)),
        clips,
        shas,
        bench.store,
        device="cpu",
    )
    assert got.ids == tuple(c.id for c in bench.clips)
    words = {
        "text": "cannot be decoded",
        "empty": "is empty",
        "nan": "not finite",
        "silent": "is silent",
        "absent": "cannot be decoded",
    }
    assert {name for name, word in words.items() if word in got.unusable[name]} == set(words)
    with pytest.raises(
        AudioError,
        match=r"^5 clips of x cannot be used: absent .*; and 2 more \(all: .*\)\. .*--skip-bad",
    ):
        check_usable(got.unusable, "x")


def test_a_bad_clip_does_not_send_its_batch_mates_through_again(bench: Bench) -> None:
    soundfile.write(bench.root / "nan.wav", np.array([0.1, np.nan] * 400), RATE, subtype="FLOAT")
    clips = [*bench.clips, Clip("nan", bench.root / "nan.wav", "x")]
    bench.embed(clips=clips)
    assert bench.embed(clips=clips).forward_passes == 0


def test_own_files_give_vectors_or_frames_and_name_what_is_bad(bench: Bench) -> None:
    (bench.root / "text.wav").write_text("not audio")
    part = bench.ear.backbone()
    planned = PlannedBackbone(part, resolve(part, "ear"), Weights(None, "w", pinned=False))
    files = [bench.clips[3].path, bench.root / "text.wav", bench.clips[1].path]
    vectors, bad = embed_files(planned, files, device="cpu", frames=False)
    frames, _ = embed_files(planned, files, device="cpu", frames=True)
    assert list(bad) == [str(files[1])]
    np.testing.assert_allclose([f.mean(0) for f in frames], vectors, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(
        vectors, bench.embed(clips=[bench.clips[3], bench.clips[1]]).matrix
    )


# --- broken parts


def says(*answer: Any) -> Callable[..., Any]:
    return lambda ctx: lambda waves, lengths: answer[0] if len(answer) == 1 else answer


B = 3
ONES = torch.ones(B, 5, DIM)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (
            says(torch.ones(B, 5, DIM + 1), torch.full((B,), 5)),
            r"expected \(b=3, t, d=4\), got \(3, 5, 5\)",
        ),
        (says(torch.ones(B, DIM), torch.full((B,), 5)), r"got \(3, 4\)"),
        (says(torch.ones(2, 5, DIM), torch.full((2,), 5)), r"got \(2, 5, 4\)"),
        (says(ONES, torch.tensor([5, 5, 6])), r"frame lengths \[5, 5, 6\] do not fit 5 frames"),
        (says(ONES, torch.tensor([5, 0, 5])), "do not fit 5 frames"),
        (says(ONES, torch.tensor([5, 5])), "do not fit 5 frames"),
        (says(ONES * float("nan"), torch.full((B,), 5)), "some are not finite numbers"),
        (lambda ctx: "an encoder", "load gave a str; expected a callable"),
    ],
    ids=["dim", "ndim", "rows", "too long", "zero", "fewer lengths", "nan", "not callable"],
)
def test_a_backbone_that_breaks_its_promise_is_named(bench: Bench, load: Any, words: str) -> None:
    with pytest.raises(PartError, match=rf"ear.*{words}"):
        bench.embed(bench.ear.backbone(load=load), clips=bench.clips[:B])


def test_what_lies_past_a_clips_length_may_be_anything(bench: Bench) -> None:
    frames = ONES.clone()
    frames[1, 2:] = float("nan")
    got = bench.embed(
        bench.ear.backbone(load=says(frames, torch.tensor([5, 2, 5]))), clips=bench.clips[:B]
    )
    assert np.isfinite(got.matrix).all()


def test_frames_without_lengths_are_the_backbones_error(bench: Bench) -> None:
    with pytest.raises(PartError, match="ear"):
        bench.embed(bench.ear.backbone(load=says(torch.ones(1, 5, DIM)), batch=1))
