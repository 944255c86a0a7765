"""Writes the pooled embeddings of corpora on this machine to files that studies of training read.

    python benchmarks/science/corpus_features.py FOLDER DATASET [DATASET ...]

A DATASET is what ``nverbench run --dataset`` takes: a name whose copy was added, or
``table:FILE.csv``. FOLDER/NAME.npz then holds the embeddings of ``BACKBONES``, and ids, labels,
groups and file digests of the clips. The cache of embeddings is used and filled. Do not publish
these files: they identify clips.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nverbench import Clip, registry
from nverbench._io import atomic, paths
from nverbench.cli.common import echo_err, load_catalog
from nverbench.data import corpus as corpora
from nverbench.data.folds.balance import hashed
from nverbench.embedding import lookup, pooled
from nverbench.embedding.cache import EmbeddingCache
from nverbench.plugin.options import split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nverbench.plugin.catalog import Catalog

BACKBONES = ("byol-s", "logmel-stats")


@dataclass(frozen=True)
class CorpusFeatures:
    """The scored clips of a corpus, sorted by id, with their embeddings."""

    name: str
    clips: tuple[Clip, ...]
    """n clips with id, label and group."""
    streams: tuple[NDArray[np.float32], ...]
    """One matrix (n, d_i) per backbone, in the order of ``BACKBONES``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The k classes, sorted."""
        return tuple(sorted({str(clip.label) for clip in self.clips}))

    @property
    def target(self) -> NDArray[np.int64]:
        """(n,) class indices."""
        index = {label: i for i, label in enumerate(self.labels)}
        return np.array([index[str(clip.label)] for clip in self.clips], dtype=np.int64)

    def subset(self, clips: int | None) -> CorpusFeatures:
        """At most so many clips, chosen by a hash of their ids; None: all."""
        order = sorted(range(len(self.clips)), key=lambda i: hashed(f"subset:{self.clips[i].id}"))
        rows = sorted(order[:clips])
        chosen = tuple(self.clips[i] for i in rows)
        return replace(self, clips=chosen, streams=tuple(s[rows] for s in self.streams))


def read(path: Path) -> CorpusFeatures:
    """The features of one corpus, as :func:`write` wrote them."""
    with np.load(path, allow_pickle=False) as held:
        ids, labels, groups = (held[name].tolist() for name in ("ids", "labels", "groups"))
        clips = tuple(
            Clip(i, Path(i), label, group or None)
            for i, label, group in zip(ids, labels, groups, strict=True)
        )
        streams = tuple(held[backbone] for backbone in BACKBONES)
    return CorpusFeatures(path.stem, clips, streams)


def write(folder: Path, catalog: Catalog, text: str) -> None:
    """Embed a dataset by every backbone, and write FOLDER/NAME.npz."""
    dataset = catalog.dataset(split(text)[0])
    corpus = corpora.load_local(dataset, text)
    name = Path(text.partition(":")[2]).stem if dataset.corpus is None else dataset.name
    rules, store = registry.load(), EmbeddingCache(paths.embeddings_folder(), echo_err)
    arrays = {}
    for backbone in BACKBONES:
        began = time.perf_counter()
        planned = lookup.plan_backbone(catalog, rules, backbone)
        found = pooled.embed(planned, corpus.clips, corpus.sha256, store, device="cpu")
        if found.ids != tuple(clip.id for clip in corpus.clips):
            sys.exit(f"{text}: {len(found.unusable)} clips cannot be used by {backbone}")
        arrays[backbone] = found.matrix  # (n, d)
        size, seconds = found.matrix.shape, time.perf_counter() - began
        print(f"{name}: {backbone} {size[0]} clips x {size[1]}, {seconds:.0f} s", flush=True)
    facts = {
        "ids": [clip.id for clip in corpus.clips],
        "labels": [str(clip.label) for clip in corpus.clips],
        "groups": [clip.unit or "" for clip in corpus.clips],
        "sha256": [corpus.sha256[clip.id] for clip in corpus.clips],
        "digest": corpus.digest,
    }
    with atomic.atomic_open(folder / f"{name}.npz") as file:
        np.savez(file, **arrays, **{key: np.array(value) for key, value in facts.items()})


def main() -> None:
    """Write the file of each dataset that the command names."""
    if len(sys.argv) < 3:
        sys.exit("usage: corpus_features.py FOLDER DATASET [DATASET ...]")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    catalog = load_catalog(None, None)
    for text in sys.argv[2:]:
        write(folder, catalog, text)


if __name__ == "__main__":
    main()
