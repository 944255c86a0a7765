"""A file that is no audio is told by its first bytes, never by its suffix, and the reason says what
to do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import nverbench
from nverbench.data import audio
from nverbench.errors import AudioError

NO_AUDIO = {
    "git-lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 72862\n",
        "a git-lfs pointer, not audio: git lfs pull",
    ),
    "git-annex": (
        b"/annex/objects/MD5E-s1--0.wav\n",
        "a git-annex pointer, not audio: git annex get",
    ),
    "HTML": (
        b"<!DOCTYPE html><html><title>404",
        "an HTML page, not audio: the download failed; fetch it again",
    ),
    "html after spaces": (
        b"\n\n  <HTML><body>",
        "an HTML page, not audio: the download failed; fetch it again",
    ),
    "XML": (
        b'<?xml version="1.0"?><Error/>',
        "an XML text, not audio: the download failed; fetch it again",
    ),
    "JSON": (
        b'{"error": "not found"}',
        "a JSON text, not audio: the download failed; fetch it again",
    ),
    "zip": (b"PK\x03\x04" + bytes(60), "a zip archive: unpack it"),
    "gzip": (b"\x1f\x8b\x08" + bytes(60), "a gzip archive: unpack it"),
    "tar": (b"name".ljust(257, b"\0") + b"ustar" + bytes(300), "a tar archive: unpack it"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document, not audio"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(30), "a PNG image, not audio"),
    "AppleDouble": (
        b"\x00\x05\x16\x07\x00\x02" + bytes(80),
        "a side file of macOS (AppleDouble), not audio: delete it",
    ),
    "empty": (b"", "an empty file of 0 bytes: copy or fetch it again"),
    "zeros": (bytes(9000), "a file of zero bytes only: copy or fetch it again"),
    "UTF-16 text": ("path,label\n".encode("utf-16"), "a text, not audio"),
    "text": (b"path,label\na.wav,cry\n", "a text, not audio"),
}
NEEDS_FFMPEG = {
    "M4A": (b"\x00\x00\x00\x1cftypM4A \x00\x00\x02\x00" + b"....mp4a", "AAC in MP4"),
    "Apple Lossless": (
        b"\x00\x00\x00\x1cftypM4A \x00\x00\x02\x00" + b"....alac",
        "Apple Lossless in MP4",
    ),
    "MP4": (b"\x00\x00\x00\x18ftypisom" + bytes(40), "MP4"),
    "3GP": (b"\x00\x00\x00\x18ftyp3gp4" + b"samr" + bytes(40), "AMR in 3GP"),
    "QuickTime": (b"\x00\x00\x00\x14ftypqt  " + bytes(40), "QuickTime"),
    "WebM": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm" + b"..A_OPUS", "Opus in WebM"),
    "Matroska": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "Matroska"),
    "AAC": (b"\xff\xf1\x50\x80\x2e\x7f\xfc" + bytes(40), "AAC"),
    "AMR": (b"#!AMR\n" + bytes(40), "AMR"),
    "WMA": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(40), "WMA (ASF)"),
    "FLV": (b"FLV\x01\x04" + bytes(40), "FLV"),
    "WavPack": (b"wvpk" + bytes(40), "WavPack"),
    "AVI": (b"RIFF\x00\x01\x00\x00AVI LIST", "AVI"),
}


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ""])
@pytest.mark.parametrize("kind", NO_AUDIO)
def test_a_file_that_is_no_audio_is_named_by_what_it_is(tmp_path: Path, kind: str, suffix: str):
    content, reason = NO_AUDIO[kind]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert nverbench.why_not_audio(path) == reason
    for ask in (lambda: audio.read(path, 16000), lambda: audio.duration(path)):
        with pytest.raises(AudioError) as error:
            ask()
        assert str(error.value) == f"cannot be decoded ({reason})"


@pytest.fixture
def no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NVERBENCH_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", "")


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize("suffix", [".m4a", ".dat"])
@pytest.mark.parametrize("kind", NEEDS_FFMPEG)
def test_without_ffmpeg_the_reason_names_the_codec_and_the_command_that_converts(
    tmp_path: Path, kind: str, suffix: str
):
    content, what = NEEDS_FFMPEG[kind]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    reason = f"{what}, which needs ffmpeg: install ffmpeg, or convert it: ffmpeg -i a{suffix} a.wav"
    assert nverbench.why_not_audio(path) == reason
    with pytest.raises(AudioError) as error:
        audio.read(path, 16000)
    assert str(error.value) == f"cannot be decoded ({reason})"


@pytest.mark.usefixtures("no_ffmpeg")
def test_a_variable_that_names_no_program_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NVERBENCH_FFMPEG", str(tmp_path / "none"))
    (tmp_path / "a.m4a").write_bytes(NEEDS_FFMPEG["MP4"][0])
    reason = nverbench.why_not_audio(tmp_path / "a.m4a")
    assert reason is not None
    assert "needs ffmpeg ($NVERBENCH_FFMPEG names none)" in reason


@pytest.mark.parametrize("suffix", [".txt", ".html", ".m4a"])
@pytest.mark.parametrize(
    "kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64", "RF64", "VOC", "NIST"]
)
def test_audio_is_audio_whatever_its_suffix(tmp_path: Path, kind: str, suffix: str):
    path = tmp_path / f"a{suffix}"
    wave = 0.3 * np.sin(np.arange(16000) / 9)
    with path.open("wb") as file:
        soundfile.write(file, wave, 16000, format=kind)
    assert nverbench.why_not_audio(path) is None
    assert len(audio.read(path, 16000)) == pytest.approx(16000, abs=1200)


def test_a_missing_file_and_a_folder_are_no_audio(tmp_path: Path):
    assert nverbench.why_not_audio(tmp_path / "none.wav") == "No such file or directory"
    assert nverbench.why_not_audio(tmp_path) == "Is a directory"
