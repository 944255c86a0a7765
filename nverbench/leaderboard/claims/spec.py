"""Papers' claims as pre-registered contrasts: the strict mirror of leaderboard/claims.yaml, and the
cells that a contrast compares.

This module judges the papers' own tables (sign and size: no predictions, so no interval);
``nverbench.leaderboard.claims.verdict`` judges our rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nverbench._io import paths, strict_yaml
from nverbench.errors import ResultError, abbreviated, reason_of
from nverbench.metrics.scores import PRIMARY
from nverbench.results import published as references
from nverbench.results.published_files import FOLDER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = paths.packaged("leaderboard/claims.yaml")
METRIC = PRIMARY
"""Claims are judged by the metric that ranks the rows."""
PAPER_METRIC = "accuracy"
"""The metric that every paper's table prints; claims are judged by it too, for comparison."""
HOLDS, FAILS, CANNOT_TELL, NOT_MEASURED = "holds", "fails", "cannot tell", "not measured"
DEPENDS = "depends on the recipe"
"""The verdict where the tracks of one corpus disagree."""
BEST = ("best", "best-single")
"""Contrasts against the best of several rivals."""
Number = TypeVar("Number", float, "NDArray[np.float64]")
Text = Annotated[str, Field(min_length=1)]


class ClaimModel(BaseModel):
    """A mapping of claims.yaml: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Selector(ClaimModel):
    """The cells of a side: those that fit every given column; a column that is not given fits any
    cell.
    """

    fusions: Annotated[list[Text], Field(min_length=1)]
    """In canonical text, or as the paper's table names them; ``erc-mamba (shuffle=intra)`` is one
    trained on turns out of order.
    """
    losses: list[Text] = []
    backbones: list[Text] = []
    """``wavlm-base``, or a pair joined by ``+`` in its order."""
    families: list[Text] = []
    """Every backbone is of one of these."""
    streams: Literal["", "single", "fusion"] = ""
    pair: Literal["", "mixed", "same-family", "twice", "different"] = ""
    """A pair of two families, of one, or of one backbone twice (a control, no same-family pair);
    different: mixed or same-family.
    """


class Contrast(ClaimModel):
    """The difference of two sides, a minus b."""

    says: Text
    a: Selector
    b: Selector
    against: Literal["mean", "same-backbones", "best-single", "best"]


class Claim(ClaimModel):
    """A sentence of a paper, in our words, and the contrasts that test it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    paper: Text
    source: Literal["reno", "parrot", "mata", "erc"]
    corpora: Annotated[list[Text], Field(min_length=1)]
    """Those of the paper."""
    sentence: Text
    contrast: Contrast
    controls: list[Contrast] = []


class Claims(ClaimModel):
    """The content of claims.yaml."""

    worth: Annotated[float, Field(gt=0)]
    """Points below which a published difference has no verdict."""
    families: dict[Text, Text]
    claims: Annotated[list[Claim], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Claims:
        ids = [claim.id for claim in self.claims]
        if len(set(ids)) != len(ids):
            raise ValueError("a claim's id is given twice")
        return self


@dataclass(frozen=True)
class SystemScore:
    """One score of a combination on a corpus, ours or published."""

    backbones: tuple[str, ...]
    families: tuple[str, ...]
    fusion: str
    loss: str
    dataset: str
    score: float
    id: str = ""
    """Id of the result; empty for a published one."""


@dataclass(frozen=True)
class PublishedMargin:
    """A contrast on a paper's own table; values as fractions."""

    verdict: str
    value: float
    a: float
    b: float
    cells: tuple[int, int]
    """Number of cells of each side."""
    note: str


def load(path: Path = FILE) -> Claims:
    """The claims in a file.

    Raises:
        ResultError: it cannot be read or does not follow the schema.
    """
    try:
        return Claims.model_validate(strict_yaml.load_yaml(path))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(step) for step in problem["loc"])
        raise ResultError(
            f"{path}: {where or 'the file'}: {problem['msg'].lower()}, got"
            f" {abbreviated(problem['input'], 80)}; correct it"
        ) from error
    except (OSError, ValueError) as error:
        raise ResultError(
            f"{path}: not readable claims ({reason_of(error, 160)}); restore the file"
        ) from error


