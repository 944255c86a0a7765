"""EmoDB, the Berlin database: ten actors saying ten German sentences in seven emotions.

Layout, as published: ``wav/SSTTTEv.wav`` (speaker, text, emotion, version). The version is a
letter: a speaker who gave the same text in the same emotion more than once has ``a``, ``b``, ``c``
...; each is a clip of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Misfit, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.tones import write_tone

# Sex and age in years, as the database's own page says (http://emodb.bilderbar.info/docu/).
SPEAKERS = {
    "03": ("male", "31"),
    "08": ("female", "34"),
    "09": ("female", "21"),
    "10": ("male", "32"),
    "11": ("male", "26"),
    "12": ("male", "30"),
    "13": ("female", "32"),
    "14": ("female", "35"),
    "15": ("male", "25"),
    "16": ("female", "31"),
}
TEXTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
# The letters are the German words': Wut, Langeweile, neutral, Freude, Angst, Trauer, Ekel.
EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "N": "neutral",
    "F": "happiness",
    "A": "fear",
    "T": "sadness",
    "E": "disgust",
}
COUNTS = {
    "anger": 127,
    "boredom": 81,
    "neutral": 79,
    "happiness": 71,
    "fear": 69,
    "sadness": 62,
    "disgust": 46,
}
NAME = re.compile(r"([0-9]{2})([ab][0-9]{2})([A-Z])([a-z])\.wav")

LICENCE = "unknown (its terms were not verified)"
LAYOUT = Layout(
    title="EmoDB",
    corpus="emodb",
    clips="wav/SSTTTEv.wav (speaker, text, emotion, version)",
    # By hand: its home has no https, and the archive on Zenodo (record 17651657) is version 2.0,
    # which is another list of clips.
    how="unpack http://emodb.bilderbar.info/download/download.zip && nverbench data add emodb PATH",
    places=("wav", ""),
)


def parse(name: str, folder: str = "") -> Said | str:
    """What a file name says, or the reason why it says nothing."""
    match = NAME.fullmatch(name)
    if match is None:
        return "not named SSTTTEv.wav (speaker, text, emotion, version letter); rename or remove it"
    speaker, text, emotion, _ = match.groups()
    if speaker not in SPEAKERS:
        return f"speaker {speaker} is not one of {', '.join(SPEAKERS)}; remove it"
    if text not in TEXTS:
        return f"text {text} is not one of {', '.join(TEXTS)}; remove it"
    if emotion not in EMOTIONS:
        return f"emotion {emotion} is not one of {', '.join(EMOTIONS)}; remove it"
    facts = dict(zip(("sex", "age"), SPEAKERS[speaker], strict=True))
    return Said(id=name.removesuffix(".wav"), label=EMOTIONS[emotion], speaker=speaker, facts=facts)


def load(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip at ``root``: the unpacked download, or its ``wav``."""
    return read(root, LAYOUT, parse)


def sample(root: Path) -> None:
    """Writes 20 clips in the published layout: 5 speakers, 2 emotions, 2 versions."""
    for number, speaker in enumerate(tuple(SPEAKERS)[:5]):
        for version in "ab":
            for emotion in "WT":
                write_tone(
                    root / "wav" / f"{speaker}a01{emotion}{version}.wav",
                    90.0 + 12 * number + 20 * (version == "b"),
                    falling=emotion == "T",
                )


EMODB = Dataset(
    name="emodb",
    corpus="emodb",
    load=load,
    labels=tuple(EMOTIONS.values()),
    label_card=LabelCard(
        kind="portrayed",
        setting="acted: ten actors, ten sentences, an emotion that was asked for",
        raters=(
            "listeners (their number: not verified); only utterances that 80 % recognised and 60 %"
            " found natural were kept"
        ),
        languages="German",
        ages="21 to 35",
    ),
    sample=sample,
    sources=(
        Source(
            address="http://emodb.bilderbar.info/download/download.zip",
            licence=LICENCE,
            how=LAYOUT.how,
        ),
    ),
    rates=(16000,),
    counts=COUNTS,
    common={label: label for label in COUNTS},
    share="labels-only",
    licence=LICENCE,
    citation="""@inproceedings{burkhardt2005emodb,
  title = {A Database of {German} Emotional Speech},
  author = {Burkhardt, Felix and Paeschke, Astrid and Rolfes, Miriam and Sendlmeier, Walter F. and Weiss, Benjamin},
  booktitle = {Proc. Interspeech},
  pages = {1517--1520},
  year = {2005},
  doi = {10.21437/Interspeech.2005-446},
}""",
)
