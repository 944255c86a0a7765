"""A stranger's predictions, read with care: arrays of known names, types and shapes, unpacked to a
bounded size, never a pickle.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.errors import ResultError
from nverbench.leaderboard.submissions.records import quoted
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import KEY
from nverbench.results.record import Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_UNPACKED = 256_000_000
"""Bytes of all arrays."""
WIDEST = 64
"""Letters of a group's or a fold's name."""


def read_predictions(path: Path, result: Result) -> Predictions:
    """The published predictions of a result: of its size, keyed, sorted, finite."""
    n, r, k = result.counts.clips, result.seeds, len(result.labels)
    if min(n, r, k) < 1 or r * n * k * 4 + n * 4 * (32 + 2 * WIDEST) > MOST_UNPACKED:
        raise ResultError(
            f"{r} replicates of {n} clips in {k} classes: expected at least one of each, and at"
            f" most {MOST_UNPACKED:,} bytes"
        )
    arrays = _unpacked(path)
    shapes = {
        "ids": (n,),
        "groups": (n,),
        "target": (n,),
        "folds": (n,),
        "probabilities": (r, n, k),
    }
    for name, shape in shapes.items():
        have = arrays[name]
        labelless = name == "target" and have.shape == (0,)
        if have.shape != shape and not labelless:
            raise ResultError(
                f"predictions.npz: {name} has shape {have.shape}; the result says {shape}"
            )
    found = Predictions(
        arrays["ids"].tolist(),
        arrays["groups"].tolist(),
        arrays["target"],
        arrays["folds"].tolist(),
        arrays["probabilities"],
        arrays["ids"].tolist(),
    )
    _check_rows(found, k)
    return found


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
    if (
        not np.isfinite(p).all()
        or (p < 0).any()
        or np.abs(p.sum(-1, dtype=np.float64) - 1).max() > 1e-3
    ):
        raise ResultError("predictions.npz: probabilities are not finite numbers that sum to 1")
    if len(found.target) and not ((found.target >= 0) & (found.target < classes)).all():
        raise ResultError(f"predictions.npz: labels are not classes from 0 to {classes - 1}")


def _unpacked(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz``, each of its one type; nothing is unpacked beyond what was
    declared, and that is bounded.
    """
    kinds = {"ids": "U", "groups": "U", "target": "i", "folds": "U", "probabilities": "f"}
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
            if sorted(m.filename for m in members) != sorted(f"{name}.npy" for name in kinds):
                raise ResultError(
                    f"predictions.npz: expected exactly the arrays {', '.join(kinds)}"
                )
            if sum(m.file_size for m in members) > MOST_UNPACKED:
                raise ResultError(f"predictions.npz: unpacks to more than {MOST_UNPACKED:,} bytes")
            if any(
                m.flag_bits & 1 or m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
                for m in members
            ):
                raise ResultError("predictions.npz: encrypted or compressed in an unknown way")
            return {m.filename[:-4]: _array(file, m, kinds[m.filename[:-4]]) for m in members}
    except ResultError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise errors of their own
        raise ResultError(f"predictions.npz: not a readable archive ({quoted(error)})") from error


def _array(file: zipfile.ZipFile, member: zipfile.ZipInfo, kind: str) -> NDArray[Any]:
    with file.open(member) as packed:
        content = packed.read(member.file_size + 1)
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ResultError(f"predictions.npz: {member.filename} is of another format version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    wanted = {
        "U": dtype.kind == "U" and dtype.itemsize <= 4 * WIDEST,
        "i": dtype == np.dtype("<i8"),
        "f": dtype == np.dtype("<f4"),
    }[kind]
    if not wanted or dtype.byteorder == ">" or fortran:
        expected = {"U": f"text of at most {WIDEST} letters", "i": "int64", "f": "float32"}[kind]
        raise ResultError(
            f"predictions.npz: {member.filename} holds {quoted(dtype)}; expected {expected}"
        )
    size, most = len(content) - stream.tell(), 1
    for length in shape:
        most *= length
    if any(length < 0 for length in shape) or most * dtype.itemsize != size:
        raise ResultError(
            f"predictions.npz: {member.filename} declares shape {quoted(shape)} and holds {size}"
            " bytes"
        )
    array: NDArray[Any] = np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape)
    if kind == "U":
        array.tolist()  # raises for what is beyond Unicode
    return array
