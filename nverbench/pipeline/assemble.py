"""One job: its embeddings, folds and trainings, and the predictions that become its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from nverbench.data.folds import assign
from nverbench.data.folds.protocol import folds_of_protocol
from nverbench.embedding.frames import FrameEmbeddings
from nverbench.embedding.pooled import Embeddings
from nverbench.pipeline.bad_clips import check_usable
from nverbench.pipeline.embeddings import (
    Embedded,
    RunEmbeddings,
    Watch,
    check_files_unmodified,
    unwatched,
)
from nverbench.pipeline.job import Job
from nverbench.pipeline.result import assemble_result
from nverbench.plugin.records import Clip
from nverbench.results import publishing
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result
from nverbench.training.folds import submit_folds
from nverbench.training.records import Data, FoldPredictions, TrainingSetup
from nverbench.training.sequences import FrameStream, TurnFrames

if TYPE_CHECKING:
    from numpy.typing import NDArray


def begin_job(
    job: Job, shared: RunEmbeddings, watch: Watch = unwatched
) -> Callable[[], tuple[Result, Predictions]]:
    """Start the trainings of a job; the returned function waits for its result. Until then the
    executor may run them, and another job can begin.

    Raises (here, or from the returned function):
        AudioError: clips that cannot be used, without ``--skip-bad``.
        DatasetError: a file changed between planning and now.
        PartError, FitError: a part broke its contract, a loss was not finite.
    """
    embeddings = _embedded(job, shared, watch)
    check_files_unmodified(job)  # hours may lie between its embedding and its training
    clips, cut = usable(job, embeddings), job.cut
    if len(clips) < len(job.corpus.clips):  # --skip-bad left some out
        seeds = job.selection.seeds
        cut = folds_of_protocol(clips, cut.kind, job.protocol, replicates=seeds, same=cut.same)
        if empty := set(job.corpus.labels) - {str(c.label) for c in clips}:
            names = ", ".join(sorted(empty))
            shared.say(
                f"{job.corpus.reference}: no clip of {names} can be used; its scores count 0"
            )
    streams: Data = _vectors(job, embeddings) if job.fusion.wants != "frames" else ()
    if job.fusion.wants == "frames":
        streams = _frames(job, embeddings, shared)
    index = {label: i for i, label in enumerate(job.corpus.labels)}
    target = np.array([index[str(c.label)] for c in clips], dtype=np.int64)
    seeds = job.selection.seeds
    tick = watch(f"fit {job}", len(cut.folds) * seeds)
    trained = submit_folds(
        _setup(job, shared), streams, target, cut.folds, seeds, tick, shared.workers
    )

    def result() -> tuple[Result, Predictions]:
        fitted = trained()
        predictions = pooled(cut, fitted, clips, target)
        by_id = {c.id: c for c in clips}
        predictions.keys = publishing.keys(job.corpus, [by_id[i] for i in predictions.ids])
        made = assemble_result(job, cut, clips, fitted, predictions, embeddings)
        return made.sealed(), predictions

    return result


def _setup(job: Job, shared: RunEmbeddings) -> TrainingSetup:
    """What a job trains, and how."""
    resumable = shared.checkpoints is not None and job.fusion.wants == "frames"
    return TrainingSetup(
        job.fusion,
        job.fusion_reference.full,
        job.loss,
        job.loss_reference.full,
        job.protocol,
        len(job.corpus.labels),
        job.selection.device,
        widths=tuple(b.reference.project for b in job.backbones),
        checkpoints=shared.checkpoints / job.id if shared.checkpoints and resumable else None,
        shuffle=job.shuffle,
    )


def _embedded(job: Job, shared: RunEmbeddings, watch: Watch) -> dict[str, Embedded]:
    """The embeddings of a job's clips by each backbone."""
    found: dict[str, Embedded] = {}
    for name, planned in zip(job.names, job.backbones, strict=True):
        own = shared.heard(job, planned, watch)
        twice = any(other is own for other in found.values())  # its cost counts once
        found[name] = own.without_cost() if twice and isinstance(own, Embeddings) else own
    if not job.selection.skip_bad:
        unusable = {clip: reason for e in found.values() for clip, reason in e.unusable.items()}
        check_usable(unusable, str(job.corpus.reference))
    return found


def usable(job: Job, found: Mapping[str, Embedded]) -> list[Clip]:
    """The scored clips that every backbone could embed."""
    unusable = {clip for e in found.values() for clip in e.unusable}
    return [c for c in job.corpus.clips if c.id not in unusable]


def _vectors(job: Job, found: Mapping[str, Embedded]) -> list[NDArray[np.float32]]:
    """One matrix (n, d_i), or layers (n, L, d_i), per backbone."""
    clips, streams = usable(job, found), []
    for planned, own in zip(job.backbones, found.values(), strict=True):
        assert isinstance(own, Embeddings)  # RunEmbeddings gives what the fusion needs
        rows = {clip_id: i for i, clip_id in enumerate(own.ids)}
        streams.append(own.read_out(planned.reference)[[rows[c.id] for c in clips]])
    return streams


def _frames(job: Job, found: Mapping[str, Embedded], shared: RunEmbeddings) -> TurnFrames:
    """The places of the frames of all turns, and the conversations that they belong to."""
    unusable = {clip for e in found.values() for clip in e.unusable}
    turns = [c for c in job.heard if c.id not in unusable]
    streams = []
    for own in found.values():
        assert isinstance(own, FrameEmbeddings)  # RunEmbeddings gives what the fusion needs
        place = {clip_id: i for i, clip_id in enumerate(own.ids)}
        keys, lengths = zip(
            *((own.keys[place[c.id]], int(own.lengths[place[c.id]])) for c in turns), strict=True
        )
        streams.append(FrameStream(shared.store.root, keys, lengths, own.dim))
    rows = {c.id: i for i, c in enumerate(usable(job, found))}
    conversations: dict[str, list[int]] = {}
    for turn, clip in enumerate(turns if job.corpus.heard else ()):
        conversations.setdefault(str(clip.conversation), []).append(turn)
    return TurnFrames(
        tuple(streams),
        tuple(rows.get(c.id, -1) for c in turns),
        tuple(map(tuple, conversations.values())),
        tuple(c.speaker or "" for c in turns),
    )


def pooled(
    cut: assign.FoldSet,
    fitted: list[list[FoldPredictions]],
    clips: list[Clip],
    target: NDArray[np.int64],
) -> Predictions:
    """Out-of-fold predictions of all test rows, in the order of the clips."""
    rows = np.concatenate([np.array(f.test) for f in cut.folds])
    order = np.argsort(rows, kind="stable")
    names = np.concatenate([[f.name] * len(f.test) for f in cut.folds])[order]
    # (r, n, k); as float32, as they are stored: a later check decides by the same numbers
    probabilities = np.stack(
        [np.concatenate([f.probabilities for f in replicate])[order] for replicate in fitted]
    ).astype(np.float32)
    tested = [clips[i] for i in rows[order]]
    return Predictions(
        [c.id for c in tested],
        [c.unit or "" for c in tested],
        target[rows[order]],
        [str(n) for n in names],
        probabilities,
    )
