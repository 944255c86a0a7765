"""``nverbench cache``: the store of embeddings on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog, load_registry
from nverbench.errors import UsageError

if TYPE_CHECKING:
    from nverbench.data.corpus import Corpus
    from nverbench.embedding.weights import PlannedBackbone
    from nverbench.plugin.catalog import Catalog
    from nverbench.registry import Registry

cache = typer.Typer(
    help="The cache of embeddings on this machine.", no_args_is_help=True, rich_markup_mode=None
)


@cache.callback()
def group() -> None:
    """The cache of embeddings on this machine."""


@cache.command("export")
def export(
    backbone: options.BackboneName,
    dataset: options.DatasetName,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The .npz file to write, with the arrays embeddings (n, d) and ids.",
        ),
    ],
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Write the embeddings of a dataset to a file that can be shared: clips are named by keys that
    only a holder of the audio can compute.
    """
    import numpy as np

    from nverbench._io import atomic
    from nverbench.embedding import lookup
    from nverbench.plugin import licences
    from nverbench.results.publishing import keys, public_text

    if output.suffix != ".npz":
        raise UsageError(f"{output}: expected a name that ends in .npz")
    catalog, rules = load_catalog(no_plugin, plugin), load_registry(registry)
    corpus = _corpus(catalog, dataset)
    planned = _planned(catalog, rules, backbone)
    matrix = lookup.cached_matrix(planned, corpus, corpus.clips, echo_err)  # (n, d)
    ids = np.array(keys(corpus, corpus.clips))
    order = np.argsort(ids)  # the order of clips would say which is which
    name, data = (
        public_text(planned.reference, planned.weights.digest),
        public_text(corpus.reference, corpus.digest),
    )
    own = licences.of_weights(
        planned.part.licence,
        untrained=planned.reference.untrained,
        own=planned.reference.weights is not None,
    )
    licence = licences.combined({name: own, data: corpus.dataset.licence})
    with atomic.atomic_open(output) as file:
        np.savez(
            file,
            embeddings=matrix[order],
            ids=ids[order],
            licence=licence,
            dataset=data,
            digest=corpus.digest,
            backbone=name,
        )
    echo(f"{output}: {len(ids)} clips, {matrix.shape[1]} dimensions, licence {licence}")


def _corpus(catalog: Catalog, text: str) -> Corpus:
    """The dataset's clips, where its licence lets embeddings leave this machine."""
    from nverbench.data import corpus as corpora
    from nverbench.plugin.options import split

    dataset = catalog.dataset(split(text)[0])
    if dataset.share == "none":
        raise UsageError(
            f"corpus {dataset.corpus or dataset.name} does not allow embeddings to leave this"
            " machine (share: none); nothing is written"
        )
    return corpora.load_local(dataset, text)


def _planned(catalog: Catalog, rules: Registry, text: str) -> PlannedBackbone:
    from nverbench.embedding import lookup
    from nverbench.plugin.options import resolve, split

    reference = resolve(catalog.backbone(split(text)[0]), text)
    if reference.weighted or reference.project:
        raise UsageError(
            f"{reference}: layers=weighted and project=D are fitted on the training part of a run;"
            " export without them, or one layer=N"
        )
    return lookup.plan_backbone(catalog, rules, text)
