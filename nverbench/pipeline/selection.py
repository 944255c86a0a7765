"""The user's selection, and the entries that it matches.

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
from nverbench.pipeline.own_data import hint
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import PartRef, canonical, resolve, split
from nverbench.registry import Entry, Registry


@dataclass(frozen=True)
class Selection:
    """The options of ``nverbench run`` that choose jobs."""

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
    shuffle: str | None = None
    """How turns of training conversations are shuffled. None: as each entry says."""
    storage: str = "float32"
    """How frames are stored: float32 or float16."""

    def shuffle_of(self, entry: Entry) -> str:
        """How an entry's turns are shuffled: as requested, else as the entry says."""
        return self.shuffle or entry.shuffle


def check_names(registry: Registry, catalog: Catalog, selection: Selection) -> None:
    """Raise a UsageError, which suggests similar names, for a name that neither the catalog nor the
    registry knows.
    """
    entries = registry.entries
    for texts, index, used in (
        (selection.backbones, catalog.backbones, [b for e in entries for b in e.backbones]),
        (selection.fusions, catalog.fusions, [e.fusion for e in entries]),
        (selection.losses, catalog.losses, [e.loss for e in entries if e.loss]),
        (selection.datasets, catalog.datasets, [e.dataset for e in entries]),
    ):
        registered = {split(text)[0] for text in used}
        for text in texts:
            name = split(text)[0]
            if name in index.parts:
                resolve(index.parts[name], text)
            elif name in index.refused or any(name in q.error for q in catalog.quarantine):
                index.get(name, catalog.quarantine)
            elif name not in registered:
                quoted = "".join(
                    f"; plugin {q.origin.plugin} of {q.origin} is in quarantine: {q.error}"
                    for q in catalog.quarantine
                )
                own = f"; {hint(text)}" if index is catalog.datasets else ""
                raise UsageError(
                    f"no {index.kind} named {name!r};"
                    f" {nearest(name, {*index.parts, *registered})}{own}{quoted}"
                )


def matching(registry: Registry, catalog: Catalog, selection: Selection) -> list[Entry]:
    """The registered entries that match a selection, and the unregistered ones that it names in
    full.
    """
    memo, asked = Memo(), selection
    found = [e for e in registry.entries if _matches(e, catalog, memo, selection)]
    found = _in_order(found, catalog, selection)
    if not (asked.backbones and asked.fusions and asked.datasets):
        if found or not any((asked.backbones, asked.fusions, asked.losses, asked.datasets)):
            return found
        _check_arity(catalog, selection, exact=False)
        raise UsageError(
            "no registered entry matches; name --backbone, --fusion and --dataset in full to run an"
            " unregistered combination"
        )
    names = registry.pair_order(asked.backbones)
    combinations = itertools.product(asked.fusions, asked.datasets, asked.losses or (None,))
    named = [Entry(names, fusion, loss, dataset) for fusion, dataset, loss in combinations]
    have = {_canonical(e, catalog) for e in found}
    fresh = [e for e in named if _canonical(e, catalog) not in have]
    if fresh:
        _check_arity(catalog, selection, exact=True)
    return found + fresh


def _in_order(entries: list[Entry], catalog: Catalog, selection: Selection) -> list[Entry]:
    """The entries that a selection's order of turns leaves.

    An order that is asked for leaves the entries that have it. Entries in the order of the corpus
    stay where no entry of the same system has the requested one; they then run with it, as an
    override. Where no order is asked for, entries with shuffled turns run only if no fusion is
    named: ``--fusion erc-mamba`` alone trains in the order of the corpus.
    """
    asked = selection.shuffle
    if asked is None:
        return [e for e in entries if e.shuffle == "none" or not selection.fusions]
    own = {(e.backbones, *_canonical(e, catalog)) for e in entries if e.shuffle == asked}
    return [
        e
        for e in entries
        if e.shuffle == asked
        or (e.shuffle == "none" and (e.backbones, *_canonical(e, catalog)) not in own)
    ]


def _canonical(entry: Entry, catalog: Catalog) -> tuple[str, str, str]:
    """Fusion, dataset and loss in one spelling, whether defaults are written out or not."""
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
            most = f"{low} or more" if high is None else f"{low} to {high}"
            expected = f"{low}" if low == high else most
            fewer = "name fewer, or a fusion such as concat or reno"
            raise UsageError(
                f"fusion {fusion.name} takes {expected} backbone{'s' if expected != '1' else ''},"
                f" {given} given ({', '.join(selection.backbones)});"
                f" {'add a --backbone' if given < low else fewer}"
            )


def _matches(entry: Entry, catalog: Catalog, memo: Memo, selection: Selection) -> bool:
    backbones = [
        b + (":untrained" if entry.untrained and "untrained" not in b else "")
        for b in entry.backbones
    ]
    asked = selection.backbones
    fits = not asked or (
        len(asked) in (1, len(backbones))
        and any(
            all(_same(catalog, memo, "backbone", b, w) for b, w in zip(order, asked, strict=True))
            for order in itertools.permutations(backbones, len(asked))
        )
    )
    fits = fits and _any(catalog, memo, "fusion", entry.fusion, selection.fusions)
    if not fits or not _any(catalog, memo, "dataset", entry.dataset, selection.datasets):
        return False
    # Without --loss every fusion keeps its default: an entry with another loss runs only if no
    # fusion is named, or if the loss is.
    if not selection.losses:
        return entry.loss is None or not selection.fusions
    fusion = catalog.fusions.parts.get(split(entry.fusion)[0])
    default = fusion.default_loss if fusion else ""
    return _any(catalog, memo, "loss", entry.loss or default, selection.losses)


def _any(catalog: Catalog, memo: Memo, kind: str, text: str, asked: Sequence[str]) -> bool:
    return not asked or any(_same(catalog, memo, kind, text, a) for a in asked)


def _same(catalog: Catalog, memo: Memo, kind: str, text: str, asked: str) -> bool:
    """Whether an entry's text matches a requested one: a name alone matches all options, but not a
    dataset that is tested on another; a name with options matches the same canonical text.
    """
    if split(text)[0] != split(asked)[0]:
        return False
    index: Any = {
        "backbone": catalog.backbones,
        "fusion": catalog.fusions,
        "loss": catalog.losses,
        "dataset": catalog.datasets,
    }[kind]
    part = index.parts.get(split(text)[0])
    if part is None:
        return True
    own: PartRef = memo((kind, text), lambda: resolve(part, text))
    other: PartRef = memo((kind, asked), lambda: resolve(part, asked))
    return own.test == other.test and (not split(asked)[1] or str(own) == str(other))
