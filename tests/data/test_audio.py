"""A recording becomes its wave at the requested rate; a bad one is named and never
replaced.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nverbench.data import audio
from nverbench.errors import AudioError

FORMATS = ("wav", "flac", "ogg", "mp3")
LOSSLESS = ("wav", "flac")
Wave = NDArray[np.float32]


def tone(hertz: float = 440.0, seconds: float = 0.5, rate: int = 16000, peak: float = 0.5) -> Wave:
    return (peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def written(folder: Path, wave: Any, rate: int = 16000, name: str = "a.wav", **how: Any) -> Path:
    soundfile.write(folder / name, wave, rate, **how)
    return folder / name


def middle(wave: Wave) -> Wave:
    """The wave without its edges, where a filter rings."""
    return wave[len(wave) // 4 : -len(wave) // 4]


def decibel(wave: Wave) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(middle(wave).astype(np.float64) ** 2))))


def strongest(wave: Wave, rate: int) -> float:
    """The frequency with most energy, in Hz."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum) * rate / len(wave))


# the wave


@pytest.mark.parametrize("extension", FORMATS)
def test_every_format_gives_a_finite_mono_wave_of_its_length(tmp_path: Path, extension: str):
    path = written(tmp_path, tone(), name=f"a.{extension}")
    wave = audio.read(path, 16000)
    assert (wave.dtype, wave.ndim, np.isfinite(wave).all()) == (np.float32, 1, True)
    assert len(wave) == pytest.approx(
        8000, abs=1200 if extension == "mp3" else 0
    )  # mp3 codes whole frames of 1152 samples
    assert strongest(wave, 16000) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("extension", FORMATS)
def test_a_duration_is_that_of_the_decoded_wave(tmp_path: Path, extension: str):
    path = written(tmp_path, tone(), name=f"a.{extension}")
    assert audio.duration(path) == pytest.approx(len(audio.read(path, 16000)) / 16000)


def test_at_the_same_rate_the_samples_are_those_of_the_file_to_the_bit(tmp_path: Path):
    wave = tone()
    assert audio.read(written(tmp_path, wave, subtype="FLOAT"), 16000).tobytes() == wave.tobytes()


@pytest.mark.parametrize("extension", LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_mono_is_the_mean_of_the_channels(tmp_path: Path, extension: str, channels: int):
    many = np.stack(
        [tone(200 * (c + 1), peak=0.4) for c in range(channels)], axis=1
    )  # (s, channels)
    wave = audio.read(written(tmp_path, many, name=f"a.{extension}"), 16000)
    np.testing.assert_allclose(wave, many.mean(axis=1), atol=2**-14)


@pytest.mark.parametrize("native", [8000, 11025, 22050, 32000, 44100, 48000])
@pytest.mark.parametrize("rate", [16000, 22050])
def test_resampling_keeps_a_tone_its_level_and_its_length(tmp_path: Path, native: int, rate: int):
    wave = audio.read(written(tmp_path, tone(rate=native), native, subtype="FLOAT"), rate)
    assert len(wave) == pytest.approx(rate / 2, abs=1)
    assert strongest(wave, rate) == pytest.approx(440, abs=3)
    assert decibel(wave) == pytest.approx(decibel(tone()), abs=0.1)


@pytest.mark.parametrize("hertz", [9000, 12000, 15900])
def test_a_tone_above_the_new_limit_is_gone_by_more_than_60_db(tmp_path: Path, hertz: float):
    path = written(tmp_path, tone(hertz, rate=48000), 48000, subtype="FLOAT")
    assert decibel(audio.read(path, 16000)) < decibel(tone()) - 60


def test_a_resampled_wave_is_the_same_every_time(tmp_path: Path):
    path = written(tmp_path, tone(rate=44100), 44100)
    assert audio.read(path, 16000).tobytes() == audio.read(path, 16000).tobytes()


def test_loudness_and_silence_at_the_edges_are_left_as_they_are(tmp_path: Path):
    wave = np.concatenate([np.zeros(1000, np.float32), tone(peak=0.02), np.zeros(1000, np.float32)])
    assert audio.read(written(tmp_path, wave, subtype="FLOAT"), 16000).tobytes() == wave.tobytes()


# segments


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_a_segment_is_that_part_of_the_whole(tmp_path: Path, data: st.DataObject):
    path = written(tmp_path, tone(), subtype="FLOAT")
    first = data.draw(st.integers(0, 7000))
    last = data.draw(st.integers(first + 100, 8000))
    segment = audio.read(path, 16000, first / 16000, last / 16000)
    assert segment.tobytes() == audio.read(path, 16000)[first:last].tobytes()
    assert audio.duration(path, first / 16000, last / 16000) == pytest.approx(
        (last - first) / 16000
    )


@pytest.mark.parametrize("extension", LOSSLESS)
@pytest.mark.parametrize(
    ("start", "end", "samples"),
    [
        (None, None, 8000),
        (None, 0.25, 4000),
        (0.25, None, 4000),
        (0.25, 0.54, 4000),
        (0.0, 0.5, 8000),
    ],
)
def test_a_segment_may_leave_out_its_start_or_end_or_be_rounded_past_the_end(
    tmp_path: Path, extension: str, start: Any, end: Any, samples: int
):
    path = written(tmp_path, tone(), name=f"a.{extension}")
    assert len(audio.read(path, 16000, start, end)) == samples
    assert audio.duration(path, start, end) == samples / 16000


@pytest.mark.parametrize(("start", "end"), [(0.5, None), (0.51, None), (0.2, 0.2), (0.3, 0.1)])
def test_a_segment_without_samples_is_empty(tmp_path: Path, start: float, end: float | None):
    with pytest.raises(AudioError, match=r"^is empty \(no samples\)$"):
        audio.read(written(tmp_path, tone()), 16000, start, end)


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (0.1, 30.0, "ends at 30 s, but the file holds 0.500 s"),
        (None, 0.56, "ends at 0.56 s, but the file holds 0.500 s"),
        (9.0, None, "starts at 9 s, but the file holds 0.500 s"),
        (9.0, 10.0, "starts at 9 s, but the file holds 0.500 s"),
    ],
)
def test_a_segment_past_the_end_of_its_file_is_named(
    tmp_path: Path, start: float | None, end: float | None, reason: str
):
    path = written(tmp_path, tone())
    for ask in (
        lambda: audio.read(path, 16000, start, end),
        lambda: audio.duration(path, start, end),
    ):
        with pytest.raises(AudioError) as error:
            ask()
        assert str(error.value) == reason


