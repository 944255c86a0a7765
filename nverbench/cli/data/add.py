"""``nverbench data add``: a folder as the local copy of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, load_catalog
from nverbench.cli.data.check import print_corpus


def data_add(
    name: options.DatasetName,
    path: Annotated[Path, typer.Argument(help="The folder of the corpus.")],
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Use the folder PATH as the local copy of a dataset's corpus."""
    from nverbench.data import corpus as corpora
    from nverbench.pipeline.own_data import find_dataset

    catalog = load_catalog(no_plugin, plugin)
    dataset = find_dataset(catalog, name)
    print_corpus(corpora.add(dataset, path))
    parts = catalog.datasets.parts.values()
    others = sorted(d.name for d in parts if d.corpus == dataset.corpus and d.name != dataset.name)
    serves = f"; it serves {', '.join(others)} too" if others else ""
    echo(f"added {path} as corpus {dataset.corpus}{serves}")
