"""``nverbench cache``: the cache of embeddings on this machine."""

from __future__ import annotations

import io
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
    names: Annotated[
        bool,
        typer.Option(
            help="For table: and folder: only. Name the clips by their own ids, not by keys: a file"
            " for this machine, which the npz: backbone reads for the same clips."
        ),
    ] = False,
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
    corpus = _corpus(catalog, dataset, names=names)
    planned = _planned(catalog, rules, backbone)
    matrix = lookup.cached_matrix(planned, corpus, corpus.clips, echo_err)  # (n, d)
    ids = np.array([c.id for c in corpus.clips] if names else keys(corpus, corpus.clips))
    order = np.argsort(ids)  # the order of the clips in the corpus would identify them
    facts = _facts(planned, corpus)
    with atomic.atomic_open(output) as file:
        np.savez(file, embeddings=matrix[order], ids=ids[order], **facts)
    size = f"{len(ids)} clips, {matrix.shape[1]} dimensions"
    echo(f"{output}: {size}, licence {facts['licence']}")


@cache.command("keys")
def list_keys(
    dataset: options.DatasetName,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The .csv file to write: columns id and key.")
    ],
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Write the key of every clip of a dataset on this machine: exported embeddings and published
    predictions name clips by these keys. The file identifies clips; do not publish it.
    """
    import csv

    from nverbench._io import atomic
    from nverbench.data import corpus as corpora
    from nverbench.plugin.options import split
    from nverbench.results.publishing import keys

    if output.suffix != ".csv":
        raise UsageError(f"{output}: expected a name that ends in .csv")
    catalog = load_catalog(no_plugin, plugin)
    corpus = corpora.load_local(catalog.dataset(split(dataset)[0]), dataset)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("id", "key"))
    writer.writerows(zip((c.id for c in corpus.clips), keys(corpus, corpus.clips), strict=True))
    atomic.write_atomically(output, text.getvalue().encode())
    echo(f"{output}: keys of {len(corpus.clips)} clips; do not publish this file")


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


def _corpus(catalog: Catalog, text: str, *, names: bool) -> Corpus:
    """The clips of a dataset; UsageError when embeddings must not leave this machine. With
    ``names`` the file stays here, and only one's own recordings can be named.
    """
    from nverbench.data import corpus as corpora
    from nverbench.plugin.options import split

    dataset = catalog.dataset(split(text)[0])
    own = dataset.corpus is None
    if names and not own:
        raise UsageError(
            f"--names is for table: and folder:, whose ids are your own; export {text} without it,"
            f" and map ids to keys with: nverbench cache keys {text} -o keys.csv"
        )
    if own and not names and dataset.share == "none":
        raise UsageError(
            f"{text} holds your own recordings; nothing is written. Add --names for a file that"
            " stays on this machine"
        )
    if dataset.share == "none" and not names:
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
