"""What libsndfile does not open is decoded by an installed ffmpeg, the same every time, and its
version is known.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

import nverbench
from nverbench.data import audio
from nverbench.errors import AudioError

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
RATE = 44100
WAVE = (0.4 * np.sin(np.arange(2 * RATE) / 20) * np.hanning(2 * RATE)).astype(np.float32)
KINDS = {
    "a.m4a": "-c:a aac",
    "a.mp4": "-c:a aac",
    "a.mov": "-c:a alac",
    "a.3gp": "-ar 8000 -c:a aac",
    "a.aac": "-c:a aac",
    "a.webm": "-c:a libopus",
    "a.mka": "-c:a libvorbis",
    "a.wma": "-c:a wmav2",
    "a.wv": "-c:a wavpack",
    "a.avi": "-c:a pcm_s16le",
    "a.ts": "-c:a aac",
    "a.ac3": "-c:a ac3",
    "wma.wav": "-c:a wmav2",
}


def made(folder: Path, name: str, options: str | None = None) -> Path:
    soundfile.write(folder / "source.flac", WAVE, RATE)
    given = (KINDS[name] if options is None else options).split()
    command = ["ffmpeg", "-v", "error", "-y", "-i", folder / "source.flac", *given, folder / name]
    subprocess.run(command, check=True, cwd=folder)
    return folder / name


@pytest.mark.parametrize("name", KINDS)
def test_a_container_of_others_is_decoded_with_the_same_bits_every_time(tmp_path: Path, name: str):
    path = made(tmp_path, name)
    assert nverbench.why_not_audio(path) is None
    first, again = audio.read(path, 16000), audio.read(path, 16000)
    assert first.tobytes() == again.tobytes()
    assert len(first) / 16000 == pytest.approx(2.0, abs=0.06)
    assert audio.duration(path) == pytest.approx(len(first) / 16000, abs=1e-4)
    assert re.fullmatch(r"ffmpeg \S+", audio.decoder(path))


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.mka"])
def test_it_is_what_ffmpeg_itself_writes(tmp_path: Path, name: str):
    path = made(tmp_path, name)
    command = ["ffmpeg", "-v", "error", "-y", "-i", path, "-c:a", "pcm_f32le", tmp_path / "b.wav"]
    subprocess.run(command, check=True)
    np.testing.assert_allclose(
        audio.read(path, 16000), audio.read(tmp_path / "b.wav", 16000), rtol=0, atol=1e-6
    )


def test_the_content_decides_and_not_the_suffix(tmp_path: Path):
    path = made(tmp_path, "a.m4a").rename(tmp_path / "a.wav")
    assert len(audio.read(path, 16000)) / 16000 == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize(
    "name", ["-dash.m4a", "with:colon.m4a", "two words.m4a", "\xfcml\xe4ut.m4a"]
)
def test_a_strange_name_is_no_option_and_no_address(tmp_path: Path, name: str):
    path = made(tmp_path, "a.m4a").rename(tmp_path / name)
    assert len(audio.read(path, 16000)) > 30_000


def test_a_segment_is_that_part_of_the_whole(tmp_path: Path):
    path = made(tmp_path, "a.m4a")
    whole, part = audio.read(path, RATE), audio.read(path, RATE, 0.5, 1.25)
    assert part.tobytes() == whole[round(0.5 * RATE) : round(1.25 * RATE)].tobytes()


def test_video_is_passed_over(tmp_path: Path):
    video = "-f lavfi -i testsrc=d=1:s=64x64 -map 0:a -map 1:v -c:a aac"
    path = made(tmp_path, "a.mp4", video)
    assert len(audio.read(path, 16000)) / 16000 == pytest.approx(2.0, abs=0.06)


def test_a_file_without_a_sound_is_named(tmp_path: Path):
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=d=1:s=64x64"]
    subprocess.run([*command, tmp_path / "a.mp4"], check=True)
    with pytest.raises(AudioError, match="it holds no audio"):
        audio.read(tmp_path / "a.mp4", 16000)


def test_a_file_of_two_sounds_is_named_with_the_command_that_keeps_one(tmp_path: Path):
    path = made(tmp_path, "a.m4a", "-map 0 -map 0 -c:a aac")
    with pytest.raises(AudioError, match=r"it holds 2 audio streams; keep one: ffmpeg -i IN -map"):
        audio.read(path, 16000)


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.mka", "a.wma"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_cut_in_copying_is_named_in_one_line(tmp_path: Path, name: str, share: float):
    path = made(tmp_path, name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(AudioError, match=r"^cannot be decoded \(.+\)$") as error:
        audio.read(path, 16000)
    assert "\n" not in str(error.value)
