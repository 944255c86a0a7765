"""Unpacking what strangers packed: plain files and folders below one folder, whole and bounded, or
nothing at all.

What an archive says of itself (sizes, ratios, kinds) is never trusted: bytes are counted as they
are written.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from nverbench._io.archive_formats import Member, members
from nverbench._io.download import RESERVE, check_room
from nverbench.errors import ArtifactError, DiskError

LONGEST_NAME, LONGEST_PATH, DEEPEST = 255, 4096, 64
"""Bytes of one component, characters of a path, components: what common file systems take, and far
more than a corpus needs.
"""
MOST_RATIO = 200
"""Unpacked bytes per packed byte. Deflate cannot exceed 1032; audio stays below 20, and a minute of
digital silence has no place in a corpus.
"""
FROM_SIZE = 1_000_000
"""Bytes from which on the ratio counts."""
PASSED_OVER = ("__MACOSX", ".DS_Store")
CHUNK = 1 << 18


@dataclass
class _Tree:
    """What was unpacked so far, and how much more may be."""

    archive: Path
    root: Path
    most_bytes: int
    most_files: int
    members: int = 0
    files: int = 0
    bytes: int = 0
    names: dict[str, bool] = field(default_factory=dict)
    """Every path, composed and case-folded -> whether it is a file."""

    def refuse(self, name: str, why: str) -> ArtifactError:
        """The error for a member."""
        return ArtifactError(
            f"{self.archive.name}: member {name[:120]!r} {why}; nothing was unpacked"
        )


def unpack(archive: Path, folder: Path, *, most_bytes: int, most_files: int) -> int:
    """Unpacks a zip or tar (also .gz, .bz2, .xz; told by its content) as the new folder ``folder``
    and gives the number of files.

    Modes, owners and dates are not taken over; ``__MACOSX`` and ``.DS_Store`` are passed over;
    archives inside are not opened.

    Raises:
        ArtifactError: the archive is damaged, too large, of another kind, or holds what no honest
            corpus does; nothing is left behind.
        DiskError: the disk has no room for it.
    """
    if folder.exists():
        raise ArtifactError(
            f"{folder}: expected no such folder yet, so that nothing is mixed; remove it"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-"))
        try:
            tree = _Tree(archive, staging / "tree", most_bytes, most_files)
            tree.root.mkdir()
            check_room(
                staging, archive.stat().st_size, archive.name
            )  # at the least; the rest is seen as it is written
            _unpack(tree)
            tree.root.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise DiskError(
            f"{archive.name} could not be unpacked in {folder.parent}: {error.strerror or error};"
            " nothing was unpacked"
        ) from error
    return tree.files


def _unpack(tree: _Tree) -> None:
    """Every member, one after the other as they come."""
    with tree.archive.open("rb") as raw:
        for member in members(tree.archive, raw):
            tree.members += 1
            if tree.members > tree.most_files:
                raise tree.refuse(
                    member.name, f"is one too many: expected at most {tree.most_files}"
                )
            if member.refused:
                raise tree.refuse(
                    member.name, f"is {member.refused}; only plain files and folders are unpacked"
                )
            parts = _parts(member, tree)
            if parts:
                _enter(member, parts, tree)
    if not tree.files:
        raise ArtifactError(
            f"{tree.archive.name}: expected files in it, got none; it is not the archive"
        )


def _parts(member: Member, tree: _Tree) -> list[str]:
    """The components of a member's path, once they are known to stay inside on every system."""
    name = member.name
    why = ""
    if len(name) > LONGEST_PATH or name.count("/") > DEEPEST:
        why = f"has a path longer than {LONGEST_PATH} characters or {DEEPEST} folders"
    elif name.startswith("/"):
        why = "has an absolute path"
    elif "\\" in name or re.match(r"[A-Za-z]:", name):
        why = "has a path of another system (a drive letter or a backslash)"
    elif ".." in name.split("/"):
        why = "leads out of the folder (..)"
    elif any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        why = "has a name with NUL, control characters or bytes that are not text"
    elif any(len(part.encode()) > LONGEST_NAME for part in name.split("/")):
        why = f"has a name longer than {LONGEST_NAME} bytes"
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts and member.read is not None:
        why = why or "has no name"
    if why:
        raise tree.refuse(name, why)
    return parts


def _enter(member: Member, parts: list[str], tree: _Tree) -> None:
    """A folder or a file in its place; what is passed over is read and counted all the same."""
    keys = [
        unicodedata.normalize("NFC", "/".join(parts[: n + 1])).casefold() for n in range(len(parts))
    ]
    if any(tree.names.get(key) for key in keys) or (
        keys[-1] in tree.names and member.read is not None
    ):
        raise tree.refuse(
            member.name, "comes twice (names that differ by case only are the same on some systems)"
        )
    tree.names |= dict.fromkeys(keys[:-1], False) | {keys[-1]: member.read is not None}
    if len(tree.names) > 2 * tree.most_files:
        raise tree.refuse(
            member.name,
            f"makes too many folders: expected at most {2 * tree.most_files} files and folders",
        )
    over = any(part in PASSED_OVER for part in parts)
    place = tree.root.joinpath(*parts)
    if member.read is None:
        if not over:
            place.mkdir(parents=True, exist_ok=True)
        return
    if over:
        _copy(member, member.read, None, tree)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as file:
        _copy(member, member.read, file, tree)
    tree.files += 1


def _copy(
    member: Member, read: Callable[[int], bytes], file: IO[bytes] | None, tree: _Tree
) -> None:
    """The bytes of one member, counted as they come."""
    size = unchecked = 0
    while chunk := read(CHUNK):
        size, unchecked = size + len(chunk), unchecked + len(chunk)
        tree.bytes += len(chunk)
        if size > member.size:
            raise tree.refuse(member.name, f"holds more than the {member.size} bytes it declares")
        if tree.bytes > tree.most_bytes:
            raise tree.refuse(
                member.name, f"is too much: expected at most {tree.most_bytes / 1e6:.1f} MB in all"
            )
        if size > FROM_SIZE and size > MOST_RATIO * member.packed():
            raise tree.refuse(
                member.name,
                f"unpacks to more than {MOST_RATIO} times its packed size, as no audio does",
            )
        if file is not None:
            file.write(chunk)
        if unchecked > RESERVE // 4:
            check_room(tree.root, 0, tree.archive.name)
            unchecked = 0
    if size != member.size:
        raise tree.refuse(member.name, f"is damaged: expected {member.size} bytes, got {size}")
