"""What a user asked to run, and which registered entries that lets through.

With filters, every registered entry that matches; a combination that is not registered but named in
full (backbones, fusion, dataset) is an entry of its own. Imports no torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nverbench.errors import UsageError, nearest
from nverbench.pipeline.memo import Memo
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import PartRef, canonical, resolve, split
from nverbench.registry import Entry, Registry


@dataclass(frozen=True)
class Selection:
    """What a user asked to run."""

    backbones: tuple[str, ...] = ()
    fusions: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    protocol: str | None = None
    """None: each entry's own."""
    selection: str | None = None
    seeds: int = 1
    device: str = "cpu"
    dtype: str = "float32"
    untrained: bool = False
    skip_bad: bool = False
    shuffle: str = "none"
    """How turns of training conversations are put out of order: none, intra, inter-speaker or
    inter.
    """
    storage: str = "float32"
    """How frames are stored: float32 or float16."""


def check_names(registry: Registry, catalog: Catalog, selection: Selection) -> None:
    """Every name of a selection is known to the catalog or the registry; else a UsageError that
    suggests the nearest ones.
    """
    for names, shelf, registered in (
        (
            selection.backbones,
            catalog.backbones,
            {split(b)[0] for e in registry.entries for b in e.backbones},
        ),
        (selection.fusions, catalog.fusions, {split(e.fusion)[0] for e in registry.entries}),
        (selection.losses, catalog.losses, {split(e.loss)[0] for e in registry.entries if e.loss}),
        (selection.datasets, catalog.datasets, {split(e.dataset)[0] for e in registry.entries}),
    ):
        for text in names:
            name = split(text)[0]
            if name in shelf.parts:
                resolve(shelf.parts[name], text)
            elif name in shelf.refused or any(name in q.error for q in catalog.quarantine):
                shelf.get(name, catalog.quarantine)
            elif name not in registered:
                quoted = "".join(
                    f"; plugin {q.origin.plugin} of {q.origin} is in quarantine: {q.error}"
                    for q in catalog.quarantine
                )
                raise UsageError(
                    f"no {shelf.kind} named {name!r};"
                    f" {nearest(name, {*shelf.parts, *registered})}{quoted}"
                )


def matching(registry: Registry, catalog: Catalog, selection: Selection) -> list[Entry]:
    """Registered entries that a selection's filters let through, and unregistered ones that it
    names in full.
    """
    once = Memo()
    found = [e for e in registry.entries if _matches(e, catalog, once, selection)]
    if not (selection.backbones and selection.fusions and selection.datasets):
        if found or not any(
            (selection.backbones, selection.fusions, selection.losses, selection.datasets)
        ):
            return found
        _check_arity(catalog, selection, exact=False)
        raise UsageError(
            "no registered entry matches; name --backbone, --fusion and --dataset in full to run an"
            " unregistered combination"
        )
    names = registry.pair_order(selection.backbones)
    wanted = itertools.product(selection.fusions, selection.datasets, selection.losses or (None,))
    named = [Entry(names, fusion, loss, dataset) for fusion, dataset, loss in wanted]
    have = {_canonical(e, catalog) for e in found}
    fresh = [e for e in named if _canonical(e, catalog) not in have]
    if fresh:
        _check_arity(catalog, selection, exact=True)
    return found + fresh


def _canonical(entry: Entry, catalog: Catalog) -> tuple[str, str, str]:
    """Fusion, dataset and loss in one spelling: defaults that were written out read like those that
    were not.
    """
    fusion: Any = catalog.fusions.parts.get(split(entry.fusion)[0])
    loss = entry.loss or (fusion.default_loss if fusion else "")
    return (
        canonical(catalog.fusions.parts, entry.fusion),
        canonical(catalog.datasets.parts, entry.dataset),
        canonical(catalog.losses.parts, loss),
    )


def _check_arity(catalog: Catalog, selection: Selection, *, exact: bool) -> None:
    given = len(selection.backbones)
    for text in selection.fusions:
        fusion = catalog.fusion(split(text)[0])
        low, high = fusion.arity
        if (given < low and exact) or (high is not None and given > high):
            wanted = (
                f"{low}"
                if low == high
                else f"{low} or more"
                if high is None
                else f"{low} to {high}"
            )
            advice = (
                "add a --backbone"
                if given < low
                else "name fewer, or a fusion such as concat or reno"
            )
            raise UsageError(
                f"fusion {fusion.name} takes {wanted} backbone{'s' if wanted != '1' else ''},"
                f" {given} given ({', '.join(selection.backbones)}); {advice}"
            )


def _matches(entry: Entry, catalog: Catalog, once: Memo, selection: Selection) -> bool:
    backbones = [
        b + (":untrained" if entry.untrained and "untrained" not in b else "")
        for b in entry.backbones
    ]
    wanted = selection.backbones
    fits = not wanted or (
        len(wanted) in (1, len(backbones))
        and any(
            all(_same(catalog, once, "backbone", b, w) for b, w in zip(order, wanted, strict=True))
            for order in itertools.permutations(backbones, len(wanted))
        )
    )
    fits = fits and _any(catalog, once, "fusion", entry.fusion, selection.fusions)
    if not fits or not _any(catalog, once, "dataset", entry.dataset, selection.datasets):
        return False
    # Without --loss every fusion keeps its default: ablations with another loss run only when no
    # fusion was singled out, or when named.
    if not selection.losses:
        return entry.loss is None or not selection.fusions
    default = (
        catalog.fusions.parts[split(entry.fusion)[0]].default_loss
        if split(entry.fusion)[0] in catalog.fusions.parts
        else ""
    )
    return _any(catalog, once, "loss", entry.loss or default, selection.losses)


def _any(catalog: Catalog, once: Memo, kind: str, text: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(_same(catalog, once, kind, text, w) for w in wanted)


def _same(catalog: Catalog, once: Memo, kind: str, text: str, wanted: str) -> bool:
    """A bare name matches any options, but not a dataset that is tested on another; a name with
    options matches the same canonical text.
    """
    if split(text)[0] != split(wanted)[0]:
        return False
    shelf = {
        "backbone": catalog.backbones,
        "fusion": catalog.fusions,
        "loss": catalog.losses,
        "dataset": catalog.datasets,
    }[kind]
    # four shelves of four kinds
    part: Any = shelf.parts.get(split(text)[0])  # type: ignore[attr-defined]
    if part is None:
        return True

    def resolved(said: str) -> PartRef:
        return once((kind, said), lambda: resolve(part, said))

    own, other = resolved(text), resolved(wanted)
    return own.test == other.test and (not split(wanted)[1] or str(own) == str(other))
