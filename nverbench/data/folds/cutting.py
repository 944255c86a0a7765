"""How the test parts of each kind of folds are chosen (``docs/protocol.md``, "Folds")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nverbench.data.folds.balance import balance_groups, hashed
from nverbench.data.folds.united import Copied, by_name, check_enough, united, united_groups
from nverbench.errors import FoldError
from nverbench.plugin.records import Clip


def balanced(clips: Sequence[Clip], copied: Copied, k: int) -> list[list[int]]:
    """Whole groups in k parts, every class spread evenly."""
    groups = by_name(united_groups(clips, copied))
    check_enough(clips, copied, len(groups), k, f"{k} speaker-disjoint folds")
    if len(groups) < k:
        raise FoldError(
            f"cannot cut {len(groups)} groups into {k} speaker-disjoint folds; leave-one-group-out"
            " and random can"
        )
    counts = {name: Counter(str(clips[row].label) for row in rows) for name, rows in groups.items()}
    return [[row for name in part for row in groups[name]] for part in balance_groups(counts, k)]


def round_robin(clips: Sequence[Clip], k: int, seed: int, copied: Copied) -> list[list[int]]:
    """Recordings ordered by class, then by number of copies, then by hash of seed and id, each
    assigned to the part with the fewest clips of its class, then of all classes. Without copies the
    clips are assigned to the k parts in turn.
    """
    held = by_name(united([clip.id for clip in clips], copied))
    if len(held) < k:
        what = "clips" if len(held) == len(clips) else f"recordings ({len(clips)} clips)"
        raise FoldError(f"cannot cut {len(held)} {what} into {k} folds; add clips")
    order = sorted(
        held, key=lambda i: (str(clips[held[i][0]].label), -len(held[i]), hashed(f"{seed}:{i}"))
    )
    parts: list[list[int]] = [[] for _ in range(k)]
    counts: list[Counter[str]] = [Counter() for _ in range(k)]
    for name in order:
        label = str(clips[held[name][0]].label)
        best = min((counts[f][label], len(parts[f]), f) for f in range(k))[2]
        parts[best] += held[name]
        counts[best].update(str(clips[row].label) for row in held[name])
    return parts


def crossed(clips: Sequence[Clip]) -> list[tuple[str, list[int]]]:
    """The clips of the test dataset; those of the other dataset train."""
    if {clip.split for clip in clips} != {"train", "test"}:
        raise FoldError(
            "cross needs clips of two datasets, one to train and one to test on; write it as"
            " A:test=B"
        )
    return [("test", [row for row, clip in enumerate(clips) if clip.split == "test"])]
