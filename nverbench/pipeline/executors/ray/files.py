"""The files of a run on machines that do not see them. A file that lies there with the right
content is used in place; another is fetched once per machine.

The run's own machine serves pieces of the files of the plan, and of no other: clips and weights by
sha256, entries of the embedding cache by key. A fetched file is kept under ``fetched`` in the
machine's nverbench home (an entry in its cache), complete and verified; it may be deleted at any
time.

Ray's object store would hold whole corpora and checkpoints in memory for this; pieces do not.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from nverbench._io import atomic, paths
from nverbench._io.digests import digest_of, file_digests
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.weights import Weights
from nverbench.errors import DatasetError
from nverbench.plugin.records import Clip
from nverbench.training.sequences import FrameStream, TurnFrames

PIECE = 32_000_000
"""Bytes of a file in one message."""


class FileServer:
    """An actor on the run's own machine that serves the run's files by name."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}
        self.folders: dict[str, list[tuple[str, str]]] = {}

    def publish(
        self, files: Mapping[str, str], folders: Mapping[str, list[tuple[str, str]]]
    ) -> None:
        """Serve more files: name -> path; and folders of weights: digest -> (file, sha256)."""
        self.paths.update(files)
        self.folders.update(folders)

    def listing(self, digest: str) -> list[tuple[str, str]]:
        """The names and sha256 of the files in a folder of weights; empty: it is a single file."""
        return self.folders.get(digest, [])

    def piece(self, name: str, offset: int) -> bytes | None:
        """The bytes of a file from an offset; empty: its end; None: not served, or gone."""
        try:
            with Path(self.paths[name]).open("rb") as file:
                file.seek(offset)
                return file.read(PIECE)
        except (KeyError, OSError):
            return None


def clip_files(
    clips: Iterable[Clip], sha256: Mapping[str, str], weights: Weights
) -> tuple[dict[str, str], dict[str, list[tuple[str, str]]]]:
    """The files of an embedding, as :meth:`FileServer.publish` takes them."""
    files = {sha256[c.id]: str(c.path.absolute()) for c in clips}
    if weights.path is None:
        return files, {}
    if not weights.path.is_dir():
        return files | {weights.digest: str(weights.path.absolute())}, {}
    inside = file_digests(
        p for p in weights.path.absolute().iterdir() if p.is_file() and not p.name.startswith(".")
    )
    listing = sorted((path.name, sha) for path, sha in inside.items())
    return files | {sha: str(path) for path, sha in inside.items()}, {weights.digest: listing}


def frame_files(frames: TurnFrames) -> dict[str, str]:
    """The entries of the embedding cache that trainings on frames read: name -> path."""
    return {
        f"entry {key}": str(EmbeddingCache(s.root.absolute()).path(key))
        for s in frames.streams
        for key in s.keys
    }


@dataclass(frozen=True)
class RemoteFiles:
    """Finds the files of a run on this machine, or fetches them from the run's own."""

    piece: Callable[[str, int], bytes | None]
    listing: Callable[[str], list[tuple[str, str]]]

    @classmethod
    def of(cls, server: Any) -> RemoteFiles:
        """The files of a :class:`FileServer` that runs as an actor of Ray."""
        import ray

        return cls(
            lambda name, offset: ray.get(server.piece.remote(name, offset)),
            lambda digest: ray.get(server.listing.remote(digest)),
        )

    def clip(self, clip: Clip, sha256: str) -> Clip:
        """The clip with the path of its file here.

        Raises:
            DatasetError: the file is no longer the one that was planned.
        """
        kept = _fetched(sha256).with_name(sha256 + clip.path.suffix)
        return replace(clip, path=self._file(clip.path, sha256, kept))

    def weights(self, weights: Weights) -> Weights:
        """The weights with the path of their file or folder here; errors as :meth:`clip`."""
        if weights.path is None:
            return weights
        inside, kept = self.listing(weights.digest), _fetched(weights.digest)
        if not inside:
            path = self._file(weights.path, weights.digest, kept / weights.path.name)
            return replace(weights, path=path)
        if all(_is(weights.path / name, sha) for name, sha in inside):
            return weights
        for name, sha in inside:
            self._file(kept / name, sha, kept / name)
        return replace(weights, path=kept)

    def frames(self, frames: TurnFrames) -> TurnFrames:
        """The frames of the run's cache where this machine sees it; else of its own cache, which
        fetches the entries that it lacks.
        """
        return replace(frames, streams=tuple(self._stream(s) for s in frames.streams))

    def checkpoints(self, folder: Path | None) -> Path | None:
        """The run's folder of checkpoints where this machine sees it; else None, and a training
        that is lost with its machine starts again.
        """
        return folder if folder is not None and folder.is_dir() else None

    def _stream(self, stream: FrameStream) -> FrameStream:
        if _sees(stream.root, stream.keys):
            return stream
        own = EmbeddingCache(paths.embeddings_folder())
        for key in stream.keys:
            if not own.path(key).exists():
                self._fetch(f"entry {key}", own.path(key), None)
        return replace(stream, root=own.root)

    def _file(self, path: Path, sha256: str, kept: Path) -> Path:
        if _is(path, sha256):
            return path
        if not _is(kept, sha256):
            self._fetch(sha256, kept, sha256, path)
        return kept

    def _fetch(self, name: str, to: Path, sha256: str | None, path: Path | None = None) -> None:
        """Fetch a file of the run's own machine, once for all processes of this machine."""
        locks = paths.home() / "fetched"
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / f"{digest_of(name)[:2]}.lock", timeout=-1):
            if to.exists() and (sha256 is None or _is(to, sha256)):
                return
            digest = hashlib.sha256()
            with atomic.atomic_open(to) as file:
                while piece := self.piece(name, file.tell()):
                    digest.update(piece)
                    file.write(piece)
                if piece is None or (sha256 is not None and digest.hexdigest() != sha256):
                    raise DatasetError(
                        f"{path or name}: the file changed or went away since it was planned; run"
                        " it again"
                    )


def _fetched(digest: str) -> Path:
    return paths.home() / "fetched" / digest[:2] / digest


def _is(path: Path, sha256: str) -> bool:
    """Whether a file exists, with that content."""
    try:
        return file_digests([path])[path] == sha256
    except OSError:
        return False


@functools.lru_cache(maxsize=4)
def _sees(root: Path, keys: tuple[str, ...]) -> bool:
    store = EmbeddingCache(root)
    return all(store.path(key).exists() for key in keys)
