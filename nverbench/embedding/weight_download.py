"""Weights from the network. The next try resumes a failed one, and nothing is used before it is
verified.

A download has a folder per backbone, address and revision, under a lock that ends with its process.
The folder remains after a failed try; it is removed once its weights are stored, or are found not
to be the expected ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nverbench._io import paths
from nverbench._io.digests import digest_of, file_sha256
from nverbench._io.download_lock import exclusive, file_name
from nverbench.data.missing import is_downloadable
from nverbench.embedding.weights import how_to_get, kept_weights
from nverbench.errors import ArtifactError, reason_of
from nverbench.plugin.records import Backbone, Source

if TYPE_CHECKING:
    from huggingface_hub import RepoFile


@contextmanager
def downloaded_weights(
    backbone: Backbone, pin: Source | None, say: Callable[[str], None] = print
) -> Iterator[Path]:
    """A backbone's downloaded weights, for a block that verifies and stores them.

    Raises:
        ArtifactError: a program cannot fetch the source, or the download failed; the next try
            resumes it.
    """
    if backbone.weights is None:
        raise ArtifactError(f"backbone {backbone.name} has no weights; just run it")
    source = pin or backbone.weights
    fetchable = source.address.startswith("hf:") or is_downloadable(source)
    if backbone.weights.how or not fetchable:  # ``how``: only a person can use the address
        raise ArtifactError(
            f"weights {backbone.name}: no program can fetch {source.address};"
            f" {how_to_get(backbone)}"
        )
    which = digest_of([source.address, source.revision, source.sha256])[:12]
    folder = paths.home() / "downloads" / f"{backbone.name}-{which}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(
        folder.with_name(f"{folder.name}.lock"),
        f"weights {backbone.name}: another process is fetching them; waiting for it",
        say,
    ) as waited:
        if waited and (kept := kept_weights(backbone)) is not None:  # another process stored them
            yield kept
            return
        path = _fetch(backbone, source, folder, say)
        try:
            yield path
        except Exception:  # not the expected weights: resuming would give the same ones again
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(backbone: Backbone, source: Source, folder: Path, say: Callable[[str], None]) -> Path:
    folder.mkdir(exist_ok=True)
    try:
        if source.address.startswith("hf:"):
            assert backbone.weights is not None  # the caller checked
            return _from_hub(source, backbone.weights.files, folder)
        from nverbench._io import download

        file = folder / file_name(source.address)
        # Without a size: declared sizes of weights are approximate, for the user only.
        download.fetch(source.address, file, sha256=source.sha256, say=say)
        return file
    except Exception as error:  # any error of the network or the server becomes one line
        if not any(folder.iterdir()):
            folder.rmdir()
        reason = reason_of(error)
        if not reason.startswith(source.address):
            reason = f"{source.address} could not be fetched ({reason})"
        raise ArtifactError(f"weights {backbone.name}: {reason}; {how_to_get(backbone)}") from error


def _from_hub(source: Source, requested: tuple[str, ...], folder: Path) -> Path:
    """Fetch the requested files that a hub repository has at a revision."""
    from huggingface_hub import HfApi, RepoFile

    repository = source.address.removeprefix("hf:")
    for entry in HfApi().list_repo_tree(repository, revision=source.revision):
        if isinstance(entry, RepoFile) and entry.path in requested:
            _file_from_hub(repository, source.revision, entry, folder)
    return folder


def _file_from_hub(repository: str, revision: str | None, entry: RepoFile, folder: Path) -> None:
    """Fetch one file, or resume an interrupted try.

    The client's own ``snapshot_download`` does not resume a failed try since its pull request 4228.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    file = folder / entry.path
    partial = folder / f".{entry.blob_id}.part"  # the name depends on the content
    if file.exists() and file.stat().st_size == entry.size:
        return
    if partial.exists() and partial.stat().st_size > entry.size:  # the server ignored the range
        partial.unlink()
    address = hf_hub_url(repository, entry.path, revision=revision)
    shown = {"expected_size": entry.size, "displayed_filename": entry.path}
    with partial.open("ab") as part:
        http_get(address, part, resume_size=part.tell(), headers=build_hf_headers(), **shown)
    if entry.lfs is not None and file_sha256(partial) != entry.lfs.sha256:
        partial.unlink()
        raise ArtifactError(
            f"{entry.path} does not have the sha256 that its repository says; try again"
        )
    partial.replace(file)
