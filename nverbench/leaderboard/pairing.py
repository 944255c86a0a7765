"""Two results of one corpus -> their predictions, row by row over the same clips."""

from __future__ import annotations

from nverbench._io.text import escape_control_characters
from nverbench.errors import UsageError
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result


def paired(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    """Both with rows in the order of their keys, where they have the same keys; else unchanged.

    A published form takes the names of groups (and labels, if it has none) from the other side.
    """
    if not a.keys or len(set(a.keys)) != len(a.keys) or sorted(a.keys) != sorted(b.keys):
        return a, b
    one, two = _by_key(a), _by_key(b)
    if one.ids == two.ids:
        return one, two
    # The ids of a published form are its keys.
    named, p = (one, two) if one.ids != one.keys else (two, one)
    known = len(set(zip(named.groups, p.groups, strict=True)))
    alike = not any(p.groups) or known == len(set(named.groups)) == len(set(p.groups))
    groups = named.groups if alike else p.groups
    target = p.target if len(p.target) else named.target
    joined = Predictions(named.ids, groups, target, p.folds, p.probabilities, p.keys)
    return (one, joined) if named is one else (joined, two)


def _by_key(p: Predictions) -> Predictions:
    order = sorted(range(len(p.keys)), key=p.keys.__getitem__)
    ids, groups, folds, keys = (
        [texts[row] for row in order] for texts in (p.ids, p.groups, p.folds, p.keys)
    )
    target = p.target[order] if len(p.target) else p.target
    return Predictions(ids, groups, target, folds, p.probabilities[:, order], keys)


def refuse_different(a: Result, b: Result) -> None:
    """Raise the UsageError that names what makes a paired comparison impossible."""
    clips = [r.provenance.dataset_digest[:12] for r in (a, b)]
    differing = {
        "the dataset": (a.entry.dataset, b.entry.dataset),
        "the clips of the dataset (digest)": (clips[0], clips[1]),
        "the labels": (", ".join(a.labels), ", ".join(b.labels)),
        "the kind of folds": (a.folds.kind, b.folds.kind),
        "the folds (digest)": (a.folds.digest[:12], b.folds.digest[:12]),
    }
    gap = "; for shared against disjoint speakers see the speaker gap of nverbench leaderboard show"
    for what, (left, right) in differing.items():
        if left != right:
            more = gap if what == "the kind of folds" else ""
            message = f"{a.id} and {b.id} differ in {what}: {left:.60} and {right:.60}"
            raise UsageError(
                escape_control_characters(f"{message}; compare rows of one corpus and cut{more}")
            )
