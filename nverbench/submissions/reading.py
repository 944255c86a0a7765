"""A stranger's folder, read with care: known files only, no links, bounded sizes, no pickles, no numbers that are not numbers.

Every size is known to be small before anything is unpacked; nothing here runs what a file says.
"""

from __future__ import annotations

import json
import math
import re
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from nverbench.errors import ResultError
from nverbench.predictions import Predictions
from nverbench.publishing import KEY
from nverbench.results import SCHEMA, Result
from nverbench.submissions.records import Environment, FoldsFile, Submitter, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEEDED = ("result.json", "predictions.npz", "folds.json", "environment.json")
OPTIONAL = ("submitter.json",)
ATTESTATIONS = "attestations"
ID = re.compile(r"[0-9a-f]{16}")
MOST = {"result.json": 8_000_000, "predictions.npz": 64_000_000}
"""Bytes of a file; any other: ``MOST_JSON``."""
MOST_JSON = 256_000
MOST_DEPTH = 16
MOST_UNPACKED = 256_000_000
"""Bytes of all arrays."""
MOST_ATTESTATIONS = 50
WIDEST = 64
"""Letters of a group's or a fold's name."""

M = TypeVar("M", bound=BaseModel)


class Incomplete(ResultError):
    """Something is missing, so that neither consistency nor the lack of it can be shown."""


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
        ResultError: a file is not what it should be; says which and why.
    """
    check_files(folder)
    result = read_result(folder / "result.json")
    if result.id != folder.name:
        raise ResultError(f"the folder is called {quoted(folder.name)}, and its result has the id {quoted(result.id)}; they must be the same")
    predictions = read_predictions(folder / "predictions.npz", result)
    submitter = parsed(Submitter, folder / "submitter.json") if (folder / "submitter.json").exists() else None
    return Bundle(
        folder, result, predictions, parsed(FoldsFile, folder / "folds.json"), parsed(Environment, folder / "environment.json"), submitter
    )


def check_files(folder: Path) -> None:
    """Raise unless the folder holds the known files, none of them a link or too large, and attestations."""
    if not stat.S_ISDIR(folder.lstat().st_mode if folder.is_symlink() or folder.exists() else 0):
        raise ResultError("expected a folder (no link); give the path of a submission")
    if not ID.fullmatch(folder.name):
        raise ResultError(f"the folder is called {quoted(folder.name)}; expected the id of its result, 16 hexadecimal digits")
    there = sorted(p.name for p in folder.iterdir())
    for name in there:
        if name not in (*NEEDED, *OPTIONAL, ATTESTATIONS):
            raise ResultError(f"unexpected file {quoted(name)}; a submission holds {', '.join((*NEEDED, *OPTIONAL))} and {ATTESTATIONS}/ only")
        if name != ATTESTATIONS:
            check_file(folder / name)
    attestation_files(folder)
    missing = [name for name in NEEDED if name not in there]
    if missing:
        raise Incomplete(f"{', '.join(missing)} missing; nverbench leaderboard submit makes a whole folder")


def check_file(path: Path) -> None:
    """Raise unless it is a plain file of at most the size that its kind may have."""
    facts, most = path.lstat(), MOST.get(path.name, MOST_JSON)
    if not stat.S_ISREG(facts.st_mode):
        raise ResultError(f"{quoted(path.name)} is a link or no plain file; give the file itself")
    if facts.st_size > most:
        raise ResultError(f"{quoted(path.name)} has {facts.st_size:,} bytes; at most {most:,} are read")


def attestation_files(folder: Path) -> list[Path]:
    """The attestations of a submission, each a plain small file; none where there is no such folder."""
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
            raise ResultError(f"unexpected file {quoted(path.name)} in {ATTESTATIONS}/; expected .json files")
    return files


def read_result(path: Path) -> Result:
    """The published form of a result, and nothing that pydantic would have had to correct."""
    content = loaded(path)
    version = content.get("schema_version")
    if version != SCHEMA:
        raise Incomplete(f"result.json is of schema {quoted(version)}, and this version checks schema {SCHEMA}; run the job again")
    result = validated(Result, content, path)
    if result.model_dump(mode="json") != content:
        raise ResultError("result.json holds values of wrong types, or lacks some; nverbench leaderboard submit writes it whole")
    if result.names is not None:
        raise ResultError("result.json holds names of files, clips or people; nverbench leaderboard submit takes them out")
    return result


def parsed(model: type[M], path: Path) -> M:
    """A JSON file as the record it should be."""
    return validated(model, loaded(path), path)


def validated(model: type[M], content: Any, path: Path) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ResultError(f"{path.name}: {quoted(where)}: {first['msg'].lower()} ({error.error_count()} such problems)") from error


def loaded(path: Path) -> dict[str, Any]:
    """The object in a JSON file without NaN, keys given twice or deep nesting."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8"), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # also: not UTF-8, numbers of thousands of digits
        raise ResultError(f"{path.name}: not readable JSON ({quoted(error)})") from error
    if not isinstance(content, dict):
        raise ResultError(f"{path.name}: expected a JSON object")
    layer: list[Any] = [content]
    for _ in range(MOST_DEPTH):
        layer = [item for thing in layer if isinstance(thing, dict | list) for item in (thing.values() if isinstance(thing, dict) else thing)]
    if layer:
        raise ResultError(f"{path.name}: nested deeper than {MOST_DEPTH} levels")
    return content


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    if math.isinf(float(word)):
        raise ValueError(f"{word} is too large a number")
    return float(word)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is given twice")
    return content


