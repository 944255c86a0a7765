"""Kinds of files, told by their first bytes and never by their suffix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD = 4096
"""Bytes that are looked at."""


@dataclass(frozen=True)
class Kind:
    """What a file is.

    ``demuxer`` is the reader of ffmpeg for a kind that libsndfile does not open; ``advice`` says
    what to do with a file that is no audio. Both are empty for the kinds of libsndfile.
    """

    name: str
    demuxer: str = ""
    advice: str = ""
    audio: bool = True


def _no(name: str, advice: str = "") -> Kind:
    """A kind that is no audio."""
    return Kind(name, advice=advice, audio=False)


UNKNOWN = Kind("")
WAV, W64, AIFF, AU, CAF = Kind("WAV"), Kind("W64"), Kind("AIFF"), Kind("AU"), Kind("CAF")
MPEG, FLAC, OGG, NIST = Kind("MP3"), Kind("FLAC"), Kind("Ogg"), Kind("NIST SPHERE")
AAC = Kind("AAC", "aac")
W64_START = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"

FETCH = "the download failed; fetch it again"
STARTS: tuple[tuple[bytes, Kind], ...] = (
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b".snd", AU),
    (b"dns.", AU),
    (b"caff", CAF),
    (b"NIST_1A", NIST),
    (W64_START, W64),
    (b"#!AMR-WB", Kind("AMR-WB", "amr")),
    (b"#!AMR", Kind("AMR", "amr")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("WMA (ASF)", "asf")),
    (b"FLV\x01", Kind("FLV", "flv")),
    (b"\x00\x00\x01\xba", Kind("MPEG program stream", "mpeg")),
    (b"\x0b\x77", Kind("AC-3", "ac3")),
    (b"\x7f\xfe\x80\x01", Kind("DTS", "dts")),
    (b"MAC ", Kind("Monkey's Audio", "ape")),
    (b"wvpk", Kind("WavPack", "wv")),
    (b"TTA1", Kind("True Audio", "tta")),
    (b"tBaK", Kind("TAK", "tak")),
    (b"MP+", Kind("Musepack", "mpc")),
    (b"MPCK", Kind("Musepack", "mpc8")),
    (b".RMF", Kind("RealMedia", "rm")),
    (b".ra\xfd", Kind("RealAudio", "rm")),
    (b"DSD ", Kind("DSF", "dsf")),
    (b"version https://git-lfs", _no("a git-lfs pointer, not audio", "git lfs pull")),
    (b"/annex/objects/", _no("a git-annex pointer, not audio", "git annex get")),
    (b"PK\x03\x04", _no("a zip archive", "unpack it")),
    (b"PK\x05\x06", _no("an empty zip archive", FETCH)),
    (b"\x1f\x8b", _no("a gzip archive", "unpack it")),
    (b"BZh", _no("a bzip2 archive", "unpack it")),
    (b"\xfd7zXZ\x00", _no("an xz archive", "unpack it")),
    (b"\x28\xb5\x2f\xfd", _no("a zstd archive", "unpack it")),
    (b"7z\xbc\xaf\x27\x1c", _no("a 7z archive", "unpack it")),
    (b"Rar!\x1a\x07", _no("a rar archive", "unpack it")),
    (b"%PDF", _no("a PDF document, not audio")),
    (b"\x89PNG", _no("a PNG image, not audio")),
    (b"\xff\xd8\xff", _no("a JPEG image, not audio")),
    (b"GIF8", _no("a GIF image, not audio")),
    (b"\x00\x05\x16\x07", _no("a side file of macOS (AppleDouble), not audio", "delete it")),
    (b"MThd", _no("MIDI notes, not audio", "render them to WAV")),
    (b"\x93NUMPY", _no("a numpy array, not audio", "write it as WAV")),
    (b"\x89HDF", _no("an HDF5 file, not audio", "write its waves as WAV")),
)
PAGE = _no("an HTML page, not audio", FETCH)
XML = _no("an XML text, not audio", FETCH)
JSON = _no("a JSON text, not audio", FETCH)
NOTHING = _no("an empty file of 0 bytes", "copy or fetch it again")
ZEROS = _no("a file of zero bytes only", "copy or fetch it again")
TEXT = _no("a text, not audio")


def kind_of(path: Path) -> tuple[Kind, bytes]:
    """The kind of a file, and its first bytes.

    Raises:
        OSError, ValueError: the file cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        kind = of_bytes(head)
        if head[:3] == b"ID3" and len(head) >= 10:  # the audio begins after the tag
            file.seek(id3_size(head))
            inner = of_bytes(file.read(HEAD))
            # libsndfile reads MPEG and FLAC after a tag, and looks for MPEG further on
            return inner if inner == FLAC or inner.demuxer else MPEG, head
        if kind is ZEROS and any(any(part) for part in iter(lambda: file.read(1 << 20), b"")):
            return UNKNOWN, head
    return kind, head


def id3_size(head: bytes) -> int:
    """Bytes of an ID3v2 tag with its header (id3.org, "ID3v2.4", 3.1)."""
    size = sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
    return size + (20 if head[5] & 0x10 else 10)


def of_bytes(head: bytes) -> Kind:
    """The kind of a file that begins with these bytes."""
    if not head:
        return NOTHING
    for start, kind in STARTS:
        if head.startswith(start):
            return kind
    for test in (_chunked, _framed, _text):
        if (found := test(head)) is not None:
            return found
    return UNKNOWN


def _chunked(head: bytes) -> Kind | None:
    """Containers of chunks or boxes."""
    form = head[8:12]
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return Kind("AVI", "avi") if form == b"AVI " else WAV
    if head[:4] == b"FORM" and form in (b"AIFF", b"AIFC"):
        return AIFF
    if head[:4] == b"\x1aE\xdf\xa3":
        return Kind("WebM" if b"webm" in head[:64] else "Matroska", "matroska")
    if head[4:8] == b"ftyp":
        short = {b"3g": "3GP", b"qt": "QuickTime"}.get(head[8:10], "MP4")
        return Kind(short, "mov")
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free"):
        return Kind("QuickTime", "mov")
    if head[257:262] == b"ustar":
        return _no("a tar archive", "unpack it")
    return None


def _framed(head: bytes) -> Kind | None:
    """Streams of frames. UTF-16 text begins with the sync word of MPEG, and has zeros between its
    letters.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and 0 in head[2:4] and head[2:12].count(0) > 3:
        return TEXT
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # layer 0: ADTS
        return AAC
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06:
        return MPEG
    if head[:1] == b"G" and head[188:189] == b"G" and head[376:377] == b"G":
        return Kind("MPEG transport stream", "mpegts")
    return None


def _text(head: bytes) -> Kind | None:
    """Texts, and files of zeros."""
    if not any(head):
        return ZEROS
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:256].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<!doctype")):
        return PAGE
    if start.startswith(b"<"):
        return PAGE if b"<html" in head.lower() else XML
    if start.startswith((b"{", b"[")) and start[1:].lstrip()[:1] in b'"{}[]':
        return JSON
    printable = all(byte >= 32 or byte in b"\t\n\r\x0c" for byte in head)
    try:
        head.decode("utf-8" if len(head) < HEAD else "latin-1")
    except UnicodeDecodeError:
        return None
    return TEXT if printable and start else None
