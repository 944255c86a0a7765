"""Embeddings in this machine's cache, clip by clip, without computing any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nverbench._io import paths
from nverbench.data import missing
from nverbench.embedding import weights
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.keys import embedding_key
from nverbench.embedding.pooled import Embeddings, split_layers
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import ArtifactError, UsageError
from nverbench.plugin.options import resolve, split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from nverbench.data.corpus import Corpus
    from nverbench.plugin.catalog import Catalog
    from nverbench.plugin.records import Clip
    from nverbench.registry import Registry


def plan_backbone(catalog: Catalog, rules: Registry, text: str) -> PlannedBackbone:
    """A backbone with the weights that a run uses on this machine.

    Raises:
        UsageError: it holds stored features, which are not cached; or an option mixes layers with
            the head.
        ArtifactError: its weights are missing, or do not match the pin.
    """
    part = catalog.backbone(split(text)[0])
    reference = resolve(part, text)
    if part.load is None:
        raise UsageError(
            f"backbone {part.name} holds stored features, which are not cached; name one that reads"
            " audio"
        )
    if reference.weighted:
        raise UsageError(
            f"{reference}: the mixture of layers is trained with the head, and the cache has none;"
            " name one layer=N"
        )
    found = weights.plan_weights(part, reference, rules.weights_source(part.name))
    if isinstance(found, missing.Missing):
        raise ArtifactError(str(found))
    return found


def cached_matrix(
    backbone: PlannedBackbone, corpus: Corpus, clips: Sequence[Clip], say: Callable[[str], None]
) -> NDArray[np.float32]:
    """A backbone's cached embeddings of clips: (n, d), of the layer that its reference names.

    Raises:
        ArtifactError: some are missing; names the command that computes them.
    """
    store = EmbeddingCache(paths.embeddings_folder(), say)
    pooling, sha256 = backbone.part.pool, corpus.sha256
    keys = (embedding_key(backbone, c, sha256[c.id], "float32", pooling) for c in clips)
    found = [store.get(key) for key in keys]
    missing = sum(entry is None for entry in found)
    if missing:
        run = f"nverbench run --backbone {backbone} --fusion linear --dataset {corpus.reference}"
        raise ArtifactError(
            f"{missing} of {len(found)} clips of {corpus.reference} are not in the cache for"
            f" {backbone}; this computes them: {run}"
        )
    entries = np.stack([entry[0] for entry in found if entry is not None])  # (n, d) or (n, L, d)
    held = Embeddings(tuple(c.id for c in clips), *split_layers(entries, backbone))
    return held.read_out(backbone.reference)
