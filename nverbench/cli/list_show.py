"""``nverbench list``, ``show`` and ``doctor``: what is here. No torch is imported."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nverbench.cli.common import (
    OUT,
    Json,
    NoPlugin,
    OutFolder,
    PluginFiles,
    RegistryFiles,
    echo,
    echo_err,
    load_catalog,
    load_registry,
)
from nverbench.errors import UsageError, nearest
from nverbench.plugin import quarantine
from nverbench.plugin.options import declared, function_of

if TYPE_CHECKING:
    from nverbench.plugin.catalog import Catalog
    from nverbench.plugin.records import Dataset
    from nverbench.registry import Registry

KINDS = ("backbones", "datasets", "fusions", "losses", "entries", "plugins")
Row = dict[str, Any]


def list_parts(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="backbones, datasets, fusions, losses, entries or plugins; default: all parts."
        ),
    ] = None,
    as_json: Json = False,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="Try plugins again that took too long on an earlier run."),
    ] = False,
) -> None:
    """List what is installed and what is registered."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"nverbench list {kind}: {nearest(kind, KINDS)}")
    if retry:
        quarantine.forget()
    catalog = load_catalog(no_plugin, plugin)
    rules = load_registry(registry)
    rows = {k: _rows(k, catalog, rules) for k in ([kind] if kind else KINDS[:4])}
    if as_json:
        typer.echo(json.dumps(rows if kind is None else rows[kind], indent=1))
        return
    for heading, found in rows.items():
        echo(f"{heading} ({len(found)})")
        width = max((len(r["name"]) for r in found), default=0)
        for row in found:
            echo(f"  {row['name']:<{width}}  {row['what']}")


def _rows(kind: str, catalog: Catalog, rules: Registry) -> list[Row]:
    if kind == "plugins":
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
    if kind == "entries":
        return [
            {
                "name": e.grid,
                "what": (
                    f"{' + '.join(e.backbones)} / {e.fusion}{' / ' + e.loss if e.loss else ''} /"
                    f" {e.dataset}{' (demo)' if e.demo else ''}"
                ),
                "backbones": list(e.backbones),
                "fusion": e.fusion,
                "loss": e.loss,
                "dataset": e.dataset,
                "demo": e.demo,
            }
            for e in rules.entries
        ]
    if kind == "backbones":
        return [
            {
                "name": b.name,
                "what": (
                    f"{b.family}, {b.dim or '?'}-d, pool {b.pool}, by"
                    f" {catalog.backbones.origins[n]}"
                ),
                "dim": b.dim,
                "family": b.family,
            }
            for n, b in sorted(catalog.backbones.parts.items())
        ]
    if kind == "datasets":
        here = [
            {
                "name": d.name,
                "what": (
                    f"{len(d.labels) or '?'} classes, folds {d.folds[0]}, licence {d.licence}, by"
                    f" {catalog.datasets.origins[n]}"
                ),
                "labels": list(d.labels),
                "loader": True,
            }
            for n, d in sorted(catalog.datasets.parts.items())
        ]
        return here + [
            {
                "name": n,
                "what": f"registered, no loader installed; {p.source}, licence {p.licence}",
                "labels": [],
                "loader": False,
            }
            for n, p in rules.datasets.items()
            if n not in catalog.datasets.parts
        ]
    if kind == "fusions":
        return [
            {
                "name": f.name,
                "what": (
                    f"{_arity(f.arity)}, wants {f.wants}, default loss {f.default_loss}, by"
                    f" {catalog.fusions.origins[n]}"
                ),
                "arity": list(f.arity),
            }
            for n, f in sorted(catalog.fusions.parts.items())
        ]
    return [
        {
            "name": loss.name,
            "what": (
                f"{'needs ' + loss.needs + ', ' if loss.needs else ''}by"
                f" {catalog.losses.origins[n]}"
            ),
            "needs": loss.needs,
        }
        for n, loss in sorted(catalog.losses.parts.items())
    ]


def _arity(arity: tuple[int, int | None]) -> str:
    low, high = arity
    return (
        f"{low} backbone{'s' if low > 1 else ''}"
        if low == high
        else f"{low} or more backbones"
        if high is None
        else f"{low} to {high} backbones"
    )


