"""Lists what is installed and what is registered as plain records, for tables and JSON.

Imports no torch.
"""

from __future__ import annotations

from typing import Any

from nverbench.errors import UsageError, nearest
from nverbench.plugin.catalog import Catalog
from nverbench.registry import Entry, Registry

KINDS = ("backbones", "datasets", "fusions", "losses", "entries", "plugins")
PARTS = KINDS[:4]
Record = dict[str, Any]
"""``name`` and ``what`` (a short description), and the fields of its kind."""


def check_kind(kind: str) -> None:
    """Raise the UsageError that suggests the nearest kind when there is no such kind."""
    if kind not in KINDS:
        raise UsageError(f"nverbench list {kind}: {nearest(kind, KINDS)}")


def records(kind: str, catalog: Catalog, rules: Registry) -> list[Record]:
    """The records of one kind, sorted by name; entries in the order of the registry."""
    return {
        "backbones": _backbones,
        "datasets": _datasets,
        "fusions": _fusions,
        "losses": _losses,
        "entries": _entries,
        "plugins": _plugins,
    }[kind](catalog, rules)


def _backbones(catalog: Catalog, _: Registry) -> list[Record]:
    origins = catalog.backbones.origins
    return [
        {
            "name": b.name,
            "what": f"{b.family}, {b.dim or '?'}-d, pool {b.pool}, by {origins[name]}",
            "dim": b.dim,
            "family": b.family,
        }
        for name, b in sorted(catalog.backbones.parts.items())
    ]


def _datasets(catalog: Catalog, rules: Registry) -> list[Record]:
    parts, origins = catalog.datasets.parts, catalog.datasets.origins
    installed = [
        {
            "name": d.name,
            "what": f"{len(d.labels) or '?'} classes, folds {d.folds[0]}, licence {d.licence}, by"
            f" {origins[name]}",
            "labels": list(d.labels),
            "loader": True,
        }
        for name, d in sorted(parts.items())
    ]
    registered = [
        {
            "name": name,
            "what": f"registered, no loader installed; {pin.source}, licence {pin.licence}",
            "labels": [],
            "loader": False,
        }
        for name, pin in rules.datasets.items()
        if name not in parts
    ]
    return installed + registered


def _fusions(catalog: Catalog, _: Registry) -> list[Record]:
    origins = catalog.fusions.origins
    return [
        {
            "name": f.name,
            "what": f"{_arity(f.arity)}, wants {f.wants}, default loss {f.default_loss}, by"
            f" {origins[name]}",
            "arity": list(f.arity),
        }
        for name, f in sorted(catalog.fusions.parts.items())
    ]


def _arity(arity: tuple[int, int | None]) -> str:
    low, high = arity
    if high is None:
        return f"{low} or more backbones"
    return (
        f"{low} backbone{'s' if low > 1 else ''}" if low == high else f"{low} to {high} backbones"
    )


def _losses(catalog: Catalog, _: Registry) -> list[Record]:
    origins = catalog.losses.origins
    return [
        {
            "name": loss.name,
            "what": f"{f'needs {loss.needs}, ' if loss.needs else ''}by {origins[name]}",
            "needs": loss.needs,
        }
        for name, loss in sorted(catalog.losses.parts.items())
    ]


def _entries(_: Catalog, rules: Registry) -> list[Record]:
    return [
        {
            "name": e.grid,
            "what": _combination(e),
            "backbones": list(e.backbones),
            "fusion": e.fusion,
            "loss": e.loss,
            "shuffle": e.shuffle,
            "dataset": e.dataset,
            "demo": e.demo,
        }
        for e in rules.entries
    ]


def _combination(e: Entry) -> str:
    parts = (" + ".join(e.backbones), e.fusion, *([e.loss] if e.loss else ()), e.dataset)
    parts += (f"shuffle={e.shuffle}",) if e.shuffle != "none" else ()
    return f"{' / '.join(parts)}{' (demo)' if e.demo else ''}"


def _plugins(catalog: Catalog, _: Registry) -> list[Record]:
    return [
        {
            "name": s.origin.handle,
            "what": s.line,
            "plugin": s.origin.plugin,
            "distribution": s.origin.distribution,
            "version": s.origin.version,
            "status": s.status,
            "parts": s.parts,
            "remarks": list(s.remarks),
        }
        for s in catalog.plugin_statuses()
    ]
