"""What one clip is: levels that follow the wave, and a reason for whatever cannot be used; nothing
in a file raises.
"""

from __future__ import annotations

import shutil
import struct
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from nverbench.data import audio
from nverbench.data.audit import Measured, Place, measure, pool
from nverbench.data.audit.measurements import clipped_runs
from nverbench.data.corpus import load
from nverbench.errors import AudioError
from nverbench.plugin import discovery
from nverbench.plugin.options import resolve
from support.audio import RATE, burst, written


def measured(path: Path, **segment: float) -> Measured:
    return measure(Place("clip", path, **segment)).measured


def wav_header(path: Path, offset: int, form: str, value: int) -> Path:
    """A wav whose header lies at one place."""
    content = bytearray(written(path, burst(1), subtype="PCM_16").read_bytes())
    content[offset : offset + struct.calcsize(form)] = struct.pack(form, value)
    path.write_bytes(content)
    return path


# laws


@settings(max_examples=20)
@given(gain=st.floats(0.05, 1.9))
def test_a_gain_moves_level_peak_and_offset_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, gain: float
):
    folder = tmp_path_factory.mktemp("gain")
    plain = measured(written(folder / "a.wav", burst(3), subtype="FLOAT"))
    louder = measured(written(folder / "b.wav", burst(3) * np.float32(gain), subtype="FLOAT"))
    assert louder.rms_db == pytest.approx(plain.rms_db + 20 * np.log10(gain), abs=1e-3)
    assert louder.peak == pytest.approx(plain.peak * gain, rel=1e-5)
    assert (louder.seconds, louder.active, louder.leading, louder.trailing) == (
        plain.seconds,
        plain.active,
        plain.leading,
        plain.trailing,
    )


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.2), (0.5, 0.4)])
def test_silence_around_a_burst_is_measured_to_a_frame(tmp_path: Path, before: float, after: float):
    tone = (0.5 * np.sin(np.arange(RATE) / 5)).astype(np.float32)
    found = measured(
        written(tmp_path / "a.wav", np.pad(tone, (round(before * RATE), round(after * RATE))))
    )
    assert found.leading == pytest.approx(before, abs=0.011)
    assert found.trailing == pytest.approx(after, abs=0.011)
    assert found.active == pytest.approx(1 / (1 + before + after), abs=0.03)


@given(st.lists(st.sampled_from([1.0, -1.0, 0.995, 0.5]), max_size=40))
def test_clipped_runs_are_what_counting_them_one_by_one_gives(values: list[float]):
    wave, runs, length = np.array(values, np.float32), 0, 0
    for i, value in enumerate(wave):
        length = (length + 1 if i and value == wave[i - 1] else 1) if abs(value) >= 0.99 else 0
        runs += length == 3
    assert clipped_runs(wave) == runs


def test_a_long_clip_is_measured_in_blocks_as_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = written(tmp_path / "a.wav", np.stack([burst(1), burst(2)], 1))
    whole = measured(path)
    monkeypatch.setattr("nverbench.data.audit.measurements.BLOCK", 999)
    parts = measured(path)
    assert parts.rms_db == pytest.approx(whole.rms_db, abs=1e-9)
    assert (parts.peak, parts.seconds, parts.active) == (whole.peak, whole.seconds, whole.active)


def test_what_is_longer_than_an_audit_listens_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nverbench.data.audit.measurements.LONGEST", RATE // 2)
    found = measured(written(tmp_path / "a.wav", burst(1)))
    assert (found.seconds, found.unheard) == (0.5, pytest.approx(0.3))


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [(None, None, 0.8), (0.2, 0.5, 0.3), (0.6, 0.84, 0.2), (0.8, 0.8, 0.0)],
)
def test_a_segment_is_what_the_harness_hears_of_it(
    tmp_path: Path, start: float, end: float, seconds: float
):
    found = measured(written(tmp_path / "a.wav", burst(1)), start=start, end=end)
    assert found.seconds == pytest.approx(seconds)
    assert (found.reason is None) == (seconds > 0)


# bad input: each is named, with the harness's own reason


def test_a_plain_clip_has_no_finding(tmp_path: Path):
    found = measured(written(tmp_path / "a.wav", burst(1)))
    assert (
        found.reason,
        found.rate,
        found.channels,
        found.clipped_runs,
        found.quiet,
        found.cancelled,
    ) == (None, RATE, 1, 0, False, 0)


BAD = {
    "silent": "is silent",
    "zeros": "is silent",
    "cancelling": "its channels cancel each other .*each peaks at",
    "empty": "is empty",
    "not finite": "not finite",
    "no audio": "cannot be decoded",
    "0 bytes": "cannot be decoded",
    "vanished": "cannot be decoded",
    "65,535 channels": "cannot be decoded .*channels",
    "rate 0": "cannot be decoded",
    "rate 4 GHz": "cannot be decoded",
    "junk inside mp3": "cannot be decoded",
    "half an mp3": "cannot be decoded .*its header states .* the file holds .*cut",
    "broken link": "cannot be decoded",
    "a folder": "cannot be decoded",
}


