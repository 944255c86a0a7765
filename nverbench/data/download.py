"""Download of corpora: the archive is fetched, verified, unpacked and loaded, and only then moved
to the corpus's place.

Every step may be interrupted, and the same command continues: the archive is resumed, and a partly
unpacked tree is removed and unpacked again.
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
"""Bytes of an unpacked corpus; the largest known one is below 20 GB."""
MOST_FILES = 500_000
DRIFTING = ("codeload.github.com",)
"""Hosts that may pack an archive again with other bytes, as GitHub states. The revision in the
address and the digest of the corpus identify it.
"""


def get_corpus(
    dataset: Dataset,
    source: Source,
    *,
    digest: str | None = None,
    keep_archive: bool = False,
    say: Callable[[str], None] = print,
) -> Corpus:
    """Downloads a dataset's corpus into this machine's store and registers it there.

    ``source`` is downloadable (``missing.is_downloadable``); its sha256 and size are those of the
    archive, ``digest`` is that of the corpus.

    Raises:
        ArtifactError: the archive could not be fetched, or is not the pinned or first seen one, or
            cannot be unpacked safely.
        DatasetError: it holds another corpus; nothing is registered.
        DiskError: the disk is full or cannot be written; the archive is kept.
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
        if known is not None and known.is_dir():  # another process fetched it meanwhile
            return corpora.load(dataset, PartRef(dataset.name), known)
        archive = folder / file_name(source.address)
        try:
            corpus = (
                _adopted(dataset, place)
                if place.exists()
                else _from_archive(dataset, source, archive, digest, say)
            )
        except (ArtifactError, DatasetError):
            if archive.exists() and source.sha256 is None:  # a pinned archive has the right bytes
                shutil.rmtree(folder, ignore_errors=True)
            raise
        if keep_archive and archive.exists():
            say(f"the archive is kept: {archive}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        return corpus


def _adopted(dataset: Dataset, place: Path) -> Corpus:
    """The corpus that is in its place but not registered: the process that fetched it died."""
    try:
        return corpora.add(dataset, place)
    except DatasetError as error:
        raise DatasetError(
            f"{error}; {place} was there before, and is left alone: move it away, then try again"
        ) from error


def _from_archive(
    dataset: Dataset, source: Source, archive: Path, digest: str | None, say: Callable[[str], None]
) -> Corpus:
    """Fetches, verifies, unpacks next to the corpus's place, loads from there, moves and registers
    the corpus, in this order.
    """
    assert dataset.corpus is not None
    sha256 = download.fetch(
        source.address, archive, sha256=source.sha256, size=source.size, say=say
    )
    key = archive.parent.name  # corpus, address and revision: another release has another key
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
    """The root of the corpus and the corpus: in ``tree``, or in the only folder in it."""
    inside = list(tree.iterdir())
    roots = [tree, *inside] if len(inside) == 1 and inside[0].is_dir() else [tree]
    for root in roots:
        try:
            return root, corpora.load(dataset, PartRef(dataset.name), root)
        except DatasetError as error:
            if root is roots[-1]:  # its message must not name a folder that will be removed
                reason = str(error).replace(str(root), "the archive")
                raise DatasetError(f"{reason}; nothing was added") from error
    raise AssertionError("unreachable: the last root returns or raises")


def _check_first_seen(corpus: str, key: str, sha256: str, address: str) -> None:
    first = state.read_state("lock").get("archives", {}).get(key)
    if first is not None and first != sha256:
        raise ArtifactError(
            f"corpus {corpus}: expected sha256 {first} as this machine first saw, got {sha256} from"
            f" {address}; it was removed: the file there changed; if that is announced, delete the"
            f" line {key} in {paths.home() / 'lock.json'}"
        )


def _clean(folder: Path, corpus: str) -> None:
    """Removes partly unpacked trees and archives of other addresses that dead processes left. The
    caller holds the lock.
    """
    shutil.rmtree(_unpacking(corpus), ignore_errors=True)
    for other in folder.parent.iterdir():
        if other != folder and re.fullmatch(rf"{re.escape(corpus)}-[0-9a-f]{{12}}", other.name):
            shutil.rmtree(other, ignore_errors=True)


def _unpacking(corpus: str) -> Path:
    return paths.corpus_folder(f".getting-{corpus}")