def test_seconds_of_a_segment_are_counted_at_the_rate_of_the_file(tmp_path: Path):
    path = written(tmp_path, np.concatenate([tone(440, 0.5, 48000), tone(880, 0.5, 48000)]), 48000)
    assert strongest(audio.read(path, 16000, 0.5, 1.0), 16000) == pytest.approx(880, abs=3)


# bad clips


def bad(folder: Path, wave: Any) -> str:
    with pytest.raises(AudioError) as error:
        audio.read(written(folder, wave, subtype="FLOAT"), 16000)
    return str(error.value)


@pytest.mark.parametrize("peak", [0.0, 1e-5, 9.9e-4])
def test_a_clip_below_minus_60_decibel_is_silent(tmp_path: Path, peak: float):
    assert bad(tmp_path, np.full(100, peak, np.float32)) == f"is silent (peak {peak:.1e} < 1e-03)"


def test_a_clip_of_minus_60_decibel_is_heard(tmp_path: Path):
    assert (
        len(
            audio.read(written(tmp_path, np.full(100, 1.01e-3, np.float32), subtype="FLOAT"), 16000)
        )
        == 100
    )


@pytest.mark.parametrize("left", [0.0, 1e-4, 0.004], ids=["nothing", "rounding", "2 percent"])
def test_channels_that_cancel_each_other_are_named_with_their_peaks(tmp_path: Path, left: float):
    stereo = np.stack([tone(), -tone() * np.float32(1 - left)], axis=1)
    reason = bad(tmp_path, stereo)
    assert reason.startswith(
        "its channels cancel each other when they are mixed to mono (each peaks at 0.5, "
    )
    assert "\n" not in reason


@pytest.mark.parametrize(
    "how", ["one silent channel", "independent", "half inverted", "six channels"]
)
def test_channels_that_do_not_cancel_are_mixed(tmp_path: Path, how: str):
    rng = np.random.default_rng(0)
    wave = {
        "one silent channel": np.stack([tone(), 0 * tone()], 1),
        "independent": rng.normal(0, 0.1, (8000, 2)),
        "half inverted": np.stack([tone(), -0.5 * tone()], 1),
        "six channels": np.stack([tone(), *[0 * tone()] * 5], 1),
    }[how]
    path = written(tmp_path, wave, subtype="FLOAT")
    np.testing.assert_allclose(audio.read(path, 16000), wave.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "advice"),
    [
        (32767, "16-bit numbers written as float; divide them by 32768"),
        (300, "16-bit numbers written as float; divide them by 32768"),
        (8e6, "24-bit numbers written as float; divide them by 8388608"),
        (2e9, "32-bit numbers written as float; divide them by 2147483648"),
        (1e12, "bring them to that range"),
    ],
)
def test_integers_written_as_floats_are_named(tmp_path: Path, scale: float, advice: str):
    reason = bad(tmp_path, tone(peak=0.9) * np.float32(scale))
    assert reason.startswith("samples reach ")
    assert reason.endswith(f", expected -1 to 1: {advice}")


