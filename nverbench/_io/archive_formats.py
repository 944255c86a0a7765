"""The members of a zip or tar archive, one after the other. The archive's first bytes decide its
format, never its name.
"""

from __future__ import annotations

import bz2
import copy
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

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
"""Bytes of one read by tarfile: a tar header may claim any length."""
MOST_BEHIND = 1 << 26
"""Bytes behind a tar's end that are read, for the decoder's checksum; tars are padded."""
ZEROS = bytes(tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    size: int
    """Bytes as declared."""
    content: IO[bytes] | None
    """None: a folder."""
    refused: str = ""
    """The kind of a member that is neither a plain file nor a folder."""


class UnknownFormat(Exception):
    """The file is neither a zip nor a tar; holds what it is instead."""


def members(raw: IO[bytes]) -> Iterator[Member]:
    """Every member of the archive ``raw``; each is read before the next is requested.

    Raises:
        UnknownFormat: it is of another format.
        Exception: the archive is damaged or truncated (zlib, lzma, bz2, zipfile and tarfile have a
            dozen types for it); reading ``Member.content`` raises them too.
    """
    beginning = raw.read(tarfile.BLOCKSIZE)
    raw.seek(0)
    decoder = next((d for magic, d in DECODERS.items() if beginning.startswith(magic)), None)
    if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_members(raw)
    if decoder is not None:
        return _tar_members(decoder(raw))
    try:  # a tar has no magic number before 1988, but its header has a checksum
        tarfile.TarInfo.frombuf(beginning, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        unknown = "something else" if beginning else "nothing"
        raise UnknownFormat(
            next((what for magic, what in OTHERS.items() if beginning.startswith(magic)), unknown)
        ) from error
    return _tar_members(raw)


def _zip_members(raw: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            refused = _refused_in_zip(info)
            content = None
            if not refused and not info.is_dir():
                longer = copy.copy(info)  # zipfile stops silently at the declared size
                longer.file_size += 1
                content = archive.open(longer)
            # zipfile cuts a name at NUL
            name = info.orig_filename if "\0" in info.orig_filename else info.filename
            yield Member(name, info.file_size, content, refused)


def _refused_in_zip(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.flag_bits & 0x2041:  # encrypted, strongly encrypted, with masked headers
        return "encrypted"
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_IFMT(mode) in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK):
        return "a device or a pipe"
    # zipfile unpacks a block of other methods in one piece, whatever its size
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"packed by method {info.compress_type}, neither stored nor deflated"
    return ""


def _tar_members(file: Any) -> Iterator[Member]:
    source = _BoundedReads(file)
    with tarfile.open(fileobj=source, mode="r:") as archive:  # type: ignore[call-overload]
        for info in archive:
            refused = _refused_in_tar(info)
            content = archive.extractfile(info) if info.isreg() and not refused else None
            yield Member(info.name, info.size, content, refused)
        # tarfile takes a cut at a member's end, or a header that it cannot read, for the end
        source.seek(archive.offset)
    if source.read(len(ZEROS)) != ZEROS:
        raise ValueError("no end of the archive where it should be")
    behind = 0
    while more := source.read(MOST_AT_ONCE):
        behind += len(more)
        if behind > MOST_BEHIND:
            raise ValueError("it goes on behind its end")


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


class _BoundedReads:
    """A file for tarfile, which would read a header of any length into memory."""

    def __init__(self, file: Any) -> None:
        self._file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, and never more than ``MOST_AT_ONCE``."""
        if not 0 <= size <= MOST_AT_ONCE:
            raise ValueError(f"a header of {size} bytes")
        content: bytes = self._file.read(size)
        return content
