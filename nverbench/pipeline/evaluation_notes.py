"""Notes on what ``evaluate`` was given: copies of rows, features without information, classes that
no fold both trains and tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nverbench.data.folds.assign import Fold
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_COLUMNS = 16
"""Rows of fewer columns, all whole numbers, are often equal by chance."""


def notes(
    clips: Sequence[Clip],
    streams: Sequence[NDArray[np.float32]],
    target: NDArray[np.int64],
    folds: Sequence[Fold],
) -> tuple[str, ...]:
    """One sentence per finding, all in the order of the clips.

    Args:
        clips: sorted by id.
        streams: matrices (n, d), one per backbone.
        target: (n,) classes.
        folds: rows of the training and test parts.
    """
    rows = np.ascontiguousarray(np.concatenate(streams, axis=1)) + np.float32(0)  # -0 equals 0
    if (rows == rows[0]).all():
        return ("all rows of X are equal: the scores are those of a guess",)
    return (*_copies(clips, rows, target, folds), *_classes(clips, target, folds))


def _copies(
    clips: Sequence[Clip],
    rows: NDArray[np.float32],
    target: NDArray[np.int64],
    folds: Sequence[Fold],
) -> list[str]:
    """Notes on identical rows on both sides of a fold, and under two labels."""
    if rows.shape[1] < FEWEST_COLUMNS and (rows == np.round(rows)).all():
        return []
    same: dict[bytes, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        same[row.tobytes()].append(i)
    copies = [group for group in same.values() if len(group) > 1]
    parts = [(set(f.test), {*f.train, *f.validation}) for f in folds] if copies else []
    crossed = [group for group in copies if _is_crossed(group, parts)]
    mixed = [group for group in copies if len({int(target[i]) for i in group}) > 1]
    found = []
    if crossed:
        found.append(
            f"{_named(crossed, clips)} in the training and the test part of a fold: the scores are"
            " too high if they are copies of one recording"
        )
    if mixed:
        found.append(f"{_named(mixed, clips)} under different labels")
    return found


def _is_crossed(group: Sequence[int], parts: Sequence[tuple[set[int], set[int]]]) -> bool:
    """Whether rows are in the test part and outside of it in one of the folds."""
    return any(not t.isdisjoint(group) and not rest.isdisjoint(group) for t, rest in parts)


def _named(groups: Sequence[Sequence[int]], clips: Sequence[Clip]) -> str:
    number = sum(len(group) for group in groups)
    first, second = (clips[i].id for i in groups[0][:2])
    return f"{number} rows of X are exact copies of each other, such as {first} and {second},"


def _classes(clips: Sequence[Clip], target: NDArray[np.int64], folds: Sequence[Fold]) -> list[str]:
    """A note for each class that no fold both trains and tests."""
    taught = {
        int(label)
        for fold in folds
        for label in np.intersect1d(target[list(fold.train)], target[list(fold.test)])
    }
    found = []
    for label in sorted(set(map(int, target)) - taught):
        members = [clips[int(i)] for i in np.flatnonzero(target == label)]
        units = {clip.unit for clip in members}
        of = f"1 group ({members[0].unit})" if len(units) == 1 and len(members) > 1 else ""
        number = f"{len(members)} clip{'s' if len(members) > 1 else ''}"
        where = f"occurs in {of}" if of and members[0].unit is not None else f"has {number}"
        found.append(f"class {members[0].label} {where}: it is never both trained and tested")
    return found
