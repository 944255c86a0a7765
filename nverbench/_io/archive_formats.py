"""The members of a zip or tar, one after the other, with what they say of themselves; told by the
archive's first bytes, never by its name.
"""

from __future__ import annotations

import bz2
import copy
import functools
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nverbench.errors import ArtifactError

DECODERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a rar archive",
    b"\x28\xb5\x2f\xfd": "a zstandard file",
    b"PK\x07\x08": "a zip in several parts",
    b"<": "a web page",
}
MOST_AT_ONCE = 1 << 22
"""Bytes that a tar may make us read at once: it has headers as long as it says."""
READ_AHEAD = 1 << 18
"""Packed bytes that a decoder may have taken before they are needed."""
MOST_BEHIND = 1 << 26
"""Bytes behind a tar's end that are still read, for the checksum there; tars are padded to their
record.
"""
ZEROS = bytes(tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    size: int
    """Bytes as declared."""
    read: Callable[[int], bytes] | None
    """Gives at most so many further bytes, none at the end; None: a folder."""
    packed: Callable[[], int]
    """Packed bytes that what was read so far can have come from."""
    refused: str = ""
    """What it is, where it is neither a plain file nor a folder."""


def members(path: Path, raw: IO[bytes]) -> Iterator[Member]:
    """Every member of the archive ``raw``, each to be read before the next is asked for.

    Raises:
        ArtifactError: the archive is of another kind, damaged or cut off; ``Member.read`` raises it
            too.
    """
    beginning = raw.read(512)
    raw.seek(0)
    other = next(
        (what for magic, what in OTHERS.items() if beginning.startswith(magic)),
        "nothing" if not beginning else "something else",
    )
    decoder = next(
        (decoder for magic, decoder in DECODERS.items() if beginning.startswith(magic)), None
    )
    guard = _guarded(path)
    if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        found = _zip_members(raw, guard)
    elif decoder is not None or beginning[257:262] == b"ustar" or _is_old_tar(beginning):
        found = _tar_members(raw, decoder, guard)
    else:
        raise ArtifactError(
            f"{path.name}: expected a zip or tar archive (.gz, .bz2, .xz), got {other}; unpack it"
            " by hand, then: nverbench data add"
        )
    step = guard(lambda: next(found, None))
    while (member := step()) is not None:
        yield member


def _guarded(path: Path) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a decoder's complaint, of whatever type it is, one line."""

    def guard(function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*words: Any) -> Any:
            try:
                return function(*words)
            except ArtifactError:
                raise
            except (
                Exception
            ) as error:  # zlib, lzma, bz2, zipfile and tarfile have a dozen types for it
                reason = " ".join(str(error).split()) or type(error).__name__
                raise ArtifactError(
                    f"{path.name}: expected a whole archive, it is damaged or cut off ({reason});"
                    " nothing was unpacked"
                ) from error

        return guarded

    return guard


def _zip_members(raw: IO[bytes], guard: Callable[..., Any]) -> Iterator[Member]:
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            refused = _refused_in_zip(info)
            read = None
            if not refused and not info.is_dir():
                grown = copy.copy(info)
                grown.file_size += (
                    1  # or zipfile would stop silently at the declared size, whatever follows
                )
                read = guard(archive.open(grown).read)
            name = (
                info.orig_filename if "\0" in info.orig_filename else info.filename
            )  # zipfile cuts a name at NUL
            packed = functools.partial(int, info.compress_size)
            yield Member(name, info.file_size, read, packed, refused)


def _refused_in_zip(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.flag_bits & 0x2041:  # encrypted, strongly encrypted, with masked headers
        return "encrypted"
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_IFMT(mode) in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK):
        return "a device or a pipe"
    if info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):  # zipfile unpacks those of others in one piece, however large
        return f"packed by method {info.compress_type}, neither stored nor deflated"
    return ""


def _tar_members(
    raw: IO[bytes], decoder: Callable[[Any], Any] | None, guard: Callable[..., Any]
) -> Iterator[Member]:
    source = _Bounded(decoder(raw) if decoder else raw)
    try:
        # it holds nothing that must be closed
        archive = tarfile.open(fileobj=source, mode="r:")  # type: ignore[call-overload]  # noqa: SIM115
    except tarfile.ReadError as error:
        raise ValueError(f"no tar in it: {error}") from error
    for info in archive:
        refused = _refused_in_tar(info)
        stream = archive.extractfile(info) if info.isreg() and not refused else None
        before = raw.tell()
        # The members of a tar are packed together: some of this one's bytes may have been taken
        # while the one before was read.
        ahead = min(before, READ_AHEAD)
        yield Member(
            info.name,
            info.size,
            guard(stream.read) if stream else None,
            functools.partial(_read_since, raw, before - ahead),
            refused,
        )
    source.seek(
        archive.offset
        # tarfile takes a cut at a member's end, or a header it cannot read, for the end
    )
    if source.read(len(ZEROS)) != ZEROS:
        raise ValueError("no end of the archive where it should be")
    behind = 0
    while more := source.read(MOST_AT_ONCE):  # the decoder's checksum is at the very end
        behind += len(more)
        if behind > MOST_BEHIND:
            raise ValueError("it goes on behind its end")


def _read_since(raw: IO[bytes], start: int) -> int:
    """Bytes of the archive that were read after ``start``."""
    return raw.tell() - start


def _refused_in_tar(info: tarfile.TarInfo) -> str:
    if info.issym():
        return "a symbolic link"
    if info.islnk():
        return "a hard link"
    if info.ischr() or info.isblk() or info.isfifo():
        return "a device or a pipe"
    if info.issparse():
        return "a sparse file"
    return "" if info.isreg() or info.isdir() else f"of an unknown kind ({info.type!r})"


class _Bounded:
    """A file for tarfile, which would read a header of any length into memory."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, and never very many."""
        if not 0 <= size <= MOST_AT_ONCE:
            raise ValueError(f"a header of {size} bytes")
        content: bytes = self._file.read(size)
        return content


def _is_old_tar(beginning: bytes) -> bool:
    """A tar of before 1988 has no magic word, but its header has a checksum."""
    try:
        tarfile.TarInfo.frombuf(beginning, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True
