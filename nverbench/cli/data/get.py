"""``nverbench data get``: a corpus from its published source, once its licence is accepted."""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog, load_registry
from nverbench.cli.data.check import print_corpus
from nverbench.errors import ArtifactError, UsageError

if TYPE_CHECKING:
    from nverbench.plugin.records import Dataset, Source


def data_get(
    name: options.DatasetName,
    accept_licence: Annotated[
        bool,
        typer.Option(
            "--accept-licence", help="Accept the non-commercial licence, after you have read it."
        ),
    ] = False,
    keep_archive: Annotated[
        bool, typer.Option("--keep-archive", help="Keep the downloaded archive on this machine.")
    ] = False,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Download the corpus of a dataset from its published source, verify and unpack it. After an
    interruption, the same command continues the download.
    """
    from nverbench._io import paths
    from nverbench.data import corpus as corpora
    from nverbench.data.download import get_corpus
    from nverbench.plugin.options import split

    dataset = load_catalog(no_plugin, plugin).dataset(split(name)[0])
    if dataset.corpus is None or dataset.make is not None:
        echo(f"dataset {dataset.name} needs no download; just run it")
        return
    known = corpora.local_copy(dataset)
    if known is not None and known.is_dir():
        echo(f"corpus {dataset.corpus} is already here: {known}")
        return
    rules = load_registry(registry)
    own = rules.datasets.get(dataset.name)
    digest = own.digest if own else None
    pin = rules.dataset_source(dataset.name) or rules.dataset_source(dataset.corpus)
    source = _fetchable(dataset, pin)
    _print_terms(dataset, source)
    _accept(dataset, source, accepted=accept_licence)
    print_corpus(
        get_corpus(dataset, source, digest=digest, keep_archive=keep_archive, say=echo_err)
    )
    folder = corpora.local_copy(dataset) or paths.corpus_folder(dataset.corpus)
    echo(f"corpus {dataset.corpus} is here: {folder}")


def _fetchable(dataset: Dataset, pin: Source | None) -> Source:
    """A source that a program can download; ArtifactError with the manual steps when none is."""
    from nverbench.data.missing import is_downloadable, manual_steps

    source = pin or (dataset.sources[0] if dataset.sources else None)
    how = manual_steps(dataset, source) if source else ""
    if source is None or how or not is_downloadable(source):
        address = source.address if source else "an unknown source"
        raise ArtifactError(
            f"corpus {dataset.corpus}: no program can fetch {address};"
            f" {how or f'nverbench data add {dataset.name} PATH'}"
        )
    return source


def _print_terms(dataset: Dataset, source: Source) -> None:
    size = f"{source.size / 1e6:.1f} MB" if source.size else "size unknown"
    echo(f"corpus {dataset.corpus}: {source.address}, {size}, licence {_licence(dataset, source)}")
    echo(f"  consent of the speakers: {dataset.label_card.consent}")


def _accept(dataset: Dataset, source: Source, *, accepted: bool) -> None:
    """Ask once for the acceptance of a licence that forbids commercial use.

    Raises:
        UsageError: the licence is not accepted.
    """
    from nverbench._io import state
    from nverbench.plugin.licences import non_commercial

    licence = _licence(dataset, source)
    corpus = str(dataset.corpus)
    restricted = non_commercial(source.licence) or non_commercial(dataset.licence)
    if not restricted or licence in state.read_state("accepted").get(corpus, {}):
        return
    if not accepted and sys.stdin.isatty():
        accepted = typer.confirm("Its licence forbids commercial use. Do you accept it?", err=True)
    if not accepted:
        raise UsageError(
            f"corpus {corpus}: nothing was fetched: its licence ({licence}) forbids commercial use;"
            " give --accept-licence to accept it"
        )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    state.write_state("accepted", corpus, licence, today)


def _licence(dataset: Dataset, source: Source) -> str:
    """The known licences of the source and of the dataset, where they differ both."""
    known = dict.fromkeys((source.licence, dataset.licence))
    return "; ".join(text for text in known if text != "unknown") or "unknown"
