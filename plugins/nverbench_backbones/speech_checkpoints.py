"""The published checkpoints of the wav2vec 2.0 family: where each lies, what it was trained on, and
how it differs from its class's defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nverbench_backbones import speech_citations as cite

LIBRISPEECH = ("LibriSpeech (960 h)",)
MIX_94K = ("Libri-Light (60k h)", "GigaSpeech (10k h)", "VoxPopuli (24k h)")
"""WavLM section V-A: the 94k hours of the Base+ and Large models."""
MMS = (
    "MMS-lab-U",
    "Multilingual LibriSpeech",
    "CommonVoice",
    "VoxLingua-107",
    "BABEL",
    "VoxPopuli",
)
"""MMS section 4.1: 491k hours in 1,406 languages."""
VOC125 = (
    "AudioSet (vocalization)",
    "FreeSound (babies)",
    "HumanVoiceDataset",
    "NNIME",
    "NonSpeech7K",
    "ReCANVo",
    "SingingDatabase",
    "TUT (babies)",
    "VocalSketch",
    "VocalSound",
)
"""voc2vec, the model card and the table "Pretraining" of its repository: all ten corpora."""
MICROSOFT = "see https://github.com/microsoft/UniSpeech/blob/main/LICENSE"
QUANTIZER = ("quantizer.", "project_q.", "project_hid.")
"""The contrastive loss of wav2vec 2.0 (section 3.2): targets and projections."""
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
"""What transformers calls the large models' architecture: layer norm after every convolution, and
before instead of after each sub-layer.
"""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One published checkpoint."""

    name: str
    hub: str
    revision: str | None = None
    """None: no full commit id was at hand when the record was written; the first download's is
    locked.
    """
    architecture: str
    """The stem of the transformers classes: ``WavLM`` for WavLMConfig and WavLMModel."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Where the published config.json differs from the class's defaults, as far as the frozen
    forward pass sees it.
    """
    normalize: bool
    """``do_normalize`` of the published preprocessor_config.json, used where the folder lacks that
    file.
    """
    heads: tuple[str, ...] = ()
    """Prefixes of keys that the checkpoint holds for pretraining and the encoder has no place
    for.
    """
    size: int | None = None
    """Bytes of pytorch_model.bin, as far as the hub's listing rounds it."""
    pretrained_on: tuple[str, ...]
    licence: str
    citation: str

    @property
    def dim(self) -> int:
        """Size of a frame; 768 is the default of every configuration class used here."""
        return int(self.config.get("hidden_size", 768))

    @property
    def layers(self) -> int:
        """L hidden states: what the first transformer block reads, then every block's output."""
        return int(self.config.get("num_hidden_layers", 12)) + 1


CHECKPOINTS = (
    Checkpoint(
        name="wavlm-base",
        hub="microsoft/wavlm-base",
        revision="efa81aae7ff777e464159e0f877d54eac5b84f81",
        architecture="WavLM",
        normalize=False,
        size=378_000_000,
        pretrained_on=LIBRISPEECH,
        licence=MICROSOFT,
        citation=cite.WAVLM,
    ),
    Checkpoint(
        name="wavlm-base-plus",
        hub="microsoft/wavlm-base-plus",
        revision="4c66d4806a428f2e922ccfa1a962776e232d487b",
        architecture="WavLM",
        normalize=False,
        size=378_000_000,
        pretrained_on=MIX_94K,
        licence=MICROSOFT,
        citation=cite.WAVLM,
    ),
    Checkpoint(
        name="wavlm-large",
        hub="microsoft/wavlm-large",
        revision="c1423ed94bb01d80a3f5ce5bc39f6026a0f4828c",
        architecture="WavLM",
        config={
            **STABLE,
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
        },
        normalize=True,
        size=1_260_000_000,
        pretrained_on=MIX_94K,
        licence=MICROSOFT,
        citation=cite.WAVLM,
    ),
    Checkpoint(
        name="unispeech-sat-base",
        hub="microsoft/unispeech-sat-base",
        revision="ca010627e5d232d9179ebdcd615eaa02cea382ed",
        architecture="UniSpeechSat",
        normalize=False,
        # beside the quantizer: the utterance-wise speaker loss and the cluster labels (section 2.2
        # of the paper)
        heads=(*QUANTIZER, "speaker_proj.", "label_embeddings_concat", "layer_norm_for_extract."),
        size=382_000_000,
        pretrained_on=LIBRISPEECH,
        licence=MICROSOFT,
        citation=cite.UNISPEECH_SAT,
    ),
    Checkpoint(
        name="wav2vec2-base",
        hub="facebook/wav2vec2-base",
        revision="0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8",
        architecture="Wav2Vec2",
        normalize=True,
        heads=QUANTIZER,
        size=380_000_000,
        pretrained_on=LIBRISPEECH,
        licence="Apache-2.0",
        citation=cite.WAV2VEC2,
    ),
    Checkpoint(
        name="hubert-base",
        hub="facebook/hubert-base-ls960",
        revision="dba3bb02fda4248b6e082697eee756de8fe8aa8a",
        architecture="Hubert",
        normalize=True,
        size=378_000_000,
        pretrained_on=LIBRISPEECH,
        licence="Apache-2.0",
        citation=cite.HUBERT,
    ),
    Checkpoint(
        name="mms-1b",
        hub="facebook/mms-1b",
        revision="0d2f7adb9903d98894d70ae11f7fbdfc8cb71a69",
        architecture="Wav2Vec2",
        config={
            **STABLE,
            "conv_bias": True,
            "hidden_size": 1280,
            "num_hidden_layers": 48,
            "num_attention_heads": 16,
            "intermediate_size": 5120,
        },
        normalize=True,
        heads=QUANTIZER,
        pretrained_on=MMS,
        licence="CC BY-NC 4.0",
        citation=cite.MMS,
    ),
    Checkpoint(
        # five positional convolutions of 19 frames each, and layer norm after every convolution of
        # the front end: the class's only variant
        name="data2vec-audio-base",
        hub="facebook/data2vec-audio-base",
        architecture="Data2VecAudio",
        normalize=True,
        size=373_000_000,
        pretrained_on=LIBRISPEECH,
        licence="Apache-2.0",
        citation=cite.DATA2VEC,
    ),
    Checkpoint(
        name="voc2vec",
        hub="alkiskoudounas/voc2vec",
        architecture="Wav2Vec2",
        normalize=True,
        heads=QUANTIZER,
        size=380_000_000,
        pretrained_on=VOC125,
        licence="Apache-2.0",
        citation=cite.VOC2VEC,
    ),
    Checkpoint(
        name="voc2vec-as-pt",
        hub="alkiskoudounas/voc2vec-as-pt",
        architecture="Wav2Vec2",
        normalize=True,
        heads=QUANTIZER,
        size=380_000_000,
        pretrained_on=("AudioSet", *VOC125),
        licence="Apache-2.0",
        citation=cite.VOC2VEC,
    ),
    Checkpoint(
        name="voc2vec-ls-pt",
        hub="alkiskoudounas/voc2vec-ls-pt",
        architecture="Wav2Vec2",
        normalize=True,
        heads=QUANTIZER,
        pretrained_on=("LibriSpeech", *VOC125),
        licence="Apache-2.0",
        citation=cite.VOC2VEC,
    ),
    Checkpoint(
        name="voc2vec-hubert-ls-pt",
        hub="alkiskoudounas/voc2vec-hubert-ls-pt",
        architecture="Hubert",
        normalize=True,
        pretrained_on=("LibriSpeech", *VOC125),
        licence="Apache-2.0",
        citation=cite.VOC2VEC,
    ),
)
