"""Unpacking of untrusted archives: plain files and folders below one folder, complete and bounded,
or nothing at all.

What an archive says about itself (sizes, names, kinds) is checked: bytes are counted as they are
written. ``tarfile``'s ``filter="data"`` is not enough: it allows links, and nothing bounds a size.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from nverbench._io.archive_formats import Member, UnknownFormat, members
from nverbench._io.download import check_room
from nverbench.errors import ArtifactError, DiskError, reason_of

LONGEST_NAME, LONGEST_PATH, DEEPEST = 255, 4096, 64
"""Bytes of one component, characters of a path, components: what common file systems take, and far
more than a corpus needs.
"""
MOST_RATIO = 200
"""Unpacked bytes per byte of the archive. Deflate cannot exceed 1032; audio stays below 20."""
FROM_SIZE = 1_000_000
"""Unpacked bytes from which on the ratio counts."""
SKIPPED = ("__MACOSX", ".DS_Store")
CHUNK = 1 << 18


@dataclass
class _Tree:
    """The unpacked tree so far, and its limits."""

    archive: Path
    root: Path
    most_bytes: int
    most_files: int
    members: int = 0
    files: int = 0
    bytes: int = 0
    names: dict[str, bool] = field(default_factory=dict)
    """Every path, composed and case-folded -> whether it is a file."""

    def __post_init__(self) -> None:
        self.most_at_ratio = max(FROM_SIZE, MOST_RATIO * self.archive.stat().st_size)

    def error(self, name: str, why: str) -> ArtifactError:
        """The error for a member."""
        return ArtifactError(
            f"{self.archive.name}: member {name[:120]!r} {why}; nothing was unpacked"
        )

    def count(self, member: Member, new: int, size: int) -> None:
        """Counts ``new`` bytes of a member that has ``size`` bytes so far."""
        self.bytes += new
        if size > member.size:
            raise self.error(member.name, f"holds more than the {member.size} bytes it declares")
        if self.bytes > self.most_bytes:
            most = f"{self.most_bytes / 1e6:.1f} MB"
            raise self.error(member.name, f"is too much: expected at most {most} in all")
        if self.bytes > self.most_at_ratio:
            why = f"unpacks to more than {MOST_RATIO} times the archive's size, as no audio does"
            raise self.error(member.name, why)


def unpack(archive: Path, folder: Path, *, most_bytes: int, most_files: int) -> int:
    """Unpacks a zip or tar (also .gz, .bz2, .xz; its content decides) as the new folder ``folder``
    and returns the number of files.

    Modes, owners and dates are ignored; ``__MACOSX`` and ``.DS_Store`` are skipped; archives inside
    are not opened.

    Raises:
        ArtifactError: the archive is damaged, too large, of another format, or holds a member that
            is not allowed; nothing is left behind.
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
            check_room(staging, archive.stat().st_size, archive.name)  # a lower bound
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
    """Unpacks every member in the archive's order."""
    with tree.archive.open("rb") as raw:
        found = _decoded(tree.archive, members, raw)
        while (member := _decoded(tree.archive, next, found, None)) is not None:
            tree.members += 1
            if tree.members > tree.most_files:
                raise tree.error(
                    member.name, f"is one too many: expected at most {tree.most_files}"
                )
            if member.refused:
                raise tree.error(
                    member.name, f"is {member.refused}; only plain files and folders are unpacked"
                )
            parts = _parts(member, tree)
            if parts:
                _enter(member, parts, tree)
    if not tree.files:
        raise ArtifactError(
            f"{tree.archive.name}: expected files in it, got none; it is not the archive"
        )


def _decoded(archive: Path, function: Callable[..., Any], *words: Any) -> Any:
    """``function(*words)`` of a decoder, whose errors of any type become one line."""
    try:
        return function(*words)
    except UnknownFormat as error:
        raise ArtifactError(
            f"{archive.name}: expected a zip or tar archive (.gz, .bz2, .xz), got {error}; unpack"
            " it by hand, then: nverbench data add"
        ) from error
    except Exception as error:
        reason = reason_of(error)
        raise ArtifactError(
            f"{archive.name}: expected a whole archive, it is damaged or cut off ({reason});"
            " nothing was unpacked"
        ) from error


def _parts(member: Member, tree: _Tree) -> list[str]:
    """The components of a member's path, which stays inside the folder on every system."""
    name = member.name
    steps = name.split("/")
    parts = [step for step in steps if step not in ("", ".")]
    faults = {
        f"has a path longer than {LONGEST_PATH} characters or {DEEPEST} folders": (
            len(name) > LONGEST_PATH or len(steps) > DEEPEST + 1
        ),
        "has an absolute path": name.startswith("/"),
        "has a path of another system (a drive letter or a backslash)": (
            "\\" in name or re.match(r"[A-Za-z]:", name)
        ),
        "leads out of the folder (..)": ".." in steps,
        "has a name with NUL, control characters or bytes that are not text": any(
            unicodedata.category(c) in ("Cc", "Cs") for c in name
        ),
        f"has a name longer than {LONGEST_NAME} bytes": any(
            len(step.encode(errors="surrogatepass")) > LONGEST_NAME for step in steps
        ),
        "has no name": not parts and member.content is not None,
    }
    for why, holds in faults.items():
        if holds:
            raise tree.error(name, why)
    return parts


def _enter(member: Member, parts: list[str], tree: _Tree) -> None:
    """Writes a folder or a file; a skipped one is read and counted too."""
    paths = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    keys = [unicodedata.normalize("NFC", path).casefold() for path in paths]
    is_file = member.content is not None
    if any(tree.names.get(key) for key in keys) or (is_file and keys[-1] in tree.names):
        why = "comes twice (names that differ by case only are the same on some systems)"
        raise tree.error(member.name, why)
    tree.names |= dict.fromkeys(keys[:-1], False) | {keys[-1]: is_file}
    if len(tree.names) > 2 * tree.most_files:
        most = f"expected at most {2 * tree.most_files} files and folders"
        raise tree.error(member.name, f"makes too many folders: {most}")
    skipped = any(part in SKIPPED for part in parts)
    place = tree.root.joinpath(*parts)
    if not skipped:
        (place.parent if is_file else place).mkdir(parents=True, exist_ok=True)
    if member.content is not None:
        with Path(os.devnull).open("wb") if skipped else place.open("xb") as file:
            _copy(member, member.content, file, tree)
        tree.files += not skipped


def _copy(member: Member, content: IO[bytes], file: IO[bytes], tree: _Tree) -> None:
    """Writes the bytes of one member, counted as they come."""
    size = 0
    while chunk := _decoded(tree.archive, content.read, CHUNK):
        size += len(chunk)
        tree.count(member, len(chunk), size)
        file.write(chunk)
        check_room(tree.root, 0, tree.archive.name)
    if size != member.size:
        raise tree.error(member.name, f"is damaged: expected {member.size} bytes, got {size}")
