"""BYOL-S: the record of the AudioNTT2020 network pretrained on speech, 512-d, and how it is loaded.
No heavy import here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nverbench import Backbone, LoadContext, Source

if TYPE_CHECKING:
    from nverbench_backbones.byol_s_network import ByolS

MIN_SAMPLES = 1120
"""Three poolings by 2 need 8 mel frames; T = 1 + floor(s / 160) gives 8 from 1120 samples on."""
CITATION = """@inproceedings{scheidwasser2022serab,
  title = {{SERAB}: A multi-lingual benchmark for speech emotion recognition},
  author = {Scheidwasser-Clow, Neil and Kegler, Mikolaj and Beckmann, Pierre and Cernak, Milos},
  booktitle = {ICASSP 2022},
  year = {2022}
}
@inproceedings{elbanna2022byols,
  title = {{BYOL-S}: Learning Self-supervised Speech Representations by Bootstrapping},
  author = {Elbanna, Gasser and Scheidwasser-Clow, Neil and Kegler, Mikolaj and Beckmann, Pierre and El Hajal, Karl and Cernak, Milos},
  booktitle = {HEAR: Holistic Evaluation of Audio Representations (NeurIPS 2021 Competition), PMLR 166},
  year = {2022}
}"""


def load(ctx: LoadContext) -> ByolS:
    """The frozen network with the published weights, or with seeded random ones.

    Raises:
        ArtifactError: the weights cannot be read or are those of another network.
    """
    from nverbench_backbones.byol_s_network import ByolS, read_weights
    from nverbench_backbones.freeze import freeze

    with ctx.seeded():
        network = ByolS(dtype=ctx.dtype)
    if ctx.weights is not None:
        network.encoder.load_state_dict(read_weights(ctx.weights, network.encoder), strict=True)
    return freeze(network, ctx)


BYOL_S = Backbone(
    name="byol-s",
    family="convolution",
    frame_dim=512,
    dim=512,
    load=load,
    pool="mean+max",
    frame_rate=12.5,
    min_samples=MIN_SAMPLES,
    batch=1,
    weights=Source(
        address=(
            "https://github.com/Neclow/serab/raw/cc0ebd74014c19ce4fad752afe5dfd374fc7fdb2/"
            "SERAB/checkpoints/default512_BYOLAs64x96-2107281850-e100-bs256-lr0003-rs42.pth"
        ),
        revision="cc0ebd74014c19ce4fad752afe5dfd374fc7fdb2",
        sha256="449f5d0dc6b6fa8433d5e43769097520d3bc0fdae88977a7ac29e2e72ca51b52",
        size=2_409_434,
        licence="MIT",
    ),
    pretrained_on=("AudioSet (speech subset)",),
    licence="MIT",
    citation=CITATION,
)
