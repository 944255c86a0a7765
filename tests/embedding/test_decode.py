"""Decoding ahead of the network: order, numbers and errors are those of decoding one clip after
another, for any number of threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nverbench import Backbone, Clip
from nverbench.data import audio
from nverbench.embedding import decode as decoding
from nverbench.embedding.decode import Decoded, decode, decode_ahead, plan_batches


def part(**facts: Any) -> Backbone:
    given = {
        "name": "ear",
        "family": "features",
        "sample_rate": 16000,
        "frame_dim": 4,
        "dim": 4,
        "batch": 3,
        "min_samples": 400,
        "load": print,
    }
    return Backbone(**{**given, **facts})


def write(path: Path, samples: int, seed: int, rate: int = 44100) -> Clip:
    soundfile.write(
        path, 0.2 * np.random.default_rng(seed).standard_normal(samples), rate, subtype="FLOAT"
    )
    return Clip(path.stem, path, "x")


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """Ten clips, one of them text, one silent."""
    found = [write(tmp_path / f"c{i}.wav", 600 + 700 * ((i * 7) % 10), i) for i in range(8)]
    (tmp_path / "text.wav").write_text("not audio")
    soundfile.write(tmp_path / "silent.wav", np.zeros(2000), 44100)
    return [*found, *(Clip(name, tmp_path / f"{name}.wav", "x") for name in ("text", "silent"))]


def numbered(batches: Sequence[int]) -> list[list[Clip]]:
    return [[Clip(str(i), Path(), "x")] for i in batches]


def made(batch: Sequence[Clip], *, size: int = 1) -> Decoded:
    return Decoded(tuple(batch), (size,), np.zeros((1, size), np.float32), np.array([size]))


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("decode")]


# laws


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(workers=st.integers(1, 8), size=st.sampled_from((1, 2, 3, 50)))
def test_order_numbers_and_errors_do_not_depend_on_the_number_of_threads(
    clips: list[Clip], workers: int, size: int
):
    batches = plan_batches(clips, size, {})
    for batch, got in zip(batches, decode_ahead(batches, part(), workers=workers), strict=True):
        expected = decode(batch, part())
        assert (got.clips, got.samples, got.unusable) == (
            expected.clips,
            expected.samples,
            expected.unusable,
        )
        assert got.waves.tobytes() == expected.waves.tobytes()


@settings(max_examples=20)
@given(
    pauses=st.lists(st.sampled_from((0.0, 0.001, 0.004)), max_size=20), workers=st.integers(1, 4)
)
def test_batches_come_in_the_order_given_whichever_is_done_first(pauses: list[float], workers: int):
    def slowly(batch: Sequence[Clip], part: Backbone) -> Decoded:
        time.sleep(pauses[int(batch[0].id)])
        return made(batch)

    got = [
        d.clips[0].id
        for d in decode_ahead(numbered(range(len(pauses))), part(), workers=workers, work=slowly)
    ]
    assert got == [str(i) for i in range(len(pauses))]


# a batch


def test_a_decoded_batch_is_padded_with_zeros_to_its_longest_or_to_the_minimum(clips: list[Clip]):
    got = decode(clips, part(min_samples=1000))
    assert [c.id for c in got.clips] == [f"c{i}" for i in range(8)]
    assert set(got.unusable) == {"text", "silent"}
    assert got.lengths.tolist() == [max(n, 1000) for n in got.samples]
    assert got.waves.shape == (8, max(got.lengths))
    for row, clip, samples in zip(got.waves, got.clips, got.samples, strict=True):
        np.testing.assert_array_equal(row[:samples], audio.read(clip.path, 16000))
        assert not row[samples:].any()


def test_a_batch_of_which_nothing_can_be_used_is_empty(clips: list[Clip]):
    got = decode(clips[8:], part())
    assert (got.clips, got.waves.shape, len(got.unusable)) == ((), (0, 0), 2)


# bounds and ends


class Watched:
    """Work that notes how much of it was begun."""

    def __init__(self, size: int = 1, fail_at: int | None = None) -> None:
        self.size, self.fail_at, self.begun = size, fail_at, 0

    def __call__(self, batch: Sequence[Clip], part: Backbone) -> Decoded:
        self.begun += 1
        if batch[0].id == str(self.fail_at):
            raise ZeroDivisionError("a decoder's bug")
        return made(batch, size=self.size)


def settle(condition: Callable[[], bool]) -> None:
    """Give threads the time to do too much, if they would."""
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.03)


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_stay_a_few_batches_ahead(workers: int):
    work = Watched()
    batches = decode_ahead(numbered(range(100)), part(), workers=workers, work=work)
    for taken in range(1, 8):
        next(batches)
        settle(lambda: work.begun >= 1)
        assert work.begun - taken <= 2 * workers
    batches.close()
    assert work.begun < 30


def test_no_batch_is_begun_while_too_much_audio_waits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding, "BYTES", 1000)
    work = Watched(size=300)  # 1,200 bytes
    batches = decode_ahead(numbered(range(50)), part(), workers=2, work=work)
    for taken in range(1, 6):
        next(batches)
        settle(lambda: True)
        assert work.begun - taken <= 2  # what the two threads had in hand before anything waited
    batches.close()


@pytest.mark.parametrize("end", ["close", "error in a thread", "nothing more"])
def test_however_it_ends_no_thread_is_left(end: str):
    batches = decode_ahead(
        numbered(range(40)),
        part(),
        workers=4,
        work=Watched(fail_at=20 if end == "error in a thread" else None),
    )
    if end == "close":
        next(batches)
        assert threads()
        batches.close()
    elif end == "error in a thread":
        with pytest.raises(ZeroDivisionError):
            list(batches)
    else:
        assert len(list(batches)) == 40
    assert threads() == []
