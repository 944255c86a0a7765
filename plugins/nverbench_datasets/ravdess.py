"""RAVDESS, speech part, audio only: 24 actors saying two English sentences in eight emotions.

Layout, as published: ``Actor_AA/03-01-EE-II-SS-RR-AA.wav`` (audio only, speech, emotion, intensity,
statement, repetition, actor; odd actors are men, even ones women). Song files (``03-02-...``) are
named as such: they are another part of the corpus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Misfit, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.speakers import FEMALE, MALE
from nverbench_datasets.tones import write_tone

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
ACTORS = 24
NAME = re.compile(
    r"([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})-([0-9]{2})\.wav"
)

LAYOUT = Layout(
    title="RAVDESS",
    corpus="ravdess",
    clips="Actor_AA/03-01-EE-II-SS-RR-AA.wav",
    folders=re.compile(r"Actor_[0-9]{2}", re.IGNORECASE),
    home=lambda said: f"Actor_{said.speaker}",
)


def parse(name: str, folder: str = "") -> Said | str:
    """What a file name says, or the reason why it says nothing."""
    match = NAME.fullmatch(name)
    if match is None:
        return "not named 03-01-EE-II-SS-RR-AA.wav; rename or remove it"
    modality, channel, emotion, intensity, statement, repetition, actor = match.groups()
    if (modality, channel) == ("03", "02"):
        return "a song; this dataset is the speech part; remove it"
    if (modality, channel) != ("03", "01"):
        return (
            f"modality {modality} and vocal channel {channel} are not 03 and 01 (audio only,"
            " speech); remove it"
        )
    if not 1 <= int(emotion) <= len(EMOTIONS):
        return f"emotion {emotion} is not one of 01 to 0{len(EMOTIONS)}; remove it"
    if not 1 <= int(actor) <= ACTORS:
        return f"actor {actor} is not one of 01 to {ACTORS}; remove it"
    if {statement, repetition, intensity} - {"01", "02"} or (emotion, intensity) == ("01", "02"):
        return (
            "intensity, statement and repetition are 01 or 02, and neutral has intensity 01 only;"
            " remove it"
        )
    sex = MALE if int(actor) % 2 else FEMALE
    label = EMOTIONS[int(emotion) - 1]
    return Said(id=name.removesuffix(".wav"), label=label, speaker=actor, facts=sex)


def load(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip at ``root``: the folder that holds the actors' folders, or the files sorted in
    any other way, as their names say everything.
    """
    return read(root, LAYOUT, parse)


def sample(root: Path) -> None:
    """Writes 20 clips in the published layout: 5 actors, 2 emotions, 2 repetitions."""
    for actor in range(1, 6):
        for repetition in (1, 2):
            for emotion in (4, 5):
                name = f"03-01-{emotion:02d}-01-01-{repetition:02d}-{actor:02d}.wav"
                write_tone(
                    root / f"Actor_{actor:02d}" / name,
                    90.0 + 12 * actor + 20 * (repetition - 1),
                    rate=48000,
                    falling=emotion == 4,
                )


RAVDESS = Dataset(
    name="ravdess",
    corpus="ravdess",
    load=load,
    labels=EMOTIONS,
    label_card=LabelCard(
        kind="portrayed",
        setting=(
            "acted: 24 professional actors, two sentences, an emotion and an intensity that were"
            " asked for"
        ),
        raters=(
            "247 untrained people judged the recordings, ten each; the label is the emotion that"
            " was asked for"
        ),
        languages="English (North American)",
        ages="21 to 33 (not verified)",
    ),
    sample=sample,
    sources=(
        Source(
            address="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
            licence="CC BY-NC-SA 4.0",
        ),
    ),
    remarks=(
        "03-01-03-01-02-01-07 and 03-01-03-01-02-02-07 are the same file, byte for byte",
        "five files are stereo, the others mono",
    ),
    rates=(48000,),
    # of a public copy whose 1,440 files are all at 48 kHz (github.com/Rahul5430/
    # Speech-Emotion-Recognition-System at b6a1dd8, audio_speech_actors_01-24)
    data_digest="b642398512ff0adacdeaba155e05a2d0ffc12b607f54d5508a92f41f72b311d9",
    # Each actor: two statements, twice, in two intensities, and neutral in one.
    counts={label: ACTORS * (4 if label == "neutral" else 8) for label in EMOTIONS},
    common={
        "neutral": "neutral",
        "happy": "happiness",
        "sad": "sadness",
        "angry": "anger",
        "fearful": "fear",
        "disgust": "disgust",
        "surprised": "surprise",
    },
    share="labels-only",
    licence="CC BY-NC-SA 4.0",
    citation="""@article{livingstone2018ravdess,
  title = {The {Ryerson} Audio-Visual Database of Emotional Speech and Song ({RAVDESS}): A Dynamic, Multimodal Set of Facial and Vocal
           Expressions in {North American} {English}},
  author = {Livingstone, Steven R. and Russo, Frank A.},
  journal = {PLOS ONE},
  volume = {13},
  number = {5},
  pages = {e0196391},
  year = {2018},
  doi = {10.1371/journal.pone.0196391},
}""",
)
