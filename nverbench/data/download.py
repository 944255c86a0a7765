"""Corpora from the network: fetched, verified, unpacked, seen to be that corpus, and only then in
their place.

Every step may be cut off, and the same command goes on: the archive is resumed, and what was half
unpacked is begun anew.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from nverbench._io import archive as archives
from nverbench._io import download, paths, state
from nverbench._io.digests import digest_of
from nverbench._io.download_lock import exclusive, file_name
from nverbench.data import corpus as corpora
from nverbench.data.corpus import Corpus
from nverbench.errors import ArtifactError, DatasetError
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Dataset, Source

MOST_BYTES = 64_000_000_000
"""Of an unpacked corpus; the largest known here is below 20 GB."""
MOST_FILES = 500_000
DRIFTING = ("codeload.github.com",)
"""Hosts that pack an archive anew when they like: GitHub says that its bytes may change. The
revision in the address and the digest of the corpus stand for it.
"""


def get_corpus(
    dataset: Dataset,
    source: Source,
    *,
    digest: str | None = None,
    keep_archive: bool = False,
    say: Callable[[str], None] = print,
) -> Corpus:
    """Fetches a dataset's corpus into this machine's store and remembers it there.

    Args:
        source: an address that a program can fetch (``artifacts.has_address``); its ``sha256`` and
            ``size`` are those of the archive.
        digest: of the corpus, where the registry pins it.
        keep_archive: leave the archive where it was fetched to.

    Raises:
        ArtifactError: it could not be fetched, or is not what was pinned or first seen here, or is
            no archive that can be unpacked safely.
        DatasetError: it holds another corpus; nothing is remembered.
    """
    assert dataset.corpus is not None  # the caller asked
    which = digest_of([source.address, source.revision, source.sha256])[:12]
    folder = paths.home() / "downloads" / "corpora" / f"{dataset.corpus}-{which}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    place = paths.corpus_folder(dataset.corpus)
    waiting = f"corpus {dataset.corpus}: another process is fetching it; waiting for it"
    with exclusive(folder.with_name(f"{dataset.corpus}.lock"), waiting, say):
        _clean(folder, dataset.corpus)
        known = corpora.local_copy(dataset)
        if known is not None and known.is_dir():  # somebody else fetched it meanwhile
            return corpora.load(dataset, PartRef(dataset.name), known)
        archive = folder / file_name(source.address)
        try:
            corpus = (
                _adopted(dataset, place)
                if place.exists()
                else _from_archive(dataset, source, archive, digest, say)
            )
        except (
            ArtifactError,
            DatasetError,
        ):  # a pinned archive is the right one whatever else is wrong; any other would come again
            if archive.exists() and source.sha256 is None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        if keep_archive and archive.exists():
            say(f"the archive is kept: {archive}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        return corpus


def _adopted(dataset: Dataset, place: Path) -> Corpus:
    """The corpus that is in its place but not remembered: whoever fetched it died in between."""
    try:
        return corpora.add(dataset, place)
    except DatasetError as error:
        raise DatasetError(
            f"{error}; {place} was there before, and is left alone: move it away, then try again"
        ) from error


def _from_archive(
    dataset: Dataset, source: Source, archive: Path, digest: str | None, say: Callable[[str], None]
) -> Corpus:
    """Fetch, verify, unpack beside the corpus' place, load from there, move, remember: in this
    order.
    """
    assert dataset.corpus is not None
    sha256 = download.fetch(
        source.address, archive, sha256=source.sha256, size=source.size, say=say
    )
    key = (
        archive.parent.name
    )  # of corpus, address and revision: another release of the corpus is another first use
    trusted = source.sha256 is None and urlsplit(source.address).hostname not in DRIFTING
    if trusted:
        _check_first_seen(dataset.corpus, key, sha256, source.address)
    unpacking = _unpacking(dataset.corpus)
    try:
        archives.unpack(archive, unpacking / "tree", most_bytes=MOST_BYTES, most_files=MOST_FILES)
        root, corpus = _loaded(dataset, unpacking / "tree")
        if digest is not None and corpus.digest != digest:
            raise ArtifactError(
                f"corpus {dataset.corpus}: expected digest {digest[:12]} as the registry pins, got"
                f" {corpus.digest[:12]} from {source.address}; nothing was added: the corpus there"
                " is another version"
            )
        if trusted:
            state.write_state("lock", "archives", key, sha256)
        place = paths.corpus_folder(dataset.corpus)
        root.rename(place)
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)
    state.write_state("corpora", "paths", dataset.corpus, str(place.resolve()))
    return corpus


def _loaded(dataset: Dataset, tree: Path) -> tuple[Path, Corpus]:
    """The corpus in ``tree``, or in the one folder that everything in it was packed in, and where
    it begins.
    """
    inside = list(tree.iterdir())
    wrapped = inside[0] if len(inside) == 1 and inside[0].is_dir() else None
    try:
        return tree, corpora.load(dataset, PartRef(dataset.name), tree)
    except DatasetError as error:
        if wrapped is None:
            raise _about_archive(error, tree) from error
    try:
        return wrapped, corpora.load(dataset, PartRef(dataset.name), wrapped)
    except DatasetError as error:
        raise _about_archive(error, wrapped) from error


def _about_archive(error: DatasetError, root: Path) -> DatasetError:
    """The loader's error without the path of a folder that is about to go."""
    return DatasetError(f"{str(error).replace(str(root), 'the archive')}; nothing was added")


def _check_first_seen(corpus: str, key: str, sha256: str, address: str) -> None:
    first = state.read_state("lock").get("archives", {}).get(key)
    if first is not None and first != sha256:
        raise ArtifactError(
            f"corpus {corpus}: expected sha256 {first} as this machine first saw, got {sha256} from"
            f" {address}; it was removed: the file there changed; if that is announced, delete the"
            f" line {key} in {paths.home() / 'lock.json'}"
        )


def _clean(folder: Path, corpus: str) -> None:
    """Removes what dead processes left of this corpus: half-unpacked trees, and archives of other
    addresses. Under the lock.
    """
    shutil.rmtree(_unpacking(corpus), ignore_errors=True)
    for other in folder.parent.iterdir():
        if other != folder and re.fullmatch(rf"{re.escape(corpus)}-[0-9a-f]{{12}}", other.name):
            shutil.rmtree(other, ignore_errors=True)


def _unpacking(corpus: str) -> Path:
    return paths.corpus_folder(f".getting-{corpus}")
