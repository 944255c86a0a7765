"""Two sets of predictions over the same clips; differences are refused by name."""

from __future__ import annotations

from collections.abc import Sequence

from nverbench.errors import UsageError
from nverbench.leaderboard.score_csv.read import PredictionFile
from nverbench.metrics.jackknife import Decisions


def same_clips(a: PredictionFile, b: PredictionFile) -> tuple[Decisions, Decisions, list[str]]:
    """Both over the labels of both, rows paired by id; a file without groups takes those of the
    other.

    Raises:
        UsageError: clips, labels or groups differ, naming one.
    """
    missing = sorted(set(a.ids) ^ set(b.ids))
    if missing:
        has, lacks = (a, b) if missing[0] in a.ids else (b, a)
        raise UsageError(
            f"{lacks.path} lacks clip {missing[0]!r} of {has.path} ({len(missing)} clips are in one"
            " only); give the same clips twice"
        )
    labels = sorted({*a.labels, *b.labels})
    one, two = a.over(labels), b.over(labels)
    check_labels(a, [labels[i] for i in one.target], [labels[i] for i in two.target], str(b.path))
    if a.grouped and b.grouped and one.groups != two.groups:
        pairs = zip(a.ids, one.groups, two.groups, strict=True)
        clip, x, y = next(row for row in pairs if row[1] != row[2])
        raise UsageError(
            f"{a.path} and {b.path} differ in the group of clip {clip!r}: {x!r} and {y!r}; correct"
            " one of them"
        )
    groups = one.groups if a.grouped else two.groups
    mine = Decisions(one.target, one.predicted, groups, one.classes)
    return mine, Decisions(two.target, two.predicted, groups, two.classes), labels


def check_labels(a: PredictionFile, own: Sequence[str], theirs: Sequence[str], source: str) -> None:
    """Raise when a clip has another label on the other side."""
    pairs = zip(a.ids, own, theirs, strict=True)
    wrong = [(clip, x, y) for clip, x, y in pairs if x != y]
    if wrong:
        clip, x, y = wrong[0]
        raise UsageError(
            f"{a.path} and {source} differ in the label of clip {clip!r}: {x!r} and {y!r}"
            f" ({len(wrong)} such clips); correct one of them"
        )
