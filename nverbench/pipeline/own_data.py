"""Advice for a name that no dataset has: one's own recordings are datasets too."""

from __future__ import annotations

from pathlib import Path

from nverbench.errors import UsageError
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import possible, split
from nverbench.plugin.records import Dataset

TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".xlsx")


def hint(name: str) -> str:
    """How to name one's own recordings, with the name itself where it is a file or a folder."""
    if Path(name).suffix.lower() in TABLES:
        return f"a table of your own is table:{name}"
    if possible(name) and Path(name).is_dir():
        return f"a folder of your own is folder:{name}"
    return "your own recordings are table:FILE.csv or folder:PATH"


def find_dataset(catalog: Catalog, text: str) -> Dataset:
    """The dataset of a reference.

    Raises:
        CatalogError: two distributions claim the name.
        UsageError: there is none; the message says how to name one's own recordings.
    """
    try:
        return catalog.dataset(split(text)[0])
    except UsageError as error:
        raise UsageError(f"{error}; {hint(text)}") from error
