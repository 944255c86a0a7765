"""One's own recordings, one folder per class: ``--dataset folder:PATH``.

``PATH/class/file`` gives clips without speakers; ``PATH/class/speaker/file`` gives each clip the
speaker its folder is named after (the same name under two classes is the same person). Deeper
folders are allowed; the speaker is the first folder below the class. Hidden names (``.DS_Store``,
``._a.wav``) are ignored; every other file that is not a clip is named as a misfit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from nverbench import Clip, Dataset, DatasetError, LabelCard, Misfit
from nverbench_datasets.file_listing import portable, shown, walk, why_unreadable

# What libsndfile 1.2 decodes (soundfile.available_formats()) and people record in; .opus is Opus in
# an Ogg container.
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})
UNDECODED = frozenset({".m4a", ".aac", ".mp4", ".wma", ".webm", ".amr", ".3gp", ".mka"})


def load(root: Path | None, *, path: str) -> Iterator[Clip | Misfit]:
    """The clips under ``path`` in sorted order, then what did not fit; an id is the clip's path
    below ``path``, with its suffix.

    Args:
        root: not used; the dataset has no corpus of its own.
        path: the folder of class folders.

    Raises:
        DatasetError: no such folder, no audio in it, fewer than two classes, or speaker folders for
            only some of the clips.
    """
    # Path's own methods raise for ~nobody and for names that no folder can have
    top = Path(os.path.expanduser(path))  # noqa: PTH111
    if not os.path.isdir(top):  # noqa: PTH112
        state = "a file" if os.path.exists(top) else "nothing"  # noqa: PTH110
        raise DatasetError(
            f"dataset folder: expected a folder with one folder per class at {path}, found {state};"
            " give the path of that folder"
        )
    items = [item if isinstance(item, Misfit) else _clip(item, top) for item in walk(top, top)]
    clips = [item for item in items if isinstance(item, Clip)]
    _check(clips, len(items), path)
    yield from clips
    yield from (item for item in items if isinstance(item, Misfit))


def _clip(path: Path, top: Path) -> Clip | Misfit:
    """The clip that a file is, or why it is none."""
    name, suffix = portable(path, top), path.suffix.lower()
    if name is None:
        return Misfit(shown(path, top), "its name is not UTF-8 text; rename it")
    if suffix in UNDECODED:
        return Misfit(
            name,
            f"libsndfile does not decode {suffix}; convert it, for example with ffmpeg -i"
            f" IN{suffix} OUT.wav",
        )
    if suffix not in SUFFIXES:
        return Misfit(
            name, f"not audio (expected {' '.join(sorted(SUFFIXES))}); remove it or ignore this"
        )
    reason = why_unreadable(path)
    if reason is not None:
        return Misfit(name, reason)
    *folders, _ = name.split("/")
    if not folders:
        return Misfit(name, "it lies in no class folder; move it into one")
    return Clip(
        id=name, path=path, label=folders[0], speaker=folders[1] if len(folders) > 1 else None
    )


def _check(clips: list[Clip], files: int, path: str) -> None:
    if not clips:
        raise DatasetError(
            f"dataset folder: expected audio in {path}/CLASS/, found none among {files} files; put"
            " one folder per class there"
        )
    classes = sorted({str(clip.label) for clip in clips})
    if len(classes) < 2:
        raise DatasetError(
            f"dataset folder: expected at least two class folders with audio in {path}, found only"
            f" {classes[0]}; add another class"
        )
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
    local=("path",),
)
