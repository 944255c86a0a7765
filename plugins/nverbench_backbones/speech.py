"""Speech transformers of base size (WavLM, UniSpeech-SAT, wav2vec 2.0, HuBERT): their records, and what is known about each checkpoint.

No heavy import here; the network itself is in ``speech_network.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nverbench import Backbone, LoadContext, Source

if TYPE_CHECKING:
    from nverbench_backbones.speech_network import SpeechEncoder

LIBRISPEECH = "LibriSpeech (960 h)"
MICROSOFT = "see https://github.com/microsoft/UniSpeech/blob/main/LICENSE"
NEVER_USED = ("masked_spec_embed",)
"""Stands in for masked frames in pretraining and fine-tuning only; a checkpoint without it embeds the same."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One published checkpoint of base size."""

    name: str
    hub: str
    revision: str
    model_class: str
    config_class: str
    normalize: bool
    """``do_normalize`` of the published preprocessor_config.json, used where the folder lacks that file."""
    heads: tuple[str, ...] = ()
    """Prefixes of keys that the checkpoint holds for pretraining and the encoder has no place for."""
    size: int
    """Bytes of pytorch_model.bin, as far as the hub's listing rounds it."""
    licence: str
    citation: str


QUANTIZER = ("quantizer.", "project_q.", "project_hid.")
"""The contrastive loss of wav2vec 2.0 (section 3.2): targets and projections."""

CHECKPOINTS = (
    Checkpoint(
        name="wavlm-base",
        hub="microsoft/wavlm-base",
        revision="efa81aae7ff777e464159e0f877d54eac5b84f81",
        model_class="WavLMModel",
        config_class="WavLMConfig",
        normalize=False,
        size=378_000_000,
        licence=MICROSOFT,
        citation="""@article{chen2022wavlm,
  title = {{WavLM}: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing},
  author = {Chen, Sanyuan and Wang, Chengyi and Chen, Zhengyang and Wu, Yu and Liu, Shujie and others},
  journal = {IEEE Journal of Selected Topics in Signal Processing},
  year = {2022},
  note = {arXiv:2110.13900}
}""",
    ),
    Checkpoint(
        name="unispeech-sat-base",
        hub="microsoft/unispeech-sat-base",
        revision="ca010627e5d232d9179ebdcd615eaa02cea382ed",
        model_class="UniSpeechSatModel",
        config_class="UniSpeechSatConfig",
        normalize=False,
        # beside the quantizer: the utterance-wise speaker loss and the cluster labels (section 2.2 of the paper)
        heads=(*QUANTIZER, "speaker_proj.", "label_embeddings_concat", "layer_norm_for_extract."),
        size=382_000_000,
        licence=MICROSOFT,
        citation="""@inproceedings{chen2022unispeechsat,
  title = {{UniSpeech-SAT}: Universal Speech Representation Learning with Speaker Aware Pre-Training},
  author = {Chen, Sanyuan and Wu, Yu and Wang, Chengyi and Chen, Zhengyang and Chen, Zhuo and others},
  booktitle = {ICASSP 2022},
  year = {2022},
  note = {arXiv:2110.05752}
}""",
    ),
    Checkpoint(
        name="wav2vec2-base",
        hub="facebook/wav2vec2-base",
        revision="0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8",
        model_class="Wav2Vec2Model",
        config_class="Wav2Vec2Config",
        normalize=True,
        heads=QUANTIZER,
        size=380_000_000,
        licence="Apache-2.0",
        citation="""@inproceedings{baevski2020wav2vec2,
  title = {wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations},
  author = {Baevski, Alexei and Zhou, Henry and Mohamed, Abdelrahman and Auli, Michael},
  booktitle = {NeurIPS 2020},
  year = {2020},
  note = {arXiv:2006.11477}
}""",
    ),
    Checkpoint(
        name="hubert-base",
        hub="facebook/hubert-base-ls960",
        revision="dba3bb02fda4248b6e082697eee756de8fe8aa8a",
        model_class="HubertModel",
        config_class="HubertConfig",
        normalize=True,
        size=378_000_000,
        licence="Apache-2.0",
        citation="""@article{hsu2021hubert,
  title = {{HuBERT}: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units},
  author = {Hsu, Wei-Ning and Bolte, Benjamin and Tsai, Yao-Hung Hubert and Lakhotia, Kushal and Salakhutdinov, Ruslan and Mohamed, Abdelrahman},
  journal = {IEEE/ACM Transactions on Audio, Speech, and Language Processing},
  year = {2021},
  note = {arXiv:2106.07447}
}""",
    ),
)


def backbones() -> Iterator[Backbone]:
    """The four speech backbones."""
    for checkpoint in CHECKPOINTS:
        yield Backbone(
            name=checkpoint.name,
            family="attention",
            frame_dim=768,
            dim=768,
            load=partial(load, checkpoint),
            frame_rate=50.0,
            min_samples=400,  # the receptive field of the convolutional front end (25 ms)
            batch=1,
            weights=Source(
                address=f"hf:{checkpoint.hub}",
                licence=checkpoint.licence,
                size=checkpoint.size,
                revision=checkpoint.revision,
                files=("config.json", "preprocessor_config.json", "pytorch_model.bin", "model.safetensors"),  # weights under either name
            ),
            pretrained_on=(LIBRISPEECH,),
            licence=checkpoint.licence,
            citation=checkpoint.citation,
        )


def load(checkpoint: Checkpoint, ctx: LoadContext) -> SpeechEncoder:
    """The frozen encoder, from a local folder or with seeded random weights; the network is never touched.

    Raises:
        ArtifactError: the folder lacks a file, holds another architecture, or its keys do not fit the encoder.
    """
    from nverbench_backbones.precision import freeze
    from nverbench_backbones.speech_network import SpeechEncoder, default_config, pretrained, reads_normalized, untrained

    if ctx.weights is None:
        model, normalize = untrained(checkpoint, default_config(checkpoint), ctx), checkpoint.normalize
    else:
        model, normalize = pretrained(checkpoint, ctx), reads_normalized(checkpoint, ctx.weights)
    return freeze(SpeechEncoder(model, normalize=normalize, dtype=ctx.dtype), ctx)
