"""Cross-validation splits of a dataset: the test part and the training part of every fold.

The rule is deterministic (``docs/protocol.md``, "Folds" and "Selection"): it depends on ids,
labels, groups and the protocol's seed only, never on the version of a library, the order of files
or a folder.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nverbench._io.digests import digest_of
from nverbench.data.folds import official
from nverbench.data.folds.balance import balance_groups, hashed
from nverbench.data.folds.validation import Inner, validation_part
from nverbench.errors import FoldError
from nverbench.plugin.records import Clip, Dataset

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
    """The training part without its validation part: all that scalers, losses and banks may see.
    Where ``splits`` are given, the whole training part.
    """
    validation: tuple[int, ...]
    test: tuple[int, ...]
    speakers_seen: bool
    """True when the validation part shares groups with the training part."""
    splits: tuple[tuple[int, ...], ...] = ()
    """Validation parts within ``train`` (protocol constant ``inner_draw: fold``): those of the first
    replicate, then those of the second one, and so on. ``validation`` is then empty.
    """


@dataclass(frozen=True)
class FoldSet:
    """The folds of a dataset."""

    kind: str
    folds: tuple[Fold, ...]
    digest: str
    notes: tuple[str, ...]


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
        FoldError: the clips cannot be cut by this kind; the message names kinds that can.
    """
    clips = sorted(clips, key=lambda c: c.id)
    folds = [
        _fold(clips, kind, name, test, inner, seed)
        for name, test in assign(clips, kind, k=k, seed=seed)
    ]
    tested = {i: fold.name for fold in folds for i in fold.test}
    # "": a clip that is only trained on (holdout, official)
    rows = [[c.id, c.label, c.unit, tested.get(i, "")] for i, c in enumerate(clips)]
    notes = (_rare_groups(clips, k) if kind == "speaker" else []) + _lacking(clips, folds)
    if kind == "official":
        for fold in folds:
            notes += official.shared_groups(clips, fold.test)
    return FoldSet(kind, tuple(folds), digest_of({"kind": kind, "rows": rows}), tuple(notes))


def _fold(
    clips: Sequence[Clip], kind: str, name: str, test: list[int], inner: Inner | None, seed: int
) -> Fold:
    """The fold around a test part."""
    tested = set(test)
    train = [i for i in range(len(clips)) if i not in tested]
    if not train or not test:
        raise FoldError(
            f"fold {name} of kind {kind} has {len(train)} training and {len(test)} test clips; it"
            " needs both"
        )
    validation: list[int] = []
    seen = False
    given = official.validation_rows(clips) if kind == "official" else []
    if inner and given:
        validation = given
        seen = bool(_units(clips, given) & _units(clips, set(train) - set(given)))
    elif inner:
        # the training corpus of ``cross`` may have clips without a group
        grouped = all(clips[i].unit is not None for i in train)
        by_group = inner.by_group and grouped and kind.partition("=")[0] in DISJOINT
        validation, seen = validation_part(clips, train, inner, seed=seed, by_group=by_group)
    held_out = set(validation)
    rest = tuple(i for i in train if i not in held_out)
    return Fold(name, rest, tuple(validation), tuple(test), seen)


def assign(clips: Sequence[Clip], kind: str, *, k: int, seed: int) -> list[tuple[str, list[int]]]:
    """The test part of every fold: its name and row indices, sorted."""
    base, _, value = kind.partition("=")
    groups = _groups(clips)
    if base == "random" and not value:
        parts = _round_robin(clips, k, seed)
    elif base == "official" and not value:
        return official.parts(clips)
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
        return sorted(groups.items())
    elif base == "holdout" and value:
        if value not in groups:
            more = " ..." if len(groups) > 12 else ""
            raise FoldError(
                f"holdout={value}: no such group; the groups are"
                f" {', '.join(sorted(groups)[:12])}{more}"
            )
        return [(value, groups[value])]
    else:
        raise FoldError(f"unknown kind of folds {kind!r}; known: {', '.join(KINDS)}")
    return [(str(i + 1), sorted(part)) for i, part in enumerate(parts)]


def offered(dataset: Dataset) -> tuple[str, ...]:
    """The kinds of folds of which :func:`default_kind` may choose one."""
    own = () if dataset.corpus is not None else ("leave-one-group-out",)
    return (*dataset.folds, *own)


def default_kind(clips: Sequence[Clip], allowed: Sequence[str]) -> str:
    """The dataset's default kind, or what its clips allow when they have too few groups for it."""
    groups = _groups(clips)
    if allowed[0] != "speaker" or len(groups) >= FEWEST_GROUPS:
        return allowed[0]
    leave_out = len(groups) > 1 and "leave-one-group-out" in allowed
    return "leave-one-group-out" if leave_out else "random"


def _units(clips: Sequence[Clip], rows: Iterable[int]) -> set[str]:
    """The groups of some rows."""
    return {unit for row in rows if (unit := clips[row].unit) is not None}


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
    """Clips ordered by class, then by hash of seed and id, assigned to the k parts in turn."""
    if len(clips) < k:
        raise FoldError(f"cannot cut {len(clips)} clips into {k} folds; add clips")
    order = sorted(
        range(len(clips)), key=lambda r: (str(clips[r].label), hashed(f"{seed}:{clips[r].id}"))
    )
    return [order[part::k] for part in range(k)]


def _crossed(clips: Sequence[Clip]) -> list[tuple[str, list[int]]]:
    """The clips of the test dataset; those of the other dataset train."""
    if {clip.split for clip in clips} != {"train", "test"}:
        raise FoldError(
            "cross needs clips of two datasets, one to train and one to test on; write it as"
            " A:test=B"
        )
    return [("test", [row for row, clip in enumerate(clips) if clip.split == "test"])]


def _lacking(clips: Sequence[Clip], folds: Sequence[Fold]) -> list[str]:
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


def _rare_groups(clips: Sequence[Clip], k: int) -> list[str]:
    """A sentence for each class that fewer groups than folds have."""
    groups: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        groups[str(clip.label)].add(str(clip.unit))
    return [
        f"class {label} occurs in {len(names)} groups, fewer than the {k} folds"
        for label, names in sorted(groups.items())
        if len(names) < k
    ]
