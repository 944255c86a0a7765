"""One's own recordings, one folder per class: ``--dataset folder:PATH``.

``PATH/class/file`` gives clips without speakers; ``PATH/class/speaker/file`` gives each clip the
speaker its folder is named after (the same name under two classes is the same person). Deeper
folders are allowed; the speaker is the first folder below the class. Where file names tell the
speaker, ``folder:PATH,speaker=REGEX`` finds it there: the group ``speaker``, else the first one, of
a regular expression that is searched in each path below PATH, such as
``'folder:PATH,speaker=_(s[0-9]+)_'`` for ``laugh/take1_s03_a.wav``. An option ends at a comma, so
the expression holds none (write ``[0-9][0-9][0-9]?`` for ``[0-9]{2,3}``).

Hidden names and files of the operating system (``.DS_Store``, ``._a.wav``, ``Thumbs.db``) are
ignored; every other file that is not a clip is named as a misfit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nverbench import Clip, Dataset, DatasetError, LabelCard, Misfit, why_not_audio
from nverbench_datasets.file_listing import entries, portable, shown, walk, why_unreadable
from nverbench_datasets.folder_layout import check_layout

# What libsndfile 1.2 decodes (soundfile.available_formats()) and people record in; .opus is Opus in
# an Ogg container. Files of other suffixes are judged by their first bytes.
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})
DOCUMENTS = frozenset(
    {
        *("", ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml"),
        *(".xml", ".html", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".rtf", ".py", ".m", ".r"),
        *(".sh", ".ipynb", ".png", ".jpg", ".jpeg", ".svg", ".gif", ".bib", ".cff", ".log"),
        *(".textgrid", ".lab", ".eaf", ".srt", ".vtt", ".trs", ".cha", ".ini"),
    }
)
"""Suffixes of files that explain recordings; they are not looked into."""
PAPERS = re.compile(
    r"docs?|documentation|meta_?data|meta|labels?|annotations?|transcripts?|transcriptions?|scripts?"
    r"|code|src|images?|figures?|plots?|licen[cs]es?|readme|papers?|info",
    re.IGNORECASE,
)
"""Names of folders that hold documents: with nothing else in it, such a folder is no class."""
LEFT_BEHIND = frozenset({".bak", ".tmp", ".part", ".partial", ".crdownload", ".download", ".old"})


def load(root: Path | None, *, path: str, speaker: str = "") -> Iterator[Clip | Misfit]:
    """The clips under ``path`` in sorted order, then what did not fit; an id is the clip's path
    below ``path``, with its suffix.

    Args:
        root: not used; the dataset has no corpus of its own.
        path: the folder of class folders.
        speaker: a regular expression that finds the speaker in a clip's id; empty: the folder below
            the class is the speaker.

    Raises:
        DatasetError: no such folder, no audio in it, fewer than two classes, speakers for only some
            of the clips, or first folders that look like people or like parts of a split.
    """
    # Path's own methods raise for ~nobody and for names that no folder can have
    top = Path(os.path.expanduser(path))  # noqa: PTH111
    if not os.path.isdir(top):  # noqa: PTH112
        raise DatasetError(f"dataset folder: {_no_folder(top, path)}")
    named = _compiled(speaker) if speaker else None
    items = [_item(item, top) for item in walk(top, top)]
    clips = [item for item in items if isinstance(item, Clip)]
    misfits = [item for item in items if isinstance(item, Misfit)]
    misfits = _no_classes(misfits, {str(clip.label) for clip in clips})
    _check(clips, misfits, path)
    check_layout((clip.id for clip in clips), path)
    if named is not None:
        clips = [replace(clip, speaker=_speaker(clip.id, named)) for clip in clips]
    _check_speakers(clips, path)
    yield from clips
    yield from misfits
    yield from _empty(top, {str(item.label) for item in (*clips, *misfits)})


def _no_folder(top: Path, path: str) -> str:
    """What lies at a path instead of a folder, and what to do."""
    state = "a file" if os.path.exists(top) else "nothing"  # noqa: PTH110
    kind = why_not_audio(top) if state == "a file" else None
    if kind is not None and kind.endswith("unpack it"):
        return f"{path} is {kind}, then give the folder"
    table = "; for a table write table:FILE.csv" if state == "a file" else ""
    return (
        f"expected a folder with one folder per class at {path}, found {state}; give the path of"
        f" that folder{table}"
    )


def _item(item: Path | Misfit, top: Path) -> Clip | Misfit:
    """The clip that a file is, or a misfit with the class that it would have had."""
    name = item.path if isinstance(item, Misfit) else portable(item, top)
    label, *deeper = (name or shown(Path(str(item)), top)).split("/")
    reason = item.reason if isinstance(item, Misfit) else _why_no_clip(item, name)
    if name is None or reason is not None:
        where = name if isinstance(item, Misfit) or name else shown(item, top)
        return Misfit(where, str(reason), label if deeper else None)
    if not deeper:
        return Misfit(name, "it lies in no class folder; move it into one")
    return Clip(
        id=name, path=Path(str(item)), label=label, speaker=deeper[0] if deeper[1:] else None
    )


def _why_no_clip(path: Path, name: str | None) -> str | None:
    """Why a file is no clip, or None. A file with the suffix of audio is one whatever its content
    is: the first decoding names it if it is damaged.
    """
    if name is None:
        return "its name is not UTF-8 text; rename it"
    unreadable, suffix = why_unreadable(path), path.suffix.lower()
    if unreadable is not None or suffix in SUFFIXES:
        return unreadable
    if suffix in LEFT_BEHIND or name.endswith("~"):
        return "a backup, or a download that did not finish; remove it"
    reason = "not audio" if suffix and suffix in DOCUMENTS else why_not_audio(path)
    return f"{reason}: remove it or ignore this" if reason and ":" not in reason else reason


def _no_classes(misfits: list[Misfit], classes: set[str]) -> list[Misfit]:
    """The misfits, without a label where their folder holds nothing but documents and is named so."""
    others = {m.label for m in misfits if Path(m.path).suffix.lower() not in DOCUMENTS}
    papers = {
        m.label
        for m in misfits
        if m.label not in others | classes and PAPERS.fullmatch(str(m.label))
    }
    return [replace(m, label=None) if m.label in papers else m for m in misfits]


def _empty(top: Path, known: set[str]) -> Iterator[Misfit]:
    """A misfit for each first folder without any file."""
    for entry in entries(top):
        name = shown(entry, top) if entry.is_dir() else ""
        label = portable(entry, top) or name
        if name and not name.startswith((".", "_")) and label not in known:
            if PAPERS.fullmatch(label):
                continue
            yield Misfit(name, "an empty folder; put clips into it or remove it", label)


def _compiled(speaker: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(speaker)
    except (re.error, RecursionError, OverflowError) as error:
        raise DatasetError(
            f"dataset folder: speaker={speaker} is no regular expression ({error}); write one such"
            " as speaker=_(s[0-9]+)_, without commas"
        ) from error
    if pattern.groups == 0:
        raise DatasetError(
            f"dataset folder: speaker={speaker} has no group; put the part that names the speaker"
            " in parentheses, as in speaker=_(s[0-9]+)_"
        )
    return pattern


def _speaker(clip: str, pattern: re.Pattern[str]) -> str:
    """The speaker that a regular expression finds in a clip's id."""
    match = pattern.search(clip)
    found = match["speaker" if "speaker" in pattern.groupindex else 1] if match else None
    if not found:
        raise DatasetError(
            f"dataset folder: speaker={pattern.pattern} finds no speaker in {clip}; expected one in"
            " every clip's path: correct the expression or the name"
        )
    return str(found)


