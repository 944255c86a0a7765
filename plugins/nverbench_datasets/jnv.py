"""JNV: Japanese nonverbal vocalisations of six emotions by four speakers, phrases given (R) or free
(F).

Layout, as unpacked: ``SPEAKER/SPEAKER_EMOTION_ID_KIND.wav``. Four speakers cannot be cut into five
speaker-disjoint folds: one is left out at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Misfit, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.speakers import SEX
from nverbench_datasets.tones import write_tone

SPEAKERS = ("F1", "F2", "M1", "M2")
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise")
KINDS = ("R", "F")
NAME = re.compile(r"([A-Z][0-9]+)_([a-z]+)_([0-9A-Za-z]+)_([A-Z])\.wav")
NAMED = "SPEAKER_EMOTION_ID_KIND.wav"

LAYOUT = Layout(
    title="JNV",
    corpus="jnv",
    clips=f"SPEAKER/{NAMED}",
    folders=re.compile("|".join(SPEAKERS)),
    home=lambda said: str(said.speaker),
    # Beside the speakers' folders the archive has readme.txt, phrases.txt and three tables of
    # ratings; anything else does not belong there.
    beside=re.compile(r".+\.(txt|md|csv|tsv|pdf)", re.IGNORECASE),
)

LICENCE = "CC BY-SA 4.0"
SOURCE = Source(
    address="https://ss-takashi.sakura.ne.jp/corpus/jnv/jnv_corpus_ver3.zip", licence=LICENCE
)
CITATION = """@article{xin2024jnv,
  title = {{JNV} corpus: A corpus of {Japanese} nonverbal vocalizations with diverse phrases and emotions},
  author = {Xin, Detai and Takamichi, Shinnosuke and Saruwatari, Hiroshi},
  journal = {Speech Communication},
  volume = {156},
  pages = {103004},
  year = {2024},
}"""
CARD = LabelCard(
    kind="portrayed",
    setting=(
        "acted: one professional (M2) and three amateurs, given emotional scenarios; phrases"
        " crowd-sourced (R) or left to the speaker (F)"
    ),
    raters=(
        "crowd workers rated and recognised the clips; the label is the emotion that was asked for"
    ),
    languages="Japanese",
)


def parse(name: str, folder: str = "") -> Said | str:
    """What a file name says, or the reason why it says nothing."""
    match = NAME.fullmatch(name)
    if match is None:
        return f"not named {NAMED}; rename or remove it"
    speaker, emotion, _, kind = match.groups()
    if speaker not in SPEAKERS:
        return f"speaker {speaker} is not one of {', '.join(SPEAKERS)}; remove it"
    if emotion not in EMOTIONS:
        return f"emotion {emotion} is not one of {', '.join(EMOTIONS)}; remove it"
    if kind not in KINDS:
        return f"phrase kind {kind} is not one of R (given) and F (free); remove it"
    sex = SEX[speaker[0].lower()]
    return Said(id=name.removesuffix(".wav"), label=emotion, speaker=speaker, facts=sex)


def load(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip at ``root``: the folder that holds the speakers' folders, or one that the archive
    was unpacked in.
    """
    return read(root, LAYOUT, parse)


def sample(root: Path) -> None:
    """Writes a tiny tree in the published layout: the 4 speakers x 2 emotions x both phrase
    kinds.
    """
    for i, speaker in enumerate(SPEAKERS):
        for emotion in ("angry", "sad"):
            for kind, hertz in zip(KINDS, (200.0, 300.0), strict=True):
                write_tone(
                    root / speaker / f"{speaker}_{emotion}_01_{kind}.wav",
                    hertz + 20 * i,
                    rate=48000,
                    falling=emotion == "sad",
                )


# Its readme says 420 clips, 105 per speaker (and counts 87 given and 15 free phrases among those:
# 102). How many per emotion is not published, and
# is not the same for each: 105 / 6 is no whole number.
JNV = Dataset(
    name="jnv",
    corpus="jnv",
    load=load,
    labels=EMOTIONS,
    label_card=CARD,
    folds=("leave-one-group-out", "random"),
    sample=sample,
    sources=(SOURCE,),
    group_counts=dict.fromkeys(SPEAKERS, 105),
    common={
        "angry": "anger",
        "disgust": "disgust",
        "fear": "fear",
        "happy": "happiness",
        "sad": "sadness",
        "surprise": "surprise",
    },
    share="open",
    licence=LICENCE,
    citation=CITATION,
)
