"""Frames in the cache: exact in float32, half the disk in float16, memory-mapped; damaged entries
are computed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nverbench import ArtifactError, Backbone, PartError, UsageError
from nverbench.embedding.extract import Extraction, compute
from nverbench.embedding.keys import expected_bytes, frames_key
from support.embedding import DIM, FRAME, RATE, Bench, bad_clips, made, planned, write


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return made(tmp_path)


def computed(bench: Bench) -> dict[str, np.ndarray]:
    """The frames as the network gives them, by clip id."""
    ids = {c.id for c in bench.clips}
    return {
        h.clip.id: h.frames
        for h in compute(
            planned(bench.ear.backbone()),
            bench.clips,
            ids,
            Extraction(),
            device="cpu",
            dtype="float32",
        )
    }


# --- what comes out


def test_frames_are_the_networks_to_the_bit_also_the_second_time(bench: Bench) -> None:
    expected = computed(bench)
    first, second = bench.frames(), bench.frames()
    assert (first.forward_passes, second.forward_passes) == (8, 0)
    assert first.ids == second.ids == tuple(c.id for c in bench.clips)
    assert first.digest == second.digest
    for got in (first, second):
        for row, clip_id in enumerate(got.ids):
            assert got[row].dtype == np.float32
            np.testing.assert_array_equal(got[row], expected[clip_id])
            assert got.lengths[row] == len(expected[clip_id])


def test_an_array_is_mapped_and_cannot_be_written(bench: Bench) -> None:
    array = bench.frames()[0]
    assert isinstance(array.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1.0


def test_a_frame_pass_gives_the_pooled_embeddings_too_and_not_the_other_way_round(
    bench: Bench,
) -> None:
    bench.frames()
    pooled = bench.embed()
    assert pooled.forward_passes == 0
    bench.store.root = bench.root / "another"
    assert bench.embed().digest == pooled.digest
    assert bench.frames().forward_passes == 8


def test_bad_clips_are_named_and_the_others_kept(bench: Bench) -> None:
    clips = [*bad_clips(bench.root)[:4], *bench.clips]
    got = bench.frames(clips=clips)
    assert set(got.unusable) == {"text", "empty", "nan", "silent"}
    assert got.ids == tuple(c.id for c in bench.clips)


def test_short_clips_are_padded_and_counted_also_from_the_store(bench: Bench) -> None:
    clips = [
        *bench.clips,
        dataclasses.replace(
            bench.clips[0], id="short", path=write(bench.root / "short.wav", 150, 5)
        ),
    ]
    assert [bench.frames(clips=clips).padded, bench.frames(clips=clips).padded] == [1, 1]


def test_more_clips_than_files_may_be_open_are_no_trouble(bench: Bench) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    clips = [
        dataclasses.replace(c, id=f"{c.id}/{i}", start=i / RATE)
        for c in bench.clips
        for i in range(20)
    ]
    opened = Path("/proc/self/fd")
    already = (
        len(list(opened.iterdir())) if opened.is_dir() else 40
    )  # by whatever ran in this process before
    resource.setrlimit(resource.RLIMIT_NOFILE, (already + 60, hard))
    try:
        got = bench.frames(clips=clips)
        assert sum(len(got[i]) for i in range(len(got))) == got.lengths.sum()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- what is kept apart


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.frames(storage="float16"),
        lambda b: b.frames(dtype="bfloat16"),
        lambda b: b.frames(text="ear:shift=1"),
        lambda b: b.frames(b.ear.backbone(revision="2")),
    ],
    ids=["storage", "dtype", "option", "revision"],
)
def test_whatever_could_change_a_number_is_computed(
    bench: Bench, change: Callable[[Bench], object]
) -> None:
    bench.frames()
    assert change(bench).forward_passes == 8  # type: ignore[attr-defined]


# --- float16


@given(frames=arrays.arrays(np.float32, (3, 4), elements=st.floats(-65504, 65504, width=32)))
def test_float16_is_within_a_two_thousandth_or_within_a_tiny_step_of_zero(
    frames: np.ndarray,
) -> None:
    error = np.abs(frames.astype(np.float16).astype(np.float64) - frames)
    assert (error <= np.maximum(2.0**-11 * np.abs(frames.astype(np.float64)), 2.0**-25)).all()


def test_float16_halves_the_disk_and_keeps_the_frames_within_its_precision(bench: Bench) -> None:
    full, half = bench.frames(), bench.frames(storage="float16")
    assert (half[0].dtype, half.bytes * 2) == (np.float16, full.bytes)
    for row in range(len(full)):
        np.testing.assert_allclose(
            half[row].astype(np.float32), full[row], rtol=2**-11, atol=2**-25
        )


def test_frames_beyond_float16_are_an_error_and_not_infinity(bench: Bench) -> None:
    loud = bench.ear.backbone(
        load=lambda ctx: lambda w, n: (torch.full((len(w), 2, DIM), 1e5), torch.full((len(w),), 2))
    )
    with pytest.raises(
        UsageError,
        match=r"ear frames reach 1e\+05, and float16 holds at most 65504; store them as float32",
    ):
        bench.frames(loud, storage="float16")
    assert bench.frames(loud).forward_passes == 8


def test_an_unknown_storage_is_named(bench: Bench) -> None:
    with pytest.raises(UsageError, match="float32 or float16, not as int8"):
        bench.frames(storage="int8")


# --- what goes wrong


def entry(bench: Bench, row: int = 0) -> Path:
    clip = bench.clips[row]
    key = frames_key(
        planned(bench.ear.backbone(batch=1)),
        clip,
        bench.sha([clip])[clip.id],
        "float32",
        layer=None,
        storage="float32",
    )
    return bench.store.path(key)


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-7], lambda b: b"", lambda b: b[:200] + b"\xff" + b[201:]],
    ids=["truncated", "empty", "flipped"],
)
def test_a_damaged_entry_is_reported_and_computed_again(
    bench: Bench, damage: Callable[[bytes], bytes]
) -> None:
    part = bench.ear.backbone(batch=1)
    first = bench.frames(part).digest
    entry(bench).write_bytes(damage(entry(bench).read_bytes()))
    again = bench.frames(part)
    assert (again.forward_passes, again.digest) == (1, first)
    assert len(bench.said) == 1
    assert f"{entry(bench)} is damaged" in bench.said[0]


def test_an_entry_that_vanishes_while_in_use_is_one_line(bench: Bench) -> None:
    got = bench.frames(bench.ear.backbone(batch=1))
    entry(bench).unlink()
    with pytest.raises(ArtifactError, match="the frames of c0 left the cache"):
        got[0]


def test_a_stored_vector_has_no_frames(bench: Bench) -> None:
    part = Backbone(
        name="ear", family="features", frame_dim=0, dim=0, lookup=lambda ids: np.ones((8, 2))
    )
    with pytest.raises(UsageError, match="has no frames"):
        bench.frames(part)


def test_a_backbone_that_breaks_its_promise_is_named(bench: Bench) -> None:
    with pytest.raises(PartError, match="not finite"):
        bench.frames(
            bench.ear.backbone(
                load=lambda ctx: (
                    lambda w, n: (
                        torch.full((len(w), 2, DIM), float("inf")),
                        torch.full((len(w),), 2),
                    )
                )
            )
        )


# --- disk


@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_the_disk_that_frames_take_is_known_before(bench: Bench, storage: str) -> None:
    part = bench.ear.backbone(frame_rate=RATE / FRAME)
    expected = expected_bytes(planned(part), bench.clips, frames=True, storage=storage)
    got = bench.frames(part, storage=storage)
    pooled = expected_bytes(planned(part), bench.clips)
    assert expected is not None
    assert pooled is not None
    taken = bench.store.size()[1]
    assert (
        got.bytes < taken <= expected + pooled <= taken + 8 * (200 + 4 * DIM * 2)
    )  # a frame more per clip, and headers rounded up


def test_layers_are_counted_and_an_undeclared_frame_rate_is_reported(bench: Bench) -> None:
    assert expected_bytes(planned(bench.ear.backbone(layers=3)), bench.clips) == 8 * (
        3 * 4 * DIM + 200
    )
    assert expected_bytes(planned(bench.ear.backbone()), bench.clips, frames=True) is None
