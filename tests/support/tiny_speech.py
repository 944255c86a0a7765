"""Tiny seeded speech transformers, one per architecture: the published configuration with 2 blocks,
32 dimensions and narrow convolutions.
"""

from __future__ import annotations

from dataclasses import replace

from nverbench import Backbone
from nverbench_backbones import speech
from nverbench_backbones.speech_checkpoints import CHECKPOINTS, Checkpoint

ARCHITECTURES = (
    "wavlm-base",
    "wavlm-large",
    "unispeech-sat-base",
    "wav2vec2-base",
    "mms-1b",
    "hubert-base",
    "data2vec-audio-base",
)
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embedding_groups": 2,
}


def tiny(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with everything made small that no shape of the computation depends on; its
    positional convolutions keep their widths.
    """
    return replace(
        checkpoint, name=f"tiny-{checkpoint.name}", config={**checkpoint.config, **SMALL}
    )


TINY = {c.name: tiny(c) for c in CHECKPOINTS if c.name in ARCHITECTURES}


def tiny_speech() -> list[Backbone]:
    """A record per architecture, named ``tiny-<name>``; without weights, ``load`` builds it from
    the context's seed.
    """
    return [speech.backbone(checkpoint) for checkpoint in TINY.values()]
