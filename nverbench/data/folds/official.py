"""The split that ships with a corpus, or that a table's column ``split`` gives (kind ``official``).

A split with a part named test has that fold alone; a split whose parts have names of their own
(``1`` to ``5``, ``session 2``) is cross-validated over its parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from nverbench.data.metadata.names import clean
from nverbench.errors import FoldError
from nverbench.plugin.records import Clip

TRAIN, VALIDATION, TEST = "train", "validation", "test"
WORDS = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation"), VALIDATION),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation"), TEST),
}
"""Names of parts, in lower case, as corpora and people write them."""


def named(clip: Clip) -> Clip:
    """The clip of one's own data with its part under one name: train, validation or test where it
    is a word for one of them.

    The corpora of plugins keep their own words: protocol nver-1 trains on their development part
    and draws another validation part, so that their rows do not change. From nver-2 on, their
    development part is the validation part (``validation_rows``).
    """
    if clip.split is None:
        return clip
    word = clean(clip.split)
    return replace(clip, split=WORDS.get(word.casefold(), word))


def parts(clips: Sequence[Clip]) -> list[tuple[str, list[int]]]:
    """The tested parts of the split: the name and the rows of each.

    Raises:
        FoldError: a clip has no part, or the names mix train and test with other names.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, clip in enumerate(clips):
        if clip.split is None:
            raise FoldError(
                f"clip {clip.id} has no official split; speaker and random can cut this dataset"
            )
        rows[clip.split].append(row)
    if WORDS.keys().isdisjoint(name.casefold() for name in rows):
        return sorted(rows.items())
    others = sorted(name for name in rows if name.casefold() not in WORDS)
    if others or TRAIN not in rows or TEST not in rows:
        raise FoldError(
            f"the official split has the parts {', '.join(sorted(rows))}; expected train and test,"
            " perhaps validation, and no others (or parts with names of their own, which are"
            " tested in turn)"
        )
    return [(TEST, rows[TEST])]


def validation_rows(clips: Sequence[Clip], *, any_word: bool) -> list[int]:
    """The rows of the given validation part; empty where there is none. ``any_word``: under any of
    its names, as corpora write them, not only under ``validation``.
    """
    return [
        row
        for row, clip in enumerate(clips)
        if clip.split == VALIDATION
        or (any_word and WORDS.get(str(clip.split).casefold()) == VALIDATION)
    ]


def shared_groups(clips: Sequence[Clip], tested: Sequence[int]) -> list[str]:
    """A sentence where groups have clips inside and outside of a tested part."""
    within = set(tested)
    inside = {clips[row].unit for row in within} - {None}
    outside = {clip.unit for row, clip in enumerate(clips) if row not in within}
    both = len(inside & outside)
    return [f"{both} of {len(inside)} tested groups are trained on too"] if both else []
