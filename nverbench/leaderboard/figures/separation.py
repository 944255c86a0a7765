"""The separation of embeddings by emotion or by speaker: neighbours, silhouettes, their chance
levels, and a map in two dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 10
PERMUTATIONS = 200
MOST = 2000
"""The largest number of clips; of more a seeded sample, because all distances would not fit."""
COMPONENTS = 50
"""Principal components before t-SNE (van der Maaten and Hinton 2008, section 4.2, use 30)."""
PERPLEXITY = 30
SEED = 20250602


@dataclass(frozen=True)
class Level:
    """A value, and the value of the same labels in random order."""

    value: float
    chance: float
    """Mean over permutations."""
    high: float
    """Their 97.5% quantile: a lower value is no separation."""


@dataclass(frozen=True)
class Structure:
    """The separation of embeddings by one way of labelling the clips."""

    purity: Level
    """Mean share of a clip's 10 nearest other clips (cosine) that have its label."""
    silhouette: Level
    """Mean silhouette (cosine; Rousseeuw 1987): near 0 where labels overlap, negative where clips
    lie nearer to another label's.
    """
    labels: int


def scaled(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """z-scores per feature over all clips (sd < 1e-8 counts as 1): (n, d)."""
    wide = matrix.astype(np.float64)
    sd = wide.std(0)
    z: NDArray[np.float64] = (wide - wide.mean(0)) / np.where(sd < 1e-8, 1.0, sd)
    return z


def sampled(clips: int, *, seed: int = SEED) -> NDArray[np.int64]:
    """The rows of all clips, or of a sorted seeded sample: (n,)."""
    if clips <= MOST:
        return np.arange(clips)
    return np.sort(np.random.default_rng(seed).choice(clips, MOST, replace=False))


def distances(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine distances of all pairs (n, n), 0 on the diagonal; a vector of zeros is at distance 1
    from everything.
    """
    lengths = np.linalg.norm(z, axis=1, keepdims=True)
    unit = np.divide(z, lengths, out=np.zeros_like(z), where=lengths > 0)
    found: NDArray[np.float64] = np.clip(1 - unit @ unit.T, 0, 2)
    np.fill_diagonal(found, 0)
    return found


def structure(
    pairwise: NDArray[np.float64],
    labels: Sequence[str],
    *,
    seed: int = SEED,
    permutations: int = PERMUTATIONS,
) -> Structure:
    """Purity and silhouette of labels over distances (n, n), each with its chance level: the
    labels permuted, which keeps their counts.
    """
    names = sorted(set(labels))
    codes = np.array([names.index(label) for label in labels], dtype=np.int64)  # (n,)
    near = neighbours(pairwise)
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(codes) for _ in range(permutations)]

    def level(measure: Callable[[NDArray[np.int64]], float]) -> Level:
        by_chance = [measure(permuted) for permuted in shuffled]
        return Level(
            measure(codes), float(np.mean(by_chance)), float(np.quantile(by_chance, 0.975))
        )

    return Structure(
        level(lambda c: purity(near, c)), level(lambda c: silhouette(pairwise, c)), len(names)
    )


def neighbours(pairwise: NDArray[np.float64]) -> NDArray[np.int64]:
    """The nearest other clips of each clip, ties by number: (n, min(10, n - 1))."""
    apart = pairwise.copy()
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(apart) - 1)]


def purity(near: NDArray[np.int64], codes: NDArray[np.int64]) -> float:
    """Mean share of neighbours with a clip's own label."""
    return float((codes[near] == codes[:, None]).mean())


def silhouette(pairwise: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """Mean of (b - a) / max(a, b): a the mean distance to a clip's own label, b to the nearest
    other one; 0 for a label's only clip.
    """
    n, k = len(codes), int(codes.max()) + 1
    belongs = np.eye(k)[codes]  # (n, k)
    counts = belongs.sum(0)  # (k,)
    if (counts > 0).sum() < 2:
        return 0.0
    sums = pairwise @ belongs  # (n, k)
    rows = np.arange(n)
    own = counts[codes] - 1  # (n,)
    a = sums[rows, codes] / np.maximum(own, 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    means[rows, codes] = np.inf
    b = means.min(1)
    largest = np.maximum(a, b)
    values = np.divide(b - a, largest, out=np.zeros(n), where=(largest > 0) & (own > 0))
    return float(values.mean())


def planar(z: NDArray[np.float64], *, seed: int = SEED) -> NDArray[np.float64]:
    """t-SNE of the first 50 principal components: (n, 2). Positions and sizes of clusters mean
    little; the numbers are in the full space.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    components = min(COMPONENTS, *z.shape)
    reduced = PCA(components, svd_solver="full", random_state=seed).fit_transform(z)
    perplexity = min(PERPLEXITY, (len(z) - 1) / 3)
    found: NDArray[np.float64] = TSNE(
        2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1
    ).fit_transform(reduced)
    return found
