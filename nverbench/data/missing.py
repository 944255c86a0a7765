"""Files that a job needs and this machine lacks: source, size, licence, and how to get them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nverbench.data.audio import why_not_audio
from nverbench.plugin.options import possible
from nverbench.plugin.records import Dataset, Source

ADDRESS = re.compile(r"(https://|http://(127\.0\.0\.1|localhost)[:/])\S+")


@dataclass(frozen=True)
class Missing:
    """A missing corpus or dataset, as a message."""

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
    """The message about a dataset whose corpus (or whose plugin) is not on this machine."""
    published = dataset.sources if dataset else ()
    source = pin or (published[0] if published else Source(address="unknown"))
    what, command = f"dataset {name}", f"nverbench data add {name} PATH"
    if dataset is None:
        command = f"its loader comes with a later version or a plugin; then: {command}"
    else:
        what = f"corpus {dataset.corpus}"
        command = f"nverbench data get {name}" if is_downloadable(source) else command
        command = manual_steps(dataset, source) or command
    return Missing(what, source.address, source.licence, command, source.size)


def no_folder(path: Path) -> str:
    """What lies at a path instead of the folder of a corpus, and what to do."""
    if not possible(str(path)) or not path.is_file():
        return "but there is no such folder; give its path"
    kind = why_not_audio(path)
    if kind is not None and kind.endswith("unpack it"):
        return f"but it is {kind}, then give the folder"
    return "but it is a file; give the path of the folder"


def is_downloadable(source: Source) -> bool:
    """Whether a program can download a source: over https, or from this machine."""
    return ADDRESS.fullmatch(source.address) is not None


def manual_steps(dataset: Dataset, source: Source) -> str:
    """The steps that a person takes to get a corpus, where its source or its author gives some."""
    return source.how or (dataset.sources[0].how if dataset.sources else "")