def _check(clips: list[Clip], misfits: list[Misfit], path: str) -> None:
    if not clips:
        documents = [m for m in misfits if Path(m.path).suffix.lower() in DOCUMENTS]
        first = next(iter([m for m in misfits if m not in documents] or documents), None)
        why = f"first {first.path}: {first.reason}" if first else "put one folder per class there"
        raise DatasetError(
            f"dataset folder: expected audio in {path}/CLASS/, found none among {len(misfits)}"
            f" files; {why}"
        )
    classes = sorted({str(clip.label) for clip in clips})
    if len(classes) < 2:
        deeper = sorted({str(clip.speaker) for clip in clips if clip.speaker is not None})
        inner = (
            f", or, if the folders in it ({', '.join(deeper[:4])}) are the classes, give"
            f" {path.rstrip('/')}/{classes[0]}"
            if len(deeper) > 1
            else ""
        )
        raise DatasetError(
            f"dataset folder: expected at least two class folders with audio in {path}, found only"
            f" {classes[0]}; add another class{inner}"
        )


def _check_speakers(clips: list[Clip], path: str) -> None:
    """Refuses speakers for only some of the clips."""
    alone = next((clip for clip in clips if clip.speaker is None), None)
    spoken = next((clip for clip in clips if clip.speaker is not None), None)
    if alone is not None and spoken is not None:
        # Half-known speakers cannot be kept apart: the clips without one could be of a speaker on
        # the other side of the fold.
        raise DatasetError(
            f"dataset folder: {spoken.id} lies in a speaker folder but {alone.id} does not;"
            f" expected class/speaker/file for every clip in {path} or for none: move the files"
        )


FOLDER = Dataset(
    name="folder",
    load=load,
    label_card=LabelCard(kind="unknown: your own labels", setting="unknown"),
    folds=("speaker", "random"),
    positional="path",
    local=("path", "speaker"),  # the speakers found enter the digest, not the expression
)
