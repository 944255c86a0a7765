"""Scores that papers report for a combination, read from leaderboard/published/*.csv.

``papers.csv`` maps each paper's fusions to those registered here, with the loss that the paper
trained them with; ``SOURCE.csv`` holds a paper's rows in percent. A published number has the
paper's own folds and selection, as far as its text describes them, so that the difference to ours
is never a test. Rows over conversations (``erc.csv``) name the cut of the corpus, and match results
by cut and by the shuffling of training turns.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from nverbench.errors import ResultError
from nverbench.results.published_files import FOLDER as FOLDER
from nverbench.results.published_files import ConversationRow, Paper, ReferenceRow, papers, read
from nverbench.results.record import Combination, Result

TERMS = "published under its own folds and selection"
"""The note next to every published number."""
CONVERSATIONS = {"ricoh": "erc"}
"""Papers whose rows are over conversations, and the file of each."""
CUTS = {
    "leave-one-session-out": "leave-one-group-out",
    "train sessions 1-4 test session 5": "holdout=Ses05",
}
"""The protocol of such a row -> the kind of folds here."""
COMPARED = ("accuracy", "macro_f1", "weighted_f1")
"""The metrics that papers print."""

R = TypeVar("R", ReferenceRow, ConversationRow)


@dataclass(frozen=True)
class Published:
    """A paper's score for one combination, as fractions."""

    source: str
    """Title and number of the paper."""
    table: str
    """Empty where the reference names none."""
    accuracy: float
    macro_f1: float | None
    """None where the paper does not print it; the next too."""
    weighted_f1: float | None = None
    protocol: str = ""
    """The cut of the corpus in the paper's words; empty where its rows do not name it."""
    others: tuple[Published, ...] = ()
    """The same system in other tables of the paper, under other protocols."""

    @property
    def scores(self) -> dict[str, float]:
        """Metric -> fraction, those that the paper prints."""
        return {name: value for name in COMPARED if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        own = f"{self.source}, Table {self.table}" if self.table else self.source
        own += f" ({self.protocol})" if self.protocol else ""
        return "; ".join([own, *map(self._compared, self.others)])

    def _compared(self, other: Published) -> str:
        """Return the score of another table, and what it means for this one."""
        value = f"{100 * other.accuracy:.1f}"
        if other.accuracy == self.accuracy:
            return (
                f"its Table {other.table} prints the same {value} for {other.protocol}: one of the"
                " two is mislabelled, or it is a coincidence"
            )
        return f"its Table {other.table} prints {value} for {other.protocol}"


@dataclass(frozen=True)
class PublishedScore:
    """One published score, under the name of the registered fusion, or the paper's own name where
    none is registered.
    """

    backbones: tuple[str, ...]
    """In the paper's order; empty where the row is of a whole system."""
    fusion: str
    loss: str
    dataset: str
    scores: Mapping[str, float]
    """Metric -> fraction."""


def cells(source: str, folder: Path = FOLDER) -> list[PublishedScore]:
    """Return every row of a paper: ``reno``, ``parrot``, ``mata`` or ``erc``; ResultError as for
    :func:`published`.
    """
    if source == "erc":
        return [
            PublishedScore((), r.fusion, "", r.dataset, {"accuracy": r.weighted_accuracy / 100})
            for _, r in read(folder / "erc.csv", ConversationRow)
        ]
    return [
        PublishedScore(
            tuple(row.backbones.split("+")),
            paper.registered or row.fusion,
            paper.loss,
            row.dataset,
            {"accuracy": row.accuracy / 100, "macro_f1": row.macro_f1 / 100},
        )
        for _, row, paper in _rows(folder, source, source, ReferenceRow)
    ]


def published(entry: Combination, folder: Path = FOLDER) -> Published | None:
    """Return the published score of a combination (same backbones in the same order, fusion, loss
    and dataset, every option at its default), or None.

    Raises:
        ResultError: a reference file cannot be read, does not follow its columns, or holds a row
            twice.
    """
    return _utterances(folder).get(_key(entry))


def reported(result: Result, folder: Path = FOLDER) -> Published | None:
    """Return the published score of a result's combination; one over conversations only where folds
    and shuffling of training turns are the result's.

    Raises:
        ResultError: as for :func:`published`.
    """
    key = (*_key(result.entry), result.shuffle, result.folds.kind)
    return _conversations(folder).get(key) or published(result.entry, folder)


def _key(entry: Combination) -> tuple[str, ...]:
    return "+".join(entry.backbones), entry.fusion, entry.loss, entry.dataset


@functools.cache
def _utterances(folder: Path) -> dict[tuple[str, ...], Published]:
    """Map backbones, fusion, loss and dataset to the score over single utterances."""
    found: dict[tuple[str, ...], Published] = {}
    for source in dict.fromkeys(source for source, _ in papers(folder)):
        if source in CONVERSATIONS:
            continue
        for where, row, paper in _rows(folder, source, source, ReferenceRow):
            key = (row.backbones, paper.registered, paper.loss, row.dataset)
            if key in found and paper.registered:
                raise ResultError(
                    f"{where}: {row.backbones} / {row.fusion} / {row.dataset} is given twice; keep"
                    " one"
                )
            if paper.registered:
                accuracy, macro_f1 = row.accuracy / 100, row.macro_f1 / 100
                found[key] = Published(paper.paper, row.table, accuracy, macro_f1)
    return found


@functools.cache
def _conversations(folder: Path) -> dict[tuple[str, ...], Published]:
    """Map backbones, fusion, loss, dataset, shuffle and kind of folds to the score over
    conversations.
    """
    systems = defaultdict[tuple[str, ...], dict[str, Published]](dict)
    for source, file in CONVERSATIONS.items():
        for where, row, paper in _rows(folder, source, file, ConversationRow):
            if not paper.registered:
                continue
            own = systems[paper.backbones, paper.registered, paper.loss, row.dataset, paper.shuffle]
            cut = CUTS.get(row.protocol)
            if cut is None:
                expected = f"expected one of {', '.join(CUTS)}"
                raise ResultError(
                    f"{where}: {row.fusion} has protocol {row.protocol!r}; {expected}"
                )
            if cut in own:
                raise ResultError(f"{where}: {row.fusion} is given twice; keep one")
            accuracy = row.weighted_accuracy / 100
            weighted = row.weighted_f1 / 100 if row.weighted_f1 != "" else None
            own[cut] = Published(paper.paper, row.table, accuracy, None, weighted, row.protocol)
    return {
        (*system, cut): replace(one, others=tuple(own[kind] for kind in own if kind != cut))
        for system, own in systems.items()
        for cut, one in own.items()
    }


def _rows(folder: Path, source: str, file: str, kind: type[R]) -> Iterator[tuple[str, R, Paper]]:
    """Yield file and line of each row of a paper, the row, and its system as registered here."""
    path, known = folder / f"{file}.csv", papers(folder)
    for line, row in read(path, kind):
        where, paper = f"{path}, line {line}", known.get((row.source, row.fusion))
        if row.source != source or paper is None:
            raise ResultError(
                f"{where}: no fusion {row.fusion!r} of {row.source!r} in papers.csv; add it there"
                " or correct the row"
            )
        yield where, row, paper
