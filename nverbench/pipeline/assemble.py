"""One job on this machine: embeddings, folds, fits, metrics, one Result."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from nverbench.data.folds import assign
from nverbench.data.folds.protocol import folds_of_protocol
from nverbench.embedding import pooled as embed
from nverbench.embedding.frames import FrameEmbeddings
from nverbench.pipeline import provenance
from nverbench.pipeline.embeddings import (
    Crew,
    Embedded,
    RunEmbeddings,
    Watch,
    check_files_unmodified,
    unwatched,
)
from nverbench.pipeline.executors.gpus import Gpus, visible
from nverbench.pipeline.job import Job
from nverbench.pipeline.standing import heard_in_pretraining
from nverbench.plugin import licences
from nverbench.plugin.records import Clip
from nverbench.results import publishing, scoring
from nverbench.results.predictions import Predictions
from nverbench.results.record import Combination, Counts, Folds, FoldScore, Result
from nverbench.training.folds import submit_folds
from nverbench.training.processes import Workers
from nverbench.training.records import FoldPredictions, TrainingSetup
from nverbench.training.sequences import FrameStream, TurnFrames

if TYPE_CHECKING:
    from numpy.typing import NDArray


def crew(used: Collection[str], say: Callable[[str], None]) -> Crew:
    """Who embeds and trains on this machine: a process per GPU where there are two or more, else
    this one, with processes for trainings.
    """
    ids = visible() if "cuda" in used else []
    return Gpus(ids, say) if len(ids) > 1 else Workers(say=say)


def begin_job(
    job: Job, shared: RunEmbeddings, watch: Watch = unwatched
) -> Callable[[], tuple[Result, Predictions]]:
    """Begin a job; call what comes back for its result. Until then workers may still be busy with
    it, and another can be begun.

    Raises (here or when called back):
        AudioError: clips that cannot be used, without ``--skip-bad``.
        DatasetError: a file changed between planning and now.
        PartError, FitError: a part broke its contract, a loss was not finite.
    """
    found = _embedded(job, shared, watch)
    check_files_unmodified(job)  # hours may lie between its embedding and its turn
    clips, streams = (
        usable(job, found),
        (_frames(job, found, shared) if job.fusion.wants == "frames" else _vectors(job, found)),
    )
    cut = (
        job.cut
        if len(clips) == len(job.corpus.clips)
        else folds_of_protocol(clips, job.cut.kind, job.protocol)
    )  # --skip-bad left some out
    index = {label: i for i, label in enumerate(job.corpus.labels)}
    target = np.array([index[str(c.label)] for c in clips], dtype=np.int64)
    kept = (
        shared.checkpoints / job.id
        if shared.checkpoints is not None and job.fusion.wants == "frames"
        else None
    )
    training = TrainingSetup(
        job.fusion,
        job.fusion_reference.full,
        job.loss,
        job.loss_reference.full,
        job.protocol,
        len(index),
        job.selection.device,
        widths=tuple(b.reference.project for b in job.backbones),
        checkpoints=kept,
        shuffle=job.selection.shuffle,
    )
    tick = watch(f"fit {job}", len(cut.folds) * job.selection.seeds)
    trained = submit_folds(
        training, streams, target, cut.folds, job.selection.seeds, tick, shared.workers
    )

    def ended() -> tuple[Result, Predictions]:
        fitted = trained()
        predictions = pooled(cut, fitted, clips, target)
        by_id = {c.id: c for c in clips}
        predictions.keys = publishing.keys(job.corpus, [by_id[i] for i in predictions.ids])
        return _result(job, cut, clips, fitted, predictions, found).sealed(), predictions

    return ended


def _embedded(job: Job, shared: RunEmbeddings, watch: Watch) -> dict[str, Embedded]:
    """What each backbone gave for what the job hears."""
    found: dict[str, Embedded] = {}
    for name, planned in zip(job.names, job.backbones, strict=True):
        own = shared.heard(job, planned, watch)
        twice = any(other is own for other in found.values())
        found[name] = (
            own.without_cost() if twice and isinstance(own, embed.Embeddings) else own
        )  # the same backbone twice was heard once
    if not job.selection.skip_bad:
        embed.check_usable(
            {clip: reason for e in found.values() for clip, reason in e.unusable.items()},
            str(job.corpus.reference),
        )
    return found


def usable(job: Job, found: Mapping[str, Embedded]) -> list[Clip]:
    """The scored clips that every backbone could use."""
    bad = {clip for e in found.values() for clip in e.unusable}
    return [c for c in job.corpus.clips if c.id not in bad]


def _vectors(job: Job, found: Mapping[str, Embedded]) -> list[NDArray[np.float32]]:
    """One matrix (n, d_i), or layers (n, L, d_i), per backbone."""
    clips, streams = usable(job, found), []
    for planned, own in zip(job.backbones, found.values(), strict=True):
        assert isinstance(own, embed.Embeddings)  # Shared.heard gives what the fusion wants
        rows = {clip_id: i for i, clip_id in enumerate(own.ids)}
        streams.append(own.read_out(planned.reference)[[rows[c.id] for c in clips]])
    return streams


def _frames(job: Job, found: Mapping[str, Embedded], shared: RunEmbeddings) -> TurnFrames:
    """Where the frames of all heard turns lie, and what belongs together."""
    bad = {clip for e in found.values() for clip in e.unusable}
    heard = [c for c in job.heard if c.id not in bad]
    streams = []
    for own in found.values():
        assert isinstance(own, FrameEmbeddings)  # Shared.heard gives what the fusion wants
        place = {clip_id: i for i, clip_id in enumerate(own.ids)}
        keys, lengths = zip(
            *((own.keys[place[c.id]], int(own.lengths[place[c.id]])) for c in heard), strict=True
        )
        streams.append(FrameStream(shared.store.root, keys, lengths, own.dim))
    rows = {c.id: i for i, c in enumerate(usable(job, found))}
    talks: dict[str, list[int]] = {}
    for turn, clip in enumerate(heard if job.corpus.heard else ()):
        talks.setdefault(str(clip.conversation), []).append(turn)
    return TurnFrames(
        tuple(streams),
        tuple(rows.get(c.id, -1) for c in heard),
        tuple(map(tuple, talks.values())),
        tuple(c.speaker or "" for c in heard),
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
    stacked = np.stack(
        [np.concatenate([f.probabilities for f in replicate])[order] for replicate in fitted]
    )  # (r, n, k)
    probabilities = stacked.astype(
        np.float32
    )  # as they are kept: whoever checks the scores decides as we did
    tested = [clips[i] for i in rows[order]]
    return Predictions(
        [c.id for c in tested],
        [c.unit or "" for c in tested],
        target[rows[order]],
        [str(n) for n in names],
        probabilities,
    )


def _result(
    job: Job,
    cut: assign.FoldSet,
    clips: list[Clip],
    fitted: list[list[FoldPredictions]],
    predictions: Predictions,
    embeddings: Mapping[str, Embedded],
) -> Result:
    labels = list(job.corpus.labels)
    hard = predictions.decisions(len(labels))
    counts = scoring.confusion(hard)
    per_fold = [
        s
        for r, replicate in enumerate(fitted)
        for s in fold_scores(cut, replicate, r, predictions, labels)
    ]
    tested = [
        clips[row] for row in sorted(row for fold in cut.folds for row in fold.test)
    ]  # all, but for holdout, official and crossed rows
    groups = sorted({c.unit for c in tested if c.unit is not None})
    made_from = provenance.provenance(job, embeddings, fitted)
    counted = _counts(job, tested, groups, embeddings)
    return Result(
        id=job.id,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        entry=Combination(
            backbones=[str(b) for b in job.backbones],
            families=[b.part.family for b in job.backbones],
            fusion=str(job.fusion_reference),
            loss=str(job.loss_reference),
            dataset=str(job.corpus.reference),
            grid=job.entry.grid,
            paper=job.entry.paper,
            demo=job.entry.demo,
        ),
        standing=job.standing.level,
        standing_reasons=list(job.standing.reasons),
        control=job.control,
        optimistic=job.protocol.selection == "test",
        heard_in_pretraining=heard_in_pretraining(job.backbones, job.corpus.dataset),
        protocol=job.protocol_name,
        selection=job.protocol.selection,
        seeds=job.selection.seeds,
        folds=_folds(cut),
        labels=labels,
        display={
            label: shown for label, shown in job.corpus.dataset.display.items() if label in labels
        },
        share=job.corpus.dataset.share,
        licence=licences.combined(made_from.licences),
        counts=counted,
        scores=scoring.summarise(hard, per_fold, job.protocol.seed),
        unit=job.corpus.dataset.group if len(groups) > 1 else "clip",
        per_group_accuracy=scoring.per_group(hard, len(groups)),
        per_class_recall=scoring.recalls(counts, labels),
        confusion=counts.tolist(),
        per_fold=per_fold,
        provenance=made_from,
        timings=provenance.timings(
            embeddings, sum(f.seconds for replicate in fitted for f in replicate)
        ),
        names=publishing.pseudonyms_for(
            job.corpus, cut.kind, predictions, counted.left_out, _public_texts(job), cut.notes
        ),
        machine={
            "device": provenance.device_name(job.selection.device),
            "system": platform.system(),
            "python": platform.python_version(),
        },
    )


def _folds(cut: assign.FoldSet) -> Folds:
    seen = any(f.speakers_seen for f in cut.folds)
    return Folds(
        kind=cut.kind,
        digest=cut.digest,
        number=len(cut.folds),
        speakers_seen=seen,
        notes=list(cut.notes),
    )


def _public_texts(job: Job) -> dict[str, str]:
    """The job's references -> as they are published, without the names of files of this machine."""
    digests = [(b.reference, b.weights.digest) for b in job.backbones] + [
        (job.corpus.reference, job.corpus.digest)
    ]
    return {
        str(reference): publishing.public_text(reference, digest) for reference, digest in digests
    }


