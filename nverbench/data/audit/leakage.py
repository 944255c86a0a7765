"""Leakage between the dataset's folds: copies and groups on both sides."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

from nverbench.data.audit.records import Copies, FoldRow, FoldsFound
from nverbench.data.folds import assign
from nverbench.errors import FoldError
from nverbench.plugin.records import Clip, Dataset

OUTSIDE = "trains only"
"""The place of a clip that no fold tests (holdout, official)."""


def cut(
    clips: Sequence[Clip],
    dataset: Dataset,
    kind: str | None,
    *,
    k: int,
    seed: int,
    same: Sequence[Collection[str]] = (),
) -> tuple[assign.FoldSet | None, FoldsFound]:
    """The folds of the requested kind, or of the dataset's default one, as a run cuts them;
    ``same``: ids of clips that are one recording.

    Raises:
        FoldError: the clips cannot be cut by the requested kind; a default kind that is impossible
            is a finding instead.
    """
    chosen = kind or assign.default_kind(clips, assign.offered(dataset))
    try:
        made = assign.make_folds(clips, chosen, k=k, seed=seed, inner=None, same=same)
    except FoldError as error:
        if kind is not None:
            raise
        return None, FoldsFound(chosen, reason=str(error))
    return made, FoldsFound(chosen, made.digest)


def places(clips: Sequence[Clip], made: assign.FoldSet | None) -> dict[str, str]:
    """Clip id -> the fold that tests it."""
    if made is None:
        return {}
    found = dict.fromkeys((c.id for c in clips), OUTSIDE)
    for fold in made.folds:
        found.update((clips[row].id, fold.name) for row in fold.test)
    return found


def crossing(
    clips: Sequence[Clip],
    labels: Sequence[str],
    made: assign.FoldSet,
    place: Mapping[str, str],
    copies: Copies,
) -> FoldsFound:
    """Clips, missing classes and copies outside, per fold; all copies and groups across folds."""
    pairs = [pair for group in copies.identical for pair in itertools.combinations(group.clips, 2)]
    pairs += [(p.first, p.second) for p in copies.near]
    across = [(a, b) for a, b in pairs if a in place and b in place and place[a] != place[b]]
    copied = {clip for pair in across for clip in pair}
    rows = []
    for fold in made.folds:
        inside = [clips[row] for row in fold.test]
        present = {c.label for c in inside}
        missing = tuple(label for label in labels if label not in present)
        rows.append(FoldRow(fold.name, len(inside), missing, sum(c.id in copied for c in inside)))
    homes: dict[str, set[str]] = {}
    for clip in clips:
        if clip.unit is not None:
            homes.setdefault(clip.unit, set()).add(place[clip.id])
    return FoldsFound(
        made.kind, made.digest, tuple(rows), len(across), sum(len(h) > 1 for h in homes.values())
    )
