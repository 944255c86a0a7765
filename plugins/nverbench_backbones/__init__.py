"""First-party backbones: Audio-Mamba, speech and spectrogram transformers, BYOL-S, log-mel
statistics, and features from a file.
"""

from __future__ import annotations

from collections.abc import Iterator

from nverbench import Backbone, hookimpl
from nverbench_backbones import (
    ast_audioset,
    audio_mamba,
    byol_s,
    logmel_stats,
    npz,
    speech,
    ssast,
    whisper,
)


@hookimpl
def nverbench_backbones() -> Iterator[Backbone]:
    """Every backbone this package brings; none is loaded here."""
    yield from audio_mamba.backbones()
    yield from speech.backbones()
    yield whisper.WHISPER_SMALL
    yield ast_audioset.AST_AUDIOSET
    yield from ssast.backbones()
    yield byol_s.BYOL_S
    yield logmel_stats.LOGMEL_STATS
    yield npz.NPZ
