"""Cross-validation splits of a dataset: the test part and the training part of every fold.

The rule is deterministic (``docs/protocol.md``, "Folds" and "Selection"): it depends on ids,
labels, groups and the protocol's seed only, never on the version of a library, the order of files
or a folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from nverbench._io.digests import digest_of
from nverbench.data.folds import cutting, notes, official
from nverbench.data.folds.splits import Together, together, validation_splits
from nverbench.data.folds.united import Copied, by_name, check_enough, copied_rows, united_groups
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
    """True when a validation part shares groups with the clips that are trained on beside it."""
    splits: tuple[tuple[int, ...], ...] = ()
    """Validation parts within ``train`` (protocol constant ``inner_draw: fold``): those of the
    first replicate, then those of the second one, and so on. ``validation`` is then empty.
    """


@dataclass(frozen=True)
class FoldSet:
    """The folds of a dataset."""

    kind: str
    folds: tuple[Fold, ...]
    digest: str
    notes: tuple[str, ...]
    same: tuple[tuple[str, ...], ...] = ()
    """The ids of clips that are one recording, as :func:`make_folds` was given them."""


def make_folds(
    clips: Sequence[Clip],
    kind: str,
    *,
    k: int,
    seed: int,
    inner: Inner | None,
    same: Sequence[Collection[str]] = (),
    replicates: int = 1,
) -> FoldSet:
    """The folds of scored clips.

    Args:
        clips: scored clips (label not None), any order; results refer to them sorted by id.
        kind: speaker, random, leave-one-group-out, official, holdout=GROUP or cross.
        k: number of folds of ``speaker`` and ``random``.
        seed: the protocol's seed.
        inner: constants of the validation part; None: no validation part (selection ``test`` or
            ``last``).
        same: ids of clips that are one recording (``data/copies.py``). The kinds that choose the
            test parts themselves (speaker, random, leave-one-group-out) keep them on one side.
        replicates: for which validation parts are drawn where ``inner.draw`` is ``fold``.

    Raises:
        FoldError: the clips cannot be cut by this kind; the message names kinds that can.
    """
    clips = sorted(clips, key=lambda c: c.id)
    copied = copied_rows(clips, same)
    cutter = _Cutter(clips, kind, inner, seed, replicates, united_groups(clips, copied), copied)
    folds = [
        cutter.fold(name, test) for name, test in assign(clips, kind, k=k, seed=seed, copied=copied)
    ]
    tested = {i: fold.name for fold in folds for i in fold.test}
    # "": a clip that is only trained on (holdout, official)
    rows = [[c.id, c.label, c.unit, tested.get(i, "")] for i, c in enumerate(clips)]
    said = notes.copy_notes(clips, kind, copied)
    said += notes.rare_groups(clips, cutter.units, k) if kind == "speaker" else []
    said += notes.lacking(clips, folds)
    if kind == "official":
        for fold in folds:
            said += official.shared_groups(clips, fold.test)
    return FoldSet(
        kind,
        tuple(folds),
        digest_of({"kind": kind, "rows": rows}),
        tuple(said),
        tuple(tuple(sorted(ids)) for ids in same),
    )


@dataclass(frozen=True)
class _Cutter:
    """Makes the folds around test parts."""

    clips: Sequence[Clip]
    kind: str
    inner: Inner | None
    seed: int
    replicates: int
    units: Sequence[str]
    """The group of each clip; groups that share a recording have one name."""
    copied: Copied

    @cached_property
    def whole(self) -> Together:
        """What validation parts keep together."""
        return together(self.clips, self.copied)

    def fold(self, name: str, test: Sequence[int]) -> Fold:
        """The fold around a test part."""
        tested = set(test)
        train = tuple(i for i in range(len(self.clips)) if i not in tested)
        if not train or not test:
            raise FoldError(
                f"fold {name} of kind {self.kind} has {len(train)} training and {len(test)} test"
                " clips; it needs both"
            )
        if self.inner is None:
            return Fold(name, train, (), tuple(test), False)
        any_word = self.inner.given
        if self.kind == "official" and (
            given := official.validation_rows(self.clips, any_word=any_word)
        ):
            return self._without(name, train, test, given, None)
        # the training corpus of ``cross`` may have clips without a group
        by_group = self.inner.by_group and all(self.clips[i].unit is not None for i in train)
        if self.inner.draw == "once":
            by_group = by_group and self.kind.partition("=")[0] in DISJOINT
            chosen, seen = validation_part(
                self.clips, train, self.inner, seed=self.seed, by_group=by_group, units=self.units
            )
            return self._without(name, train, test, chosen, seen)
        splits, seen = validation_splits(
            self.clips,
            train,
            self.inner,
            self.whole,
            seed=f"{self.seed}:{name}",
            replicates=self.replicates,
            by_group=by_group and self._apart(train, test),
        )
        return Fold(name, train, (), tuple(test), seen, splits)

    def _without(
        self,
        name: str,
        train: Sequence[int],
        test: Sequence[int],
        validation: Sequence[int],
        seen: bool | None,
    ) -> Fold:
        """The fold with a validation part taken out of its training part; ``seen`` None: to be
        found out.
        """
        held_out = set(validation)
        rest = tuple(i for i in train if i not in held_out)
        if seen is None:
            seen = bool(_units(self.clips, validation) & _units(self.clips, rest))
        return Fold(name, rest, tuple(validation), tuple(test), seen)

    def _apart(self, train: Sequence[int], test: Sequence[int]) -> bool:
        """Whether no tested group is trained on: then none of a validation part should be."""
        if self.kind == "official":
            return not _units(self.clips, train) & _units(self.clips, test)
        return self.kind.partition("=")[0] in DISJOINT


def assign(
    clips: Sequence[Clip], kind: str, *, k: int, seed: int, copied: Copied = ()
) -> list[tuple[str, list[int]]]:
    """The test part of every fold: its name and row indices, sorted. ``copied``: rows of every
    recording that several clips hold.
    """
    base, _, value = kind.partition("=")
    groups = _groups(clips)
    if base == "random" and not value:
        parts = cutting.round_robin(clips, k, seed, copied)
    elif base == "official" and not value:
        return official.parts(clips)
    elif base == "cross" and not value:
        return cutting.crossed(clips)
    elif base in DISJOINT and not groups:
        raise FoldError(
            f"cannot cut {len(clips)} clips by {kind}: some have no speaker or group; random can"
            " (--folds random)"
        )
    elif base == "speaker" and not value:
        parts = cutting.balanced(clips, copied, k)
    elif base == "leave-one-group-out" and not value:
        joined = by_name(united_groups(clips, copied))
        check_enough(clips, copied, len(joined), 2, f"{kind} folds")
        return sorted(joined.items())
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
