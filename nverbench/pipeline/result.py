"""The Result of a job: its scores, what it was made from and what it took."""

from __future__ import annotations

import datetime
import platform
import resource
from collections.abc import Mapping

from nverbench._io.versions import installed_version
from nverbench.data.folds.assign import FoldSet
from nverbench.data.folds.inner import inner_folds
from nverbench.embedding.weights import PlannedBackbone
from nverbench.pipeline.embeddings import Embedded
from nverbench.pipeline.job import Job
from nverbench.pipeline.standing import heard_in_pretraining
from nverbench.plugin import licences
from nverbench.plugin.records import Clip
from nverbench.registry import Protocol
from nverbench.results import publishing, scoring
from nverbench.results.predictions import Predictions
from nverbench.results.record import (
    Combination,
    Counts,
    Folds,
    FoldScore,
    Provenance,
    Result,
    Timings,
)
from nverbench.training.records import FoldPredictions

LIBRARIES = ("torch", "torchaudio", "transformers", "numpy", "scipy", "soundfile")


def assemble_result(
    job: Job,
    cut: FoldSet,
    clips: list[Clip],
    fitted: list[list[FoldPredictions]],
    predictions: Predictions,
    embeddings: Mapping[str, Embedded],
) -> Result:
    """The result of a job, from its predictions, trainings and embeddings."""
    labels, dataset = list(job.corpus.labels), job.corpus.dataset
    hard = predictions.decisions(len(labels))
    confusion = scoring.confusion(hard)
    per_fold = fold_scores(cut, fitted, predictions, labels, job.protocol)
    # all clips, except for holdout, official and crossed folds
    tested = [clips[row] for row in sorted(row for fold in cut.folds for row in fold.test)]
    groups = sorted({c.unit for c in tested if c.unit is not None})
    made_from = _provenance(job, embeddings, fitted)
    counts = _counts(job, tested, groups, embeddings)
    texts, left_out = _public_texts(job), counts.left_out
    return Result(
        id=job.id,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        entry=_combination(job),
        standing=job.standing.level,
        standing_reasons=list(job.standing.reasons),
        control=job.control,
        optimistic=job.protocol.selection == "test",
        heard_in_pretraining=heard_in_pretraining(job.backbones, dataset),
        protocol=job.protocol_name,
        selection=job.protocol.selection,
        seeds=job.selection.seeds,
        folds=_folds(cut),
        labels=labels,
        display={label: shown for label, shown in dataset.display.items() if label in labels},
        share=dataset.share,
        licence=licences.combined(made_from.licences),
        counts=counts,
        scores=scoring.summarise(hard, per_fold, job.protocol.seed, rule=job.protocol.intervals),
        unit=dataset.group if len(groups) > 1 else "clip",
        per_group_accuracy=scoring.per_group(hard, len(groups)),
        per_class_recall=scoring.recalls(confusion, labels),
        confusion=confusion.tolist(),
        per_fold=per_fold,
        provenance=made_from,
        timings=_timings(embeddings, sum(f.seconds for replicate in fitted for f in replicate)),
        names=publishing.pseudonyms_for(
            job.corpus, cut.kind, predictions, left_out, texts, cut.notes
        ),
        machine=_machine(job.selection.device),
    )


def fold_scores(
    cut: FoldSet,
    fitted: list[list[FoldPredictions]],
    predictions: Predictions,
    labels: list[str],
    protocol: Protocol,
) -> list[FoldScore]:
    """The scores of every fold of every replicate, and how each was trained."""
    found = []
    for replicate, fits in enumerate(fitted):
        for fold, fit in zip(cut.folds, fits, strict=True):
            values, absent = scoring.of_fold(predictions, fold.name, replicate, labels)
            own = inner_folds(fold, protocol, replicate)[0]
            score = FoldScore(
                fold=fold.name,
                replicate=replicate,
                train=len(own.train),
                validation=len(own.validation),
                test=len(fold.test),
                absent=absent,
                best_epoch=fit.best_epoch,
                epochs=len(fit.curves),
                curves=[dict(c) for c in fit.curves],
                chosen=dict(fit.chosen),
                tried=dict(fit.tried),
                **values,
            )
            found.append(score)
    return found


def _combination(job: Job) -> Combination:
    return Combination(
        backbones=[str(b) for b in job.backbones],
        families=[b.part.family for b in job.backbones],
        fusion=str(job.fusion_reference),
        loss=str(job.loss_reference),
        dataset=str(job.corpus.reference),
        grid=job.entry.grid,
        paper=job.entry.paper,
        demo=job.entry.demo,
    )


def _machine(device: str) -> dict[str, str]:
    system, python = platform.system(), platform.python_version()
    return {"device": device_name(device), "system": system, "python": python}


def _folds(cut: FoldSet) -> Folds:
    return Folds(
        kind=cut.kind,
        digest=cut.digest,
        number=len(cut.folds),
        speakers_seen=any(f.speakers_seen for f in cut.folds),
        notes=list(cut.notes),
    )


def _public_texts(job: Job) -> dict[str, str]:
    """The job's references -> their published form, without file names of this machine."""
    digests = [(b.reference, b.weights.digest) for b in job.backbones]
    digests.append((job.corpus.reference, job.corpus.digest))
    return {
        str(reference): publishing.public_text(reference, digest) for reference, digest in digests
    }


def _counts(
    job: Job, clips: list[Clip], groups: list[str], embeddings: Mapping[str, Embedded]
) -> Counts:
    left_out = dict(job.corpus.left_out)
    for e in embeddings.values():
        left_out |= e.unusable
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


def _provenance(
    job: Job, embeddings: Mapping[str, Embedded], fitted: list[list[FoldPredictions]]
) -> Provenance:
    """Everything that a result was made from."""
    import torch

    named = dict(zip(job.names, job.backbones, strict=True))
    return Provenance(
        identity=job.identity,
        dataset_digest=job.corpus.digest,
        embedding_digests={
            name: embeddings[name].read_out_digest(b.reference) for name, b in named.items()
        },
        weights_digests={name: b.weights.digest for name, b in named.items()},
        plugins=job.identity["plugins"],
        libraries={name: installed_version(name) for name in LIBRARIES},
        licences={str(b): _licence(b) for b in job.backbones}
        | {str(s.reference): s.dataset.licence for s in job.corpus.sides or (job.corpus,)},
        parameters_frozen={name: e.parameters for name, e in embeddings.items()},
        parameters_trained=fitted[0][0].parameters,
        threads=torch.get_num_threads(),
    )


def _timings(embeddings: Mapping[str, Embedded], fit_seconds: float) -> Timings:
    """The time and memory that a result took."""
    items = embeddings.items()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    return Timings(
        embed={name: e.seconds for name, e in items},
        fit=fit_seconds,
        embed_per_clip={name: e.per_clip for name, e in items},
        real_time_factor={name: e.real_time_factor for name, e in items},
        peak_memory=peak,
        clips_per_second={name: e.forward_passes / e.loop if e.loop else None for name, e in items},
        busy={name: e.model / e.loop if e.loop else None for name, e in items},
        decoding={name: e.decoding for name, e in items},
    )


def _licence(backbone: PlannedBackbone) -> str:
    reference = backbone.reference
    return licences.of_weights(
        backbone.part.licence, untrained=reference.untrained, own=reference.weights is not None
    )


def device_name(device: str) -> str:
    """The name of the GPU or processor."""
    if device == "cuda":
        import torch

        available = torch.cuda.is_available()
        return str(torch.cuda.get_device_name()) if available else "cuda, on other machines"
    return platform.processor() or platform.machine()
