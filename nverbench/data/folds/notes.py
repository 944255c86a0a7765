"""Sentences about the folds of a corpus. Results publish them: they name no clip."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nverbench.data.folds.united import Copied, across_groups, joined_groups
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from nverbench.data.folds.assign import Fold


COPIES = "copies of "
"""The first words of the notes on copies."""


def copy_notes(clips: Sequence[Clip], kind: str, copied: Copied) -> list[str]:
    """A sentence on what was united for a kind of folds."""
    if kind == "random" and copied:
        held = sum(map(len, copied))
        return [f"{COPIES}{len(copied)} recordings ({held} clips) are kept in one fold each"]
    if kind not in ("speaker", "leave-one-group-out"):
        return []
    across = across_groups(clips, copied)
    joined = joined_groups(clips, copied)
    if not across:
        return []
    return [
        f"{COPIES}{len(across)} recordings join {len(joined)} groups into"
        f" {len(set(joined.values()))}"
    ]


def lacking(clips: Sequence[Clip], folds: Sequence[Fold]) -> list[str]:
    """A sentence for each class that some fold does not test, or cannot train on."""
    notes = []
    for label in sorted({str(clip.label) for clip in clips}):
        for part, what in (("test", "test clip"), ("train", "training clip")):
            without = [
                fold.name
                for fold in folds
                if all(clips[row].label != label for row in getattr(fold, part))
            ]
            if without:
                names = ", ".join(without[:5]) + (" ..." if len(without) > 5 else "")
                notes.append(
                    f"class {label} has no {what} in {len(without)} of {len(folds)} folds ({names})"
                )
    return notes


def rare_groups(clips: Sequence[Clip], units: Sequence[str], k: int) -> list[str]:
    """A sentence for each class that fewer groups than folds have."""
    groups: dict[str, set[str]] = defaultdict(set)
    for clip, unit in zip(clips, units, strict=True):
        groups[str(clip.label)].add(unit)
    return [
        f"class {label} occurs in {len(names)} groups, fewer than the {k} folds"
        for label, names in sorted(groups.items())
        if len(names) < k
    ]
