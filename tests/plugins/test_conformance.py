"""Every first-party backbone against every rule of the kit: small ones in full size, the others as
tiny seeded networks of the same code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nverbench import Backbone, LoadContext
from nverbench.testing import Subject, Trial
from nverbench.testing.kit import items
from nverbench_backbones import nverbench_backbones
from support.tiny_spectrogram import tiny_spectrogram
from support.tiny_speech import tiny_speech

FIRST_PARTY = {part.name: part for part in nverbench_backbones()}
UNLOADED = ("record", "lazy-import")
"""Rules that load nothing: tried on the real record of every size."""
FULL_SIZE = ("audio-mamba-tiny", "byol-s")
MICRO_DIM, MICRO_DEPTH = 32, 2
SAME_CODE = {
    "wavlm-base-plus": "wavlm-base",
    "voc2vec": "wav2vec2-base",
    "voc2vec-as-pt": "wav2vec2-base",
    "voc2vec-ls-pt": "wav2vec2-base",
    "voc2vec-hubert-ls-pt": "hubert-base",
}
"""Checkpoints of an architecture that another one stands for; tests/plugins/test_speech.py holds
their configurations against it.
"""


def micro_audio_mamba(ctx: LoadContext, *, layout: str = "published") -> Any:
    """Audio-Mamba with 2 blocks of 32 dimensions."""
    from nverbench_backbones.audio_mamba_network import AudioMamba, untrained_encoder
    from nverbench_backbones.freeze import freeze

    with ctx.seeded():
        encoder = untrained_encoder(MICRO_DIM, MICRO_DEPTH)
    return freeze(AudioMamba(encoder, layout=layout, dtype=ctx.dtype), ctx)


def tiny_audio_mamba() -> list[Backbone]:
    """The three sizes differ in numbers only, so one micro network stands for each."""
    sizes = [part for part in FIRST_PARTY.values() if part.name.startswith("audio-mamba-")]
    return [
        replace(
            part,
            name=f"tiny-{part.name}",
            frame_dim=5 * MICRO_DIM,
            dim=5 * MICRO_DIM,
            load=micro_audio_mamba,
        )
        for part in sizes
    ]


TINY = [*tiny_audio_mamba(), *tiny_speech(), *tiny_spectrogram()]
IN_FULL = [
    part
    for part in FIRST_PARTY.values()
    if part.name in FULL_SIZE or (part.load is not None and part.weights is None)
]
SUBJECTS = [Subject(part) for part in IN_FULL]
TINY_SUBJECTS = [Subject(part) for part in TINY] + [Subject(TINY[0], f"{TINY[0].name}:layout=time")]


def chosen(given: list[Any], loading: bool) -> list[Any]:
    """The items of rules that load the network, or of those that do not."""
    return [item for item in given if (item.values[0].rule not in UNLOADED) is loading]


def test_no_first_party_backbone_is_left_out() -> None:
    tried = {part.name.removeprefix("tiny-") for part in [*IN_FULL, *TINY]}
    needed = {
        SAME_CODE.get(part.name, part.name)
        for part in FIRST_PARTY.values()
        if part.load is not None
    }
    assert needed - tried == set()


@pytest.mark.parametrize("trial", chosen(items(*map(Subject, FIRST_PARTY.values())), loading=False))
def test_every_record_conforms(trial: Trial) -> None:
    trial()


@pytest.mark.parametrize("trial", chosen(items(*SUBJECTS, slow=True), loading=True))
def test_a_small_backbone_conforms_in_full_size(trial: Trial) -> None:
    trial()


@pytest.mark.parametrize("trial", chosen(items(*TINY_SUBJECTS), loading=True))
def test_a_tiny_network_of_the_same_code_conforms(trial: Trial) -> None:
    trial()
