"""Turns the options of a run, as a user writes them, into a checked selection.

The command line and ``nverbench.run`` share it.
"""

from __future__ import annotations

from collections.abc import Sequence

from nverbench.embedding import devices
from nverbench.errors import UsageError
from nverbench.pipeline.selection import Selection

SELECTIONS = ("inner", "test", "last")
SHUFFLES = ("none", "intra", "inter-speaker", "inter")
STORAGES = ("float32", "float16")

Names = str | Sequence[str] | None
"""One name, several, or None for no filter."""


def named(
    backbones: Names, fusions: Names, losses: Names, datasets: Names, folds: Names
) -> Selection:
    """The selection with these names, and the default of everything else."""
    return Selection(
        _several(backbones),
        _several(fusions),
        _several(losses),
        _several(datasets),
        _several(folds),
    )


def _several(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def one_of(option: str, value: str, known: Sequence[str]) -> str:
    """The value of an option; UsageError when it is none of the known ones."""
    if value not in known:
        raise UsageError(f"{option}={value}: expected one of {', '.join(known)}")
    return value


def shuffle_of(train: str | None) -> str:
    """The kind of shuffling in ``shuffle=KIND``; none for None."""
    name, _, kind = (train or "shuffle=none").partition("=")
    if name != "shuffle":
        raise UsageError(f"--train {train}: expected shuffle=none, intra, inter-speaker or inter")
    return one_of("--train shuffle", kind, SHUFFLES)


def check(selection: Selection) -> Selection:
    """The selection itself.

    Raises:
        UsageError: one of its values is unknown, or there are no replicates.
    """
    if selection.selection is not None:
        one_of("selection", selection.selection, SELECTIONS)
    one_of("storage", selection.storage, STORAGES)
    devices.check_dtype(selection.dtype)
    if selection.seeds < 1:
        raise UsageError(f"seeds={selection.seeds}: expected at least one replicate")
    return selection
