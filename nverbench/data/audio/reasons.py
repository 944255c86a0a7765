"""Reasons why a file is no audio that can be decoded here, from its first bytes."""

from __future__ import annotations

from pathlib import Path

from nverbench.data.audio import ffmpeg, magic

CODECS = {
    b"mp4a": "AAC",
    b"alac": "Apple Lossless",
    b"samr": "AMR",
    b"sawb": "AMR-WB",
    b"Opus": "Opus",
    b"A_OPUS": "Opus",
    b"A_VORBIS": "Vorbis",
    b"A_AAC": "AAC",
    b"A_FLAC": "FLAC",
}
"""Names of codecs as the headers of MP4 and Matroska hold them."""
LOOKED = 1 << 16
"""Bytes at each end of the file that are searched for them."""


def why_not_audio(path: Path) -> str | None:
    """Why a file is no audio, and what to do; None where libsndfile or an installed ffmpeg decodes
    it. It is judged by its first bytes.
    """
    try:
        kind = magic.kind_of(path)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return of_kind(kind, path) if kind is not magic.UNKNOWN else _of_libsndfile(path)


def of_kind(kind: magic.Kind, path: Path) -> str | None:
    """The reason for a kind that cannot be decoded here; None where it can."""
    if not kind.audio:
        return f"{kind.name}: {kind.advice}" if kind.advice else kind.name
    if not kind.demuxer or ffmpeg.installed():
        return None
    codec = _codec(path) if kind.demuxer in ("mov", "matroska") else ""
    what = f"{codec} in {kind.name}" if codec else kind.name
    name = path.name or "IN"
    made = f"{path.stem}.wav" if path.suffix.lower() != ".wav" else "OUT.wav"
    return f"{what}, which needs ffmpeg: install ffmpeg, or convert it: ffmpeg -i {name} {made}"


def _codec(path: Path) -> str:
    """The codec that a header names."""
    try:
        with path.open("rb") as file:
            start = file.read(LOOKED)
            file.seek(max(len(start), path.stat().st_size - LOOKED))
            text = start + file.read()
    except OSError:
        return ""
    return next((name for mark, name in CODECS.items() if mark in text), "")


def _of_libsndfile(path: Path) -> str | None:
    """The answer of libsndfile on a file of unknown kind."""
    import soundfile

    try:
        soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        text = getattr(error, "error_string", None) or str(error)
        return " ".join(text.split()).rstrip(".") or type(error).__name__
    return None
