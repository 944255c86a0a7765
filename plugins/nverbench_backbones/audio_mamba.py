"""Audio-Mamba (SSAM, Yadav & Tan, Interspeech 2024): the records of tiny, small and base, and how
one is loaded. No heavy import here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from nverbench import Backbone, LoadContext, Source, UsageError

if TYPE_CHECKING:
    from nverbench_backbones.audio_mamba_network import AudioMamba

EMBED_DIMS = {"tiny": 192, "small": 384, "base": 768}
WEIGHT_BYTES = {"tiny": 19_234_816, "small": 71_941_888, "base": 277_773_568}
"""4 bytes per number of the state dict; the published files may hold the optimizer too and be three
times as large.
"""
DEPTH = 12
MIN_SAMPLES = 201
"""The front end reflects 200 samples at both ends, which needs one more than that."""
LAYOUTS = ("published", "time")
DRIVE = "https://drive.google.com/drive/folders/1l6_8e1TFEfnobwUMIbA7-aKw2FwlBhho"
PATH = "ssam_{}_200_16x4_4x256_fp16_r1/checkpoints/checkpoint-99.pth"
"""Inside that folder, by size."""
LICENCE = "unknown (see the audio-mamba-official repository)"
CITATION = """@inproceedings{yadav2024audiomamba,
  title = {Audio Mamba: Selective State Spaces for Self-Supervised Audio Representations},
  author = {Yadav, Sarthak and Tan, Zheng-Hua},
  booktitle = {Interspeech 2024},
  year = {2024},
  note = {arXiv:2406.02178}
}"""


def backbones() -> Iterator[Backbone]:
    """The three released sizes."""
    for size, embed_dim in EMBED_DIMS.items():
        yield _record(size, embed_dim)


def is_time_local(options: Mapping[str, Any]) -> bool:
    """Whether a row is local in time: only in the layout that the release did not use."""
    return bool(options["layout"] == "time")


def _record(size: str, embed_dim: int) -> Backbone:
    name = f"audio-mamba-{size}"
    path = PATH.format(size)
    others = " and ".join(PATH.format(other) for other in EMBED_DIMS if other != size)
    return Backbone(
        name=name,
        family="mamba",
        frame_dim=5 * embed_dim,
        dim=5 * embed_dim,
        load=partial(load, size),
        pool="mean",
        blocks=5,
        frame_rate=25.0,
        time_local=is_time_local,
        time_local_hint="use layout=time",
        min_samples=MIN_SAMPLES,
        batch=8,
        weights=Source(
            address=DRIVE,
            licence=LICENCE,
            size=WEIGHT_BYTES[size],
            how=(
                f"download {path} from the folder ({others} lie beside it), then `nverbench weights"
                f" add {name} PATH`"
            ),
        ),
        pretrained_on=("AudioSet",),
        licence=LICENCE,
        citation=CITATION,
    )


def load(size: str, ctx: LoadContext, *, layout: str = "published") -> AudioMamba:
    """The frozen network of one size.

    Args:
        size: tiny, small or base.
        ctx: device, precision, and the weights file or a seed.
        layout: ``published`` gives the rows of the released code, which are not local in time: a
            row's five blocks are places 0.4 s apart, so that a clip's mean row holds the means of
            the five fifths of each 2 s window side by side. It is a pooling over segments of time,
            which ``segments=5`` gives other backbones, and not over frequency. ``time`` gives one
            row per 40 ms, whose blocks are frequency bands. A clip shorter than 2 s fills part of a
            window only: see :func:`.audio_mamba_network.padding_of`.

    Raises:
        UsageError: an unknown layout.
        ArtifactError: the weights cannot be read or are those of another network.
    """
    from nverbench_backbones.audio_mamba_checkpoint import check_state, read_checkpoint
    from nverbench_backbones.audio_mamba_network import (
        AudioMamba,
        encoder_from_state_dict,
        untrained_encoder,
    )
    from nverbench_backbones.freeze import freeze

    if layout not in LAYOUTS:
        raise UsageError(
            f"audio-mamba-{size}: layout is {layout!r}; expected one of {', '.join(LAYOUTS)}"
        )
    embed_dim = EMBED_DIMS[size]
    if ctx.weights is None:
        with ctx.seeded():
            encoder = untrained_encoder(embed_dim, DEPTH)
    else:
        state = read_checkpoint(ctx.weights)
        check_state(
            state, embed_dim=embed_dim, depth=DEPTH, where=f"audio-mamba-{size}: {ctx.weights}"
        )
        encoder = encoder_from_state_dict(state)
    return freeze(AudioMamba(encoder, layout=layout, dtype=ctx.dtype), ctx)
