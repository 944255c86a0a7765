"""The folds of a dataset under a protocol of the registry."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nverbench.data.folds.assign import Fold, FoldSet, make_folds
from nverbench.data.folds.validation import Inner
from nverbench.errors import FoldError
from nverbench.plugin.records import Clip
from nverbench.registry import Protocol


def check_conversations_whole(clips: Sequence[Clip], cuts: Sequence[FoldSet]) -> None:
    """Raises a FoldError where folds split a conversation, which is trained and tested whole."""
    for cut in cuts:
        names = _split_conversations(clips, cut.folds)
        if names:
            raise FoldError(
                f"{cut.kind} folds cut {len(names)} conversations apart, first {names[0]};"
                " leave-one-group-out keeps them whole"
            )


def _split_conversations(clips: Sequence[Clip], folds: Sequence[Fold]) -> list[str]:
    """Conversations that have clips inside and outside of one part of a fold."""
    found = set()
    for fold in folds:
        for part in map(set, (fold.train, fold.validation, fold.test, *fold.splits)):
            inside = {clips[row].conversation for row in part}
            outside = {clip.conversation for row, clip in enumerate(clips) if row not in part}
            found |= inside & outside
    return sorted(map(str, found))


def folds_of_protocol(
    clips: Sequence[Clip],
    kind: str,
    protocol: Protocol,
    selection: str | None = None,
    *,
    replicates: int | None = None,
    same: Sequence[Collection[str]] = (),
) -> FoldSet:
    """The folds of scored clips under a protocol. Errors are those of :func:`make_folds`.

    Args:
        clips: scored clips.
        kind: of folds.
        protocol: its constants.
        selection: inner, test or last; None: the protocol's own.
        replicates: how many are trained, each on validation parts of its own (``inner_draw:
            fold``); None: those of an official row.
        same: ids of clips that are one recording (``copies.Copies.recordings``).
    """
    inner = None
    if (selection or protocol.selection) == "inner":
        inner = Inner(
            protocol.inner_share,
            protocol.inner_most,
            protocol.inner_per_class,
            draw=protocol.inner_draw,
            splits=protocol.inner_splits,
            groups=protocol.inner_groups,
            given=protocol.given_validation,
            by_group=protocol.inner_by == "group",
        )
    return make_folds(
        clips,
        kind,
        k=protocol.k,
        seed=protocol.seed,
        inner=inner,
        same=same,
        replicates=replicates or protocol.replicates,
    )