@pytest.mark.parametrize("peak", [1.0, 1.5, 6.0, 30.0])
def test_a_hot_recording_in_floating_point_is_heard_as_it_is(tmp_path: Path, peak: float):
    wave = tone(peak=peak)
    assert audio.read(written(tmp_path, wave, subtype="FLOAT"), 16000).tobytes() == wave.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_clip_with_one_sample_that_is_no_number_is_named(tmp_path: Path, value: float):
    wave = tone()
    wave[77] = value
    assert bad(tmp_path, wave) == "holds samples that are not finite numbers"


@pytest.mark.parametrize("extension", LOSSLESS)
def test_a_clip_without_samples_is_empty(tmp_path: Path, extension: str):
    path = written(tmp_path, np.zeros(0, np.float32), name=f"a.{extension}")
    with pytest.raises(AudioError, match=r"^(is empty \(no samples\)|cannot be decoded \(.*\))$"):
        audio.read(path, 16000)


def undecodable(path: Path) -> str:
    """The reason that both reading and asking for the duration give."""
    with pytest.raises(AudioError) as error:
        audio.read(path, 16000)
    with pytest.raises(AudioError, match=r"^cannot be decoded"):
        audio.duration(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a"])
@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", b"not audio at all" * 20, bytes(range(256)) * 8],
    ids=["0 bytes", "4 bytes", "text", "bytes"],
)
def test_a_file_that_is_no_audio_cannot_be_decoded(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    assert undecodable(tmp_path / name).startswith("cannot be decoded (")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    content=st.binary(max_size=400),
    head=st.sampled_from(
        (b"", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", b"fLaC\0\0\0\x22", b"OggS\0\x02")
    ),
)
def test_random_bytes_raise_nothing_but_an_audio_error(tmp_path: Path, content: bytes, head: bytes):
    (tmp_path / "a.wav").write_bytes(head + content)
    with contextlib.suppress(AudioError):
        audio.duration(tmp_path / "a.wav")
        assert np.isfinite(audio.read(tmp_path / "a.wav", 16000, 0.0, 0.1)).all()


def test_a_folder_cannot_be_decoded(tmp_path: Path):
    assert undecodable(tmp_path).startswith("cannot be decoded")


def test_a_missing_file_cannot_be_decoded(tmp_path: Path):
    assert undecodable(tmp_path / "none.wav").startswith("cannot be decoded")


def cut_short(folder: Path, extension: str, share: float) -> Path:
    whole = written(folder, tone(seconds=2), name=f"whole.{extension}").read_bytes()
    (folder / f"cut.{extension}").write_bytes(whole[: int(share * len(whole))])
    return folder / f"cut.{extension}"


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("extension", ["flac", "ogg"])
def test_a_clip_cut_short_is_named(tmp_path: Path, extension: str, share: float):
    with pytest.raises(AudioError, match=r"cannot be decoded|is empty"):
        audio.read(cut_short(tmp_path, extension, share), 16000)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("extension", ["wav", "mp3", "flac"])
def test_a_clip_cut_short_is_named_with_both_lengths(tmp_path: Path, extension: str, share: float):
    path = cut_short(tmp_path, extension, share)
    for ask in (lambda: audio.read(path, 16000), lambda: audio.duration(path)):
        with pytest.raises(
            AudioError, match=r"its header states \d.* s, the file holds \d.* s: it was cut"
        ):
            ask()


# lying headers


@pytest.mark.parametrize("claimed", [2**31, 2**32 - 1, 0x7FFFF000, 0x7FFF0024, 0])
def test_a_wav_whose_writer_did_not_know_its_length_is_heard_to_its_end(
    tmp_path: Path, claimed: int
):
    path = written(tmp_path, tone())
    content = bytearray(path.read_bytes())
    at = content.find(b"data") + 4
    content[at : at + 4] = struct.pack("<I", claimed)
    path.write_bytes(content)
    assert len(audio.read(path, 16000)) == 8000


@pytest.mark.parametrize("claimed", [2**24, 2**32, 2**36 - 1])
def test_a_flac_that_claims_more_samples_than_it_has_is_named(tmp_path: Path, claimed: int):
    path = written(tmp_path, tone(), name="a.flac")
    content = bytearray(path.read_bytes())
    fields = int.from_bytes(
        content[18:26], "big"
    )  # STREAMINFO: rate, channels, bits, then 36 bits of total samples (RFC 9639, 8.2)
    content[18:26] = (fields >> 36 << 36 | claimed).to_bytes(8, "big")
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"^cannot be decoded"):
        audio.read(path, 16000)


STRANGE_RATE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
from pathlib import Path
from nverbench.data import audio
from nverbench.errors import AudioError
try:
    audio.read(Path(sys.argv[1]), 16000)
except AudioError:
    pass
"""


@pytest.mark.parametrize("rate", [47999, 2**31 - 1])
def test_a_header_with_a_strange_rate_neither_hangs_nor_eats_the_memory(tmp_path: Path, rate: int):
    path = written(tmp_path, tone())
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate)
    path.write_bytes(content)
    run = subprocess.run(
        [sys.executable, "-c", STRANGE_RATE, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stderr[-200:]) == (0, "")
