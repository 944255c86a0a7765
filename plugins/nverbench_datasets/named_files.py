"""Corpora whose clips are told by their file names: one strict reading of a folder, shared by every
such corpus.

A corpus brings what a name says (a ``parse`` function) and where its clips lie (:class:`Layout`);
whatever else lies there is named with the reason. Names are compared in composed form (Unicode
NFC), so that an id is the same on every machine.
"""

from __future__ import annotations

import filecmp
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nverbench import Clip, DatasetError, Misfit, why_not_audio
from nverbench_datasets.file_listing import a_file, entries, shown, walk, why_no_audio

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
    facts: Mapping[str, str] = field(default_factory=dict)
    """What it says about the speaker (``Clip.speaker_facts``)."""


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
    home: Callable[[Said], str] | None = None
    """The folder that a clip belongs in, where folders say what names say: a clip in another one of
    ``folders`` does not fit.
    """
    apart: tuple[str, ...] = ()
    """Folders of another set of clips with the same names; they are not read along with a place."""
    only_there: bool = False
    """True: an id holds the folder, so that clips in other folders than the published ones are
    refused.
    """
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
    """Every clip of the copy at ``root``: those in the published place first, then those in other
    folders below ``root``, however they are sorted; and the files among them that do not fit.

    Raises:
        DatasetError: no clip lies under ``root``, a folder may not be read, the clips are pointers
            of git-lfs, two files of one clip differ, or ids hold folders and clips lie elsewhere.
    """
    place = _place(root, layout, parse)
    others = _elsewhere(root, place, layout, parse)
    if others and layout.only_there:
        raise DatasetError(
            f"{layout.title}: clips lie in {others[0]} too; expected {layout.clips} under"
            f" {place}: move them there"
        )
    seen: dict[str, Path] = {}
    for found in itertools.chain(
        _files(place, layout, root),
        ((path, folder.name) for folder in others for path in _audio_in(folder)),
    ):
        if isinstance(found, Misfit):
            yield found
        elif not any(folder.is_relative_to(found[0]) for folder in others):
            item = _item(*found, root, layout, parse)
            if isinstance(item, Clip) and seen.setdefault(item.id, item.path) != item.path:
                item = _copy(item, seen[item.id], root, layout)
            if item is not None:
                yield item


def _item(
    path: Path, folder: str, root: Path, layout: Layout, parse: Parse
) -> Clip | Misfit | None:
    if path.is_dir():
        return Misfit(shown(path, root), "a folder among the clips; remove it")
    said = _said(path, folder, parse)
    if said is None:
        return None
    if isinstance(said, str):
        return Misfit(shown(path, root), said)
    reason = _misplaced(path, said, folder, layout) or why_no_audio(path)
    if reason is not None:
        return Misfit(shown(path, root), reason, said.label)
    if _is_pointer(path):
        raise DatasetError(
            f"{layout.title}: {shown(path, root)} is a pointer of git-lfs, not audio; run 'git lfs"
            " pull' in the clone"
        )
    return Clip(said.id, path, said.label, said.speaker, said.group, speaker_facts=said.facts)


def _misplaced(path: Path, said: Said, folder: str, layout: Layout) -> str | None:
    """Why a clip does not belong in the folder that it lies in, or None."""
    home = layout.home(said) if layout.home is not None else folder
    if home.lower() == folder.lower() or not _sorted_in(layout, folder):
        return None
    problem = f"lies in {folder}, but its name says {home}"
    mate = path.parent.with_name(home) / path.name
    if not a_file(mate):
        return f"{problem}; put it into {home}"
    if filecmp.cmp(path, mate, shallow=False):
        return f"{problem}, and the same file lies there; remove it from {folder}"
    return f"{problem}, and another file of that name lies there; compare them and remove one"


def _copy(clip: Clip, first: Path, root: Path, layout: Layout) -> Misfit:
    """The misfit for a second file of one clip.

    Raises:
        DatasetError: its content is another.
    """
    one, two = shown(first, root), shown(clip.path, root)
    if filecmp.cmp(first, clip.path, shallow=False):
        return Misfit(two, f"the same clip as {one}; remove one of them", clip.label)
    raise DatasetError(
        f"{layout.title}: {one} and {two} in {root} are named as one clip, but are different files;"
        " compare them and remove one"
    )


