"""Where a result came from and what it cost: the parts of a Result that are not numbers about
emotion.
"""

from __future__ import annotations

import platform
import resource
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from nverbench.embedding.weights import PlannedBackbone
from nverbench.pipeline.embeddings import Embedded
from nverbench.pipeline.job import Job
from nverbench.plugin import licences
from nverbench.results.record import Provenance, Timings
from nverbench.training.records import FoldPredictions

LIBRARIES = ("torch", "torchaudio", "transformers", "numpy", "scipy", "soundfile")


def provenance(
    job: Job, embeddings: Mapping[str, Embedded], fitted: list[list[FoldPredictions]]
) -> Provenance:
    """What the result was made from."""
    import torch

    return Provenance(
        identity=job.identity,
        dataset_digest=job.corpus.digest,
        embedding_digests={
            name: embeddings[name].read_out_digest(b.reference)
            for name, b in zip(job.names, job.backbones, strict=True)
        },
        weights_digests={
            name: b.weights.digest for name, b in zip(job.names, job.backbones, strict=True)
        },
        plugins=job.identity["plugins"],
        libraries={name: _version(name) for name in LIBRARIES},
        licences={str(b): _licence(b) for b in job.backbones}
        | {str(s.reference): s.dataset.licence for s in job.corpus.sides or (job.corpus,)},
        parameters_frozen={name: e.parameters for name, e in embeddings.items()},
        parameters_trained=fitted[0][0].parameters,
        threads=torch.get_num_threads(),
    )


def timings(embeddings: Mapping[str, Embedded], fit_seconds: float) -> Timings:
    """What it took."""
    passes = {name: e.forward_passes for name, e in embeddings.items()}
    return Timings(
        embed={name: e.seconds for name, e in embeddings.items()},
        fit=fit_seconds,
        embed_per_clip={name: e.per_clip for name, e in embeddings.items()},
        real_time_factor={name: e.real_time_factor for name, e in embeddings.items()},
        peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * 1024,  # Linux counts in KiB
        clips_per_second={
            name: passes[name] / e.loop if e.loop else None for name, e in embeddings.items()
        },
        busy={name: e.model / e.loop if e.loop else None for name, e in embeddings.items()},
        decoding={name: e.decoding for name, e in embeddings.items()},
    )


def _licence(backbone: PlannedBackbone) -> str:
    reference = backbone.reference
    return licences.of_weights(
        backbone.part.licence, untrained=reference.untrained, own=reference.weights is not None
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def device_name(device: str) -> str:
    if device == "cuda":
        import torch

        return (
            str(torch.cuda.get_device_name())
            if torch.cuda.is_available()
            else "cuda, on other machines"
        )
    return platform.processor() or platform.machine()
