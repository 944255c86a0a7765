"""z-score per feature and projection to a common width, fitted on the training part without its
validation part (``docs/protocol.md``, "Scaling").
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nverbench.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SD = 1e-8
"""A feature that varies less than this in training counts as constant, and is divided by 1."""
COLUMNS = 64
"""Columns that are converted to float64 together: the memory needed is a scaled copy of the corpus
and a block of this width.
"""


@dataclass(frozen=True)
class Scaler:
    """z-score per feature, fitted on training rows."""

    mean: tuple[NDArray[np.float64], ...]
    sd: tuple[NDArray[np.float64], ...]

    @classmethod
    def fit(cls, streams: Sequence[NDArray[np.float32]], rows: Sequence[int]) -> Scaler:
        """Statistics of the given rows of every stream."""
        found = [_statistics(s, np.asarray(rows)) for s in streams]
        return cls(tuple(mean for mean, _ in found), tuple(sd for _, sd in found))

    def apply(self, streams: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The scaled streams, float32."""
        return [_scaled(s, m, sd) for s, m, sd in zip(streams, self.mean, self.sd, strict=True)]


def _statistics(
    stream: NDArray[np.float32], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of every feature, to the bit those of all columns at once."""
    flat, shape = stream.reshape(len(stream), -1), stream.shape[1:]
    mean, sd = np.empty(flat.shape[1]), np.empty(flat.shape[1])
    for columns in _blocks(flat.shape[1]):
        part = np.ascontiguousarray(flat[:, columns][rows], dtype=np.float64)
        mean[columns], sd[columns] = part.mean(axis=0), part.std(axis=0)
    return mean.reshape(shape), np.where(sd < LEAST_SD, 1.0, sd).reshape(shape)


def _scaled(
    stream: NDArray[np.float32], mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> NDArray[np.float32]:
    scaled = np.empty(stream.shape, dtype=np.float32)
    flat, out = stream.reshape(len(stream), -1), scaled.reshape(len(stream), -1)
    mean, sd = mean.reshape(-1), sd.reshape(-1)
    for columns in _blocks(flat.shape[1]):
        out[:, columns] = (flat[:, columns] - mean[columns]) / sd[columns]
    return scaled


def _blocks(columns: int) -> list[slice]:
    """Slices of about ``COLUMNS`` columns, none of a single column: NumPy sums a single column in
    another order, which changes the last bits.
    """
    number = max(1, columns // COLUMNS)
    edges = [columns * i // number for i in range(number + 1)]
    return [slice(*edge) for edge in itertools.pairwise(edges)]


def project(stream: NDArray[np.float32], rows: Sequence[int], width: int) -> NDArray[np.float32]:
    """Project a stream to its ``width`` directions of most variance among the given rows (PCA, not
    whitened), so that backbones of different sizes have an equal width.

    Args:
        stream: (n, d), scaled.
        rows: training rows; the directions depend on no other rows.
        width: number of columns. With fewer training rows there are fewer directions; the remaining
            columns are zero, so that a fusion has the same size for every backbone.

    Returns:
        (n, width) float32.

    Raises:
        UsageError: the stream is not wider than ``width``.
    """
    if stream.shape[1] <= width:
        raise UsageError(
            f"project={width}: the embeddings have {stream.shape[1]} columns already; give a"
            " smaller width, or leave project out"
        )
    from sklearn.decomposition import PCA

    train = stream[list(rows)].astype(np.float64)
    # The full decomposition is exact and draws no random numbers; scikit-learn fixes the signs.
    fitted = PCA(n_components=min(width, *train.shape), svd_solver="full").fit(train)
    projected = np.zeros((len(stream), width), dtype=np.float32)
    projected[:, : fitted.n_components_] = fitted.transform(stream.astype(np.float64))
    return projected