def bad(folder: Path, what: str) -> Path:
    path, mp3 = folder / "bad.wav", folder / "bad.mp3"
    waves = {
        "silent": burst(1) * np.float32(1e-3),
        "zeros": np.zeros(8000),
        "cancelling": np.stack([burst(1), -burst(1)], 1),
        "empty": np.zeros(0),
    }
    if what in waves:
        return written(path, waves[what], subtype="FLOAT")
    if what == "not finite":
        wave = burst(1)
        wave[5:9] = [np.nan, np.inf, -np.inf, 1e30]
        return written(path, wave, subtype="FLOAT")
    headers = {
        "65,535 channels": (22, "<H", 65535),
        "rate 0": (24, "<I", 0),
        "rate 4 GHz": (24, "<I", 4_000_000_000),
    }
    if what in headers:
        return wav_header(path, *headers[what])
    if "mp3" in what:
        content = written(mp3, burst(1)).read_bytes()
        junk = np.random.default_rng(0).bytes(5000)
        mp3.write_bytes(content[: len(content) // 2] + (junk if "junk" in what else b""))
        return mp3
    if what == "broken link":
        path.symlink_to(folder / "nothing.wav")
    elif what == "a folder":
        path.mkdir()
    elif what != "vanished":
        path.write_text("not audio" if what == "no audio" else "")
    return path


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_named_with_its_reason_and_the_harness_refuses_it_too(
    tmp_path: Path, what: str
):
    path = bad(tmp_path, what)
    assert measured(path).reason is not None
    import re

    assert re.search(BAD[what], str(measured(path).reason))
    with pytest.raises(AudioError):
        audio.read(path, 16000)


def test_numbers_are_measured_beside_samples_that_are_not_finite(tmp_path: Path):
    found = measured(bad(tmp_path, "not finite"))
    assert found.non_finite == 3
    assert np.isfinite([found.peak, found.rms_db, found.dc]).all()


@pytest.mark.parametrize("where", ["before", "after"])
def test_junk_around_an_mp3_leaves_the_clip(tmp_path: Path, where: str):
    path = written(tmp_path / "a.mp3", burst(1))
    junk, content = np.random.default_rng(0).bytes(3000), path.read_bytes()
    path.write_bytes(junk + content if where == "before" else content + junk)
    found = measured(path)
    assert found.reason is None
    assert found.seconds == pytest.approx(0.8, abs=0.1)


def test_a_data_chunk_longer_than_the_file_is_said(tmp_path: Path):
    reason = measured(wav_header(tmp_path / "a.wav", 40, "<I", 1_000_000)).reason
    assert reason == (
        "cannot be decoded (its header states 31.25 s, the file holds 0.8 s: it was cut in copying;"
        " copy it again)"
    )


def test_a_length_that_a_pipe_could_not_know_is_no_lie(tmp_path: Path):
    assert measured(wav_header(tmp_path / "a.wav", 40, "<I", 0xFFFFFFFF)).reason is None


@pytest.mark.parametrize(("share", "lost"), [(0.0, 0.0), (0.5, 7.0), (0.8, 16.1), (0.95, 28.8)])
def test_what_the_mix_to_mono_loses_is_measured(tmp_path: Path, share: float, lost: float):
    stereo = np.stack([burst(1), -burst(1) * np.float32(share)], 1)
    found = measured(written(tmp_path / "a.wav", stereo, subtype="FLOAT"))
    assert found.reason is None
    assert found.cancelled == pytest.approx(lost, abs=0.1)


def test_a_rate_of_gigahertz_costs_no_memory(tmp_path: Path):
    found = measured(wav_header(tmp_path / "a.wav", 24, "<I", 2_000_000_000))
    assert (found.rate, found.active) == (2_000_000_000, None)


def test_clipping_quiet_and_offset_are_seen(tmp_path: Path):
    clipped = measured(written(tmp_path / "a.wav", np.clip(burst(1) * 4, -1, 1), subtype="FLOAT"))
    assert clipped.clipped_runs > 0
    assert clipped.full_scale > 0.01
    assert measured(written(tmp_path / "b.wav", burst(1) * np.float32(0.03))).quiet
    assert measured(
        written(tmp_path / "c.wav", burst(1) + np.float32(0.1), subtype="FLOAT")
    ).dc == pytest.approx(0.1, abs=0.01)


def test_ten_thousand_files_of_random_bytes_neither_crash_nor_hang(tmp_path: Path):
    """Through the folder loader and the pool, as a corpus would; half of them begin like a wav."""
    rng = np.random.default_rng(0)
    shape = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        4096,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        16000,
        32000,
        2,
        16,
        b"data",
        4096,
    )
    lengths = rng.integers(0, 600, 10_000)
    for label in "ab":
        (tmp_path / label).mkdir()
    for n, length in enumerate(lengths):
        head = (
            (shape, shape[:12], shape[:20] + rng.bytes(24), b"RIFF" + rng.bytes(4) + b"WAVE")[
                n // 2 % 4
            ]
            if n % 2
            else b""
        )
        (tmp_path / "ab"[n % 2] / f"{n}.wav").write_bytes(head + rng.bytes(int(length)))
    dataset = discovery.discover(()).dataset("folder")
    began = time.monotonic()
    clips = load(dataset, resolve(dataset, f"folder:{tmp_path}"), None).clips
    answers = dict(
        pool.map_isolated(measure, [Place(c.id, c.path) for c in clips], processes=2, seconds=20)
    )
    assert time.monotonic() - began < 60
    assert len(answers) == 10_000
    lost = [answer for answer in answers.values() if isinstance(answer, pool.ItemFailure)]
    assert not lost
    reasons = Counter(str(answer.measured.reason) for answer in answers.values())
    assert sum(n for reason, n in reasons.items() if reason.startswith("cannot be decoded")) > 5_000
    shutil.rmtree(tmp_path)
    assert soundfile.available_formats()  # the library still answers