def read_predictions(path: Path, result: Result) -> Predictions:
    """The published predictions of a result: of its size, keyed, sorted, finite."""
    n, r, k = result.counts.clips, result.seeds, len(result.labels)
    if min(n, r, k) < 1 or r * n * k * 4 + n * 4 * (32 + 2 * WIDEST) > MOST_UNPACKED:
        raise ResultError(f"{r} replicates of {n} clips in {k} classes: expected at least one of each, and at most {MOST_UNPACKED:,} bytes")
    arrays = _unpacked(path)
    shapes = {"ids": (n,), "groups": (n,), "target": (n,), "folds": (n,), "probabilities": (r, n, k)}
    for name, shape in shapes.items():
        have = arrays[name]
        labelless = name == "target" and have.shape == (0,)
        if have.shape != shape and not labelless:
            raise ResultError(f"predictions.npz: {name} has shape {have.shape}; the result says {shape}")
    found = Predictions(
        arrays["ids"].tolist(), arrays["groups"].tolist(), arrays["target"], arrays["folds"].tolist(), arrays["probabilities"], arrays["ids"].tolist()
    )
    _check_rows(found, k)
    return found


def _check_rows(found: Predictions, classes: int) -> None:
    import numpy as np

    if not all(KEY.fullmatch(key) for key in found.ids):
        raise ResultError("predictions.npz: ids are not keys of 32 hexadecimal digits; nverbench leaderboard submit publishes keys")
    if len(set(found.ids)) != len(found.ids):
        raise ResultError("predictions.npz: a clip is given twice")
    if found.ids != sorted(found.ids):
        raise ResultError("predictions.npz: rows are not in the order of their keys")
    p = found.probabilities
    if not np.isfinite(p).all() or (p < 0).any() or np.abs(p.sum(-1, dtype=np.float64) - 1).max() > 1e-3:
        raise ResultError("predictions.npz: probabilities are not finite numbers that sum to 1")
    if len(found.target) and not ((found.target >= 0) & (found.target < classes)).all():
        raise ResultError(f"predictions.npz: labels are not classes from 0 to {classes - 1}")


def _unpacked(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz``, each of its one type; nothing is unpacked beyond what was declared, and that is bounded."""
    kinds = {"ids": "U", "groups": "U", "target": "i", "folds": "U", "probabilities": "f"}
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
            if sorted(m.filename for m in members) != sorted(f"{name}.npy" for name in kinds):
                raise ResultError(f"predictions.npz: expected exactly the arrays {', '.join(kinds)}")
            if sum(m.file_size for m in members) > MOST_UNPACKED:
                raise ResultError(f"predictions.npz: unpacks to more than {MOST_UNPACKED:,} bytes")
            if any(m.flag_bits & 1 or m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in members):
                raise ResultError("predictions.npz: encrypted or compressed in an unknown way")
            return {m.filename[:-4]: _array(file, m, kinds[m.filename[:-4]]) for m in members}
    except ResultError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise errors of their own
        raise ResultError(f"predictions.npz: not a readable archive ({quoted(error)})") from error


def _array(file: zipfile.ZipFile, member: zipfile.ZipInfo, kind: str) -> NDArray[Any]:
    import io

    import numpy as np

    with file.open(member) as packed:
        content = packed.read(member.file_size + 1)
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ResultError(f"predictions.npz: {member.filename} is of another format version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    wanted = {"U": dtype.kind == "U" and dtype.itemsize <= 4 * WIDEST, "i": dtype == np.dtype("<i8"), "f": dtype == np.dtype("<f4")}[kind]
    if not wanted or dtype.byteorder == ">" or fortran:
        expected = {"U": f"text of at most {WIDEST} letters", "i": "int64", "f": "float32"}[kind]
        raise ResultError(f"predictions.npz: {member.filename} holds {quoted(dtype)}; expected {expected}")
    size, most = len(content) - stream.tell(), 1
    for length in shape:
        most *= length
    if any(length < 0 for length in shape) or most * dtype.itemsize != size:
        raise ResultError(f"predictions.npz: {member.filename} declares shape {quoted(shape)} and holds {size} bytes")
    array: NDArray[Any] = np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape)
    if kind == "U":
        array.tolist()  # raises for what is beyond Unicode
    return array
