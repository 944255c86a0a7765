"""A file is decoded whole, or named: the length that its header states is compared with what is
there, and the length of an MPEG stream is counted.
"""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nverbench.data import audio
from nverbench.errors import AudioError

RATE = 16000
WAVE = (0.4 * np.sin(np.arange(2 * RATE) / 9) * np.hanning(2 * RATE)).astype(np.float32)
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def encoded(kind: str, subtype: str | None = None, **how: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, WAVE, RATE, format=kind, subtype=subtype, **how)
    return buffer.getvalue()


def of_ffmpeg(folder: Path, name: str, *options: str) -> Path:
    soundfile.write(folder / "source.wav", WAVE, RATE)
    command = ["ffmpeg", "-v", "error", "-y", "-i", folder / "source.wav", *options, folder / name]
    subprocess.run(command, check=True)
    return folder / name


def heard_by_ffmpeg(path: Path) -> Any:
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<f4")


def heard(folder: Path, data: bytes, name: str = "a.bin") -> float:
    """Seconds of a file, which reading and asking for the duration agree on."""
    (folder / name).write_bytes(data)
    wave = audio.read(folder / name, RATE)
    assert audio.duration(folder / name) == pytest.approx(len(wave) / RATE, abs=1e-4)
    return len(wave) / RATE


def refused(folder: Path, data: bytes) -> str:
    """The reason of reading, which is that of asking for the duration."""
    (folder / "a.bin").write_bytes(data)
    with pytest.raises(AudioError) as error:
        audio.read(folder / "a.bin", RATE)
    with pytest.raises(AudioError) as other:
        audio.duration(folder / "a.bin")
    assert str(error.value) == str(other.value)
    assert "\n" not in str(error.value)
    return str(error.value)


SIZES = {
    "WAV": (lambda d: d.find(b"data") + 4, "<I", 0xFFFFFFFF, 0),
    "AIFF": (lambda d: d.find(b"SSND") + 4, ">I", 0x7F000008, 8),
    "AU": (lambda d: 8, "<I", 0xFFFFFFFF, 0),
    "CAF": (lambda d: d.find(b"data", 8) + 4, ">Q", 2**64 - 1, 4),
    "W64": (lambda d: d.find(b"data\xf3") + 16, "<Q", 2**64 - 1, 24),
}
"""Format -> where its header states the size, how, the size that says "unknown", and what it counts
in addition to the sound.
"""


def stating(kind: str, change: Any) -> bytes:
    """A file whose header states ``change(bytes of sound)`` bytes of sound."""
    data = encoded(kind, "PCM_16")
    find, form, _, more = SIZES[kind]
    form = form if data[:4] != b".snd" else ">I"
    at = find(data)
    size = struct.unpack_from(form, data, at)[0] - more
    return data[:at] + struct.pack(form, change(size) + more) + data[at + struct.calcsize(form) :]


