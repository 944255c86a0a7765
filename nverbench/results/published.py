"""What papers report for a combination: leaderboard/published/*.csv, strictly read.

``papers.csv`` says how each paper's fusions are registered here and with which loss the paper
trained them; ``SOURCE.csv`` holds a paper's rows in percent. A published number is the paper's own:
its folds, its selection, its text as far as it goes. The difference to ours is a difference of two
numbers, never a test. Rows over conversations (``erc.csv``) say how the corpus was cut and are
matched on it, and on how training was shuffled.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from nverbench.errors import ResultError
from nverbench.results.published_files import FOLDER as FOLDER
from nverbench.results.published_files import ConversationRow, ReferenceRow, papers, read
from nverbench.results.record import Result

TERMS = "published under its own folds and selection"
"""What must stand beside every published number."""
SPOKEN = {"ricoh": "erc"}
"""Papers whose rows are over conversations, and the file of each."""
CUTS = {
    "leave-one-session-out": "leave-one-group-out",
    "train sessions 1-4 test session 5": "holdout=Ses05",
}
"""The protocols of such rows, and the kind of folds that each is here."""

COMPARED = ("accuracy", "macro_f1", "weighted_f1")
"""The metrics that papers print."""


class Combined(Protocol):
    """What a published row is found by; a result's combination has it, in canonical text."""

    @property
    def backbones(self) -> Sequence[str]:
        """In their order."""

    @property
    def fusion(self) -> str:
        """With options where they differ from the defaults."""

    @property
    def loss(self) -> str:
        """Likewise."""

    @property
    def dataset(self) -> str:
        """Likewise."""


