"""The predictions behind a result: what every replicate said of every test clip, in an ``.npz``
beside the result's JSON.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.errors import ResultError
from nverbench.metrics.jackknife import Decisions as Decisions

if TYPE_CHECKING:
    from numpy.typing import NDArray


SMALL, SWELLS = 256_000_000, 100
"""Bytes of all arrays that are unpacked without a question, and how much smaller than its content a
larger file may be: real ones are 2 to 20 times smaller, a bomb a thousand times.
"""
KINDS = {
    "ids": ("U", 1),
    "groups": ("U", 1),
    "target": ("iu", 1),
    "folds": ("U", 1),
    "probabilities": ("f", 3),
    "keys": ("U", 1),
}
"""Array -> kinds of numpy's types it may have, and its axes."""


class Predictions:
    """The out-of-fold predictions of a result: arrays in an ``.npz`` that holds no pickles."""

    def __init__(
        self,
        ids: list[str],
        groups: list[str],
        target: NDArray[Any],
        folds: list[str],
        probabilities: NDArray[Any],
        keys: list[str] | None = None,
    ) -> None:
        self.ids, self.groups, self.folds = ids, groups, folds
        self.target = target
        """(n,) class of each clip; (0,) in the published form of a dataset whose labels may not be
        published.
        """
        self.probabilities = probabilities
        """(r, n, k)"""
        self.keys = keys or []
        """(n,) what stands for the ids once published (``publishing.clip_key``), where it equals
        them; empty where there is no audio.
        """

    def to_bytes(self) -> bytes:
        """The content of the file."""
        import numpy as np

        arrays: dict[str, Any] = {
            "ids": np.array(self.ids, dtype=str),
            "groups": np.array(self.groups, dtype=str),
            "target": self.target,
            "folds": np.array(self.folds, dtype=str),
            "probabilities": self.probabilities.astype(np.float32),
        }
        if (
            self.keys != self.ids
        ):  # hexadecimal digests do not compress: a published file says them once
            arrays["keys"] = np.array(self.keys, dtype=str)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    def decisions(self, classes: int) -> Decisions:
        """The same predictions as hard decisions, for metrics and intervals; ResultError when they
        came without labels.
        """
        if len(self.target) != len(self.ids):
            raise ResultError(
                "these predictions were published without labels; join them with your own copy of"
                " the dataset first"
            )
        predicted = self.probabilities.argmax(-1).astype("int64")
        return Decisions(
            self.target.astype("int64"), predicted, tuple(g or None for g in self.groups), classes
        )

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """The predictions in a file; ResultError when it is damaged."""
        import numpy as np

        try:
            content = path.read_bytes()
            with np.load(
                io.BytesIO(content), allow_pickle=False
            ) as file:  # bytes: numpy leaves a damaged archive's file open
                unpacked = sum(member.file_size for member in file.zip.infolist())
                if unpacked > max(SMALL, SWELLS * len(content)):
                    raise ValueError(f"its {len(content):,} bytes unpack to {unpacked:,}")
                arrays = {
                    name: _array(file, name) for name in KINDS if name in file or name != "keys"
                }
                ids, groups, folds = (arrays[name].tolist() for name in ("ids", "groups", "folds"))
                return cls(
                    ids,
                    groups,
                    arrays["target"],
                    folds,
                    arrays["probabilities"],
                    arrays["keys"].tolist() if "keys" in arrays else ids,
                )
        # zipfile and zlib raise errors of their own: BadZipFile, zlib.error, EOFError,
        # NotImplementedError
        except Exception as error:
            raise ResultError(
                f"{path}: expected a result's predictions, but it cannot be read ({error}); run the"
                " job with --rerun"
            ) from error


def _array(file: Any, name: str) -> NDArray[Any]:
    array: NDArray[Any] = file[name]
    kinds, axes = KINDS[name]
    if array.dtype.kind not in kinds or array.ndim != axes:
        raise ValueError(
            f"{name} is of type {array.dtype} and has {array.ndim} axes, where there should be"
            f" {axes}"
        )
    return array