def fold_scores(
    cut: assign.FoldSet,
    fitted: list[FoldPredictions],
    replicate: int,
    predictions: Predictions,
    labels: list[str],
) -> list[FoldScore]:
    """The scores of one replicate's folds, and how each was trained."""
    found = []
    for fold, fit in zip(cut.folds, fitted, strict=True):
        values, absent = scoring.of_fold(predictions, fold.name, replicate, labels)
        found.append(
            FoldScore(
                fold=fold.name,
                replicate=replicate,
                train=len(fold.train),
                validation=len(fold.validation),
                test=len(fold.test),
                absent=absent,
                best_epoch=fit.best_epoch,
                epochs=len(fit.curves),
                curves=[dict(c) for c in fit.curves],
                **values,
            )
        )
    return found


def _counts(
    job: Job, clips: list[Clip], groups: list[str], embeddings: Mapping[str, Embedded]
) -> Counts:
    left_out = dict(job.corpus.left_out) | {
        clip: why for e in embeddings.values() for clip, why in e.unusable.items()
    }
    return Counts(
        clips=len(clips),
        groups=len(groups),
        per_class={label: sum(c.label == label for c in clips) for label in job.corpus.labels},
        left_out=left_out,
        misfits=len(job.corpus.misfits),
        padded={name: e.padded for name, e in embeddings.items()},
        forward_passes={name: e.forward_passes for name, e in embeddings.items()},
        halvings={name: e.halvings for name, e in embeddings.items()},
    )
