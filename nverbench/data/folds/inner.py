"""The trainings inside a fold: one for each validation part of a replicate (``docs/protocol.md``,
"Selection").
"""

from __future__ import annotations

from dataclasses import replace

from nverbench.data.folds.assign import Fold
from nverbench.errors import FoldError
from nverbench.registry import Protocol


def inner_folds(fold: Fold, protocol: Protocol, replicate: int) -> tuple[Fold, ...]:
    """The fold once for each validation part of a replicate: trained without it, stopped by it."""
    if not fold.splits:
        return (fold,)
    first = replicate * protocol.inner_splits
    parts = fold.splits[first : first + protocol.inner_splits]
    if len(parts) < protocol.inner_splits:
        raise FoldError(
            f"fold {fold.name}: replicate {replicate + 1} has {len(parts)} of"
            f" {protocol.inner_splits} validation parts; cut the folds for as many replicates"
        )
    found = []
    for number, part in enumerate(parts, 1):
        held_out = set(part)
        rest = tuple(row for row in fold.train if row not in held_out)
        name = fold.name if len(parts) == 1 else f"{fold.name} (part {number})"
        found.append(replace(fold, name=name, train=rest, validation=part, splits=()))
    return tuple(found)
