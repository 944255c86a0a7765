"""whisper-small: the record of Whisper's encoder (Radford et al. 2023), 768-d, and how it is
loaded. No heavy import here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from nverbench import Backbone, LoadContext, Source

if TYPE_CHECKING:
    from nverbench_backbones.whisper_network import WhisperFrames

HUB = "openai/whisper-small"
SMALL = {
    "d_model": 768,
    "encoder_layers": 12,
    "encoder_attention_heads": 12,
    "encoder_ffn_dim": 3072,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
}
"""The encoder of "small" (table 1 of the paper): 12 blocks, and 1500 frames of 20 ms, 30 s."""
DECODER = ("model.decoder.", "decoder.", "proj_out.")
"""Writes text: in the checkpoint, and without a place in the encoder."""
CITATION = """@inproceedings{radford2023whisper,
  title = {Robust Speech Recognition via Large-Scale Weak Supervision},
  author = {Radford, Alec and Kim, Jong Wook and Xu, Tao and Brockman, Greg and McLeavey, Christine and Sutskever, Ilya},
  booktitle = {ICML 2023},
  year = {2023},
  note = {arXiv:2212.04356}
}"""


def whisper(name: str, architecture: Mapping[str, int]) -> Backbone:
    """The record of an encoder of this architecture (options of transformers' WhisperConfig)."""
    return Backbone(
        name=name,
        family="attention",
        frame_dim=architecture["d_model"],
        dim=architecture["d_model"],
        load=partial(load, name, architecture),
        layers=architecture["encoder_layers"] + 1,
        frame_rate=50.0,
        min_samples=1,  # every clip is padded to a whole window
        # as many windows as go through the network together; measured on a CPU: the bits of one at
        # a time, and its speed
        batch=4,
        weights=Source(
            address=f"hf:{HUB}",
            licence="Apache-2.0",
            size=966_995_080,
            revision="973afd24965f72e36ca33b3055d56a652f456b4d",
            files=("config.json", "preprocessor_config.json", "model.safetensors"),
        ),
        pretrained_on=("680,000 h of audio with transcripts from the web (not published)",),
        licence="Apache-2.0",
        citation=CITATION,
    )


def load(name: str, architecture: Mapping[str, int], ctx: LoadContext) -> WhisperFrames:
    """The frozen encoder, from a local folder or with seeded random weights; the network is never
    touched.

    Raises:
        ArtifactError: the folder lacks a file, holds another architecture, or its keys do not fit
            the encoder.
        UsageError: ``ctx.layer`` is not one of the layers.
    """
    from nverbench_backbones.freeze import freeze
    from nverbench_backbones.spectrogram_windows import check_layer
    from nverbench_backbones.whisper_network import WhisperFrames, encoder

    layer = check_layer(name, ctx.layer, architecture["encoder_layers"] + 1)
    return freeze(
        WhisperFrames(encoder(name, architecture, ctx), layer=layer, dtype=ctx.dtype), ctx
    )


WHISPER_SMALL = whisper("whisper-small", SMALL)
