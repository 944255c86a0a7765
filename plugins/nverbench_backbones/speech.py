"""Speech transformers of the wav2vec 2.0 family: wav2vec 2.0, HuBERT, UniSpeech-SAT, WavLM,
data2vec, MMS, voc2vec.

No heavy import here. What is known about each checkpoint is in ``speech_checkpoints.py``; weights
are read in ``speech_loading.py``, clips go through the network in ``speech_network.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from nverbench import Backbone, LoadContext, Source, UsageError
from nverbench_backbones.speech_checkpoints import CHECKPOINTS, Checkpoint

if TYPE_CHECKING:
    from nverbench_backbones.speech_network import SpeechEncoder

BATCH = 8
"""Clips per planned batch: 4, 8 and 16 are within 6 % of each other on two cores, 1 is a fifth
slower (benchmarks/speed/speech_batching.py).
"""
REVISION = "2"
"""1 ran clip by clip through plain transformers; 2 rounds differently (the same numbers to
1e-5).
"""


def backbones() -> Iterator[Backbone]:
    """A record per published checkpoint."""
    return map(backbone, CHECKPOINTS)


def backbone(checkpoint: Checkpoint) -> Backbone:
    """The record of one checkpoint."""
    return Backbone(
        name=checkpoint.name,
        family="attention",
        frame_dim=checkpoint.dim,
        dim=checkpoint.dim,
        layers=checkpoint.layers,
        load=partial(load, checkpoint),
        frame_rate=50.0,
        min_samples=400,  # the receptive field of the convolutional front end (25 ms)
        batch=BATCH,
        weights=Source(
            address=f"hf:{checkpoint.hub}",
            licence=checkpoint.licence,
            size=checkpoint.size,
            revision=checkpoint.revision,
            files=(
                "config.json",
                "preprocessor_config.json",
                "pytorch_model.bin",
                "model.safetensors",
            ),  # weights under either name
        ),
        revision=REVISION,
        pretrained_on=checkpoint.pretrained_on,
        licence=checkpoint.licence,
        citation=checkpoint.citation,
    )


def load(checkpoint: Checkpoint, ctx: LoadContext) -> SpeechEncoder:
    """The frozen encoder, from a local folder or with seeded random weights; the internet is never
    touched.

    Raises:
        ArtifactError: the folder lacks a file, holds another architecture, or its keys do not fit
            the encoder.
        UsageError: the network does not have the requested layer.
    """
    from nverbench_backbones.freeze import freeze
    from nverbench_backbones.speech_loading import pretrained, reads_normalized, untrained
    from nverbench_backbones.speech_network import SpeechEncoder

    last = checkpoint.layers - 1
    layer = last if ctx.layer is None else ctx.layer
    if not 0 <= layer <= last:
        raise UsageError(
            f"backbone {checkpoint.name}: layer is {ctx.layer}, expected 0 (what the first block"
            f" reads) to {last} (the output)"
        )
    if ctx.weights is None:
        model, normalize = untrained(checkpoint, ctx), checkpoint.normalize
    else:
        model, normalize = pretrained(checkpoint, ctx), reads_normalized(checkpoint, ctx.weights)
    return freeze(SpeechEncoder(model, normalize=normalize, layer=layer, dtype=ctx.dtype), ctx)
