"""``nverbench data folds``: the clips of a dataset per class and fold, with the folds' digest."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, load_catalog, load_registry
from nverbench.registry import DEFAULT_PROTOCOL

if TYPE_CHECKING:
    from nverbench.data.corpus import Corpus
    from nverbench.data.folds.assign import Fold, FoldSet

COLUMNS = 12
"""Folds in one table; leave-one-group-out may have hundreds."""


def data_folds(
    name: options.DatasetName,
    folds: Annotated[
        list[str] | None,
        typer.Option(
            help="The kind of folds: speaker, random, leave-one-group-out, official or"
            " holdout=GROUP; may be repeated."
        ),
    ] = None,
    protocol: Annotated[str, typer.Option(help="A protocol of the registry.")] = DEFAULT_PROTOCOL,
    as_json: options.Json = False,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Print the folds of a dataset: the clips of every class in every fold, the sizes of the parts,
    and whether the digest is the registered one.

    NAME is a dataset, or A:test=B to train on A and test on B.
    """
    from nverbench.data.copies import copies_of
    from nverbench.data.cross_corpus import kinds_of, load_local_pair
    from nverbench.data.folds.assign import default_kind, offered
    from nverbench.data.folds.protocol import folds_of_protocol
    from nverbench.pipeline.own_data import find_dataset

    rules, parts = load_registry(registry), load_catalog(no_plugin, plugin)
    corpus, rule = (
        load_local_pair(lambda text: find_dataset(parts, text), name),
        rules.protocol(protocol),
    )
    kinds = kinds_of(corpus, folds or ())
    if not kinds:
        kinds = (rule.folds or default_kind(corpus.clips, offered(corpus.dataset)),)
    pin = rules.datasets.get(corpus.dataset.name)
    registered = rule.official and not corpus.reference.exclude
    pinned = pin.folds if pin and registered else {}
    same = copies_of(corpus, rules).recordings
    cuts = [folds_of_protocol(corpus.clips, k, rule, same=same) for k in dict.fromkeys(kinds)]
    tables = [facts(corpus, cut, protocol, pinned.get(cut.kind)) for cut in cuts]
    if as_json:
        typer.echo(json.dumps(tables, indent=1))
        return
    for table in tables:
        for line in lines(table):
            echo(line)


def facts(corpus: Corpus, cut: FoldSet, protocol: str, registered: str | None) -> dict[str, Any]:
    """A set of folds as plain numbers."""
    registered_one = "the registered one" if registered == cut.digest else None
    return {
        "dataset": str(corpus.reference),
        "protocol": protocol,
        "kind": cut.kind,
        "digest": cut.digest,
        "digest is": (
            "not registered"
            if registered is None
            else registered_one or f"NOT the registered {registered}"
        ),
        "group": corpus.dataset.group,
        "clips": len(corpus.clips),
        "folds": [_fold_facts(corpus, fold) for fold in cut.folds],
        "notes": [*corpus.remarks, *cut.notes],
        "display": {c: corpus.dataset.shown(c) for c in corpus.labels},
    }


def _fold_facts(corpus: Corpus, fold: Fold) -> dict[str, Any]:
    per_class = Counter(str(corpus.clips[row].label) for row in fold.test)
    return {
        "fold": fold.name,
        "train": len(fold.train),
        "validation": max(map(len, fold.splits), default=len(fold.validation)),
        "splits": len(fold.splits),
        "test": len(fold.test),
        "groups": len({corpus.clips[row].unit for row in fold.test} - {None}),
        "selection": "speakers seen" if fold.speakers_seen else "speakers apart",
        "test per class": {c: per_class[c] for c in corpus.labels},
    }


def lines(table: dict[str, Any]) -> list[str]:
    """The plain numbers as a table, twelve folds at a time."""
    folds = table["folds"]
    found = [
        f"{table['dataset']}, {table['protocol']}, {table['kind']} folds: {table['clips']} clips",
        f"  digest {table['digest']} ({table['digest is']})",
    ]
    for start in range(0, len(folds), COLUMNS):
        found += _columns(table, start)
    if splits := folds[0]["splits"]:
        found.append(
            f"  validation: {splits} parts within train per fold (the table has the largest one)"
        )
    seen = sum(f["selection"] == "speakers seen" and f["validation"] > 0 for f in folds)
    if seen:
        found.append(
            f"  selection: speakers seen in {seen} of {len(folds)} folds (validation shares"
            f" {table['group']}s with training)"
        )
    return found + [f"  {note}" for note in table["notes"]]


def _columns(table: dict[str, Any], start: int) -> list[str]:
    """The rows of the folds from ``start``; totals over all folds follow the last fold."""
    folds = table["folds"]
    part = folds[start : start + COLUMNS]

    def row(heading: str, key: str, *, total: bool) -> tuple[str, list[int], int | str]:
        return heading, [f[key] for f in part], sum(f[key] for f in folds) if total else ""

    rows: list[tuple[str, list[Any], int | str]] = [("test fold", [f["fold"] for f in part], "all")]
    for label, text in table["display"].items():
        counts = [f["test per class"][label] for f in folds]
        rows.append((text, counts[start : start + COLUMNS], sum(counts)))
    rows += [row(what, what, total=what == "test") for what in ("test", "validation", "train")]
    rows.append(row(f"{table['group']}s", "groups", total=table["kind"] != "random"))
    width = max(len(heading) for heading, _, _ in rows)
    cells = [max(len(f["fold"]), 5) + 2 for f in part]
    last = start + COLUMNS >= len(folds)
    return [
        f"  {heading:<{width}}"
        + "".join(f"{value:>{cell}}" for value, cell in zip(values, cells, strict=True))
        + (f"{total:>8}" if last else "")
        for heading, values, total in rows
    ]