@dataclass(frozen=True)
class Published:
    """A paper's score for one combination, as fractions."""

    source: str
    """Title and number of the paper."""
    table: str
    """Empty where the reference names none."""
    accuracy: float
    macro_f1: float | None
    """None, as is the next, where the paper does not print it."""
    weighted_f1: float | None = None
    protocol: str = ""
    """How the paper cut the corpus, in its words; empty where its rows do not say."""
    others: tuple[Published, ...] = ()
    """The same system in other tables of the paper, under other protocols."""

    @property
    def scores(self) -> dict[str, float]:
        """Metric -> fraction, those that the paper prints."""
        return {name: value for name in COMPARED if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        own = f"{self.source}, Table {self.table}" if self.table else self.source
        return (
            own
            + (f" ({self.protocol})" if self.protocol else "")
            + "".join(f"; {self._against(other)}" for other in self.others)
        )

    def _against(self, other: Published) -> str:
        """What another table prints, and what that does to the reading of this one."""
        value = f"{100 * other.accuracy:.1f}"
        if other.accuracy == self.accuracy:
            return (
                f"its Table {other.table} prints the same {value} for {other.protocol}: one of the"
                " two is mislabelled, or it is a coincidence"
            )
        return f"its Table {other.table} prints {value} for {other.protocol}"


@dataclass(frozen=True)
class PublishedScore:
    """One published score, by what the paper's fusion is registered as here; its own name where
    there is no counterpart.
    """

    backbones: tuple[str, ...]
    """In the paper's order; empty where the row is of a whole system."""
    fusion: str
    loss: str
    dataset: str
    scores: Mapping[str, float]
    """Metric -> fraction."""


def cells(source: str, folder: Path = FOLDER) -> list[PublishedScore]:
    """Every row of a paper that is at hand: ``reno``, ``parrot``, ``mata`` or ``erc``; ResultError
    as for :func:`published`.
    """
    if source == "erc":
        turns = [row for _, row in read(folder / "erc.csv", ConversationRow)]
        return [
            PublishedScore(
                (), row.model, "", row.dataset, {"accuracy": row.weighted_accuracy / 100}
            )
            for row in turns
        ]
    known = papers(folder)
    found = []
    for line, row in read(folder / f"{source}.csv", ReferenceRow):
        said = known.get((row.source, row.fusion))
        if said is None:
            raise ResultError(
                f"{folder / source}.csv, line {line}: no fusion {row.fusion!r} of {row.source!r} in"
                " papers.csv; add it there"
            )
        scores = {"accuracy": row.accuracy / 100, "macro_f1": row.macro_f1 / 100}
        found.append(
            PublishedScore(
                tuple(row.backbones.split("+")),
                said.registered or row.fusion,
                said.loss,
                row.dataset,
                scores,
            )
        )
    return found


def published(entry: Combined, folder: Path = FOLDER) -> Published | None:
    """The published score of a combination: same backbones in the same order, fusion, loss and
    dataset, every option at its default; None if none.

    Raises:
        ResultError: a reference file cannot be read, does not follow its columns, or holds a row
            twice.
    """
    return _known(folder).get(("+".join(entry.backbones), entry.fusion, entry.loss, entry.dataset))


def reported(result: Result, folder: Path = FOLDER) -> Published | None:
    """The published score of what a result combined; one over conversations only where it was cut,
    and its training shuffled, as the result's was.

    Raises:
        ResultError: as for :func:`published`.
    """
    e = result.entry
    return _spoken(folder).get(
        ("+".join(e.backbones), e.fusion, e.loss, e.dataset, result.shuffle, result.folds.kind)
    ) or published(e, folder)


@functools.cache
def _spoken(folder: Path) -> dict[tuple[str, ...], Published]:
    """Backbones, fusion, loss, dataset, shuffle and kind of folds -> the score over
    conversations.
    """
    known, systems = papers(folder), defaultdict[tuple[str, ...], dict[str, Published]](dict)
    for source, file in SPOKEN.items():
        path = folder / f"{file}.csv"
        for line, row in read(path, ConversationRow):
            said = known.get((row.source, row.model))
            if row.source != source or said is None:
                raise ResultError(
                    f"{path}, line {line}: no fusion {row.model!r} of {row.source!r} in papers.csv;"
                    " add it there or mend the row"
                )
            if not said.registered:
                continue
            own = systems[said.backbones, said.registered, said.loss, row.dataset, said.shuffle]
            cut = CUTS.get(row.protocol)
            if cut is None or cut in own:
                why = (
                    "is given twice; keep one"
                    if cut
                    else f"has protocol {row.protocol!r}; expected one of {', '.join(CUTS)}"
                )
                raise ResultError(f"{path}, line {line}: {row.model} {why}")
            weighted = row.weighted_f1 / 100 if row.weighted_f1 != "" else None
            own[cut] = Published(
                said.paper, row.table, row.weighted_accuracy / 100, None, weighted, row.protocol
            )
    return {
        (*system, cut): replace(
            one, others=tuple(other for kind, other in own.items() if kind != cut)
        )
        for system, own in systems.items()
        for cut, one in own.items()
    }


@functools.cache
def _known(folder: Path) -> dict[tuple[str, str, str, str], Published]:
    known = papers(folder)
    found: dict[tuple[str, str, str, str], Published] = {}
    for source in dict.fromkeys(source for source, _ in known if source not in SPOKEN):
        path = folder / f"{source}.csv"
        for line, row in read(path, ReferenceRow):
            said = known.get((row.source, row.fusion))
            if row.source != source or said is None:
                raise ResultError(
                    f"{path}, line {line}: no fusion {row.fusion!r} of {row.source!r} in"
                    " papers.csv; add it there or mend the row"
                )
            key = (row.backbones, said.registered, said.loss, row.dataset)
            if key in found and said.registered:
                raise ResultError(
                    f"{path}, line {line}: {row.backbones} / {row.fusion} / {row.dataset} is given"
                    " twice; keep one"
                )
            if said.registered:
                found[key] = Published(
                    said.paper, row.table, row.accuracy / 100, row.macro_f1 / 100
                )
    return found
