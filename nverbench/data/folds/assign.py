"""How a dataset is cut: folds for testing, and the inner validation part of each training part.

The rule is our own and deterministic (protocol nver-1, "Folds" and "Selection"): it depends on ids,
labels, groups and the protocol's seed only, never on a library's version, a file order or a folder.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from nverbench._io.digests import digest_of
from nverbench.data.folds.balance import balance_groups, hashed
from nverbench.errors import FoldError
from nverbench.plugin.records import Clip

KINDS = ("speaker", "random", "leave-one-group-out", "official", "holdout=GROUP", "cross")
FEWEST_GROUPS = 5
"""``speaker`` is the default wherever a corpus has at least this many groups."""
DISJOINT = ("speaker", "leave-one-group-out", "holdout", "cross")


@dataclass(frozen=True)
class Fold:
    """One test part and the training part around it; rows are indices into the scored clips sorted
    by id.
    """

    name: str
    train: tuple[int, ...]
    """The training part without its validation part: all that scalers, losses and banks may see."""
    validation: tuple[int, ...]
    test: tuple[int, ...]
    speakers_seen: bool
    """True when the validation part shares groups with the training part."""


@dataclass(frozen=True)
class FoldSet:
    """A dataset cut into folds."""

    kind: str
    folds: tuple[Fold, ...]
    digest: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Inner:
    """The constants of the inner validation part."""

    share: float = 0.10
    most: float = 0.20
    per_class: int = 5


def make_folds(
    clips: Sequence[Clip], kind: str, *, k: int, seed: int, inner: Inner | None
) -> FoldSet:
    """The folds of scored clips.

    Args:
        clips: scored clips (label not None), any order; results refer to them sorted by id.
        kind: speaker, random, leave-one-group-out, official, holdout=GROUP or cross.
        k: number of folds of ``speaker`` and ``random``.
        seed: the protocol's seed.
        inner: constants of the validation part; None: no validation part (selection ``test`` or
            ``last``).

    Raises:
        FoldError: the clips cannot be cut as asked; says what can.
    """
    clips = sorted(clips, key=lambda c: c.id)
    tests = assign(clips, kind, k=k, seed=seed)
    disjoint = kind.partition("=")[0] in DISJOINT
    folds = []
    for name, test in tests:
        outside = set(test)
        train = [i for i in range(len(clips)) if i not in outside]
        if not train or not test:
            raise FoldError(
                f"fold {name} of kind {kind} has {len(train)} training and {len(test)} test clips;"
                " it needs both"
            )
        grouped = disjoint and all(
            clips[i].unit is not None for i in train
        )  # cross: a corpus that names nobody can still be trained on
        validation, seen = (
            _validation(clips, train, inner, seed=seed, by_group=grouped) if inner else ([], False)
        )
        held = set(validation)
        folds.append(
            Fold(
                name, tuple(i for i in train if i not in held), tuple(validation), tuple(test), seen
            )
        )
    tested = {i: fold.name for fold in folds for i in fold.test}
    rows = [
        [c.id, c.label, c.unit, tested.get(i, "")] for i, c in enumerate(clips)
    ]  # "": trains only (holdout, official)
    notes = (_rare_groups(clips, k) if kind == "speaker" else []) + _lacking(clips, folds)
    return FoldSet(kind, tuple(folds), digest_of({"kind": kind, "rows": rows}), tuple(notes))


def assign(clips: Sequence[Clip], kind: str, *, k: int, seed: int) -> list[tuple[str, list[int]]]:
    """The test part of every fold: its name and row indices, sorted."""
    base, _, value = kind.partition("=")
    groups = _groups(clips)
    if base == "random" and not value:
        parts = _round_robin(clips, k, seed)
    elif base == "official" and not value:
        return _official(clips)
    elif base == "cross" and not value:
        return _crossed(clips)
    elif base in DISJOINT and not groups:
        raise FoldError(
            f"cannot cut {len(clips)} clips by {kind}: some have no speaker or group; random can"
            " (--folds random)"
        )
    elif base == "speaker" and not value:
        parts = _balance(clips, groups, k)
    elif base == "leave-one-group-out" and not value:
        return [(name, rows) for name, rows in sorted(groups.items())]
    elif base == "holdout" and value:
        if value not in groups:
            raise FoldError(
                f"holdout={value}: no such group; the groups are"
                f" {', '.join(sorted(groups)[:12])}{' ...' if len(groups) > 12 else ''}"
            )
        return [(value, groups[value])]
    else:
        raise FoldError(f"unknown kind of folds {kind!r}; known: {', '.join(KINDS)}")
    return [(str(i + 1), sorted(part)) for i, part in enumerate(parts)]


def default_kind(clips: Sequence[Clip], allowed: Sequence[str]) -> str:
    """The dataset's default kind, or what its clips allow when they have too few groups for it."""
    groups = _groups(clips)
    if allowed[0] != "speaker" or len(groups) >= FEWEST_GROUPS:
        return allowed[0]
    return (
        "leave-one-group-out" if len(groups) > 1 and "leave-one-group-out" in allowed else "random"
    )


