"""VIVAE: non-speech vocalisations of six affective states at four intensities, by eleven speakers.

One local copy, two datasets: the full set, and the core set that its authors chose by judged
authenticity. Layout, as unpacked: ``full_set/S##_STATE_INTENSITY_ID.wav`` and ``core_set/...`` with
the same names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Misfit, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.tones import write_tone

STATES = ("achievement", "anger", "fear", "pain", "pleasure", "surprise")
INTENSITIES = ("low", "moderate", "strong", "peak")
SPEAKERS = 11
NAME = re.compile(r"S([0-9]{2})_([a-z]+)_([a-z]+)_([0-9A-Za-z]+)\.wav")
NAMED = "S##_STATE_INTENSITY_ID.wav"

FULL_SET = Layout(
    title="VIVAE",
    corpus="vivae",
    clips=f"full_set/{NAMED}",
    places=("full_set",),
    apart=("full_set", "core_set"),
)
CORE_SET = replace(FULL_SET, clips=f"core_set/{NAMED}", places=("core_set",))

LICENCE = "CC BY-NC 4.0"
SOURCE = Source(address="https://zenodo.org/records/4066235/files/VIVAE.zip", licence=LICENCE)
CITATION = """@article{holz2022vivae,
  title = {The Variably Intense Vocalizations of Affect and Emotion ({VIVAE}) corpus prompts new perspective on nonspeech perception},
  author = {Holz, Natalie and Larrouy-Maestri, Pauline and Poeppel, David},
  journal = {Emotion},
  volume = {22},
  number = {1},
  pages = {213--225},
  year = {2022},
  doi = {10.1037/emo0001048},
}"""
CARD = LabelCard(
    kind="portrayed",
    setting=(
        "acted: eleven speakers vocalised each state from low to peak intensity; pleasure is sexual"
        " pleasure, pain is physical pain, achievement is achievement or triumph (the paper's"
        " words)"
    ),
    raters=(
        "none; the label is the state that was asked for (the core set was chosen by judged"
        " authenticity)"
    ),
    languages="none: no words",
)


def parse(name: str, folder: str = "") -> Said | str:
    """What a file name says, or the reason why it says nothing."""
    match = NAME.fullmatch(name)
    if match is None:
        return f"not named {NAMED}; rename or remove it"
    speaker, state, intensity, _ = match.groups()
    if not 1 <= int(speaker) <= SPEAKERS:
        return f"speaker S{speaker} is not one of S01 to S{SPEAKERS}; remove it"
    if state not in STATES:
        return f"state {state} is not one of {', '.join(STATES)}; remove it"
    if intensity not in INTENSITIES:
        return f"intensity {intensity} is not one of {', '.join(INTENSITIES)}; remove it"
    return Said(id=name.removesuffix(".wav"), label=state, speaker=f"S{speaker}")


def load_full(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip of ``full_set``, and the other files there; ``root`` is the folder that
    holds ``full_set``, or one around it.
    """
    return read(root, FULL_SET, parse)


def load_core(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip of ``core_set``; otherwise as :func:`load_full`."""
    return read(root, CORE_SET, parse)


def sample(root: Path) -> None:
    """Writes a tiny tree in the published layout: 5 speakers x 2 states x 2 intensities in full,
    the peaks of them in core.
    """
    for speaker in range(1, 6):
        for state in ("anger", "pleasure"):
            for intensity, hertz in (("low", 200.0), ("peak", 400.0)):
                for part in ("full_set", "core_set") if intensity == "peak" else ("full_set",):
                    path = root / part / f"S{speaker:02d}_{state}_{intensity}_01.wav"
                    write_tone(path, hertz + 15 * speaker, rate=44100, falling=state == "pleasure")


# The record's numbers: 1,085 clips; the core set is fully crossed: 6 states x 4 intensities x 10
# speakers x 2 items (paper, abstract).
FULL = {
    "achievement": 161,
    "anger": 174,
    "fear": 176,
    "pain": 185,
    "pleasure": 202,
    "surprise": 187,
}
CORE = dict.fromkeys(STATES, 4 * 10 * 2)
BY_SPEAKER = {
    f"S{i + 1:02d}": n for i, n in enumerate((93, 101, 101, 108, 111, 111, 103, 108, 108, 87, 54))
}
"""Clips of the full set; which ten speakers the core set has is not said, so it declares none."""
# No other corpus has sexual pleasure, and surprise is one of the positive states here
# (common.py).
COMMON = {
    "achievement": "triumph",
    "anger": "anger",
    "fear": "fear",
    "pain": "pain",
    "surprise": "positive-surprise",
}
SHOWN = {"pleasure": "sexual pleasure (portrayed)"}

VIVAE = Dataset(
    name="vivae",
    corpus="vivae",
    load=load_full,
    labels=STATES,
    label_card=CARD,
    folds=("speaker", "leave-one-group-out", "random"),
    sample=sample,
    sources=(SOURCE,),
    rates=(44100,),
    counts=FULL,
    group_counts=BY_SPEAKER,
    display=SHOWN,
    common=COMMON,
    share="labels-only",
    licence=LICENCE,
    citation=CITATION,
)
VIVAE_CORE = replace(VIVAE, name="vivae-core", load=load_core, counts=CORE, group_counts={})
