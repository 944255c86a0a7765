"""MESD, the Mexican Emotional Speech Database: single Spanish words by women, men and children in
six emotions.

Layout, as published: ``Emotion_{F|M|C}_{A|B}_word.wav`` (emotion, voice, corpus of words, word).
Eleven people speak, but the name tells only whether a woman, a man or a child does: a clip has no
speaker, no speaker-disjoint folds can be cut, and every number on this corpus is one where the
voice may have been in the training part. Version 5 also has women's voices made less natural by
computer, whose names carry the level, and so a digit, before the word: they are another set and
none of the 862.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Misfit, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.speakers import FEMALE, MALE
from nverbench_datasets.tones import write_tone

COUNTS = {
    "Anger": 143,
    "Disgust": 144,
    "Fear": 144,
    "Happiness": 144,
    "Neutral": 143,
    "Sadness": 144,
}
VOICES = {"F": {**FEMALE, "age": "adult"}, "M": {**MALE, "age": "adult"}, "C": {"age": "child"}}
"""Voice -> what it says about the speaker; of children the sex is not known."""
WORD_CORPORA = ("A", "B")
NAME = re.compile(r"([A-Za-z]+)_([A-Z])_([A-Z])_([^\W\d_](?:[^\W\d]|[ -])*)\.wav")

LAYOUT = Layout(
    title="MESD",
    corpus="mesd",
    clips="Emotion_V_C_word.wav (emotion, voice F, M or C, word corpus A or B, word)",
    how=(
        "unpack version 5 from https://data.mendeley.com/datasets/cy34mh68j9/5 && nverbench data"
        " add mesd PATH"
    ),
)


def parse(name: str, folder: str = "") -> Said | str:
    """What a file name says, or the reason why it says nothing."""
    match = NAME.fullmatch(name)
    if match is None:
        return (
            "not named Emotion_V_C_word.wav (emotion, voice, word corpus, word); rename or"
            " remove it"
        )
    emotion, voice, words, _ = match.groups()
    if emotion not in COUNTS:
        return f"emotion {emotion} is not one of {', '.join(COUNTS)}; remove it"
    if voice not in VOICES:
        return f"voice {voice} is not one of {', '.join(VOICES)}; remove it"
    if words not in WORD_CORPORA:
        return f"word corpus {words} is not one of {', '.join(WORD_CORPORA)}; remove it"
    return Said(id=name.removesuffix(".wav"), label=emotion, facts=VOICES[voice])


def load(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip at ``root``: the unpacked download, or the folder of wav files in it."""
    return read(root, LAYOUT, parse)


def sample(root: Path) -> None:
    """Writes 24 clips in the published layout: 3 voices, 2 emotions, 4 words."""
    for step, voice in enumerate(VOICES):
        for number, word in enumerate(("abajo", "ayer", "gracias", "hoy")):
            for emotion in ("Anger", "Sadness"):
                write_tone(
                    root / f"{emotion}_{voice}_A_{word}.wav",
                    90.0 + 40 * step + 10 * number,
                    rate=48000,
                    falling=emotion == "Sadness",
                )


MESD = Dataset(
    name="mesd",
    corpus="mesd",
    load=load,
    labels=tuple(COUNTS),
    label_card=LabelCard(
        kind="portrayed",
        setting=(
            "acted: eleven people who are no professional actors (3 women, 2 men, 6 children), an"
            " emotion that was asked for; file names do not tell who speaks, so folds cannot keep a"
            " speaker out of training"
        ),
        raters=(
            "none: checked by classifiers trained on the recordings; the label is the emotion that"
            " was asked for"
        ),
        languages="Mexican Spanish",
        ages="on average 23 (women), 24 (men) and 10 years (children)",
    ),
    folds=("random",),
    sample=sample,
    sources=(
        Source(
            address="https://data.mendeley.com/datasets/cy34mh68j9/5",
            licence="CC BY 4.0",
            revision="5",
            how=LAYOUT.how,
        ),
    ),
    rates=(48000,),
    counts=COUNTS,
    common={label: label.lower() for label in COUNTS},
    share="open",
    licence="CC BY 4.0",
    citation="""@article{duville2021mesd,
  title = {{Mexican} Emotional Speech Database Based on Semantic, Frequency, Familiarity, Concreteness, and Cultural Shaping of Affective Prosody},
  author = {Duville, Mathilde Marie and Alonso-Valerdi, Luz Mar{\\'i}a and Ibarra-Zarate, David I.},
  journal = {Data},
  volume = {6},
  number = {12},
  pages = {130},
  year = {2021},
  doi = {10.3390/data6120130},
}""",
)
