"""Sentences about a corpus and its folds that a run prints before anything is computed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from nverbench.data import audio
from nverbench.data.copies import OVERLAPPING, Copies
from nverbench.data.corpus import Corpus
from nverbench.data.folds.assign import FoldSet
from nverbench.data.metadata.names import clean
from nverbench.plugin.records import Misfit

NOTES = 3
"""Notes on folds that are printed before the rest is counted."""
KEEP_OR_LEAVE = "convert or remove them, or leave the class out with --skip-bad (unofficial)"


def copy_remarks(found: Copies, cut: FoldSet) -> Iterator[tuple[str, str]]:
    """For copies on both sides of a fold, and for copies under two labels: the reason for the
    standing of a row, and the line that a run prints.
    """
    if leak := found.leak(cut):
        one, other = leak.first
        apart = "cut segments apart" if leak.what == OVERLAPPING else "keep one copy of each"
        yield (
            f"{leak.clips} test clips have {leak.what} in their training part",
            f"{leak.clips} clips have {leak.what} in training and test (first {one} = {other}):"
            f" scores are too high; {apart}",
        )
    if wrong := found.conflict():
        one, other = wrong.first
        yield (
            f"{wrong.clips} clips have {wrong.what} under another label",
            f"{wrong.clips} clips have {wrong.what} under another label (first {one} = {other}): at"
            " least one label of each is wrong; keep one copy of each",
        )


def decoder_remarks(corpus: Corpus) -> list[str]:
    """A sentence for the clips that an installed ffmpeg decodes: another version of it may give
    other numbers, so that it is part of a row's identity.
    """
    found = Counter(audio.decoder(clip.path, clip.start) for clip in corpus.clips)
    return [
        f"{n} of {len(corpus.clips)} clips are decoded by {name}"
        for name, n in sorted(found.items())
        if name.startswith("ffmpeg")
    ]


def lost_classes(corpus: Corpus) -> list[str]:
    """A sentence for each class that has files and no clip, because none of them can be used."""
    misfits: dict[str, list[Misfit]] = defaultdict(list)
    for misfit in corpus.misfits:
        if misfit.label is not None and clean(misfit.label) not in corpus.labels:
            misfits[clean(misfit.label)].append(misfit)
    return [
        f"class {label} has {len(files)} file{'' if len(files) == 1 else 's'} and none can be used,"
        f" first {files[0].path}: {files[0].reason}"
        for label, files in sorted(misfits.items())
        if label not in corpus.reference.exclude
    ]


def shortened(notes: Sequence[str], more: str) -> list[str]:
    """The first notes, and the command that prints the others."""
    rest = len(notes) - NOTES
    return [*notes[:NOTES], *([f"{rest} more notes on the folds: {more}"] if rest > 0 else [])]
