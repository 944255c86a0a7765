"""``nverbench cache``: the cache of embeddings on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    from nverbench.results.publishing import keys

    if output.suffix != ".npz":
        raise UsageError(f"{output}: expected a name that ends in .npz")
    catalog, rules = load_catalog(no_plugin, plugin), load_registry(registry)
    corpus = _corpus(catalog, dataset)
    planned = _planned(catalog, rules, backbone)
    matrix = lookup.cached_matrix(planned, corpus, corpus.clips, echo_err)  # (n, d)
    ids = np.array(keys(corpus, corpus.clips))
    order = np.argsort(ids)  # the order of the clips in the corpus would identify them
    facts = _facts(planned, corpus)
    with atomic.atomic_open(output) as file:
        np.savez(file, embeddings=matrix[order], ids=ids[order], **facts)
    size = f"{len(ids)} clips, {matrix.shape[1]} dimensions"
    echo(f"{output}: {size}, licence {facts['licence']}")


def _facts(planned: PlannedBackbone, corpus: Corpus) -> dict[str, Any]:
    """The published names of backbone and dataset, the digest of the clips, and the licence."""
    from nverbench.plugin import licences
    from nverbench.results.publishing import public_text

    backbone = public_text(planned.reference, planned.weights.digest)
    dataset = public_text(corpus.reference, corpus.digest)
    own = planned.reference.weights is not None
    untrained = planned.reference.untrained
    weights = licences.of_weights(planned.part.licence, untrained=untrained, own=own)
    return {
        "licence": licences.combined({backbone: weights, dataset: corpus.dataset.licence}),
        "dataset": dataset,
        "digest": corpus.digest,
        "backbone": backbone,
    }


def _corpus(catalog: Catalog, text: str) -> Corpus:
    """The clips of a dataset; UsageError when embeddings must not leave this machine."""
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
    """The backbone with its weights; UsageError for options that are fitted in a run."""
    from nverbench.embedding import lookup
    from nverbench.plugin.options import resolve, split

    reference = resolve(catalog.backbone(split(text)[0]), text)
    if reference.weighted or reference.project:
        raise UsageError(
            f"{reference}: layers=weighted and project=D are fitted on the training part of a run;"
            " export without them, or one layer=N"
        )
    return lookup.plan_backbone(catalog, rules, text)
