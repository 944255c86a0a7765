"""The files of leaderboard/published, strictly read: what a row may hold, and which line is wrong
where one is.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nverbench._io import paths
from nverbench.errors import ResultError

FOLDER = paths.packaged("leaderboard/published")

Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


class _Columns(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paper(_Columns):
    """One fusion of a paper and what it is here; ``registered`` is empty where there is no
    counterpart, the last two where its rows say them.
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
    model: Name
    protocol: Name
    dataset: Name
    weighted_accuracy: Percent
    weighted_f1: Percent | Literal[""]


def papers(folder: Path) -> dict[tuple[str, str], Paper]:
    """Source and the paper's name of a fusion -> what it is here; ResultError when one is given
    twice, and as for :func:`read`.
    """
    found: dict[tuple[str, str], Paper] = {}
    for line, paper in read(folder / "papers.csv", Paper):
        if (paper.source, paper.fusion) in found:
            raise ResultError(
                f"{folder / 'papers.csv'}, line {line}: {paper.source} / {paper.fusion} is given"
                " twice; keep one"
            )
        found[paper.source, paper.fusion] = paper
    return found


R = TypeVar("R", bound=_Columns)


def read(path: Path, kind: type[R]) -> list[tuple[int, R]]:
    """Line numbers and rows of a file; a ResultError names the file, the line and what does not
    fit.
    """
    rows = []
    line = 1
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            for cells in reader:
                line = reader.line_num
                if None in cells or None in cells.values():
                    raise ResultError(
                        f"{path}, line {line}: expected {len(reader.fieldnames or ())} cells"
                        f" ({', '.join(reader.fieldnames or ())})"
                    )
                rows.append((line, kind.model_validate(cells)))
    except ValidationError as error:
        problem = error.errors()[0]
        column = ".".join(str(step) for step in problem["loc"])
        got = "" if problem["type"] == "missing" else f", got {problem['input']!r:.60}"
        raise ResultError(
            f"{path}, line {line}: column {column}: {problem['msg'].lower()}{got}"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultError(
            f"{path}: not a readable table of published scores"
            f" ({' '.join(str(error).split())[:160]}); restore the file"
        ) from error
    if not rows:
        raise ResultError(f"{path}: holds no row; restore the file")
    return rows
