"""ssast-patch-base and ssast-frame-base: the records of the Self-Supervised AST (Gong et al. 2022),
and how one is loaded. No heavy import here.

A control for Audio-Mamba: a ViT that learned from masked patches too. Matched: AudioSet without
labels, spectrogram patches, size "base". Not matched: SSAST saw LibriSpeech as well, reads 10.24 s
in patches of 16 x 16 (or columns of 2 frames) where Audio-Mamba reads 2 s in patches of 4 x 16, and
adds a discriminative objective to reconstruction. The SSAST baselines in the Audio-Mamba paper
(Yadav & Tan 2024) are other networks of the same name, trained by its authors on AudioSet alone
(``ssast_*_200_16x4`` in their repository); these are the published SSAST checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nverbench import Backbone, LoadContext, Source

if TYPE_CHECKING:
    from nverbench_backbones.ast_patches import PatchFrames

LICENCE = "BSD-3-Clause (the repository's)"
CITATION = """@inproceedings{gong2022ssast,
  title = {{SSAST}: Self-Supervised Audio Spectrogram Transformer},
  author = {Gong, Yuan and Lai, Cheng-I Jeff and Chung, Yu-An and Glass, James},
  booktitle = {AAAI Conference on Artificial Intelligence},
  year = {2022},
  note = {arXiv:2110.09784}
}"""


@dataclass(frozen=True)
class Architecture:
    """A ViT over spectrogram patches; patches do not overlap, as in pretraining (the published
    fine-tuning moves to a stride of 10).
    """

    patch: tuple[int, int]
    """Mel bands x frames."""
    frames: int = 1024
    dim: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 3072


PATCH, FRAME = Architecture((16, 16)), Architecture((128, 2))


def ssast(
    name: str, architecture: Architecture, *, address: str, file: str, size: int | None
) -> Backbone:
    """The record of an SSAST of this architecture."""
    return Backbone(
        name=name,
        family="attention",
        frame_dim=architecture.dim,
        dim=architecture.dim,
        load=partial(load, name, architecture),
        layers=architecture.depth + 1,
        frame_rate=100.0 / architecture.patch[1],
        min_samples=400,  # one 25 ms frame of the filter bank
        # as many windows as go through the network together; measured on a CPU: the bits of one at
        # a time, and its speed
        batch=4,
        weights=Source(
            address=address,
            licence=LICENCE,
            size=size,
            how=f"download {file} from there, then `nverbench weights add {name} PATH`",
        ),
        pretrained_on=("AudioSet", "LibriSpeech (960 h)"),
        licence=LICENCE,
        citation=CITATION,
    )


def backbones() -> Iterator[Backbone]:
    """The two checkpoints the repository recommends: patches for audio, whole columns of two frames
    for speech.
    """
    # 4 bytes per number of the state dict, pretraining heads included ("89M" in the repository)
    size = 355_053_400
    patch, frame = "SSAST-Base-Patch-400.pth", "SSAST-Base-Frame-400.pth"
    yield ssast(
        "ssast-patch-base",
        PATCH,
        address=f"https://www.dropbox.com/s/ewrzpco95n9jdz6/{patch}?dl=1",
        file=patch,
        size=size,
    )
    yield ssast(
        "ssast-frame-base",
        FRAME,
        address=f"https://www.dropbox.com/s/nx6nl4d4bl71sm8/{frame}?dl=1",
        file=frame,
        size=size,
    )


def load(name: str, architecture: Architecture, ctx: LoadContext) -> PatchFrames:
    """The frozen network, from a checkpoint file or with seeded random weights.

    Raises:
        ArtifactError: the file cannot be read safely, or is no SSAST checkpoint of this
            architecture.
        UsageError: ``ctx.layer`` is not one of the layers.
    """
    from nverbench_backbones.ast_patches import Grid, PatchFrames
    from nverbench_backbones.freeze import freeze
    from nverbench_backbones.spectrogram_windows import check_layer
    from nverbench_backbones.ssast_network import build, hidden_states

    layer = check_layer(name, ctx.layer, architecture.depth + 1)
    grid = Grid(architecture.patch, architecture.patch, architecture.frames)
    return freeze(
        PatchFrames(
            build(name, architecture, ctx),
            hidden_states,
            grid,
            name=name,
            layer=layer,
            dtype=ctx.dtype,
        ),
        ctx,
    )
