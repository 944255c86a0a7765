"""The files of leaderboard/published: what a row may hold; an error names the wrong line."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nverbench._io import paths
from nverbench.errors import ResultError, reason_of

FOLDER = paths.packaged("leaderboard/published")

Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


class _Columns(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paper(_Columns):
    """One fusion of a paper and its counterpart here; ``registered`` is empty where there is none,
    ``backbones`` and ``shuffle`` where the rows of the paper hold them.
    """

    source: Name
    paper: Name
    fusion: Name
    registered: str
    loss: str
    backbones: str
    shuffle: str


class ReferenceRow(_Columns):
    """One published row; backbones joined by ``+`` in the paper's order, scores in percent."""

    source: Name
    table: str = ""
    backbones: Name
    fusion: Name
    dataset: Name
    accuracy: Percent
    macro_f1: Percent


class ConversationRow(_Columns):
    """One published row over conversations (``erc.csv``), scores in percent; weighted accuracy is
    plain accuracy.
    """

    source: Name
    table: str
    fusion: Name = Field(alias="model")
    """The whole system; papers.csv lists it as a fusion."""
    protocol: Name
    dataset: Name
    weighted_accuracy: Percent
    weighted_f1: Percent | Literal[""]


def papers(folder: Path) -> dict[tuple[str, str], Paper]:
    """Map a source and the paper's name of a fusion to its counterpart; ResultError where one is
    given twice, and as for :func:`read`.
    """
    path, found = folder / "papers.csv", dict[tuple[str, str], Paper]()
    for line, paper in read(path, Paper):
        key = (paper.source, paper.fusion)
        if key in found:
            raise ResultError(f"{path}, line {line}: {' / '.join(key)} is given twice; keep one")
        found[key] = paper
    return found


R = TypeVar("R", bound=_Columns)


def read(path: Path, kind: type[R]) -> list[tuple[int, R]]:
    """Return line numbers and rows of a file; a ResultError names the file, the line and what is
    wrong.
    """
    rows, line = [], 1
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            columns = reader.fieldnames or ()
            for cells in reader:
                line = reader.line_num
                if None in cells or None in cells.values():
                    expected = f"{len(columns)} cells ({', '.join(columns)})"
                    raise ResultError(f"{path}, line {line}: expected {expected}")
                rows.append((line, kind.model_validate(cells)))
    except ValidationError as error:
        problem = error.errors()[0]
        column = ".".join(str(step) for step in problem["loc"])
        got = "" if problem["type"] == "missing" else f", got {problem['input']!r:.60}"
        raise ResultError(
            f"{path}, line {line}: column {column}: {problem['msg'].lower()}{got}"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = reason_of(error, 160)
        raise ResultError(
            f"{path}: not a readable table of published scores ({reason}); restore the file"
        ) from error
    if not rows:
        raise ResultError(f"{path}: holds no row; restore the file")
    return rows
