"""``nverbench show``: one part with its options and sources, one protocol, or one result."""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, load_catalog, load_registry
from nverbench.errors import UsageError, nearest
from nverbench.plugin.options import declared, function_of

if TYPE_CHECKING:
    from nverbench.plugin.catalog import Catalog
    from nverbench.plugin.records import Dataset
    from nverbench.registry import Registry

Facts = dict[str, Any]
"""What is shown, by heading."""


def show(
    name: Annotated[str, typer.Argument(help="A part, a protocol, or the id of a result.")],
    by: Annotated[
        str | None,
        typer.Option(
            help="Of a result: its scores by sex, age or language of the speakers, where the corpus"
            " on this machine says it. The result may also be the beginning of an id, a .json file"
            " or a folder of leaderboard/entries."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="With --by: the result's dataset as this machine writes it, such as"
            " table:data/my.csv; default: as the result does, in this folder."
        ),
    ] = None,
    as_json: options.Json = False,
    out: options.OutFolder = options.OUT,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Show one part with its options and sources, one protocol, or one result."""
    from nverbench.pipeline.own_data import hint

    catalog, rules = load_catalog(no_plugin, plugin), load_registry(registry)
    if dataset is not None and by is None:
        raise UsageError(
            f"show: --dataset {dataset} says where the clips of --by are; give --by too"
        )
    if by is not None:
        for line in _by(name, by, dataset, out, catalog, as_json=as_json):
            echo(line)
        return
    facts = _part(name, catalog, rules, as_json=as_json) or _registered(name, rules)
    if facts is None:
        lines = _result(name, out, as_json=as_json)
        if lines is None:
            kinds = (catalog.backbones, catalog.datasets, catalog.fusions, catalog.losses)
            known = [*(n for kind in kinds for n in kind.parts), *rules.protocols, *rules.datasets]
            raise UsageError(f"nothing is named {name!r}; {nearest(name, known)}; {hint(name)}")
        for line in lines:
            echo(line)
    elif as_json:
        typer.echo(json.dumps(facts, indent=1, default=str))
    else:
        for key, value in facts.items():
            text = plain_text(value)
            for line in f"{key}: {text}".split("\n") if text else ():  # a citation has several
                echo(line)


def _part(name: str, catalog: Catalog, rules: Registry, *, as_json: bool) -> Facts | None:
    """An installed part; of a dataset the datasheet too."""
    for kind in (catalog.backbones, catalog.datasets, catalog.fusions, catalog.losses):
        if name in kind.parts:
            facts = part_facts(kind.kind, kind.parts[name], kind.origins[name])
            if name not in catalog.datasets.parts:
                return facts
            dataset, origin = catalog.datasets.parts[name], catalog.datasets.origins[name]
            sheet = _datasheet(dataset, origin, rules)
            return {**facts, "datasheet": sheet} if as_json else sheet
    return None


def part_facts(kind: str, part: Any, origin: object) -> Facts:
    """The fields of a part's record, its origin and its options with their defaults."""
    facts: Facts = {kind: part.name, "brought by": str(origin)}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if field.name != "name" and not callable(value):
            record = dataclasses.is_dataclass(value) and not isinstance(value, type)
            facts[field.name] = dataclasses.asdict(value) if record else value
    facts["options"] = _options(part)
    if kind == "backbone":
        layers = f"layer=0..{part.layers - 1}, layers=weighted, " if part.layers else ""
        pooling = "segments=N, " if part.load else ""
        pooling += "blocks=mean, " if part.blocks > 1 else ""
        weights = ", untrained, weights=PATH" if part.weights else ""
        facts["options of every backbone"] = f"{layers}{pooling}project=D{weights}"
    return facts


def _options(part: Any) -> Facts:
    """Options with their defaults; an option that is empty by default with a word for its value."""
    defaults = {name: p.default for name, p in declared(function_of(part)).items()}
    return {
        name: "required"
        if value is inspect.Parameter.empty
        else name.upper()
        if value == ""
        else value
        for name, value in defaults.items()
    }


def _usage(part: Dataset) -> Facts:
    """How one's own data is written: what the loader's docstring says above its arguments."""
    if part.positional is None or part.load.__doc__ is None:
        return {}
    text = inspect.cleandoc(part.load.__doc__).partition("\nArgs:")[0]
    return {"usage": " ".join(text.replace("``", "").split())}


def _datasheet(part: Dataset, origin: object, rules: Registry) -> Facts:
    from nverbench.data.datasheet import datasheet

    return {
        "dataset": part.name,
        "brought by": str(origin),
        "task": part.task,
        "corpus": part.corpus or "none: as you give it",
        **_usage(part),
        **datasheet(part, rules.dataset_source(part.name)),
        "options": {**_options(part), "exclude": "LABEL+LABEL", "test": "DATASET"},
        "write it as": _written(part),
    }


def _written(part: Dataset) -> str:
    """How a dataset is written on the command line, such as ``folder:PATH,speaker=...``."""
    options = [name for name in declared(part.load) if name != part.positional]
    given = [part.positional.upper()] if part.positional else []
    both = ",".join((*given, *(f"{name}=..." for name in options)))
    texts = dict.fromkeys(":".join(filter(None, (part.name, words))) for words in (*given, both))
    return " or ".join(f"--dataset '{text}'" for text in texts)


def _registered(name: str, rules: Registry) -> Facts | None:
    """A protocol, or a registered dataset without an installed loader."""
    if name in rules.protocols:
        return {"protocol": name, **rules.protocols[name].model_dump()}
    if name in rules.datasets:
        pin = rules.datasets[name].model_dump(exclude_defaults=True)
        return {"dataset": name, "status": "registered, no loader installed", **pin}
    return None


def _result(name: str, out: Path, *, as_json: bool) -> list[str] | None:
    """A finished result in lines; None when no result has that id."""
    from nverbench import leaderboard
    from nverbench.results.store import ResultStore

    found = ResultStore(out).finished(name)
    if found is None:
        return None
    return [json.dumps(leaderboard.record(found))] if as_json else leaderboard.describe(found)


def _by(
    name: str, column: str, dataset: str | None, out: Path, catalog: Catalog, *, as_json: bool
) -> list[str]:
    """The scores of a result by a fact about the speakers, in lines."""
    from nverbench.leaderboard.compare import name as system
    from nverbench.leaderboard.fairness import analysis, join, report

    stored = join.located(name, out)
    found = analysis.analyse(join.grouped(stored, column, catalog, dataset))
    r = stored.result
    if as_json:
        return [json.dumps({"id": r.id, "dataset": r.entry.dataset, **report.record(found)})]
    return [f"{r.id}: {system(r)} / {r.entry.dataset}", *report.lines(found)]


def plain_text(value: Any) -> str:
    """A value of facts as text; lists and mappings in one line, None as nothing."""
    if isinstance(value, dict):
        return ", ".join(f"{k}={text}" for k, v in value.items() if (text := plain_text(v)))
    if isinstance(value, list | tuple):
        return ", ".join(plain_text(v) for v in value)
    return "" if value is None else str(value)
