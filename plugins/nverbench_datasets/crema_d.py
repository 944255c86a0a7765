"""CREMA-D: 91 actors saying twelve English sentences in six emotions, told by the file names of
``AudioWAV``.

Layout, as upstream: ``AudioWAV/1001_DFA_ANG_XX.wav`` (actor, sentence, emotion, level). The mp3 and
video files of the repository are left alone: the corpus' author says to use the wav files (issue 13
of the repository).

``VideoDemographics.csv`` of the clone, where it is there, says sex and age of the actors.

The published list (``SentenceFilenames.csv`` of the repository, 7,442 names) is a grid with 20
holes: every actor says every sentence in every emotion once, and IEO in three levels except
neutral. The parser accepts exactly that list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Misfit, Note, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.speakers import with_facts
from nverbench_datasets.tones import write_tone

FIRST_ACTOR, LAST_ACTOR = 1001, 1091
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
LEVELLED, LEVELS, NO_LEVEL = "IEO", ("LO", "MD", "HI"), "XX"
"""The sentence that was said in three levels (low, medium, high), and what the names of all else
say.
"""
HOLES = {
    *(("1002", "TIE", "NEU"), ("1076", "ITS", "NEU")),
    *(
        (actor, sentence, emotion)
        for actor, sentence in (("1008", "WSI"), ("1009", "MTI"), ("1019", "ITH"))
        for emotion in EMOTIONS
    ),
}
"""Actor, sentence and emotion that SentenceFilenames.csv does not have: 20 clips."""
NAME = re.compile(r"([0-9]{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{2})\.wav")
OLD_NAMES = {"1040_ITH_SAD_X.wav": "1040_ITH_SAD_XX.wav"}
"""Corrected upstream in October 2022 (issue 6 of the repository); older copies have the short
name.
"""

LAYOUT = Layout(
    title="CREMA-D",
    corpus="crema-d",
    clips="AudioWAV/AAAA_SSS_EEE_LL.wav (actor, sentence, emotion, level)",
    # No program here can fetch it: an archive of the repository holds pointers of git-lfs instead
    # of audio.
    how=(
        "git lfs install && git clone https://github.com/CheyneyComputerScience/CREMA-D &&"
        " nverbench data add crema-d PATH"
    ),
    places=("AudioWAV", ""),
)


def parse(name: str, folder: str = "") -> Said | str:
    """What a file name says, or the reason why it says nothing."""
    match = NAME.fullmatch(OLD_NAMES.get(name, name))
    if match is None:
        return (
            "not named AAAA_SSS_EEE_LL.wav (actor, sentence, emotion, level); rename or remove it"
        )
    actor, sentence, emotion, level = match.groups()
    if not FIRST_ACTOR <= int(actor) <= LAST_ACTOR:
        return f"actor {actor} is not one of {FIRST_ACTOR} to {LAST_ACTOR}; remove it"
    if sentence not in SENTENCES:
        return f"sentence {sentence} is not one of {', '.join(SENTENCES)}; remove it"
    if emotion not in EMOTIONS:
        return f"emotion {emotion} is not one of {', '.join(EMOTIONS)}; remove it"
    levels = LEVELS if sentence == LEVELLED and emotion != "NEU" else (NO_LEVEL,)
    if level not in levels:
        return (
            f"level {level} is not {' or '.join(levels)}, as of sentence {sentence} and emotion"
            f" {emotion}; remove it"
        )
    if (actor, sentence, emotion) in HOLES:
        return "not among the 7,442 published clips; remove it"
    return Said(id=f"{actor}_{sentence}_{emotion}_{level}", label=EMOTIONS[emotion], speaker=actor)


def load(root: Path) -> Iterator[Clip | Misfit | Note]:
    """Every clip at ``root``: the clone, or its ``AudioWAV``."""
    clips = read(root, LAYOUT, parse)
    return with_facts(clips, root, "VideoDemographics.csv", {"sex": "Sex", "age": "Age"})


def sample(root: Path) -> None:
    """Writes 20 clips in the published layout: 5 actors, 2 emotions, 2 sentences."""
    for actor in range(1001, 1006):
        for sentence in ("DFA", "TIE"):
            for emotion in ("ANG", "SAD"):
                hertz = 90.0 + 12 * (actor - 1000) + 20 * (sentence == "TIE")
                write_tone(
                    root / "AudioWAV" / f"{actor}_{sentence}_{emotion}_XX.wav",
                    hertz,
                    falling=emotion == "SAD",
                )


CREMA_D = Dataset(
    name="crema-d",
    corpus="crema-d",
    load=load,
    labels=tuple(EMOTIONS.values()),
    label_card=LabelCard(
        kind="portrayed",
        setting="acted: 91 actors, twelve sentences, an emotion that was asked for",
        raters=(
            "2,443 crowd workers rated clips; the label is the emotion that was asked for, not what"
            " they voted"
        ),
        languages="English",
        ages="20 to 74 (48 men and 43 women)",
    ),
    sample=sample,
    sources=(
        Source(
            address="https://github.com/CheyneyComputerScience/CREMA-D",
            licence="ODbL 1.0",
            how=LAYOUT.how,
        ),
    ),
    # Peak zero: issue 8 of the repository ("can play but there is no sound").
    defects={"1076_MTI_SAD_XX": "silent"},
    rates=(16000,),
    common={
        "anger": "anger",
        "disgust": "disgust",
        "fear": "fear",
        "happy": "happiness",
        "neutral": "neutral",
        "sad": "sadness",
    },
    counts={label: 1087 if label == "neutral" else 1271 for label in EMOTIONS.values()},
    share="open",
    licence="ODbL 1.0",
    citation="""@article{cao2014cremad,
  title = {{CREMA-D}: Crowd-Sourced Emotional Multimodal Actors Dataset},
  author = {Cao, Houwei and Cooper, David G. and Keutmann, Michael K. and Gur, Ruben C. and Nenkova, Ani and Verma, Ragini},
  journal = {IEEE Transactions on Affective Computing},
  volume = {5},
  number = {4},
  pages = {377--390},
  year = {2014},
  doi = {10.1109/TAFFC.2014.2336244},
}""",
)
