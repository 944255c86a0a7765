"""The predictions of a result: the probabilities of every replicate for every test clip, in an
``.npz`` next to the result's JSON.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.errors import ResultError
from nverbench.metrics.jackknife import Decisions as Decisions

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL, MOST_COMPRESSED = 256_000_000, 100
"""Arrays of more bytes than SMALL may be MOST_COMPRESSED times as large as their file: real ones
are 2 to 20 times as large, a decompression bomb a thousand times.
"""
ARRAYS = {
    "ids": ("U", 1),
    "groups": ("U", 1),
    "target": ("iu", 1),
    "folds": ("U", 1),
    "probabilities": ("f", 3),
    "keys": ("U", 1),
}
"""Array -> the kinds of numpy types that it may have, and the number of its axes."""


@dataclass(eq=False)
class Predictions:
    """The out-of-fold predictions of a result: arrays in an ``.npz`` that holds no pickles."""

    ids: list[str]
    groups: list[str]
    target: NDArray[Any]
    """(n,) class of each clip; (0,) in the published form of a dataset whose labels may not be
    published.
    """
    folds: list[str]
    probabilities: NDArray[Any]
    """(r, n, k)"""
    keys: list[str] = field(default_factory=list)
    """(n,) the pseudonyms of the ids (``publishing.clip_key``), which are the ids once published;
    empty where there is no audio.
    """

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        import numpy as np

        arrays: dict[str, Any] = {
            "ids": np.array(self.ids, dtype=str),
            "groups": np.array(self.groups, dtype=str),
            "target": self.target,
            "folds": np.array(self.folds, dtype=str),
            "probabilities": self.probabilities.astype(np.float32),
        }
        if self.keys != self.ids:  # digests do not compress: a published file holds them once
            arrays["keys"] = np.array(self.keys, dtype=str)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    def decisions(self, classes: int) -> Decisions:
        """Return the predicted classes, for metrics and intervals; ResultError where the labels
        were not published.
        """
        if len(self.target) != len(self.ids):
            raise ResultError(
                "these predictions were published without labels; join them with your own copy of"
                " the dataset first"
            )
        predicted = self.probabilities.argmax(-1).astype("int64")
        groups = tuple(g or None for g in self.groups)
        return Decisions(self.target.astype("int64"), predicted, groups, classes)

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Return the predictions in a file; ResultError where it is damaged."""
        import numpy as np

        try:
            content = path.read_bytes()
            # from bytes: numpy does not close a damaged archive's file
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                unpacked = sum(member.file_size for member in file.zip.infolist())
                if unpacked > max(SMALL, MOST_COMPRESSED * len(content)):
                    raise ValueError(f"its {len(content):,} bytes unpack to {unpacked:,}")
                found = {n: _array(file, n) for n in ARRAYS if n in file or n != "keys"}
                texts = {n: found.pop(n).tolist() for n in [*found] if ARRAYS[n][0] == "U"}
                return cls(**{"keys": texts["ids"]} | texts | found)
        # zipfile and zlib raise errors of their own: BadZipFile, zlib.error, EOFError,
        # NotImplementedError
        except Exception as error:
            raise ResultError(
                f"{path}: expected a result's predictions, but it cannot be read ({error}); run the"
                " job with --rerun"
            ) from error


def _array(file: Any, name: str) -> NDArray[Any]:
    array: NDArray[Any] = file[name]
    kinds, axes = ARRAYS[name]
    if array.dtype.kind not in kinds or array.ndim != axes:
        raise ValueError(
            f"{name} is of type {array.dtype} and has {array.ndim} axes, where there should be"
            f" {axes}"
        )
    return array
