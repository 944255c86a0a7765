"""``nverbench data get``: a corpus from its published source, under a licence that was read."""

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
    pin = rules.dataset_source(dataset.name) or rules.dataset_source(dataset.corpus)
    source = _fetchable(dataset, pin)
    _print_terms(dataset, source)
    _accept(dataset, source, accepted=accept_licence)
    corpus = get_corpus(
        dataset, source, digest=own.digest if own else None, keep_archive=keep_archive, say=echo_err
    )
    print_corpus(corpus)
    echo(
        f"corpus {dataset.corpus} is here:"
        f" {corpora.local_copy(dataset) or paths.corpus_folder(dataset.corpus)}"
    )


def _fetchable(dataset: Dataset, pin: Source | None) -> Source:
    """Where a program can fetch the corpus, or an ArtifactError that says what a person can do."""
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
    echo(f"  consent of those who are heard: {dataset.label_card.consent}")


def _accept(dataset: Dataset, source: Source, *, accepted: bool) -> None:
    """A licence that forbids commercial use is accepted once, by a person.

    Raises:
        UsageError: it is not.
    """
    from nverbench._io import state
    from nverbench.plugin.licences import non_commercial

    licence = _licence(dataset, source)
    corpus = str(dataset.corpus)
    if not any(
        map(non_commercial, (source.licence, dataset.licence))
    ) or licence in state.read_state("accepted").get(corpus, {}):
        return
    if not accepted and sys.stdin.isatty():
        accepted = typer.confirm("Its licence forbids commercial use. Do you accept it?", err=True)
    if not accepted:
        raise UsageError(
            f"corpus {corpus}: nothing was fetched: its licence ({licence}) forbids commercial use;"
            " say --accept-licence to accept it"
        )
    state.write_state(
        "accepted", corpus, licence, datetime.datetime.now(datetime.UTC).date().isoformat()
    )


def _licence(dataset: Dataset, source: Source) -> str:
    """What is said of the licence; where the source's and the dataset's differ, both."""
    said = [text for text in dict.fromkeys((source.licence, dataset.licence)) if text != "unknown"]
    return "; ".join(said) or "unknown"
