"""The predictions of a submission: the header of every array is checked before any is unpacked."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np

from nverbench.errors import ResultError
from nverbench.leaderboard.submissions.records import quoted
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import KEY
from nverbench.results.record import Result

MOST_UNPACKED = 256_000_000
"""Bytes of all arrays."""
WIDEST = 64
"""Letters of a group's or a fold's name."""
TEXT, CLASSES, NUMBERS = f"text of at most {WIDEST} letters", "int64", "float32"
TYPES = {"ids": TEXT, "groups": TEXT, "target": CLASSES, "folds": TEXT, "probabilities": NUMBERS}


def read_predictions(path: Path, result: Result) -> Predictions:
    """The published predictions of a result: of its size, with sorted keys and finite numbers."""
    n, r, k = result.counts.clips, result.seeds, len(result.labels)
    if min(n, r, k) < 1 or r * n * k * 4 + n * 4 * (32 + 2 * WIDEST) > MOST_UNPACKED:
        raise ResultError(
            f"{r} replicates of {n} clips in {k} classes: expected at least one of each, and at"
            f" most {MOST_UNPACKED:,} bytes"
        )
    try:
        with zipfile.ZipFile(path) as file:
            _check_members(file.infolist())
            for name in TYPES:
                _check_header(file, name, (r, n, k) if name == "probabilities" else (n,))
        found = Predictions.read(path)
    except ResultError as error:
        if error.__cause__ is None:
            raise
        raise _not_readable(error.__cause__) from error
    except Exception as error:  # zipfile, zlib and numpy raise errors of their own
        raise _not_readable(error) from error
    _check_rows(found, k)
    return found


def _not_readable(error: BaseException) -> ResultError:
    return ResultError(f"predictions.npz: not a readable archive ({quoted(error)})")


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if sorted(m.filename for m in members) != sorted(f"{name}.npy" for name in TYPES):
        raise ResultError(f"predictions.npz: expected exactly the arrays {', '.join(TYPES)}")
    if sum(m.file_size for m in members) > MOST_UNPACKED:
        raise ResultError(f"predictions.npz: unpacks to more than {MOST_UNPACKED:,} bytes")
    known = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if any(m.flag_bits & 1 or m.compress_type not in known for m in members):
        raise ResultError("predictions.npz: encrypted or compressed in an unknown way")


def _check_header(file: zipfile.ZipFile, name: str, expected: tuple[int, ...]) -> None:
    """Raise unless an array declares its type, the shape of the result and the bytes it has."""
    member = file.getinfo(f"{name}.npy")
    with file.open(member) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ResultError(f"predictions.npz: {name} is of another format version")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        size = member.file_size - stream.tell()
    kinds = {
        TEXT: dtype.kind == "U" and dtype.itemsize <= 4 * WIDEST,
        CLASSES: dtype == np.dtype("<i8"),
        NUMBERS: dtype == np.dtype("<f4"),
    }
    if not kinds[TYPES[name]] or dtype.byteorder == ">" or fortran:
        raise ResultError(
            f"predictions.npz: {name} holds {quoted(dtype)}; expected {TYPES[name]}, rows first"
        )
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize != size:
        raise ResultError(
            f"predictions.npz: {name} declares shape {quoted(shape)} and holds {size} bytes"
        )
    if shape != expected and not (name == "target" and shape == (0,)):
        raise ResultError(f"predictions.npz: {name} has shape {shape}; the result has {expected}")


def _check_rows(found: Predictions, classes: int) -> None:
    if not all(KEY.fullmatch(key) for key in found.ids):
        raise ResultError(
            "predictions.npz: ids are not keys of 32 hexadecimal digits; nverbench leaderboard"
            " submit publishes keys"
        )
    if len(set(found.ids)) != len(found.ids):
        raise ResultError("predictions.npz: a clip is given twice")
    if found.ids != sorted(found.ids):
        raise ResultError("predictions.npz: rows are not in the order of their keys")
    p = found.probabilities
    sums = p.sum(-1, dtype=np.float64)
    if not np.isfinite(p).all() or (p < 0).any() or np.abs(sums - 1).max() > 1e-3:
        raise ResultError("predictions.npz: probabilities are not finite numbers that sum to 1")
    if len(found.target) and not ((found.target >= 0) & (found.target < classes)).all():
        raise ResultError(f"predictions.npz: labels are not classes from 0 to {classes - 1}")
