"""Records of the spectrogram backbones at toy size (hidden 32, 2 blocks, short windows), for suites
over every architecture. No heavy import here.
"""

from __future__ import annotations

from nverbench import Backbone
from nverbench_backbones.ast_audioset import audio_spectrogram_transformer
from nverbench_backbones.logmel_stats import LOGMEL_STATS
from nverbench_backbones.ssast import Architecture, ssast
from nverbench_backbones.whisper import whisper

WHISPER = {
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "num_mel_bins": 80,
    "max_source_positions": 50,
}
"""Windows of 50 frames, 1 s."""
AST = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_length": 64,
    "num_mel_bins": 128,
    "patch_size": 16,
    "frequency_stride": 10,
    "time_stride": 10,
}
"""Windows of 64 filter bank frames, 5 time patches and 12 frequency patches."""
PATCH = Architecture((16, 16), frames=64, dim=32, depth=2, heads=2, hidden=48)
FRAME = Architecture((128, 2), frames=64, dim=32, depth=2, heads=2, hidden=48)


def tiny_spectrogram() -> list[Backbone]:
    """One record per architecture, named ``tiny-<name>``; ``logmel-stats`` is itself, it has no
    weights.
    """
    return [
        whisper("tiny-whisper-small", WHISPER),
        audio_spectrogram_transformer("tiny-ast-audioset", AST),
        ssast("tiny-ssast-patch-base", PATCH, address="a test", file="tiny.pth", size=None),
        ssast("tiny-ssast-frame-base", FRAME, address="a test", file="tiny.pth", size=None),
        LOGMEL_STATS,
    ]
