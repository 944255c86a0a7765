"""What a job needs and this machine lacks: its source, size, licence, and the command that gets it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nverbench.plugin.records import Dataset, Source

ADDRESS = re.compile(r"(https://|http://(127\.0\.0\.1|localhost)[:/])\S+")


@dataclass(frozen=True)
class Missing:
    """Something a job needs that is not here."""

    what: str
    source: str
    licence: str
    command: str
    size: int | None = None

    def __str__(self) -> str:
        size = f", {self.size / 1e6:.1f} MB" if self.size else ", size unknown"
        return (
            f"{self.what} is missing: source {self.source}{size}, licence {self.licence};"
            f" {self.command}"
        )


def missing_corpus(name: str, dataset: Dataset | None, pin: Source | None) -> Missing:
    """What to say of a dataset whose corpus (or whose plugin) is not on this machine."""
    source = pin or (
        dataset.sources[0] if dataset and dataset.sources else Source(address="unknown")
    )
    if dataset is None:
        command = (
            f"its loader comes with a later version or a plugin; then: nverbench data add {name}"
            " PATH"
        )
        return Missing(f"dataset {name}", source.address, source.licence, command, source.size)
    command = (
        f"nverbench data get {name}"
        if is_downloadable(source)
        else f"nverbench data add {name} PATH"
    )
    return Missing(
        f"corpus {dataset.corpus}",
        source.address,
        source.licence,
        manual_steps(dataset, source) or command,
        source.size,
    )


def is_downloadable(source: Source) -> bool:
    """Whether a program can fetch it from where it says: over https, or from this very machine."""
    return ADDRESS.fullmatch(source.address) is not None


def manual_steps(dataset: Dataset, source: Source) -> str:
    """What a person has to do to get a corpus, where its source or its author says so."""
    return source.how or (dataset.sources[0].how if dataset.sources else "")