def _groups(clips: Sequence[Clip]) -> dict[str, list[int]]:
    """Rows by group; empty when any clip has none."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row, clip in enumerate(clips):
        if clip.unit is None:
            return {}
        groups[clip.unit].append(row)
    return dict(groups)


def _balance(clips: Sequence[Clip], groups: Mapping[str, list[int]], k: int) -> list[list[int]]:
    """Whole groups in k parts, every class spread evenly."""
    if len(groups) < k:
        raise FoldError(
            f"cannot cut {len(groups)} groups into {k} speaker-disjoint folds; leave-one-group-out"
            " and random can"
        )
    counts = {name: Counter(str(clips[row].label) for row in rows) for name, rows in groups.items()}
    return [[row for name in part for row in groups[name]] for part in balance_groups(counts, k)]


def _round_robin(clips: Sequence[Clip], k: int, seed: int) -> list[list[int]]:
    """The clips of a class ordered by hash of protocol seed and id, dealt round robin; the next
    class goes on where the last stopped.
    """
    if len(clips) < k:
        raise FoldError(f"cannot cut {len(clips)} clips into {k} folds; add clips")
    parts: list[list[int]] = [[] for _ in range(k)]
    turn = 0
    for label in sorted({str(clip.label) for clip in clips}):
        rows = [row for row, clip in enumerate(clips) if clip.label == label]
        for row in sorted(rows, key=lambda r: hashed(f"{seed}:{clips[r].id}")):
            parts[turn % k].append(row)
            turn += 1
    return parts


def _official(clips: Sequence[Clip]) -> list[tuple[str, list[int]]]:
    """The split that ships with the corpus: folds named by ``Clip.split``, or the part named test
    alone.
    """
    splits: dict[str, list[int]] = defaultdict(list)
    for row, clip in enumerate(clips):
        if clip.split is None:
            raise FoldError(
                f"clip {clip.id} has no official split; speaker and random can cut this dataset"
            )
        splits[clip.split].append(row)
    return [("test", splits["test"])] if "test" in splits else sorted(splits.items())


def _crossed(clips: Sequence[Clip]) -> list[tuple[str, list[int]]]:
    """The clips of the dataset that is tested on; those of the other one train."""
    if {clip.split for clip in clips} != {"train", "test"}:
        raise FoldError(
            "cross needs clips of two datasets, one to train and one to test on; write it as"
            " A:test=B"
        )
    return [("test", [row for row, clip in enumerate(clips) if clip.split == "test"])]


def _validation(
    clips: Sequence[Clip], train: Sequence[int], inner: Inner, *, seed: int, by_group: bool
) -> tuple[list[int], bool]:
    """The inner validation part of a training part, and whether its groups are seen in training."""
    if all(clips[row].conversation is not None for row in train):
        return _whole_conversations(clips, train, inner), True
    if by_group:
        chosen = _whole_groups(clips, train, inner)
        if chosen is not None:
            return chosen, False
    picked: list[int] = []
    for label in sorted({str(clips[row].label) for row in train}):
        rows = sorted(
            (row for row in train if clips[row].label == label),
            key=lambda r: hashed(f"{seed}:inner:{clips[r].id}"),
        )
        wanted = max(inner.per_class, math.ceil(Fraction(str(inner.share)) * len(rows)))
        picked += rows[
            : min(wanted, len(rows) // 2)
        ]  # a class never loses more than half of its training clips
    return sorted(picked), True


def _whole_conversations(clips: Sequence[Clip], train: Sequence[int], inner: Inner) -> list[int]:
    """Of every group, whole conversations in hash order until the share of its clips is reached;
    never its last one.
    """
    groups: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in train:
        groups[str(clips[row].unit)][str(clips[row].conversation)].append(row)
    chosen: list[int] = []
    for talks in groups.values():
        wanted, taken = Fraction(str(inner.share)) * sum(map(len, talks.values())), 0
        for name in sorted(talks, key=hashed)[:-1]:
            if taken >= wanted:
                break
            chosen += talks[name]
            taken += len(talks[name])
    return sorted(chosen)


def split_conversations(clips: Sequence[Clip], folds: Sequence[Fold]) -> list[str]:
    """Conversations that some fold cuts apart, so that no whole one could be trained or tested
    on.
    """
    found = set()
    for fold in folds:
        for part in (fold.train, fold.validation, fold.test):
            inside = {clips[row].conversation for row in part}
            found |= inside & {
                clips[row].conversation for row in range(len(clips)) if row not in set(part)
            }
    return sorted(str(name) for name in found)


def _whole_groups(clips: Sequence[Clip], train: Sequence[int], inner: Inner) -> list[int] | None:
    """Whole groups in hash order until the share is reached; None when that takes too much, or a
    class away from training.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for row in train:
        groups[str(clips[row].unit)].append(row)
    chosen: list[int] = []
    for name in sorted(groups, key=hashed):
        if len(chosen) >= Fraction(str(inner.share)) * len(train):
            break
        chosen += groups[name]
    left = {clips[row].label for row in set(train) - set(chosen)}
    too_much = len(chosen) > Fraction(str(inner.most)) * len(train)
    return None if too_much or left != {clips[row].label for row in train} else sorted(chosen)


def _lacking(clips: Sequence[Clip], folds: Sequence[Fold]) -> list[str]:
    """A sentence for each class that some fold does not test, or cannot train on."""
    notes = []
    for label in sorted({str(clip.label) for clip in clips}):
        for part, what in (("test", "test clip"), ("train", "training clip")):
            without = [
                f.name
                for f in folds
                if not any(clips[row].label == label for row in getattr(f, part))
            ]
            if without:
                names = ", ".join(without[:5]) + (" ..." if len(without) > 5 else "")
                notes.append(
                    f"class {label} has no {what} in {len(without)} of {len(folds)} folds ({names})"
                )
    return notes


def _rare_groups(clips: Sequence[Clip], k: int) -> list[str]:
    """A sentence for each class that fewer groups than folds hold."""
    holders: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        holders[str(clip.label)].add(str(clip.unit))
    return [
        f"class {label} occurs in {len(who)} groups, fewer than the {k} folds"
        for label, who in sorted(holders.items())
        if len(who) < k
    ]
