"""logmel-stats: log-mel frames pooled to mean and standard deviation, without any weights: the
floor every model must beat. No heavy import here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nverbench import Backbone, LoadContext

if TYPE_CHECKING:
    from nverbench_backbones.logmel_stats_network import LogMelFrames

MELS = 80
MIN_SAMPLES = 201
"""The centred spectrogram reflects 200 samples at both ends, which needs one more than that."""
CITATION = """@inproceedings{yadav2024audiomamba,
  title = {Audio Mamba: Selective State Spaces for Self-Supervised Audio Representations},
  author = {Yadav, Sarthak and Tan, Zheng-Hua},
  booktitle = {Interspeech 2024},
  year = {2024},
  note = {arXiv:2406.02178; the log-mel front end only}
}"""


def load(ctx: LoadContext) -> LogMelFrames:
    """The front end on ``ctx.device``; it has no weights, so ``ctx.weights`` and ``ctx.seed``
    change nothing.
    """
    from nverbench_backbones.freeze import freeze
    from nverbench_backbones.logmel_stats_network import LogMelFrames

    return freeze(LogMelFrames(), ctx)


LOGMEL_STATS = Backbone(
    name="logmel-stats",
    family="features",
    frame_dim=MELS,
    dim=2 * MELS,
    load=load,
    pool="stats",
    frame_rate=100.0,
    min_samples=MIN_SAMPLES,
    batch=1,
    weights=None,
    licence="Apache-2.0",
    citation=CITATION,
)
