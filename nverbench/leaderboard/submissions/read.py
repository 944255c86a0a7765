"""The files of a submission, read safely: known files only, no links, bounded sizes, no pickles, no
NaN.

Every size is checked before anything is unpacked; no content is executed.
"""

from __future__ import annotations

import json
import math
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nverbench.errors import ResultError
from nverbench.leaderboard.submissions.arrays import read_predictions
from nverbench.leaderboard.submissions.records import Environment, FoldsFile, Submitter, quoted
from nverbench.results.predictions import Predictions
from nverbench.results.record import SCHEMA, Result

NEEDED = ("result.json", "predictions.npz", "folds.json", "environment.json")
OPTIONAL = ("submitter.json",)
ATTESTATIONS = "attestations"
ID = re.compile(r"[0-9a-f]{16}")
MOST = {"result.json": 8_000_000, "predictions.npz": 64_000_000}
"""Bytes of a file; any other: ``MOST_JSON``."""
MOST_JSON = 256_000
MOST_DEPTH = 16
MOST_ATTESTATIONS = 50

M = TypeVar("M", bound=BaseModel)


class Incomplete(ResultError):
    """Something is missing, so that consistency can be neither shown nor refuted."""


@dataclass(frozen=True)
class Bundle:
    """A submitted result, its files in memory."""

    folder: Path
    result: Result
    predictions: Predictions
    folds: FoldsFile
    environment: Environment
    submitter: Submitter | None


def read(folder: Path) -> Bundle:
    """The files of a submission.

    Raises:
        Incomplete: a file is missing, or the result is of another schema.
        ResultError: a file does not fit; the message says which and why.
    """
    check_files(folder)
    result = read_result(folder / "result.json")
    if result.id != folder.name:
        raise ResultError(
            f"the folder is called {quoted(folder.name)}, and its result has the id"
            f" {quoted(result.id)}; they must be the same"
        )
    predictions = read_predictions(folder / "predictions.npz", result)
    by = folder / "submitter.json"
    return Bundle(
        folder,
        result,
        predictions,
        parsed(FoldsFile, folder / "folds.json"),
        parsed(Environment, folder / "environment.json"),
        parsed(Submitter, by) if by.exists() else None,
    )


def check_files(folder: Path) -> None:
    """Raise unless the folder holds the known files, none of them a link or too large, and
    attestations.
    """
    if not stat.S_ISDIR(folder.lstat().st_mode if folder.is_symlink() or folder.exists() else 0):
        raise ResultError("expected a folder (no link); give the path of a submission")
    if not ID.fullmatch(folder.name):
        raise ResultError(
            f"the folder is called {quoted(folder.name)}; expected the id of its result, 16"
            " hexadecimal digits"
        )
    there = sorted(p.name for p in folder.iterdir())
    for name in there:
        if name not in (*NEEDED, *OPTIONAL, ATTESTATIONS):
            raise ResultError(
                f"unexpected file {quoted(name)}; a submission holds"
                f" {', '.join((*NEEDED, *OPTIONAL))} and {ATTESTATIONS}/ only"
            )
        if name != ATTESTATIONS:
            check_file(folder / name)
    attestation_files(folder)
    missing = [name for name in NEEDED if name not in there]
    if missing:
        raise Incomplete(
            f"{', '.join(missing)} missing; nverbench leaderboard submit makes a whole folder"
        )


def check_file(path: Path) -> None:
    """Raise unless it is a plain file within the size limit of its kind."""
    facts, most = path.lstat(), MOST.get(path.name, MOST_JSON)
    if not stat.S_ISREG(facts.st_mode):
        raise ResultError(f"{quoted(path.name)} is a link or no plain file; give the file itself")
    if facts.st_size > most:
        raise ResultError(
            f"{quoted(path.name)} has {facts.st_size:,} bytes; at most {most:,} are read"
        )


def attestation_files(folder: Path) -> list[Path]:
    """The attestations of a submission, each a plain small file; none where there is no such
    folder.
    """
    place = folder / ATTESTATIONS
    if not place.is_symlink() and not place.exists():
        return []
    if not stat.S_ISDIR(place.lstat().st_mode):
        raise ResultError(f"{ATTESTATIONS} is a link or no folder; give the folder itself")
    files = sorted(place.iterdir())
    if len(files) > MOST_ATTESTATIONS:
        raise ResultError(f"{len(files)} attestations; at most {MOST_ATTESTATIONS} are read")
    for path in files:
        check_file(path)
        if path.suffix != ".json":
            raise ResultError(
                f"unexpected file {quoted(path.name)} in {ATTESTATIONS}/; expected .json files"
            )
    return files


def read_result(path: Path) -> Result:
    """The published form of a result; values that pydantic would convert are refused."""
    content = loaded(path)
    version = content.get("schema_version")
    if version != SCHEMA:
        raise Incomplete(
            f"result.json is of schema {quoted(version)}, and this version checks schema {SCHEMA};"
            " run the job again"
        )
    result = validated(Result, content, path)
    if result.model_dump(mode="json") != content:
        raise ResultError(
            "result.json holds values of wrong types, or lacks some; nverbench leaderboard submit"
            " writes it whole"
        )
    if result.names is not None:
        raise ResultError(
            "result.json holds names of files, clips or people; nverbench leaderboard submit takes"
            " them out"
        )
    return result


def parsed(model: type[M], path: Path) -> M:
    """The validated record in a JSON file."""
    return validated(model, loaded(path), path)


def validated(model: type[M], content: Any, path: Path) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ResultError(
            f"{path.name}: {quoted(where)}: {first['msg'].lower()} ({error.error_count()} such"
            " problems)"
        ) from error


def loaded(path: Path) -> dict[str, Any]:
    """The object in a JSON file without NaN, keys given twice or deep nesting."""
    try:
        content = json.loads(
            path.read_bytes().decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError) as error:  # also: not UTF-8, numbers of thousands of digits
        raise ResultError(f"{path.name}: not readable JSON ({quoted(error)})") from error
    if not isinstance(content, dict):
        raise ResultError(f"{path.name}: expected a JSON object")
    layer: list[Any] = [content]
    for _ in range(MOST_DEPTH):
        nested = [
            t.values() if isinstance(t, dict) else t for t in layer if isinstance(t, dict | list)
        ]
        layer = [item for items in nested for item in items]
    if layer:
        raise ResultError(f"{path.name}: nested deeper than {MOST_DEPTH} levels")
    return content


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    if math.isinf(float(word)):
        raise ValueError(f"{word} is too large a number")
    return float(word)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is given twice")
    return content