def matches(selector: Selector, cell: SystemScore) -> bool:
    """Whether a cell belongs to a side."""
    streams = "fusion" if len(cell.backbones) > 1 else "single"
    twice = len(cell.backbones) > 1 and len(set(cell.backbones)) == 1
    mixed = len(set(cell.families)) > 1
    pair = "twice" if twice else "mixed" if mixed else "same-family"
    pair = pair if streams == "fusion" else ""
    pairs = ("", pair, "different") if pair in ("mixed", "same-family") else ("", pair)
    return (
        cell.fusion in selector.fusions
        and (not selector.losses or cell.loss in selector.losses)
        and (not selector.backbones or "+".join(cell.backbones) in selector.backbones)
        and (not selector.families or set(cell.families) <= set(selector.families))
        and selector.streams in ("", streams)
        and selector.pair in pairs
    )


def matched_pairs(
    contrast: Contrast, cells: Sequence[SystemScore]
) -> list[tuple[SystemScore, list[SystemScore]]]:
    """Each cell of side a with the cells of side b that its score is compared with, on one corpus;
    of rivals (``against: best``, ``best-single``) the one with the highest score.
    """
    found = candidates(contrast, cells)
    if contrast.against in BEST:
        return [(cell, [max(others, key=lambda other: other.score)]) for cell, others in found]
    return found


def candidates(
    contrast: Contrast, cells: Sequence[SystemScore]
) -> list[tuple[SystemScore, list[SystemScore]]]:
    """Each cell of side a with every cell of side b that it may be compared with, in the order of
    fusion, loss and backbones (those of the cell itself in its own order); cells of a without
    counterpart are left out.
    """
    ours, theirs = ([c for c in cells if matches(side, c)] for side in (contrast.a, contrast.b))
    found = []
    for cell in ours:
        others = [other for other in theirs if other != cell]
        if contrast.against == "same-backbones":
            others = [other for other in others if other.backbones == cell.backbones]
        elif contrast.against == "best-single":
            others = [
                o for o in others if len(o.backbones) == 1 and o.backbones[0] in cell.backbones
            ]
            complete = {other.backbones[0] for other in others} == set(cell.backbones)
            others = others if complete else []
            others.sort(key=lambda o: (o.fusion, o.loss, cell.backbones.index(o.backbones[0])))
        found += [(cell, others)] if others else []
    return found


def published(
    contrast: Contrast, source: str, corpus: str, known: Claims, folder: Path = FOLDER
) -> PublishedMargin | None:
    """A contrast on the paper's table; None where the table has no such cells."""
    cells = [cell for cell in table(source, known.families, folder) if cell.dataset == corpus]
    pairs = matched_pairs(contrast, cells)
    if not pairs:
        return None
    a, b = means(pairs, lambda cell: cell.score)
    value = a - b
    if abs(value) < known.worth / 100:
        points = f"{known.worth:g} point{'s' if known.worth != 1 else ''}"
        note = f"smaller than {points}, and without intervals"
        return PublishedMargin(CANNOT_TELL, value, a, b, counted(pairs), note)
    return PublishedMargin(HOLDS if value > 0 else FAILS, value, a, b, counted(pairs), "")


def means(
    pairs: Sequence[tuple[SystemScore, Sequence[SystemScore]]],
    value: Callable[[SystemScore], Number],
) -> tuple[Number, Number]:
    """Mean value over the cells of a, and over their counterparts; values are numbers, or arrays
    that are averaged element by element.
    """
    a = [value(cell) for cell, _ in pairs]
    b = [_mean([value(other) for other in others]) for _, others in pairs]
    return _mean(a), _mean(b)


def _mean(values: Sequence[Number]) -> Number:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total / len(values)


def counted(pairs: Sequence[tuple[SystemScore, Sequence[SystemScore]]]) -> tuple[int, int]:
    """Number of cells of each side."""
    return len(pairs), len({other for _, others in pairs for other in others})


def table(source: str, families: Mapping[str, str], folder: Path = FOLDER) -> list[SystemScore]:
    """The cells of a paper's table, with its accuracy."""
    found = []
    for c in references.cells(source, folder):
        own = tuple(families.get(b, b) for b in c.backbones)
        score = c.scores[PAPER_METRIC]
        found.append(SystemScore(c.backbones, own, c.fusion, c.loss, c.dataset, score))
    return found
