"""Lists the files of a folder in the same order on every machine, with names that can be printed,
stored and compared.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from nverbench import DatasetError, Misfit

SYSTEM_FILES = frozenset(
    {
        *(".ds_store", "__macosx", "icon\r", ".localized", ".trashes", ".fseventsd"),
        *(".spotlight-v100", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"),
        *("system volume information", "@eadir", ".directory", "lost+found"),
    }
)
"""Names, in small letters, of what macOS, Windows, Synology and KDE write into folders."""


def shown(path: Path, root: Path) -> str:
    """The posix path relative to ``root`` that a message or a misfit may carry; bytes that are not
    UTF-8 are escaped.
    """
    return path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode("utf-8")


def portable(path: Path, root: Path) -> str | None:
    """The posix path relative to ``root``, the same on every machine; None when the name is not
    UTF-8 and so cannot be.

    macOS may hand out decomposed accents and Linux composed ones: the composed form (Unicode NFC)
    is used.
    """
    name = unicodedata.normalize("NFC", path.relative_to(root).as_posix())
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return None
    return name


def of_the_system(name: str) -> bool:
    """Whether a name is one that Windows, macOS or a file server writes beside a user's files."""
    return name.startswith("._") or name.lower() in SYSTEM_FILES


def entries(folder: Path) -> list[Path]:
    """What lies in ``folder``, sorted by name, without files of the operating system.

    Raises:
        DatasetError: the folder may not be read.
    """
    try:
        found = [entry for entry in folder.iterdir() if not of_the_system(entry.name)]
        return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            f"{folder}: expected a folder that can be read, got {error.strerror}; correct its"
            " permissions"
        ) from error


def walk(
    folder: Path,
    root: Path,
    above: frozenset[Path] = frozenset(),
    *,
    hidden: bool = False,
    pruned: Callable[[Path], bool] = lambda _: False,
) -> Iterator[Path | Misfit]:
    """Every file below ``folder``, folder by folder in sorted order; hidden names are passed over
    unless asked for, and so are folders that are ``pruned``.

    Links are followed. One that leads back to a folder it lies in is a misfit instead of an endless
    walk.
    """
    above = above | {folder.resolve()}
    for entry in entries(folder):
        if entry.name.startswith(".") and not hidden:
            continue
        if not entry.is_dir():
            yield entry
        elif pruned(entry):
            continue
        elif entry.resolve() in above:
            yield Misfit(shown(entry, root), "a link to a folder that it lies in; remove the link")
        else:
            yield from walk(entry, root, above, hidden=hidden, pruned=pruned)


def a_file(path: Path) -> bool:
    """Whether it is a file; False also for an impossible name or an unreadable folder."""
    try:
        return path.is_file()
    except OSError:
        return False


def why_unreadable(path: Path) -> str | None:
    """Why ``path`` is not a file that can be opened, or None."""
    if path.is_file():
        return None
    if path.is_symlink():
        return (
            "a broken link: the file it points to is not there; restore the file or remove the link"
        )
    return "neither a file nor a folder; remove it"


def why_no_audio(path: Path) -> str | None:
    """Why ``path`` cannot be a recording, or None; it is asked, not opened."""
    reason = why_unreadable(path)
    if reason is not None:
        return reason
    if not os.access(path, os.R_OK):
        return "it may not be read; correct its permissions"
    return (
        "an empty file (0 bytes); fetch it again or remove it" if path.stat().st_size == 0 else None
    )
