"""RENO's Figure 2: the embeddings of a corpus in two dimensions, by class and by speaker, from the
local cache.

No backbone runs here. PCA to at most 50 dimensions, then t-SNE (van der Maaten and Hinton 2008),
both seeded; a picture is kept in the cache under the digest of its embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.data.corpus import Corpus
from nverbench.data.missing import Missing
from nverbench.embedding.cache import EmbeddingCache, cache_key
from nverbench.embedding.keys import embedding_key as embedding_key
from nverbench.embedding.pooled import Embeddings, split_layers
from nverbench.embedding.weights import plan_weights
from nverbench.errors import NverbenchError, ResultError
from nverbench.leaderboard.local_corpus import local_corpus
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import resolve, split
from nverbench.registry import Registry
from nverbench.results.record import Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED, PERPLEXITY, COMPONENTS, ITERATIONS = 0, 30.0, 50, 1000
MOST = 2000
"""Clips in a picture: more overlap, and take minutes."""
REVISION = "1"
DECIMALS = 3


@dataclass
class EmbeddingSources:
    """The sources of this machine's embeddings."""

    catalog: Catalog
    registry: Registry
    store: EmbeddingCache


def from_store(
    results: Iterable[Result], sources: EmbeddingSources, say: Callable[[str], None]
) -> dict[str, Any]:
    """Embedding digest -> picture, for every embedding of the results that is complete in
    the cache; a missing one is reported and left out.

    A picture holds ``xy`` [[x, y], ...], ``labels`` and ``groups`` (places in ``classes`` and
    ``people``), ``unit``, ``clips`` and ``shown``. Only of datasets whose results may be published
    with labels (``share: open``); speakers have numbers, as in every published result.
    """
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for result in results:
        for name, digest in result.provenance.embedding_digests.items():
            if digest in found or digest in missing:
                continue
            try:
                found[digest] = _picture(result, name, digest, sources)
            except NverbenchError as error:
                missing[digest] = f"no picture of {name} on {result.entry.dataset}: {error}"
    for line in dict.fromkeys(missing.values()):
        say(line)
    return found


def points(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Two coordinates (n, 2) for the rows of (n, d): z-scored, PCA to at most 50 dimensions, t-SNE;
    the same every time on one machine.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    wide = matrix.reshape(len(matrix), -1).astype(np.float64)
    sd = wide.std(0)
    scaled = (wide - wide.mean(0)) / np.where(sd < 1e-8, 1.0, sd)
    reduced = PCA(min(COMPONENTS, *scaled.shape), random_state=SEED).fit_transform(scaled)
    perplexity = min(PERPLEXITY, (len(matrix) - 1) / 3)
    made: NDArray[np.float32] = TSNE(
        perplexity=perplexity, init="pca", max_iter=ITERATIONS, random_state=SEED, n_jobs=1
    ).fit_transform(reduced)
    return made


def _picture(result: Result, name: str, digest: str, sources: EmbeddingSources) -> dict[str, Any]:
    if result.share != "open":
        raise ResultError(f"its labels may not be published (share: {result.share})")
    corpus = local_corpus(result, sources.catalog)
    matrix = _matrix(result, name, corpus, sources)
    chosen = np.arange(len(matrix))
    if len(matrix) > MOST:
        chosen = np.sort(np.random.default_rng(SEED).choice(len(matrix), MOST, replace=False))
    key = cache_key(
        {
            "picture": REVISION,
            "embedding": digest,
            "seed": SEED,
            "perplexity": PERPLEXITY,
            "components": COMPONENTS,
            "most": MOST,
        }
    )
    kept = sources.store.get(key)
    if kept is None:
        xy = points(matrix[chosen])
        sources.store.put(key, xy, 0)
    else:
        xy = kept[0]
    return _described(result, corpus, chosen, xy)


def _described(
    result: Result, corpus: Corpus, chosen: NDArray[np.int64], xy: NDArray[np.float32]
) -> dict[str, Any]:
    """A picture with its classes and speakers, by their published names."""
    clips = [corpus.clips[i] for i in chosen]
    hidden = result.names.groups if result.names else {}
    people = sorted({hidden.get(c.unit or "", "unknown") for c in clips})
    return {
        "xy": np.round(xy.astype(np.float64), DECIMALS).tolist(),
        "classes": [result.display.get(label, label) for label in result.labels],
        "people": people,
        "labels": [result.labels.index(str(c.label)) for c in clips],
        "groups": [people.index(hidden.get(c.unit or "", "unknown")) for c in clips],
        "unit": corpus.dataset.group,
        "clips": len(corpus.clips),
        "shown": len(clips),
    }


def _matrix(
    result: Result, name: str, corpus: Corpus, sources: EmbeddingSources
) -> NDArray[np.float32]:
    """The input of the fusion, (n, d), from the cache."""
    part = sources.catalog.backbone(split(name)[0])
    reference = resolve(part, name.partition("#")[0])
    planned = plan_weights(part, reference, sources.registry.weights_source(part.name))
    if part.lookup is not None or isinstance(planned, Missing):
        raise ResultError("its weights are not on this machine")
    if planned.weights.digest != result.provenance.weights_digests.get(name):
        raise ResultError("the weights on this machine are others")
    dtype = str(result.provenance.identity.get("dtype", "float32"))
    rows = []
    for clip in corpus.clips:
        stored = sources.store.get(
            embedding_key(planned, clip, corpus.sha256[clip.id], dtype, part.pool)
        )
        if stored is None:
            raise ResultError("its embeddings are not in the local store")
        rows.append(stored[0])
    entries = np.stack(rows)  # (n, d) or (n, L, d)
    found = Embeddings(tuple(c.id for c in corpus.clips), *split_layers(entries, planned))
    if found.read_out_digest(reference) != result.provenance.embedding_digests[name]:
        raise ResultError("the embeddings in the local store are others than the result's")
    return found.read_out(reference)
