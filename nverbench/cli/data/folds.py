"""``nverbench data folds``: how a dataset is cut, as clips x class x fold, with the digests that
pin it.
"""

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
    from nverbench.data.folds.assign import FoldSet

COLUMNS = 12
"""Folds beside each other; leave-one-group-out may have hundreds."""


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
    from nverbench.data.cross_corpus import kinds_of, load_local_pair
    from nverbench.data.folds.assign import default_kind
    from nverbench.data.folds.protocol import folds_of_protocol

    rules, corpus = (
        load_registry(registry),
        load_local_pair(load_catalog(no_plugin, plugin).dataset, name),
    )
    rule, pin = rules.protocol(protocol), rules.datasets.get(corpus.dataset.name)
    kinds = dict.fromkeys(folds or [rule.folds or default_kind(corpus.clips, corpus.dataset.folds)])
    if corpus.sides:
        kinds = dict.fromkeys(kinds_of(corpus, folds or ()))
    pinned = (
        pin.folds if pin and protocol == DEFAULT_PROTOCOL and not corpus.reference.exclude else {}
    )
    tables = [
        facts(corpus, folds_of_protocol(corpus.clips, kind, rule), protocol, pinned.get(kind))
        for kind in kinds
    ]
    if as_json:
        typer.echo(json.dumps(tables, indent=1))
        return
    for table in tables:
        for line in lines(table):
            echo(line)


def facts(corpus: Corpus, cut: FoldSet, protocol: str, registered: str | None) -> dict[str, Any]:
    """A cut as plain numbers."""
    rows = []
    for fold in cut.folds:
        per_class = Counter(str(corpus.clips[row].label) for row in fold.test)
        tested = {corpus.clips[row].unit for row in fold.test} - {None}
        rows.append(
            {
                "fold": fold.name,
                "train": len(fold.train),
                "validation": len(fold.validation),
                "test": len(fold.test),
                "groups": len(tested),
                "selection": "speakers seen" if fold.speakers_seen else "speakers apart",
                "test per class": {c: per_class[c] for c in corpus.labels},
            }
        )
    standing = (
        "not registered"
        if registered is None
        else (
            "the registered one" if registered == cut.digest else f"NOT the registered {registered}"
        )
    )
    return {
        "dataset": str(corpus.reference),
        "protocol": protocol,
        "kind": cut.kind,
        "digest": cut.digest,
        "digest is": standing,
        "group": corpus.dataset.group,
        "clips": len(corpus.clips),
        "folds": rows,
        "notes": list(cut.notes),
        "display": {c: corpus.dataset.shown(c) for c in corpus.labels},
    }


def lines(table: dict[str, Any]) -> list[str]:
    """The table for a reader."""
    said = [
        f"{table['dataset']}, {table['protocol']}, {table['kind']} folds: {table['clips']} clips"
    ]
    said.append(f"  digest {table['digest']} ({table['digest is']})")
    folds, shown = table["folds"], table["display"]
    width = max(len(text) for text in (*shown.values(), f"{table['group']}s", "validation"))
    for start in range(0, len(folds), COLUMNS):
        part = folds[start : start + COLUMNS]
        cells = [max(len(f["fold"]), 5) + 2 for f in part]
        whole = start + COLUMNS >= len(folds)

        def row(
            heading: str,
            values: list[Any],
            total: Any = "",
            cells: list[int] = cells,
            whole: bool = whole,
        ) -> str:
            return (
                f"  {heading:<{width}}"
                + "".join(f"{v:>{w}}" for v, w in zip(values, cells, strict=True))
                + (f"{total:>8}" if whole else "")
            )

        said.append(row("test fold", [f["fold"] for f in part], "all"))
        for label, text in shown.items():
            said.append(
                row(
                    text,
                    [f["test per class"][label] for f in part],
                    sum(f["test per class"][label] for f in folds),
                )
            )
        for what in ("test", "validation", "train"):
            said.append(
                row(
                    what,
                    [f[what] for f in part],
                    sum(f["test"] for f in folds) if what == "test" else "",
                )
            )
        said.append(
            row(
                f"{table['group']}s",
                [f["groups"] for f in part],
                sum(f["groups"] for f in folds) if table["kind"] != "random" else "",
            )
        )
    seen = [f["fold"] for f in folds if f["selection"] == "speakers seen" and f["validation"]]
    if seen:
        said.append(
            f"  selection: speakers seen in {len(seen)} of {len(folds)} folds (validation shares"
            f" {table['group']}s with training)"
        )
    return said + [f"  {note}" for note in table["notes"]]
