"""A recording is found again whatever was done to it, and nothing else is taken for it."""

from __future__ import annotations

import io
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from nverbench import Clip, registry
from nverbench.data.audit import duplicates as copies
from nverbench.data.audit import fingerprint
from nverbench.data.audit.records import Relation
from nverbench.data.audit.report import text
from support.audio import RATE, Tree, Wave, burst, written


def mp3(wave: Wave, rate: int) -> tuple[Any, int]:
    buffer = io.BytesIO()
    soundfile.write(
        buffer, wave, rate, format="MP3", bitrate_mode="CONSTANT", compression_level=0.6
    )
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")


def noisy(wave: Wave, decibel: float = 30) -> Wave:
    noise = (
        np.random.default_rng(9).standard_normal(len(wave))
        * np.sqrt(np.mean(wave**2))
        * 10 ** (-decibel / 20)
    )
    return (wave + noise).astype(np.float32)


SHIFT = RATE // 5
CHANGES: dict[str, Callable[[Wave], tuple[Any, int]]] = {
    "nothing": lambda x: (x, RATE),
    "mp3": lambda x: mp3(x, RATE),
    "resampled": lambda x: (resample_poly(x, 3, 1), 3 * RATE),
    "gain": lambda x: (x * 0.25, RATE),
    "inverted": lambda x: (-x, RATE),
    "trimmed": lambda x: (x[SHIFT:], RATE),
    "padded": lambda x: (np.pad(x, (SHIFT, 0)), RATE),
    "noise": lambda x: (noisy(x), RATE),
    "all": lambda x: mp3(
        resample_poly(np.pad(noisy(x)[SHIFT:], (0, SHIFT)) * 0.25, 3, 1), 3 * RATE
    ),
}


def at_8khz(wave: Any, rate: int = RATE) -> fingerprint.Signal:
    return fingerprint.Signal(fingerprint.lowered(np.asarray(wave), rate))


# laws of the two stages


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(3))
def test_a_changed_copy_passes_both_stages(change: str, seed: int):
    wave = burst(seed, seconds=1.0)
    original, copy = at_8khz(wave), at_8khz(*CHANGES[change](wave))
    assert (
        fingerprint.fingerprint(original.wave) @ fingerprint.fingerprint(copy.wave) >= copies.ALIKE
    )
    assert fingerprint.correlation(original, copy)[0] >= 0.97


def test_no_two_of_a_hundred_bursts_are_near_the_threshold():
    signals = [at_8khz(burst(seed)) for seed in range(100)]
    most = max(fingerprint.correlation(a, b)[0] for a, b in itertools.combinations(signals, 2))
    assert most < copies.SAME - 0.1


def test_a_fingerprint_is_a_unit_vector_that_gain_and_silence_do_not_change():
    wave = burst(1)
    plain = fingerprint.fingerprint(at_8khz(wave).wave)
    assert plain.shape == (fingerprint.SIZE,)
    assert np.linalg.norm(plain) == pytest.approx(1, abs=1e-5)
    assert plain @ fingerprint.fingerprint(at_8khz(np.pad(wave * 0.1, 3200)).wave) > 0.999


def test_correlation_is_symmetric_with_the_opposite_lag():
    a, b = at_8khz(burst(1)), at_8khz(np.pad(burst(1), (1600, 0)))
    (forth, lag), (back, opposite) = fingerprint.correlation(a, b), fingerprint.correlation(b, a)
    assert forth == pytest.approx(back, abs=1e-5)
    assert (lag, opposite) == (pytest.approx(-0.1, abs=1e-3), pytest.approx(0.1, abs=1e-3))


def test_nothing_correlates_with_silence():
    assert fingerprint.correlation(at_8khz(np.zeros(800)), at_8khz(burst(1))) == (0.0, 0.0)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 44101, 48000, 96000])
def test_a_tone_keeps_its_pitch_and_level_at_every_rate(rate: int):
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    low = fingerprint.lowered(tone, rate)
    assert len(low) == pytest.approx(8000, abs=1)
    middle = low[1000:7000]
    assert np.argmax(np.abs(np.fft.rfft(middle * np.hanning(6000)))) * 8000 / 6000 == pytest.approx(
        440, abs=2
    )
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(np.sqrt(0.5), rel=0.01)


