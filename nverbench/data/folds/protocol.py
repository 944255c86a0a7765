"""How a protocol of the registry cuts a dataset: its folds, and the inner validation parts where
its selection wants them.
"""

from __future__ import annotations

from collections.abc import Sequence

from nverbench.data.folds import assign
from nverbench.data.folds.assign import FoldSet
from nverbench.errors import FoldError
from nverbench.plugin.records import Clip
from nverbench.registry import Protocol


def check_conversations_whole(clips: Sequence[Clip], cuts: Sequence[FoldSet]) -> None:
    """Raise a FoldError where folds cut a conversation apart, so that it could be neither trained
    nor tested on whole.
    """
    for cut in cuts:
        parts = assign.split_conversations(clips, cut.folds)
        if parts:
            raise FoldError(
                f"{cut.kind} folds cut {len(parts)} conversations apart, first {parts[0]};"
                " leave-one-group-out keeps them whole"
            )


def folds_of_protocol(
    clips: Sequence[Clip], kind: str, protocol: Protocol, selection: str | None = None
) -> FoldSet:
    """The folds of scored clips under a protocol.

    Args:
        kind: speaker, random, leave-one-group-out, official, holdout=GROUP or cross.
        selection: inner, test or last, in place of the protocol's own.

    Raises:
        FoldError: the clips cannot be cut as asked; says what can.
    """
    wanted = (selection or protocol.selection) == "inner"
    inner = (
        assign.Inner(protocol.inner_share, protocol.inner_most, protocol.inner_per_class)
        if wanted
        else None
    )
    return assign.make_folds(clips, kind, k=protocol.k, seed=protocol.seed, inner=inner)
