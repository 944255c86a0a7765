"""ast-audioset: the record of the Audio Spectrogram Transformer trained on AudioSet (Gong et al.
2021), and how it is loaded. No heavy import here.

A control for AudioSet-trained Mamba: the same corpus, attention instead. What is not matched: AST
was trained with AudioSet's labels (527 classes, laughter, crying and screaming among them) from an
ImageNet initialisation; Audio-Mamba saw no label at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from nverbench import Backbone, LoadContext, Source

if TYPE_CHECKING:
    from nverbench_backbones.ast_patches import PatchFrames

HUB = "MIT/ast-finetuned-audioset-10-10-0.4593"
BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_length": 1024,
    "num_mel_bins": 128,
    "patch_size": 16,
    "frequency_stride": 10,
    "time_stride": 10,
}
CLASSIFIER = ("classifier.",)
"""The 527 classes of AudioSet: in the checkpoint, and without a place in the encoder."""
CITATION = """@inproceedings{gong2021ast,
  title = {{AST}: Audio Spectrogram Transformer},
  author = {Gong, Yuan and Chung, Yu-An and Glass, James},
  booktitle = {Interspeech 2021},
  year = {2021},
  note = {arXiv:2104.01778}
}"""


def audio_spectrogram_transformer(name: str, architecture: Mapping[str, int]) -> Backbone:
    """The record of an AST of this architecture (options of transformers' ASTConfig)."""
    return Backbone(
        name=name,
        family="attention",
        frame_dim=architecture["hidden_size"],
        dim=architecture["hidden_size"],
        load=partial(load, name, architecture),
        layers=architecture["num_hidden_layers"] + 1,
        frame_rate=100.0 / architecture["time_stride"],
        min_samples=400,  # one 25 ms frame of the filter bank
        # as many windows as go through the network together; measured on a CPU: the bits of one at
        # a time, and its speed
        batch=4,
        weights=Source(
            address=f"hf:{HUB}",
            licence="BSD-3-Clause",
            size=346_000_000,
            revision="f826b80d28226b62986cc218e5cec390b1096902",
            files=("config.json", "preprocessor_config.json", "model.safetensors"),
        ),
        pretrained_on=("AudioSet", "ImageNet (initialisation)"),
        licence="BSD-3-Clause",
        citation=CITATION,
    )


def load(name: str, architecture: Mapping[str, int], ctx: LoadContext) -> PatchFrames:
    """The frozen encoder, from a local folder or with seeded random weights; the network is never
    touched.

    Raises:
        ArtifactError: the folder lacks a file, holds another architecture, or its keys do not fit
            the encoder.
        UsageError: ``ctx.layer`` is not one of the layers.
    """
    from nverbench_backbones.ast_audioset_network import frames
    from nverbench_backbones.freeze import freeze
    from nverbench_backbones.spectrogram_windows import check_layer

    layer = check_layer(name, ctx.layer, architecture["num_hidden_layers"] + 1)
    return freeze(frames(name, architecture, ctx, layer), ctx)


AST_AUDIOSET = audio_spectrogram_transformer("ast-audioset", BASE)