def show(
    name: Annotated[str, typer.Argument(help="A part, a protocol, or the id of a result.")],
    as_json: Json = False,
    out: OutFolder = OUT,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> None:
    """Show one part with its options and sources, one protocol, or one result."""
    catalog, rules = load_catalog(no_plugin, plugin), load_registry(registry)
    shelves: tuple[Any, ...] = (
        catalog.backbones,
        catalog.datasets,
        catalog.fusions,
        catalog.losses,
    )
    facts = next(
        (
            _facts(shelf.kind, shelf.parts[name], shelf.origins[name])
            for shelf in shelves
            if name in shelf.parts
        ),
        None,
    )
    if facts is not None and name in catalog.datasets.parts:
        sheet = _dataset_facts(catalog.datasets.parts[name], catalog.datasets.origins[name], rules)
        facts = {**facts, "datasheet": sheet} if as_json else sheet
    if facts is None and name in rules.protocols:
        facts = {"protocol": name, **rules.protocols[name].model_dump()}
    if facts is None and name in rules.datasets:
        facts = {
            "dataset": name,
            "status": "registered, no loader installed",
            **rules.datasets[name].model_dump(exclude_defaults=True),
        }
    if facts is None and _show_result(name, out, as_json=as_json):
        return
    if facts is None:
        known = (
            [n for shelf in shelves for n in shelf.parts]
            + list(rules.protocols)
            + list(rules.datasets)
        )
        raise UsageError(f"nothing is named {name!r}; {nearest(name, known)}")
    if as_json:
        typer.echo(json.dumps(facts, indent=1, default=str))
        return
    for key, value in facts.items():
        text = _plain(value)
        for line in f"{key}: {text}".split("\n") if text else ():  # a citation has several
            echo(line)


def _facts(kind: str, part: Any, origin: object) -> Row:
    facts: Row = {kind: part.name, "brought by": str(origin)}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if field.name != "name" and not callable(value):
            facts[field.name] = (
                dataclasses.asdict(value)
                if dataclasses.is_dataclass(value) and not isinstance(value, type)
                else value
            )
    facts["options"] = {
        n: p.default if p.default is not p.empty else "required"
        for n, p in declared(function_of(part)).items()
    }
    if kind == "backbone":
        layered = f"layer=0..{part.layers - 1}, layers=weighted, " if part.layers else ""
        facts["options of every backbone"] = (
            f"{layered}project=D, {'untrained, weights=PATH' if part.weights else ''}".rstrip(", ")
        )
    return facts


def _dataset_facts(part: Dataset, origin: object, rules: Registry) -> Row:
    """The datasheet of a dataset, between who brought it and its options."""
    from nverbench.data.datasheet import datasheet

    options = {
        n: p.default if p.default is not p.empty else "required"
        for n, p in declared(function_of(part)).items()
    }
    head = {
        "dataset": part.name,
        "brought by": str(origin),
        "task": part.task,
        "corpus": part.corpus or "none: as you give it",
    }
    return {
        **head,
        **datasheet(part, rules.dataset_source(part.name)),
        "options": {**options, "exclude": "LABEL+LABEL", "test": "DATASET"},
    }


def _show_result(name: str, out: Path, *, as_json: bool) -> bool:
    """Print a finished result; False when there is none of that id."""
    from nverbench import leaderboard
    from nverbench.results.store import ResultStore

    found = ResultStore(out).finished(name)
    if found is None:
        return False
    for line in [json.dumps(leaderboard.record(found))] if as_json else leaderboard.describe(found):
        echo(line)
    return True


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={text}" for k, v in value.items() if (text := _plain(v)))
    if isinstance(value, list | tuple):
        return ", ".join(_plain(v) for v in value)
    return "" if value is None else str(value)


def doctor(
    as_json: Json = False,
    out: OutFolder = OUT,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> None:
    """What is installed, device, engines, caches, corpora, weights, tracking."""
    from nverbench.cli.doctor_report import examine

    findings = examine(load_catalog(no_plugin, plugin), out)
    if as_json:
        typer.echo(json.dumps(findings, indent=1))
        return
    for heading, facts in findings.items():
        echo(heading)
        for key, value in facts.items():
            echo(f"  {key}: {value}")
    if not findings["plugins"]:
        echo_err("no plugin is installed: reinstall nverbench")
