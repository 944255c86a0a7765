"""What a process that works for a run does: one shard of an embedding, or one training. Its answer
is a value, also where it is an error.

It writes no result and no entry of the run's store: what comes back counts, so that a task which
ran twice is counted once.
"""

from __future__ import annotations

import functools
import pickle
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nverbench.embedding import shards
from nverbench.embedding.extract import Extraction, load_encoder
from nverbench.embedding.keys import embedding_identity
from nverbench.embedding.weights import Weights
from nverbench.errors import NverbenchError, PartError
from nverbench.pipeline.executors import versions
from nverbench.plugin import single_file
from nverbench.plugin.isolation import isolated_call
from nverbench.plugin.records import Clip
from nverbench.training.sequences import TurnFrames

if TYPE_CHECKING:
    from nverbench.plugin.types import Encoder


@dataclass(frozen=True)
class Setting:
    """What every task of a run is given."""

    plugins: tuple[single_file.Code, ...]
    """The files of ``--plugin``."""
    software: Mapping[str, str]
    """What must be installed here in the same version; empty: this machine is the run's own."""
    threads: int
    """Of torch, for an embedding: as many as where the run was started, because bits may depend on
    it.
    """


@dataclass(frozen=True)
class Shard:
    """Whole planned batches, and what is asked of their clips."""

    batches: Sequence[Sequence[Clip]]
    wanted: frozenset[str]
    sha256: Mapping[str, str]
    pooled: frozenset[str]


@dataclass(frozen=True)
class Answer:
    """What a task gave, or what it raised."""

    value: Any = None
    error: bytes = b""
    """A pickle, written by our own worker."""

    def get(self) -> Any:
        """The value; an error is raised as itself, where its class can travel."""
        if self.error:
            # from a process that this run gave its code to, as Ray's own messages are
            raise pickle.loads(self.error)  # noqa: S301
        return self.value


class Finder(Protocol):
    """Where a process finds the files of a run."""

    def clip(self, clip: Clip, sha256: str) -> Clip:
        """The clip with the path that its file has here."""

    def weights(self, weights: Weights) -> Weights:
        """The weights where they lie here."""

    def spoken(self, spoken: TurnFrames) -> TurnFrames:
        """Frames where they lie here."""

    def checkpoints(self, folder: Path | None) -> Path | None:
        """The folder of a training's last epochs; None where this machine does not see it."""


class InPlace:
    """Everything is where the run sees it: this is the same machine."""

    def clip(self, clip: Clip, sha256: str) -> Clip:
        """As it is."""
        return clip

    def weights(self, weights: Weights) -> Weights:
        """As they are."""
        return weights

    def spoken(self, spoken: TurnFrames) -> TurnFrames:
        """As they are."""
        return spoken

    def checkpoints(self, folder: Path | None) -> Path | None:
        """As it is."""
        return folder


def answered(setting: Setting, action: Callable[..., Any], *arguments: Any) -> Answer:
    """What an action gives, or raises, in a process that is ready for the run's parts."""
    try:
        _begin(setting.plugins, tuple(setting.software.items()))
        return Answer(action(setting, *arguments))
    except KeyboardInterrupt:  # it is called off
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit and worse
        return Answer(error=_travelling(error))


def listened(
    setting: Setting, finder: Finder, packed: bytes, shard: Shard
) -> tuple[list[shards.EmbeddedClip], Extraction]:
    """The entries of a shard, as the store keeps them, and what they cost; ``packed`` holds what is
    asked of all shards.
    """
    import torch

    began, cost = time.perf_counter(), Extraction()
    before = torch.get_num_threads()
    torch.set_num_threads(setting.threads)
    try:
        ask: shards.EmbeddingRequest = _parts(packed)
        weights = finder.weights(ask.planned.weights)
        ask = replace(
            ask,
            planned=replace(ask.planned, weights=weights),
            sha256=shard.sha256,
            pooled=shard.pooled,
        )
        own = {c.id: finder.clip(c, ask.sha256[c.id]) for batch in shard.batches for c in batch}
        here = [[own[c.id] for c in batch] for batch in shard.batches]
        found = shards.embed_shard(
            ask,
            here,
            set(shard.wanted),
            cost,
            decoders=max(1, setting.threads // 2),
            load=lambda: _loaded(ask),
        )
        entries = [
            replace(e, array=e.array.astype(ask.storage, copy=False)) if ask.frames else e
            for e in found
        ]
    finally:
        torch.set_num_threads(before)
    paths = {str(own[c.id].path): str(c.path) for batch in shard.batches for c in batch}
    cost.unusable = {clip: _named(reason, paths) for clip, reason in cost.unusable.items()}
    cost.seconds = time.perf_counter() - began
    return entries, cost


def fitted(
    setting: Setting,
    finder: Finder,
    packed: bytes,
    task: tuple[Any, int],
    target: Any,
    *streams: Any,
) -> Any:
    """One training, or a job of them; ``packed`` holds what does it, the training, and frames that
    lie on disk.
    """
    _encoder.clear()  # every embedding comes before any training: its memory is free
    work, training, on_disk = _parts(packed)
    training = replace(training, checkpoints=finder.checkpoints(training.checkpoints))
    return work(training, streams if on_disk is None else finder.spoken(on_disk), target, *task)


_encoder: dict[str, Encoder] = {}
"""The last one that was loaded: the next shard wants the same."""


def _loaded(ask: shards.EmbeddingRequest) -> Encoder:
    planned = ask.planned
    key = (
        f"{embedding_identity(planned.reference)} {planned.weights.digest} {planned.part.revision}"
        f" {ask.device} {ask.dtype} {ask.layer}"
    )
    if key not in _encoder:
        _encoder.clear()
        _encoder[key] = load_encoder(planned, device=ask.device, dtype=ask.dtype, layer=ask.layer)
    return _encoder[key]


@functools.lru_cache(maxsize=4)
def _parts(packed: bytes) -> Any:
    """Reading it imports plugins: what they print must not reach anybody's output, nor what they
    set other jobs.
    """
    # written by the run's process a moment ago, never read from disk
    return isolated_call(lambda: pickle.loads(packed), None).get()  # noqa: S301


@functools.lru_cache(maxsize=1)
def _begin(plugins: tuple[single_file.Code, ...], wanted: tuple[tuple[str, str], ...]) -> None:
    """Once in a process: the same software, and the run's single files as plugins."""
    versions.check(dict(wanted))
    single_file.adopt(plugins)


def _named(reason: str, paths: Mapping[str, str]) -> str:
    """The reason with the names that files have where the run was started: it goes into the
    result.
    """
    return functools.reduce(lambda text, pair: text.replace(*pair), paths.items(), reason)


def _travelling(error: BaseException) -> bytes:
    """The error as a pickle, with where it happened; one whose class cannot travel is told as a
    PartError.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    note = "".join(traceback.format_exception(error))
    for sent in (error, PartError(f"{type(error).__name__}: {' '.join(str(error).split())}")):
        try:
            if not isinstance(error, NverbenchError):
                sent.happened_at = f"{Path(frame.filename).name}:{frame.lineno}"  # type: ignore[attr-defined]
            sent.add_note(note)
            packed = pickle.dumps(sent)
            pickle.loads(packed)  # noqa: S301  # written on the line above
        except Exception:  # what a plugin raises may refuse any of it
            continue
        return packed
    raise AssertionError("a PartError travels")
