"""``nverbench cache``: the store of embeddings on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli.common import NoPlugin, RegistryFiles, installed, loaded, tell
from nverbench.errors import ArtifactError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nverbench.artifacts import Planned
    from nverbench.catalog import Catalog
    from nverbench.corpora import Corpus
    from nverbench.registry import Registry

cache = typer.Typer(help="The store of embeddings on this machine.", no_args_is_help=True, rich_markup_mode=None)


@cache.callback()
def group() -> None:
    """The store of embeddings on this machine."""


@cache.command("export")
def export(
    backbone: str,
    dataset: str,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz to write: arrays embeddings (n, d) and ids.")],
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
) -> None:
    """Write a dataset's embeddings for others: ids are keys that only a holder of the audio can compute."""
    import numpy as np

    from nverbench import licences
    from nverbench.publishing import keys, public_text

    if output.suffix != ".npz":
        raise UsageError(f"{output}: expected a name that ends in .npz")
    catalog, rules = installed(no_plugin), loaded(registry)
    corpus = _corpus(catalog, dataset)
    planned = _planned(catalog, rules, backbone)
    matrix = _stored(planned, corpus, f"nverbench run --backbone {backbone} --fusion linear --dataset {dataset}")  # (n, d)
    ids = np.array(keys(corpus, corpus.clips))
    order = np.argsort(ids)  # the order of clips would say which is which
    name, data = public_text(planned.reference, planned.weights.digest), public_text(corpus.reference, corpus.digest)
    own = licences.of_weights(planned.part.licence, untrained=planned.reference.untrained, own=planned.reference.weights is not None)
    licence = licences.combined({name: own, data: corpus.dataset.licence})
    output.parent.mkdir(parents=True, exist_ok=True)
    np.savez(output, embeddings=matrix[order], ids=ids[order], licence=licence, dataset=data, digest=corpus.digest, backbone=name)
    tell(f"{output}: {len(ids)} clips, {matrix.shape[1]} dimensions, licence {licence}")


def _corpus(catalog: Catalog, text: str) -> Corpus:
    """The dataset's clips, where its licence lets embeddings leave this machine."""
    from nverbench import corpora
    from nverbench.options import split

    dataset = catalog.dataset(split(text)[0])
    if dataset.share == "none":
        raise UsageError(f"corpus {dataset.corpus or dataset.name} does not allow embeddings to leave this machine (share: none); nothing is written")
    return corpora.here(dataset, text)


def _planned(catalog: Catalog, rules: Registry, text: str) -> Planned:
    from nverbench import artifacts
    from nverbench.options import resolve, split

    part = catalog.backbone(split(text)[0])
    reference = resolve(part, text)
    if part.load is None:
        raise UsageError(f"backbone {part.name} holds stored features, and the cache has none of them; name one that listens")
    if reference.weighted or reference.project:
        raise UsageError(f"{reference}: layers=weighted and project=D are fitted on the training part of a run; export without them, or one layer=N")
    pin = rules.weights.get(part.name)
    found = artifacts.find_weights(part, reference, pin.as_source() if pin else None)
    if isinstance(found, artifacts.Missing):
        raise ArtifactError(str(found))
    return artifacts.Planned(part, reference, found)


def _stored(planned: Planned, corpus: Corpus, run: str) -> NDArray[np.float32]:
    """The cached embeddings (n, d), rows in the order of the clips; ArtifactError when some were never computed."""
    import numpy as np

    from nverbench import home
    from nverbench.cache import Store
    from nverbench.cli.common import say
    from nverbench.entries import key_of

    store = Store(home.embeddings_folder(), say)
    found = [store.get(key_of(planned, clip, corpus.sha256[clip.id], "float32", planned.part.pool)) for clip in corpus.clips]
    missing = sum(entry is None for entry in found)
    if missing:
        raise ArtifactError(f"{missing} of {len(found)} clips of {corpus.reference} are not in the cache for {planned}; this computes them: {run}")
    entries = np.stack([entry[0] for entry in found if entry is not None])  # (n, d) or (n, L, d)
    layer = planned.reference.layer
    return entries if entries.ndim == 2 else entries[:, -1 if layer is None else layer]