def _said(path: Path, folder: str, parse: Parse) -> Said | str | None:
    """What a name says once it is composed: macOS may hand out decomposed accents."""
    name, inside = unicodedata.normalize("NFC", path.name), unicodedata.normalize("NFC", folder)
    try:
        f"{inside}/{name}".encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8 text; rename it"
    stem, dot, suffix = name.rpartition(".")
    return (
        parse(f"{stem}{dot}{suffix.lower()}", inside)  # cameras and Windows write .WAV
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
        inside = _sorted_in(layout, entry.name) and entry.is_dir()
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


def _sorted_in(layout: Layout, folder: str) -> bool:
    """Whether a name is one of the folders that the clips are sorted into."""
    return layout.folders is not None and layout.folders.fullmatch(folder) is not None


def _place(root: Path, layout: Layout, parse: Parse) -> Path:
    """The first place, ``root`` before what lies below it, that holds at least one clip; else the
    first one with a clip in a folder of it.
    """
    if not root.is_dir():
        raise DatasetError(
            f"{layout.title}: expected a folder with {layout.clips} at {root},"
            f" {_no_folder(root)}; {layout.advice}"
        )
    level, places = [root], []
    for _ in range(DEPTH + 1):
        places += [top / name for top in level for name in layout.places if (top / name).is_dir()]
        level = [path for top in level for path in entries(top) if path.is_dir()]
    for place in places:
        if _holds(place, layout, parse, root):
            return place
    for place in places:
        if not layout.only_there and _elsewhere(place, place, layout, parse):
            return place
    names = [shown(path, root) for path in entries(root)]
    first = ", ".join(
        " ".join(name.split()) for name in names[:3]
    )  # a name may hold a line break, a message may not
    found = f"{len(names)} entries, none of them a clip ({first})" if names else "an empty folder"
    raise DatasetError(
        f"{layout.title}: expected {layout.clips} under {root}, found {found}; {layout.advice}"
    )


def _no_folder(path: Path) -> str:
    """What lies at a path instead of a folder."""
    if not a_file(path):
        return "found nothing there" if not path.exists() else "found neither a file nor a folder"
    kind = why_not_audio(path)
    archive = kind is not None and kind.endswith("unpack it")
    return f"found {kind}, then give the folder" if archive else "found a file there"


def _elsewhere(root: Path, place: Path, layout: Layout, parse: Parse) -> list[Path]:
    """The folders below ``root`` that hold a clip and are no part of ``place``, in sorted order."""
    apart = {name.lower() for name in layout.apart} - {part.lower() for part in place.parts}
    found: dict[Path, None] = {}
    for path in walk(root, root, pruned=lambda folder: folder.name.lower() in apart):
        if isinstance(path, Misfit) or path.parent in found or _belongs(path, place, layout):
            continue
        if isinstance(_said(path, path.parent.name, parse), Said):
            found[path.parent] = None
    return list(found)


def _audio_in(folder: Path) -> Iterator[Path]:
    """The files of a folder that have a clip's suffix: papers beside them are passed over."""
    for path in entries(folder):
        if path.suffix.lower() in (".wav", ".mp3") and not path.is_dir():
            yield path


def _belongs(path: Path, place: Path, layout: Layout) -> bool:
    """Whether :func:`_files` of a place has a path."""
    if not path.is_relative_to(place):
        return False
    folders = path.relative_to(place).parts[:-1]
    if not folders:
        return layout.beside is None or not layout.beside.fullmatch(path.name)
    return _sorted_in(layout, folders[0]) and (layout.deep or len(folders) == 1)


def _holds(place: Path, layout: Layout, parse: Parse, root: Path) -> bool:
    return any(
        not isinstance(found, Misfit) and not isinstance(_said(*found, parse), str)
        for found in _files(place, layout, root)
    )
