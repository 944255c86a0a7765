"""Batches that do not fit the memory, loops that are interrupted, and what an extraction costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nverbench.embedding.frames import embed_frames
from nverbench.embedding.keys import embedding_key
from nverbench.embedding.pooled import embed
from nverbench.errors import AudioError
from support.embedding import RATE, Bench, deep, made, planned

TALK = {
    "torch on a GPU": lambda: torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB"
    ),
    "torch on a CPU": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"
        " to allocate 9"
    ),
    "torch on Windows": lambda: RuntimeError(
        "DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes."
    ),
    "Python": lambda: MemoryError(),
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return made(tmp_path)


def narrow(
    bench: Bench,
    most: int,
    error: Callable[[], BaseException] = TALK["torch on a GPU"],
    layers: bool = False,
) -> Any:
    """A backbone for which more than ``most`` samples in a batch, padding included, are too
    many.
    """
    inner = deep(bench.ear).load if layers else bench.ear.load

    def load(ctx: Any) -> Any:
        encode = inner(ctx)

        def listen(waves: torch.Tensor, lengths: torch.Tensor) -> Any:
            if waves.numel() > most:
                raise error()
            return encode(waves, lengths)

        return listen

    return bench.ear.backbone(load=load, batch=8, layers=3 if layers else 0)


def elsewhere(bench: Bench) -> None:
    """Another, empty store."""
    bench.store.root = bench.root / "another"


@pytest.mark.parametrize("talk", TALK)
def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_the_numbers_stay(
    bench: Bench, talk: str
) -> None:
    whole = bench.embed(bench.ear.backbone(batch=8))
    assert whole.halvings == 0
    elsewhere(bench)
    halved = bench.embed(narrow(bench, 3000, TALK[talk]))
    assert halved.forward_passes == 8
    assert halved.halvings >= 2
    assert halved.ids == whole.ids
    np.testing.assert_allclose(halved.matrix, whole.matrix, rtol=0, atol=1e-5)


@pytest.mark.parametrize("most", [1500, 2000, 4000, 9000])
def test_layers_are_halved_with_their_frames(bench: Bench, most: int) -> None:
    whole = bench.embed(deep(bench.ear, batch=8))
    elsewhere(bench)
    np.testing.assert_allclose(
        bench.embed(narrow(bench, most, layers=True)).layers, whole.layers, rtol=0, atol=1e-5
    )


def test_a_half_is_trimmed_to_its_own_longest_clip(bench: Bench) -> None:
    seen: list[tuple[int, int]] = []

    def load(ctx: Any) -> Any:
        encode = bench.ear.load(ctx)

        def listen(waves: torch.Tensor, lengths: torch.Tensor) -> Any:
            seen.append((waves.shape[1], int(lengths.max())))
            if len(waves) > 4:
                raise TALK["torch on a GPU"]()
            return encode(waves, lengths)

        return listen

    bench.embed(bench.ear.backbone(load=load, batch=8))
    assert len(seen) == 3
    assert all(width == longest for width, longest in seen)


def test_a_single_clip_that_does_not_fit_is_named_with_its_seconds(bench: Bench) -> None:
    longest = max(bench.clips, key=lambda c: c.path.stat().st_size)
    samples = 500 + 130 * 7
    with pytest.raises(
        AudioError,
        match=(
            rf"^{longest.id} \({samples / RATE:.1f} s\) does not fit the memory of cpu when ear"
            r" hears it alone; cut it"
        ),
    ):
        bench.embed(narrow(bench, 1300))


def test_another_error_of_the_network_is_not_taken_for_a_lack_of_memory(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        bench.embed(
            narrow(bench, 1000, lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
        )


# --- ends


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("decode")]


class Interrupting:
    """Does its work twice, then is interrupted."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error, self.left = error, 2

    def __call__(self, *_: Any, **__: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise self.error("stop")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("where", ["network", "progress", "store"])
def test_an_interrupted_extraction_keeps_what_it_had_and_leaves_no_thread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str, error: type[BaseException]
) -> None:
    stop, how = Interrupting(error), {}

    def load(ctx: Any, *, shift: int = 0) -> Any:  # the options of the backbone that resumes
        encode = bench.ear.load(ctx)
        return lambda waves, lengths: (
            stop() if where == "network" else None,
            encode(waves, lengths),
        )[1]

    if where == "progress":
        how["tick"] = stop
    with monkeypatch.context() as patch:
        if where == "store":
            put = bench.store.put
            patch.setattr(bench.store, "put", lambda *a, **k: (stop(), put(*a, **k)))
        with pytest.raises(error, match="stop"):
            bench.embed(bench.ear.backbone(load=load, batch=1), **how)
    assert threads() == []
    kept = bench.store.size()[0]
    assert kept in (2, 3)
    assert bench.embed(bench.ear.backbone(batch=1)).forward_passes == 8 - kept


def test_an_error_while_frames_are_stored_leaves_no_thread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.store, "put", Interrupting(OSError))
    with pytest.raises(OSError, match="stop"):
        embed_frames(
            planned(bench.ear.backbone(batch=1)),
            bench.clips,
            bench.sha(bench.clips),
            bench.store,
            device="cpu",
        )
    assert threads() == []


# --- cost


def test_what_an_extraction_costs_is_measured(bench: Bench) -> None:
    def load(ctx: Any) -> Any:
        time.sleep(0.05)  # loading is no part of the loop
        encode = bench.ear.load(ctx)
        return lambda waves, lengths: (time.sleep(0.01), encode(waves, lengths))[1]

    first = bench.embed(bench.ear.backbone(load=load, batch=2))
    again = bench.embed(bench.ear.backbone(load=load, batch=2))
    assert 0.04 <= first.model <= first.loop <= first.seconds - 0.05
    assert first.decoding > 0
    assert (again.model, again.loop, again.decoding) == (0.0, 0.0, 0.0)


def test_thousands_of_stored_embeddings_are_read_in_well_under_a_second(bench: Bench) -> None:
    part = planned(bench.ear.backbone(batch=1))
    clips = [replace(bench.clips[0], id=f"clip {i}") for i in range(2000)]
    shas = {c.id: f"{i:064x}" for i, c in enumerate(clips)}
    for clip in clips:
        bench.store.put(
            embedding_key(part, clip, shas[clip.id], "float32", "mean"), np.ones(4, np.float32), 900
        )
    began = time.perf_counter()
    got = embed(part, clips, shas, bench.store, device="cpu")
    assert (got.forward_passes, got.matrix.shape) == (0, (2000, 4))
    assert time.perf_counter() - began < 2  # 0.15 s when nothing else runs


# --- a GPU, where there is one


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_batches_staged_on_a_gpu_are_those_of_the_cpu(bench: Bench) -> None:
    from nverbench.embedding.decode import decode_ahead, plan_batches
    from nverbench.embedding.extract import prefetch_to_device

    part = bench.ear.backbone()
    batches = plan_batches(bench.clips, 2, {})
    for (batch, here), (_, there) in zip(
        prefetch_to_device(decode_ahead(batches, part), "cpu"),
        prefetch_to_device(decode_ahead(batches, part), "cuda"),
        strict=True,
    ):
        assert there.is_cuda
        assert here.shape == (len(batch.clips), int(batch.lengths.max()))
        assert torch.equal(here, there.cpu())
