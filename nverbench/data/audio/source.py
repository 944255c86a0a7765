"""How a file is decoded: by libsndfile as it is, by libsndfile with its counted length, by ffmpeg,
or not at all.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from nverbench._io.digests import of_files
from nverbench.data.audio import chunks, ffmpeg, flac, magic, mpeg, ogg, reasons
from nverbench.errors import AudioError

SNDFILE, MPEG, FFMPEG, NONE, UNTRIED = "libsndfile", "mpeg", "ffmpeg", "none", "untried"
COUNTED = "counted"
"""The decoder of files whose length libsndfile guesses wrong without a corrected header."""
MPEG_CODECS = (0x50, 0x55)
"""Format tags of a WAV that holds MPEG audio."""
LIBSNDFILE_CODECS = (0, 1, 2, 3, 6, 7, 0x11, 0x31, 0x40, 0x64, 0xFFFE, *MPEG_CODECS)
"""Format tags that libsndfile decodes, and 0, which it names."""
CUT = "it was cut in copying; copy it again"
SPLIT = "write them apart, or as one: ffmpeg -i IN OUT.wav"
AGAIN = "write it again: ffmpeg -ignore_length 1 -i IN OUT.wav"
MAY_STATE = 1
"""Frames of MPEG by which a header may be wrong: some count the frame that holds the count."""
KNOWN = 100_000
"""Files whose plan is remembered."""

WAY = re.compile(f"{SNDFILE}|{MPEG}|{FFMPEG}|{NONE}|{COUNTED}")
"""What is remembered of a file. UNTRIED is not: an ffmpeg that is installed later may decode it."""
TABLE = "decoder_of_bytes_1"
"""Of the cache; another number whenever this module could decide otherwise."""
_WAYS: dict[tuple[Path, int, int], str] = {}

Piece = bytes | tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """How a file is decoded."""

    kind: magic.Kind
    decoder: str = ""
    """As provenance records it; empty: libsndfile and the file as it is, or with another length in
    its header.
    """
    pieces: tuple[Piece, ...] = ()
    """What libsndfile reads instead of the file: bytes, and (start, end) of the file."""
    frames: int | None = None
    """Counted samples, where libsndfile cannot state them."""


def plan(path: Path) -> Plan:
    """The way to decode a file, from its bytes.

    Raises:
        AudioError: it is no audio, or its header states another length than it holds.
    """
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode) and not S_ISDIR(stat.st_mode):  # a pipe would wait for ever
            raise AudioError("cannot be decoded (it is no regular file)")
        found = _plan(path, stat.st_size, stat.st_mtime_ns)
    except (OSError, ValueError) as error:
        raise AudioError(f"cannot be decoded ({reason_of(error)})") from error
    if (reason := reasons.of_kind(found.kind, path)) is not None:
        raise AudioError(f"cannot be decoded ({reason})")
    return found


def decoder(path: Path, start: float | None = None) -> str:
    """What decodes a clip, as provenance records it: empty for libsndfile and the file as it is,
    ``counted`` for libsndfile with a counted length, ``from the start`` for a later segment of MPEG
    (where libsndfile seeks, it decodes wrong), or a version such as ``ffmpeg 5.1.9``. Empty also
    for a file that cannot be decoded.
    """
    try:
        stat = path.stat()
        way = _WAYS.get((path, stat.st_size, stat.st_mtime_ns)) or _way(path)
    except (OSError, ValueError):
        return ""
    if way == FFMPEG:
        return ffmpeg.installed()
    return COUNTED if way == COUNTED else "from the start" if start and way == MPEG else ""


def look_up_decoders(paths: Iterable[Path]) -> None:
    """Find the decoder of many files at once: those that this machine has seen before are not read
    again, neither now nor by :func:`decoder`.

    Raises:
        OSError: a file is not there.
        DiskError: the cache in this machine's home cannot be written.
    """
    for path, way in of_files(TABLE, paths, _way, WAY).items():
        stat = path.stat()
        _WAYS[path, stat.st_size, stat.st_mtime_ns] = way


def _way(path: Path) -> str:
    """How a file is decoded, by one of the words of ``WAY``."""
    try:
        found = plan(path)
    except AudioError:
        return NONE if ffmpeg.installed() else UNTRIED
    if found.kind.demuxer:
        return FFMPEG
    return found.decoder or (MPEG if found.kind == magic.MPEG else SNDFILE)


@functools.lru_cache(maxsize=KNOWN)
def _plan(path: Path, size: int, stamp: int) -> Plan:
    kind, head = magic.kind_of(path)
    if not kind.audio or kind.demuxer:
        return Plan(kind)
    if kind == magic.MPEG or (kind == magic.UNKNOWN and _format(path) == "MP3"):
        return _of_mpeg(path.read_bytes(), kind, path)
    if kind == magic.FLAC:
        return _of_flac(path.read_bytes())
    if kind == magic.OGG:
        return _of_ogg(path.read_bytes())
    return _of_chunks(path, kind, size, head)


def _of_mpeg(data: bytes, kind: magic.Kind, path: Path | None, shift: int = 0) -> Plan:
    """MPEG frames are counted; ``shift`` is the place of the data in the file. Without a path the
    data lie in a container, which libsndfile is not given.
    """
    found = mpeg.scan(data)
    if found is None:
        return Plan(kind)
    _check_count(found)
    if not found.frames:
        return Plan(kind)
    if path is not None and found.stated is not None:
        excess = found.frames - found.stated
        if excess == 0 or (found.trims and excess > 0):
            return Plan(kind)
    samples = found.frames * found.first.samples
    if path is not None and not found.tagged and _guess(path) == samples:
        return Plan(kind)
    runs = tuple((start + shift, end + shift) for start, end in found.runs)
    # libsndfile reads no further than its guess, which follows the size: zeros make it long enough
    zeros = bytes((found.frames + 8) * found.largest - sum(end - start for start, end in runs))
    return Plan(magic.MPEG, COUNTED, (*runs, zeros), samples)


def _check_count(found: mpeg.Stream) -> None:
    """Raises where the header states another number of frames than the file holds."""
    if found.several:
        raise _refused(f"it holds several MPEG streams, one after another; {SPLIT}")
    if found.stated is None:
        return
    excess = found.frames - found.stated
    if excess < -MAY_STATE or (excess < 0 and found.trims):
        stated = found.stated * found.first.samples / found.first.rate
        raise _lengths(chunks.seconds(stated), chunks.seconds(found.seconds), CUT)
    if excess > MAY_STATE:
        stated = found.stated * found.first.samples / found.first.rate
        raise _lengths(
            chunks.seconds(stated),
            chunks.seconds(found.seconds),
            f"several files in one, or a wrong header; {SPLIT}",
        )


def _guess(path: Path) -> int | None:
    """The number of samples that libsndfile expects."""
    import soundfile

    try:
        return int(soundfile.info(str(path)).frames)
    except (soundfile.SoundFileError, OSError, ValueError):
        return None


def _format(path: Path) -> str:
    """The format that libsndfile finds in a file of unknown kind, such as MP3 after other bytes."""
    import soundfile

    try:
        return str(soundfile.info(str(path)).format)
    except (soundfile.SoundFileError, OSError, ValueError):
        return ""


def _of_flac(data: bytes) -> Plan:
    start = magic.id3_size(data) if data[:3] == b"ID3" else 0
    found = flac.scan(data, start)
    if found is None:
        return Plan(magic.FLAC)
    if found.several:
        raise _refused(f"it holds several FLAC files, one after another; {SPLIT}")
    if found.held is None or found.held == found.stated:
        return Plan(magic.FLAC)
    if found.stated:
        rate = max(1, found.rate)
        fault = CUT if found.held < found.stated else f"its header is wrong; {SPLIT}"
        times = chunks.seconds(found.stated / rate), chunks.seconds(found.held / rate)
        raise _lengths(*times, fault)
    at = found.total_at
    fields = int.from_bytes(data[at : at + 8], "big") | found.held
    pieces = ((0, at), fields.to_bytes(8, "big"), (at + 8, len(data)))
    return Plan(magic.FLAC, COUNTED, pieces)


def _of_ogg(data: bytes) -> Plan:
    found = ogg.scan(data)
    if found.cut:
        raise _refused(f"its last page is not whole: {CUT}")
    if found.links > 1:
        raise _refused(f"it holds {found.links} Ogg streams, one after another; {SPLIT}")
    known = all(codec.startswith(ogg.KNOWN) for codec in found.codecs)
    return Plan(magic.OGG) if known else Plan(magic.Kind("Ogg", "ogg"))


def _of_chunks(path: Path, kind: magic.Kind, size: int, head: bytes) -> Plan:
    found = chunks.layout(BytesIO(head), size)
    if found is None and size > len(head):
        with path.open("rb") as file:
            found = chunks.layout(file, size)
    if found is None:
        return Plan(kind)
    if kind == magic.WAV and found.codec not in LIBSNDFILE_CODECS:
        return Plan(magic.Kind(f"WAV of codec {found.codec:#06x}", "wav"))
    end = size
    if found.stated is not None:
        _check_held(found)
        end = min(size, found.at + found.stated)
        if size - end > found.slack and not chunks.is_tail(rest := _bytes(path, end, size), found):
            if found.stated == 0:
                end = size
            else:
                raise _longer(kind, found, rest)
    if kind == magic.WAV and found.codec in MPEG_CODECS:
        return _of_mpeg(_bytes(path, found.at, end), kind, None, found.at)
    unknown = found.stated is None or (found.stated == 0 and end == size > found.at)
    if unknown and _holds_another(path, found.at):
        raise _refused(f"it holds several {kind.name} files, one after another; {SPLIT}")
    if unknown and found.size_at and (found.stated == 0 or found.corrected):
        after = found.size_at + found.width
        stated = (found.held + found.before).to_bytes(found.width, found.order)
        return Plan(kind, "", ((0, found.size_at), stated, (after, size)))
    return Plan(kind)


def _bytes(path: Path, begin: int, end: int) -> bytes:
    """Some of the bytes of a file."""
    with path.open("rb") as file:
        file.seek(begin)
        return file.read(end - begin)


def _check_held(found: chunks.Layout) -> None:
    """Raises where the file holds less sound than its header states."""
    stated = found.stated or 0
    if found.held < stated - chunks.SLACK:
        raise _lengths(found.time(stated), found.time(found.held), CUT)


def _longer(kind: magic.Kind, found: chunks.Layout, rest: bytes) -> AudioError:
    """The error for sound after the sound that the header states."""
    if chunks.is_file(rest):
        return _refused(f"it holds several files, one after another; {SPLIT}")
    stated = found.stated or 0
    again = f"; {AGAIN}" if kind == magic.WAV else ""
    times = found.time(stated), found.time(stated + len(rest))
    return _lengths(*times, f"its header is wrong{again}")


def _holds_another(path: Path, at: int) -> bool:
    """Whether another file begins in the sound of a file without a stated length."""
    data = path.read_bytes()
    found = data.find(b"WAVEfmt ", at)
    return found > 0 and data[found - 8 : found - 4] in (b"RIFF", b"RIFX", b"RF64")


def _lengths(stated: str, held: str, fault: str) -> AudioError:
    return _refused(f"its header states {stated}, the file holds {held}: {fault}")


def _refused(reason: str) -> AudioError:
    return AudioError(f"cannot be decoded ({reason})")


def reason_of(error: BaseException) -> str:
    """The reason of a failed opening, in one line."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split()).rstrip(".") or type(error).__name__
