"""z-score per feature and projection to a common width, fitted on the training part without its
validation part (protocol nver-1, "Scaling").
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
"""A feature that varies less than this in training counts as constant: divided by 1."""
COLUMNS = 64
"""Columns that are looked at together, in float64: a corpus of any size costs its scaled copy and a
piece of that width beside it.
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
    flat = stream.reshape(len(stream), -1)
    mean, sd = np.empty(flat.shape[1]), np.empty(flat.shape[1])
    for some in _pieces(flat.shape[1]):
        part = np.ascontiguousarray(flat[:, some][rows], dtype=np.float64)
        mean[some], sd[some] = part.mean(axis=0), part.std(axis=0)
    return mean.reshape(stream.shape[1:]), np.where(sd < LEAST_SD, 1.0, sd).reshape(
        stream.shape[1:]
    )


def _scaled(
    stream: NDArray[np.float32], mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> NDArray[np.float32]:
    scaled = np.empty(stream.shape, dtype=np.float32)
    flat, out = stream.reshape(len(stream), -1), scaled.reshape(len(stream), -1)
    for some in _pieces(flat.shape[1]):
        out[:, some] = (flat[:, some] - mean.reshape(-1)[some]) / sd.reshape(-1)[some]
    return scaled


def _pieces(columns: int) -> list[slice]:
    """Slices of about ``COLUMNS`` columns, none of one column alone: NumPy sums a single column in
    another order, so in other bits.
    """
    number = max(1, columns // COLUMNS)
    edges = [columns * i // number for i in range(number + 1)]
    return [slice(*edge) for edge in itertools.pairwise(edges)]


def project(stream: NDArray[np.float32], rows: Sequence[int], width: int) -> NDArray[np.float32]:
    """The stream in its ``width`` directions of most variance among the given rows (PCA, not
    whitened): backbones of unlike size at equal width.

    Args:
        stream: (n, d), scaled.
        rows: training rows; nothing else is looked at to find the directions.
        width: columns wanted. Fewer directions exist than that when there are fewer training rows:
            the rest of the columns is zero, so that what is trained on top has the same size for
            every backbone.

    Returns:
        (n, width) float32.

    Raises:
        UsageError: the stream is not wider than that.
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
