"""The cached embeddings behind a finished result, clip by clip, with emotion and speaker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nverbench.embedding import lookup
from nverbench.errors import ArtifactError
from nverbench.leaderboard.local_corpus import local_corpus
from nverbench.results.pseudonyms import numbered
from nverbench.results.publishing import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from nverbench.data.corpus import Corpus
    from nverbench.plugin.catalog import Catalog
    from nverbench.plugin.records import Clip
    from nverbench.registry import Registry
    from nverbench.results.record import Result


@dataclass(frozen=True)
class StoredEmbeddings:
    """The embeddings of a result's clips by one backbone."""

    backbone: str
    matrix: NDArray[np.float32]
    """(n, d)"""
    labels: tuple[str, ...]
    """(n,) as they are displayed"""
    groups: tuple[str, ...]
    """(n,) pseudonyms, as in the published result; empty where the corpus names no one"""
    unit: str
    """The kind of a group: speaker, session, ..."""


def load_stored(
    result: Result, catalog: Catalog, rules: Registry, say: Callable[[str], None]
) -> list[StoredEmbeddings]:
    """The embeddings of every backbone of a result, from this machine's cache.

    Raises:
        ArtifactError: the corpus, the weights or embeddings are not here, or are others than the
            result's.
        UsageError: a backbone's embeddings are no fixed vectors of the cache.
    """
    corpus = local_corpus(result, catalog)
    clips = [clip for clip in corpus.clips if clip.id not in result.counts.left_out]
    labels = tuple(result.display.get(str(clip.label), str(clip.label)) for clip in clips)
    groups, unit = _pseudonyms(corpus, clips), corpus.dataset.group
    found = []
    for name in dict.fromkeys(result.entry.backbones):  # the same backbone twice is drawn once
        planned = lookup.plan_backbone(catalog, rules, name)
        expected = result.provenance.weights_digests.get(name)
        if expected not in (None, planned.weights.digest):
            raise ArtifactError(
                f"the weights of {name} here have digest {planned.weights.digest[:12]}, and result"
                f" {result.id} was made with {expected[:12]}; add those with nverbench weights add"
            )
        matrix = lookup.cached_matrix(planned, corpus, clips, say)
        found.append(StoredEmbeddings(name, matrix, labels, groups, unit))
    return found


def _pseudonyms(corpus: Corpus, clips: Sequence[Clip]) -> tuple[str, ...]:
    """The group of each clip, numbered in the order of the clips' keys, as ``publishing.names``
    does: a figure is for others.
    """
    units = [clip.unit for clip in clips]
    if not all(units) or len(set(units)) < 2:
        return ()
    by_key = [unit for _, unit in sorted(zip(keys(corpus, clips), map(str, units), strict=True))]
    known = numbered(corpus.dataset.group, by_key)
    return tuple(known[str(unit)] for unit in units)
