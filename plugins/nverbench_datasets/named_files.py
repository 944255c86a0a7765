"""Corpora whose clips are told by their file names: one strict reading of a folder, shared by every
such corpus.

A corpus brings what a name says (a ``parse`` function) and where its clips lie (:class:`Layout`);
whatever else lies there is named with the reason. Names are compared in composed form (Unicode
NFC), so that an id is the same on every machine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nverbench import Clip, DatasetError, Misfit
from nverbench_datasets.file_listing import entries, shown, walk, why_no_audio

POINTER = b"version https://git-lfs"
"""What a file begins with that git-lfs has not fetched yet: text, under 200 bytes, where the audio
should be.
"""
DEPTH = 2
"""A corpus may lie this many folders below the one that was named: archives unpack into folders of
their own.
"""


@dataclass(frozen=True)
class Said:
    """What a clip's file name (and the folder it lies in) says."""

    id: str
    label: str
    speaker: str | None = None
    group: str | None = None


Parse = Callable[[str, str], Said | str | None]
"""(file name, posix path of its folder below the place of the clips, "" for none) -> what it says,
or the reason why it is no clip; None: no part of this dataset and nothing wrong with it.
"""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the clips of a corpus lie, and what to say when they do not."""

    title: str
    """The corpus as people write it; messages begin with it."""
    corpus: str
    """The corpus as commands know it."""
    clips: str
    """The published layout in one phrase."""
    how: str = ""
    """What a person has to do, where no program can fetch the corpus."""
    places: tuple[str, ...] = ("",)
    """Folders that may hold the clips, below the folder that was named or one at most two below it;
    the first that holds one is taken.
    """
    folders: re.Pattern[str] | None = None
    """Names of the folders the clips are sorted into; None: they lie in one folder."""
    deep: bool = False
    """True: those folders have folders of their own."""
    beside: re.Pattern[str] | None = None
    """Names of files that are published next to the clips or their folders, and are ignored."""

    @property
    def advice(self) -> str:
        """How this corpus comes to be on this machine."""
        return (
            self.how
            or f"nverbench data get {self.corpus}, or unpack your copy and: nverbench data add {self.corpus} PATH"
        )


def read(root: Path, layout: Layout, parse: Parse) -> Iterator[Clip | Misfit]:
    """Every clip of the copy at ``root``, sorted by path, and the other files.

    Raises:
        DatasetError: no clip lies where the layout says, a folder may not be read, or the clips are
            pointers of git-lfs.
    """
    seen: dict[str, str] = {}
    for found in _files(_place(root, layout, parse), layout, root):
        item = found if isinstance(found, Misfit) else _item(*found, root, layout, parse)
        if isinstance(item, Clip) and item.id in seen:
            item = Misfit(
                shown(item.path, root), f"the same clip as {seen[item.id]}; remove one of them"
            )
        if isinstance(item, Clip):
            seen[item.id] = shown(item.path, root)
        if item is not None:
            yield item


def write_tone(path: Path, hertz: float, *, rate: int = 16000, falling: bool = False) -> None:
    """Writes a third of a second of a tone: a buzz that pulses, or a tone that falls. For
    ``Dataset.sample``; the format is the suffix's.
    """
    import numpy as np
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = np.arange(rate // 3) / rate
    envelope = np.exp(-4 * seconds) if falling else 0.5 + 0.5 * np.cos(2 * np.pi * 6 * seconds)
    glide = 2 - seconds if falling else 1.0
    soundfile.write(
        path, 0.3 * envelope * np.sin(2 * np.pi * hertz * seconds * glide), rate
    )  # wav: 16 bit, the default


def _item(
    path: Path, folder: str, root: Path, layout: Layout, parse: Parse
) -> Clip | Misfit | None:
    if path.is_dir():
        return Misfit(shown(path, root), "a folder among the clips; remove it")
    said = _said(path, folder, parse)
    if said is None:
        return None
    reason = said if isinstance(said, str) else why_no_audio(path)
    if isinstance(said, str) or reason is not None:
        return Misfit(shown(path, root), str(reason))
    if _is_pointer(path):
        raise DatasetError(
            f"{layout.title}: {shown(path, root)} is a pointer of git-lfs, not audio; run 'git lfs"
            " pull' in the clone"
        )
    return Clip(id=said.id, path=path, label=said.label, speaker=said.speaker, group=said.group)


def _said(path: Path, folder: str, parse: Parse) -> Said | str | None:
    """What a name says once it is composed: macOS may hand out decomposed accents."""
    name, inside = unicodedata.normalize("NFC", path.name), unicodedata.normalize("NFC", folder)
    try:
        f"{inside}/{name}".encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8 text; rename it"
    return (
        parse(name, inside)
        if name.isprintable()
        else "its name holds a character that cannot be printed; rename it"
    )


def _is_pointer(path: Path) -> bool:
    try:
        if path.stat().st_size >= 200:
            return False
        with path.open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False  # an unreadable file is reported when its audio is read


def _files(place: Path, layout: Layout, root: Path) -> Iterator[tuple[Path, str] | Misfit]:
    """What lies in the place of the clips and in its folders, each with the path of its folder
    there, in sorted order.
    """
    for entry in entries(place):
        inside = (
            layout.folders is not None and layout.folders.fullmatch(entry.name) and entry.is_dir()
        )
        if inside and layout.deep:
            for found in walk(
                entry, root, hidden=True
            ):  # what a corpus did not ship is to be named, hidden or not
                yield (
                    found
                    if isinstance(found, Misfit)
                    else (found, found.parent.relative_to(place).as_posix())
                )
        elif inside:
            yield from ((path, entry.name) for path in entries(entry))
        elif layout.beside is None or not layout.beside.fullmatch(entry.name):
            yield entry, ""


def _place(root: Path, layout: Layout, parse: Parse) -> Path:
    """The first place, ``root`` before what lies below it, that holds at least one clip."""
    if not root.is_dir():
        state = "a file" if root.exists() else "nothing"
        raise DatasetError(
            f"{layout.title}: expected a folder with {layout.clips} at {root}, found {state} there;"
            f" {layout.advice}"
        )
    level = [root]
    for _ in range(DEPTH + 1):
        for place in (top / name for top in level for name in layout.places):
            if place.is_dir() and _holds(place, layout, parse, root):
                return place
        level = [path for top in level for path in entries(top) if path.is_dir()]
    names = [shown(path, root) for path in entries(root)]
    first = ", ".join(
        " ".join(name.split()) for name in names[:3]
    )  # a name may hold a line break, a message may not
    found = f"{len(names)} entries, none of them a clip ({first})" if names else "an empty folder"
    raise DatasetError(
        f"{layout.title}: expected {layout.clips} under {root}, found {found}; {layout.advice}"
    )


def _holds(place: Path, layout: Layout, parse: Parse, root: Path) -> bool:
    return any(
        not isinstance(found, Misfit) and not isinstance(_said(*found, parse), str)
        for found in _files(place, layout, root)
    )
