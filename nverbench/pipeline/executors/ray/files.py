"""Files of a run on machines that do not see them: used in place where they lie there with the
right content, else fetched once per machine.

The run's own machine hands out pieces of what belongs to the plan, and of nothing else: clips and
weights by sha256, entries of the store by key. What came is kept under ``fetched`` in the machine's
nverbench home (entries in its store), whole and verified; it may be deleted at will.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from nverbench._io import atomic, paths
from nverbench._io.digests import digest_of, file_digests
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.weights import Weights
from nverbench.errors import DatasetError
from nverbench.plugin.records import Clip
from nverbench.training.sequences import FrameStream, TurnFrames

PIECE = 32_000_000
"""Bytes of a file that travel at once."""


class Depot:
    """The run's files, by name; it runs on the run's own machine."""

    def __init__(self) -> None:
        self.offered: dict[str, str] = {}
        self.folders: dict[str, list[tuple[str, str]]] = {}

    def offer(self, files: Mapping[str, str], folders: Mapping[str, list[tuple[str, str]]]) -> None:
        """More files that belong to the plan: name -> path; and digests of folders of weights ->
        what is in them (file, its sha256).
        """
        self.offered.update(files)
        self.folders.update(folders)

    def listing(self, digest: str) -> list[tuple[str, str]]:
        """The files of a folder of weights: names and sha256; empty: it is a single file."""
        return self.folders.get(digest, [])

    def piece(self, name: str, offset: int) -> bytes | None:
        """Bytes of a file from there; nothing: its end. None: nobody offered it, or it is gone."""
        path = self.offered.get(name)
        if path is None:
            return None
        try:
            with Path(path).open("rb") as file:
                file.seek(offset)
                return file.read(PIECE)
        except OSError:
            return None


def offers(
    clips: Iterable[Clip], sha256: Mapping[str, str], weights: Weights
) -> tuple[dict[str, str], dict[str, list[tuple[str, str]]]]:
    """What an embedding's workers may ask for, as :meth:`Depot.offer` takes it."""
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


def offered_entries(spoken: TurnFrames) -> dict[str, str]:
    """The entries of the store that trainings on frames read, likewise."""
    return {
        f"entry {key}": str(EmbeddingCache(s.root.absolute()).path(key))
        for s in spoken.streams
        for key in s.keys
    }


@dataclass(frozen=True)
class Fetcher:
    """Finds files here, or fetches them; ``piece`` and ``listing`` ask the run's own machine."""

    piece: Callable[[str, int], bytes | None]
    listing: Callable[[str], list[tuple[str, str]]]

    def clip(self, clip: Clip, sha256: str) -> Clip:
        """The clip with the path of its file here.

        Raises:
            DatasetError: the file is no longer the one that was planned.
        """
        return replace(
            clip,
            path=self._file(
                clip.path,
                sha256,
                paths.home() / "fetched" / sha256[:2] / f"{sha256}{clip.path.suffix}",
            ),
        )

    def weights(self, weights: Weights) -> Weights:
        """A checkpoint, or a folder of files, likewise."""
        if weights.path is None:
            return weights
        inside = self.listing(weights.digest)
        kept = paths.home() / "fetched" / weights.digest[:2] / weights.digest
        if not inside:
            return replace(
                weights, path=self._file(weights.path, weights.digest, kept / weights.path.name)
            )
        if all(_is(weights.path / name, sha) for name, sha in inside):
            return weights
        for name, sha in inside:
            self._file(kept / name, sha, kept / name)
        return replace(weights, path=kept)

    def spoken(self, spoken: TurnFrames) -> TurnFrames:
        """Frames: where the store is seen, from there; else from this machine's own, which fetches
        what it lacks.
        """
        return replace(spoken, streams=tuple(self._stream(s) for s in spoken.streams))

    def checkpoints(self, folder: Path | None) -> Path | None:
        """Only where the folder that the run made is seen: elsewhere a training that is lost with
        its machine begins anew.
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
        """A file of the run's own machine, once here whatever number of processes want it."""
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


def _is(path: Path, sha256: str) -> bool:
    """Whether a file is here, with that content."""
    try:
        return file_digests([path])[path] == sha256
    except OSError:
        return False


@functools.lru_cache(maxsize=4)
def _sees(root: Path, keys: tuple[str, ...]) -> bool:
    store = EmbeddingCache(root)
    return all(store.path(key).exists() for key in keys)


def offer_folder(checkpoints: Path | None) -> Path | None:
    """The folder of checkpoints, made, as other machines may see it."""
    if checkpoints is None:
        return None
    made = checkpoints.absolute()
    try:
        made.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.cannot_write(made, error) from error
    return made
