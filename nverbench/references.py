"""What papers report for a combination: leaderboard/references/*.csv, strictly read.

``papers.csv`` says how each paper's fusions are registered here and with which loss the paper trained them; ``SOURCE.csv`` holds a paper's rows in
percent. A published number is the paper's own: its folds, its selection, its text as far as it goes. The difference to ours is a difference of two
numbers, never a test.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nverbench.errors import ResultError

HERE = Path(__file__).parent
FOLDER = HERE / "references" if (HERE / "references").is_dir() else HERE.parent / "leaderboard" / "references"
TERMS = "published under its own folds and selection"
"""What must stand beside every published number."""

Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


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


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paper(_Row):
    """One fusion of a paper and what it is here; ``registered`` is empty where there is no counterpart."""

    source: Name
    paper: Name
    fusion: Name
    registered: str
    loss: str


class Row(_Row):
    """One published row; backbones joined by ``+`` in the paper's order, scores in percent."""

    source: Name
    table: str = ""
    backbones: Name
    fusion: Name
    dataset: Name
    accuracy: Percent
    macro_f1: Percent


@dataclass(frozen=True)
class Published:
    """A paper's score for one combination, as fractions."""

    source: str
    """Title and number of the paper."""
    table: str
    """Empty where the reference names none."""
    accuracy: float
    macro_f1: float

    def __str__(self) -> str:
        return f"{self.source}, Table {self.table}" if self.table else self.source


class Turns(_Row):
    """One published row over conversations (``erc.csv``), scores in percent; weighted accuracy is plain accuracy."""

    source: Name
    table: str
    model: Name
    protocol: Name
    dataset: Name
    weighted_accuracy: Percent
    weighted_f1: Percent | Literal[""]


@dataclass(frozen=True)
class Cell:
    """One published score, by what the paper's fusion is registered as here; its own name where there is no counterpart."""

    backbones: tuple[str, ...]
    """In the paper's order; empty where the row is of a whole system."""
    fusion: str
    loss: str
    dataset: str
    scores: Mapping[str, float]
    """Metric -> fraction."""


def cells(source: str, folder: Path = FOLDER) -> list[Cell]:
    """Every row of a paper that is at hand: ``reno``, ``parrot``, ``mata`` or ``erc``; ResultError as for :func:`published`."""
    if source == "erc":
        turns = [row for _, row in _read(folder / "erc.csv", Turns)]
        return [Cell((), row.model, "", row.dataset, {"accuracy": row.weighted_accuracy / 100}) for row in turns]
    known = {(paper.source, paper.fusion): paper for _, paper in _read(folder / "papers.csv", Paper)}
    found = []
    for line, row in _read(folder / f"{source}.csv", Row):
        said = known.get((row.source, row.fusion))
        if said is None:
            raise ResultError(f"{folder / source}.csv, line {line}: no fusion {row.fusion!r} of {row.source!r} in papers.csv; add it there")
        scores = {"accuracy": row.accuracy / 100, "macro_f1": row.macro_f1 / 100}
        found.append(Cell(tuple(row.backbones.split("+")), said.registered or row.fusion, said.loss, row.dataset, scores))
    return found


def published(entry: Combined, folder: Path = FOLDER) -> Published | None:
    """The published score of a combination: same backbones in the same order, fusion, loss and dataset, every option at its default; None if none.

    Raises:
        ResultError: a reference file cannot be read, does not follow its columns, or holds a row twice.
    """
    return _known(folder).get(("+".join(entry.backbones), entry.fusion, entry.loss, entry.dataset))


@functools.cache
def _known(folder: Path) -> dict[tuple[str, str, str, str], Published]:
    papers: dict[tuple[str, str], Paper] = {}
    for line, paper in _read(folder / "papers.csv", Paper):
        if (paper.source, paper.fusion) in papers:
            raise ResultError(f"{folder / 'papers.csv'}, line {line}: {paper.source} / {paper.fusion} is given twice; keep one")
        papers[paper.source, paper.fusion] = paper
    found: dict[tuple[str, str, str, str], Published] = {}
    for source in dict.fromkeys(source for source, _ in papers):
        path = folder / f"{source}.csv"
        for line, row in _read(path, Row):
            said = papers.get((row.source, row.fusion))
            if row.source != source or said is None:
                raise ResultError(f"{path}, line {line}: no fusion {row.fusion!r} of {row.source!r} in papers.csv; add it there or mend the row")
            key = (row.backbones, said.registered, said.loss, row.dataset)
            if key in found and said.registered:
                raise ResultError(f"{path}, line {line}: {row.backbones} / {row.fusion} / {row.dataset} is given twice; keep one")
            if said.registered:
                found[key] = Published(said.paper, row.table, row.accuracy / 100, row.macro_f1 / 100)
    return found


R = TypeVar("R", bound=_Row)


def _read(path: Path, kind: type[R]) -> list[tuple[int, R]]:
    """Line numbers and rows of a file; a ResultError names the file, the line and what does not fit."""
    rows = []
    line = 1
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            for cells in reader:
                line = reader.line_num
                if None in cells or None in cells.values():
                    raise ResultError(f"{path}, line {line}: expected {len(reader.fieldnames or ())} cells ({', '.join(reader.fieldnames or ())})")
                rows.append((line, kind.model_validate(cells)))
    except ValidationError as error:
        problem = error.errors()[0]
        column = ".".join(str(step) for step in problem["loc"])
        got = "" if problem["type"] == "missing" else f", got {problem['input']!r:.60}"
        raise ResultError(f"{path}, line {line}: column {column}: {problem['msg'].lower()}{got}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultError(f"{path}: not a readable table of published scores ({' '.join(str(error).split())[:160]}); restore the file") from error
    if not rows:
        raise ResultError(f"{path}: holds no row; restore the file")
    return rows