@pytest.mark.parametrize("kind", SIZES)
class TestAStatedLength:
    def test_of_the_length_that_is_there_is_read(self, tmp_path: Path, kind: str):
        assert heard(tmp_path, stating(kind, lambda size: size)) == 2.0

    @pytest.mark.parametrize("factor", [1.1, 2, 5])
    def test_longer_than_the_file_is_named(self, tmp_path: Path, kind: str, factor: float):
        reason = refused(tmp_path, stating(kind, lambda size: int(size * factor)))
        assert f"its header states {2 * factor:.3g} s, the file holds 2 s: it was cut" in reason

    @pytest.mark.parametrize("share", [0.3, 0.9])
    def test_of_a_file_that_was_cut_is_named(self, tmp_path: Path, kind: str, share: float):
        data = encoded(kind, "PCM_16")
        assert "its header states 2 s" in refused(tmp_path, data[: int(share * len(data))])

    @pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
    def test_shorter_than_the_file_is_named(self, tmp_path: Path, kind: str, share: float):
        reason = refused(tmp_path, stating(kind, lambda size: int(size * share) // 2 * 2))
        assert "the file holds 2 s: its header is wrong" in reason

    def test_that_says_unknown_is_read_to_the_end(self, tmp_path: Path, kind: str):
        unknown, more = SIZES[kind][2:]
        assert heard(tmp_path, stating(kind, lambda size: unknown - more)) == 2.0

    def test_of_zero_is_read_to_the_end(self, tmp_path: Path, kind: str):
        assert heard(tmp_path, stating(kind, lambda size: 0)) == 2.0

    def test_of_one_of_two_files_in_one_is_named(self, tmp_path: Path, kind: str):
        assert "it holds several files" in refused(tmp_path, 2 * encoded(kind, "PCM_16"))


LIST = b"LIST\x0c\x00\x00\x00INFOICMT\x00\x00\x00\x00"


@pytest.mark.parametrize(
    "after",
    [
        LIST,
        LIST + b"id3 \x04\x00\x00\x00abcd",
        b"\x00" * 5000,
        b"TAG" + bytes(125),
        b"\x07\x91\xfe",
        b"\x00" + LIST,
    ],
    ids=["LIST", "LIST, id3", "zeros", "ID3v1", "three bytes", "padding, LIST"],
)
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM"])
def test_what_is_no_sound_after_the_sound_of_a_wav_is_passed_over(
    tmp_path: Path, subtype: str, after: bytes
):
    plain = heard(tmp_path, encoded("WAV", subtype))
    assert heard(tmp_path, encoded("WAV", subtype) + after) == plain


@pytest.mark.parametrize("before", [LIST, b"junk" + struct.pack("<I", 5000) + bytes(5000)])
def test_chunks_before_the_sound_of_a_wav_are_passed_over(tmp_path: Path, before: bytes):
    data = encoded("WAV", "PCM_16")
    assert heard(tmp_path, data[:36] + before + data[36:]) == 2.0


def test_a_header_without_sound_after_it_is_empty(tmp_path: Path):
    data = stating("WAV", lambda size: 0)
    assert refused_by_read(tmp_path, data[:44]) == "is empty (no samples)"
    assert refused_by_read(tmp_path, data[:44] + LIST * 5) == "is empty (no samples)"


def refused_by_read(folder: Path, data: bytes) -> str:
    (folder / "a.wav").write_bytes(data)
    with pytest.raises(AudioError) as error:
        audio.read(folder / "a.wav", RATE)
    return str(error.value)


# FLAC and Ogg


def of_total(samples: int) -> bytes:
    """A FLAC file whose header states a number of samples (RFC 9639, 8.2)."""
    data = encoded("FLAC")
    fields = int.from_bytes(data[18:26], "big") >> 36 << 36 | samples
    return data[:18] + fields.to_bytes(8, "big") + data[26:]


def test_a_flac_whose_writer_did_not_know_its_length_is_counted(tmp_path: Path):
    assert heard(tmp_path, of_total(0)) == 2.0
    assert audio.decoder(tmp_path / "a.bin") == "counted"


@pytest.mark.parametrize("stated", [100, 16000, 31999, 32001, 64000])
def test_a_flac_whose_length_is_wrong_is_named(tmp_path: Path, stated: int):
    assert "its header states" in refused(tmp_path, of_total(stated))


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", None), ("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_two_files_in_one_are_named_where_only_the_first_would_be_heard(
    tmp_path: Path, kind: str, subtype: str | None
):
    assert "one after another" in refused(tmp_path, 2 * encoded(kind, subtype))


def test_an_ogg_that_ends_inside_a_page_is_named(tmp_path: Path):
    assert "its last page is not whole" in refused(tmp_path, encoded("OGG", "VORBIS")[:-100])


# MPEG


MP3 = {
    "CBR": ("-b:a", "64k"),
    "VBR": ("-q:a", "4"),
    "CBR, no length": ("-b:a", "64k", "-write_xing", "0"),
    "VBR, no length": ("-q:a", "4", "-write_xing", "0"),
    "VBR, no length, no tag": ("-q:a", "6", "-write_xing", "0", "-id3v2_version", "0"),
}


@needs_ffmpeg
@pytest.mark.parametrize("rate", [11025, 22050, 44100, 48000])
@pytest.mark.parametrize("kind", MP3)
def test_an_mp3_is_decoded_whole_and_as_ffmpeg_does(tmp_path: Path, kind: str, rate: int):
    path = of_ffmpeg(tmp_path, "a.mp3", "-ar", str(rate), "-c:a", "libmp3lame", *MP3[kind])
    expected = heard_by_ffmpeg(path)
    wave = audio.read(path, rate)
    assert len(wave) == len(expected)
    np.testing.assert_allclose(wave, expected, atol=1e-4)
    assert audio.duration(path) == len(wave) / rate


@needs_ffmpeg
@pytest.mark.parametrize("kind", MP3)
def test_a_segment_of_an_mp3_is_that_part_of_the_whole(tmp_path: Path, kind: str):
    path = of_ffmpeg(tmp_path, "a.mp3", "-c:a", "libmp3lame", *MP3[kind])
    part, whole = audio.read(path, RATE, 0.5, 1.25), audio.read(path, RATE)
    np.testing.assert_allclose(part, whole[RATE // 2 : RATE * 5 // 4], atol=1e-4)


@pytest.mark.parametrize("start", [0.013, 0.5, 1.1])
@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "IMA_ADPCM"), ("FLAC", None), ("OGG", "VORBIS"), ("MP3", None)],
)
def test_a_segment_is_that_part_of_the_whole(
    tmp_path: Path, kind: str, subtype: str | None, start: float
):
    (tmp_path / "a.bin").write_bytes(encoded(kind, subtype))
    part, whole = (audio.read(tmp_path / "a.bin", RATE, *t) for t in ((start, start + 0.5), ()))
    first = round(start * RATE)
    np.testing.assert_allclose(part, whole[first : first + RATE // 2], atol=1e-4)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp2", ("-c:a", "mp2")), ("a.wav", ("-c:a", "libmp3lame")), ("b.wav", ("-c:a", "mp2"))],
    ids=["layer II", "mp3 in wav", "layer II in wav"],
)
def test_mpeg_without_any_stated_length_is_decoded_whole(
    tmp_path: Path, name: str, options: tuple[str, ...]
):
    path = of_ffmpeg(tmp_path, name, *options)
    expected = heard_by_ffmpeg(path)
    np.testing.assert_allclose(audio.read(path, RATE), expected, atol=1e-4)


@needs_ffmpeg
@pytest.mark.parametrize("first", ["CBR", "VBR"])
@pytest.mark.parametrize("second", MP3)
def test_an_mp3_that_holds_more_than_it_states_is_named(tmp_path: Path, first: str, second: str):
    parts = [
        of_ffmpeg(tmp_path, "a.mp3", "-c:a", "libmp3lame", *MP3[kind]).read_bytes()
        for kind in (first, second)
    ]
    assert "the file holds 4." in refused(tmp_path, b"".join(parts))


@needs_ffmpeg
def test_two_mp3s_of_no_stated_length_in_one_are_heard_one_after_the_other(tmp_path: Path):
    path = of_ffmpeg(tmp_path, "a.mp3", "-c:a", "libmp3lame", *MP3["VBR, no length"])
    once = audio.duration(path)
    assert heard(tmp_path, 2 * path.read_bytes()) == pytest.approx(2 * once)


@needs_ffmpeg
def test_two_mp3s_of_different_rates_in_one_are_named(tmp_path: Path):
    options = ("-c:a", "libmp3lame", *MP3["CBR, no length"])
    first = of_ffmpeg(tmp_path, "a.mp3", *options).read_bytes()
    second = of_ffmpeg(tmp_path, "a.mp3", "-ar", "44100", *options).read_bytes()
    assert "it holds several MPEG streams" in refused(tmp_path, first + second)


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), bytes(3000), b"\x11\xffgarbage" * 99])
def test_bytes_after_an_mp3_are_no_fault(tmp_path: Path, tail: bytes):
    data = encoded("MP3")
    assert heard(tmp_path, data + tail) == heard(tmp_path, data)


@needs_ffmpeg
@pytest.mark.parametrize("kind", MP3)
def test_only_what_libsndfile_cannot_read_alone_has_a_decoder_of_its_own(tmp_path: Path, kind: str):
    path = of_ffmpeg(tmp_path, "a.mp3", "-c:a", "libmp3lame", *MP3[kind])
    assert audio.decoder(path) == ("counted" if "no length" in kind else "")


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("FLAC", None), ("OGG", "VORBIS"), ("MP3", None), ("AIFF", None)],
)
def test_a_sound_file_is_decoded_by_libsndfile_alone(
    tmp_path: Path, kind: str, subtype: str | None
):
    (tmp_path / "a.bin").write_bytes(encoded(kind, subtype))
    assert audio.decoder(tmp_path / "a.bin") == ""


def test_a_file_that_does_not_exist_has_no_decoder(tmp_path: Path):
    assert audio.decoder(tmp_path / "none.wav") == ""
