"""Turns what a user requests into records: the options of a run into a checked selection, and
plugins into a catalog.

The command line and the functions for notebooks share it. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from nverbench.embedding import devices
from nverbench.errors import UsageError
from nverbench.pipeline.selection import Selection
from nverbench.plugin import discovery, single_file
from nverbench.plugin.catalog import Catalog
from nverbench.registry import Shuffle

SELECTIONS = ("inner", "test", "last")
SHUFFLES: tuple[str, ...] = get_args(Shuffle)
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


def shuffle_of(train: str | None) -> str | None:
    """The kind of shuffling in ``shuffle=KIND``; None where nothing is said."""
    if train is None:
        return None
    name, _, kind = train.partition("=")
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


def load_catalog(
    no_plugin: Sequence[str], plugin: Sequence[Path], say: Callable[[str], None]
) -> Catalog:
    """The catalog of installed parts and those of single files.

    Quarantined plugins, name clashes and side effects of imports go to ``say``; an error in one of
    the single files is raised.
    """
    files = single_file.read(plugin)
    found = discovery.discover(no_plugin, files)
    single_file.check(found, [origin for origin, _ in files])
    single_file.stamp(found)
    for q in found.quarantine:
        say(f"plugin {q.origin.plugin} of {q.origin} is in quarantine: {q.error}")
    for problem in (*found.clashes, *map(str, found.remarks)):
        say(problem)
    return found