def test_candidates_do_not_depend_on_how_rows_are_blocked(monkeypatch: pytest.MonkeyPatch):
    vectors = np.random.default_rng(0).standard_normal((70, 20)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    whole = copies.candidates(vectors, 5, 0.2)
    monkeypatch.setattr(copies, "ROWS", 16)
    assert copies.candidates(vectors, 5, 0.2) == whole
    assert all(i < j and vectors[i] @ vectors[j] >= 0.2 for i, j in whole)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_clips_have_few_candidates(n: int):
    assert len(copies.candidates(np.ones((n, 4), np.float32) / 2)) == max(0, n - 1)


def test_a_relation_says_same_across_or_unknown():
    a, b, c = Clip("a", Path(), "x", "anna"), Clip("b", Path(), "y", "anna"), Clip("c", Path(), "x")
    place = {"a": "1", "b": "2"}.get
    assert copies.relation([a, b], place) == Relation("same", "across", "across")
    assert copies.relation([a, c], place) == Relation("unknown", "same", "unknown")


def test_segments_of_one_file_are_no_copies_of_each_other():
    clips = [
        Clip(name, Path("f"), "x", start=start, end=start + 1.0)
        for name, start in (("a", 0.0), ("b", 1.0), ("c", 0.0))
    ]
    (group,) = copies.identical(clips, dict.fromkeys("abc", "0"), {}.get)
    assert group.clips == ("a", "c")


# a corpus


def test_every_planted_copy_is_found_among_a_hundred_clips_and_nothing_else(tree: Tree):
    originals = tree.fill(speakers=10, labels="abcde", takes=2)
    expected = set()
    for original, (change, apply) in zip(originals[3::11], CHANGES.items(), strict=True):
        wave, rate = apply(soundfile.read(original, dtype="float32")[0])
        if change == "nothing":
            shutil.copy(original, tree.root / "s0" / "e-7.wav")
            continue
        name = f"{original.parent.name}/{original.stem}-{change}"
        written(tree.root / f"{name}.wav", wave, rate, subtype="FLOAT")
        expected.add((f"{original.parent.name}/{original.stem}", name))
    found = tree.audit()
    assert found.report.clips == 109
    (group,) = found.report.copies.identical
    assert group.clips == ("s0/b-1", "s0/e-7")
    assert (group.relation.speakers, group.relation.labels, group.relation.folds) == (
        "same",
        "across",
        "same",
    )
    assert {(p.first, p.second) for p in found.report.copies.near} == expected


def test_copies_given_to_every_speaker_leave_nothing_to_cut(tree: Tree):
    original = tree.fill(speakers=10, labels="ab", takes=2)[0]
    wave = soundfile.read(original, dtype="float32")[0]
    for speaker in range(1, 10):
        written(tree.root / f"s{speaker}" / "a-copy.wav", wave * 0.5)
    report = tree.audit().report
    (group,) = report.copies.identical
    assert (len(group.clips), group.relation.speakers, group.relation.labels) == (
        9,
        "across",
        "same",
    )
    assert "9 clips that are copies of one another join s1, s2" in str(report.folds.reason)
    assert report.verdicts[0].severity == 3


def test_a_near_copy_leaks_until_the_printed_block_is_in_the_registry(tree: Tree, tmp_path: Path):
    original = tree.fill(speakers=6, labels="ab", takes=1)[0]
    wave = soundfile.read(original, dtype="float32")[0]
    written(tree.root / "s1" / "a-copy.wav", wave * 0.5)
    pair = ("s0/a-0", "s1/a-copy")
    found = tree.audit(kind="leave-one-group-out").report
    assert (found.same_recordings, found.folds.copies_across) == ((pair,), 1)
    printed = text(found).splitlines()
    first = printed.index("    pins:")
    (tmp_path / "mine.yaml").write_text("\n".join(printed[first : first + 5]))
    listed = registry.load([tmp_path / "mine.yaml"]).same_recordings("bursts")
    assert listed == [list(pair)]
    united = tree.audit(kind="leave-one-group-out", listed=listed).report
    assert (united.same_recordings, united.folds.copies_across) == ((), 0)
    assert (len(found.folds.rows), len(united.folds.rows)) == (6, 5)
