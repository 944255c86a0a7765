"""ASVP-ESD: sounds of emotion cut from films, television, YouTube and sound websites; its part
without speech.

One local copy, three datasets: 13 classes; 12, without breath (RENO does not say which it took);
and the 13 with the babies of ``Bonus/``. Layout, as unpacked:
``Audio/actor_*/MM-VC-EE-II-SS-AA-AG-SO[-...].wav`` and ``Bonus/...`` with the same names: modality,
vocal channel, emotion, intensity, statement, actor (even: male), age, source. 8 to 12 fields occur;
language and remarks (66, 77: noisy or mixed) follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Misfit, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.speakers import FEMALE, MALE
from nverbench_datasets.tones import write_tone

# The order is upstream's: emotion 01 is the first.
EMOTIONS = (
    *(
        "boredom",
        "neutral",
        "happy",
        "sad",
        "angry",
        "fear",
        "disgust",
        "surprise",
        "excited",
        "pleasure",
        "pain",
        "disappointment",
        "breath",
    ),
)
TWELVE = EMOTIONS[:-1]
# pleasure, excited and breath: no corpus is known to mean the same (common.py).
COMMON = {
    "boredom": "boredom",
    "neutral": "neutral",
    "happy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "fear": "fear",
    "disgust": "disgust",
    "surprise": "surprise",
    "pain": "pain",
    "disappointment": "disappointment",
}
AGES = {"01": "over 65", "02": "20 to 64", "03": "under 20", "04": "baby"}
SPEECH, NON_SPEECH = "01", "02"
FIELDS = (8, 12)
FIELD = re.compile(r"[0-9]{1,3}")
NAMED = "MM-VC-EE-II-SS-AA-AG-SO[-...].wav"

AUDIO_ONLY = Layout(
    title="ASVP-ESD",
    corpus="asvp-esd",
    clips=f"Audio/actor_*/{NAMED}",
    folders=re.compile("Audio"),
    deep=True,
    only_there=True,
    apart=("Bonus",),
    beside=re.compile(r"(?s).*"),  # documents, and the part that is not used
)
WITH_BONUS = replace(AUDIO_ONLY, folders=re.compile("Audio|Bonus"), apart=())

LICENCE = "CC BY 4.0 (declared; third-party recordings, consent unknown)"
SOURCE = Source(
    address="https://zenodo.org/records/7132783/files/ASVP-ESD-Update.zip", licence=LICENCE
)
CITATION = """@misc{landry_asvp_esd,
  title = {Audio, Speech and Vision Processing Lab Emotional Sound database ({ASVP-ESD})},
  author = {Landry, Dejoli Tientcheu Touko and He, Qianhua and Xie, Wei},
  publisher = {Zenodo},
  doi = {10.5281/zenodo.7132783},
}"""
CARD = LabelCard(
    kind="perceived",
    setting=(
        "in the wild: cut from films, television, YouTube and sound websites, acted and spontaneous"
        " alike"
    ),
    raters=(
        "5 annotators for the first folders, 3 others for the later ones; the class with most votes"
    ),
    languages="Chinese, English, French, Russian and others; the clips used here have no speech",
    ages="under 20 to over 65; babies in Bonus/ only",
    consent="unknown: third-party recordings",
)


def parse(name: str, folder: str = "") -> Said | str | None:
    """What a file name says, the reason why it says nothing, or None for speech, which is not part
    of these datasets.

    Fields that nothing here depends on (intensity, statement, source and what follows: what codes
    of languages mean was not verified) need only be there. Folds keep actors apart whatever the source: should a number be one person in two
    sources, groups of source and actor would put her on both sides of a fold.
    """
    stem, dot, suffix = name.rpartition(".")
    fields = stem.split("-")
    if (
        not dot
        or suffix != "wav"
        or not FIELDS[0] <= len(fields) <= FIELDS[1]
        or not all(map(FIELD.fullmatch, fields[:7]))
    ):
        return f"not named {NAMED} (8 to 12 fields, the first seven in digits); rename or remove it"
    modality, channel, emotion, actor = fields[0], fields[1], fields[2], fields[5]
    if modality != "03":
        return f"modality {modality} is not 03 (audio); remove it"
    if channel not in (SPEECH, NON_SPEECH):
        return f"vocal channel {channel} is neither 01 (speech) nor 02 (non-speech); remove it"
    if channel == SPEECH:
        return None  # so its emotion is not judged
    if len(emotion) != 2 or not 1 <= int(emotion) <= len(EMOTIONS):
        return (
            f"emotion {emotion} is not one of 01 to {len(EMOTIONS)}, and nobody says what it means;"
            " left out"
        )
    # The id keeps the folders: nothing promises that a name occurs in one folder only.
    return Said(
        id=f"{folder}/{stem}",
        label=EMOTIONS[int(emotion) - 1],
        speaker=actor,
        facts=facts(actor, fields[6]),
    )


def facts(actor: str, age: str) -> dict[str, str]:
    """Sex (an even actor is male) and age of the speaker; of babies the age only."""
    known = {"age": AGES[age]} if age in AGES else {}
    return (
        known if known.get("age") == "baby" else {**(FEMALE if int(actor) % 2 else MALE), **known}
    )


def load_all(root: Path) -> Iterator[Clip | Misfit]:
    """The clips without speech under ``Audio``, and the other files there; ``root`` is the
    folder that holds ``Audio``, or one around it.
    """
    return read(root, AUDIO_ONLY, parse)


def load_12(root: Path) -> Iterator[Clip | Misfit]:
    """As :func:`load_all`, without breath."""
    return (item for item in load_all(root) if isinstance(item, Misfit) or item.label in TWELVE)


def load_babies(root: Path) -> Iterator[Clip | Misfit]:
    """As :func:`load_all`, and those under ``Bonus``."""
    return read(root, WITH_BONUS, parse)


def sample(root: Path) -> None:
    """Writes a tiny tree in the published layout: 6 actors x happy, sad and breath; one with speech
    and one with 12 fields; one baby.
    """
    for actor in range(1, 7):
        for emotion in ("03", "04", "13"):
            path = (
                root
                / "Audio"
                / f"actor_{actor:02d}"
                / f"03-02-{emotion}-01-01-{actor:02d}-02-{1 + actor % 3:02d}-01.wav"
            )
            write_tone(path, 150.0 + 40 * actor + 7 * int(emotion), falling=emotion == "04")
    write_tone(root / "Audio" / "actor_01" / "03-01-03-01-01-01-02-01-01.wav", 300.0)
    write_tone(
        root / "Audio" / "actor_02" / "03-02-04-02-03-02-02-03-01-01-02-77.wav", 250.0, falling=True
    )
    write_tone(root / "Bonus" / "actor_07" / "03-02-04-01-01-07-04-02.wav", 500.0, falling=True)


AUDIO = dict(
    zip(EMOTIONS, (447, 281, 1172, 964, 389, 1001, 709, 1094, 131, 330, 778, 77, 172), strict=True)
)
WITH_BABIES = AUDIO | {
    "boredom": 450,
    "neutral": 284,
    "happy": 1255,
    "sad": 2143,
    "fear": 1010,
    "pain": 780,
}

ASVP_ESD = Dataset(
    name="asvp-esd",
    corpus="asvp-esd",
    load=load_all,
    labels=EMOTIONS,
    label_card=CARD,
    group="actor",
    sample=sample,
    sources=(SOURCE,),
    counts=AUDIO,
    common=COMMON,
    share="labels-only",
    licence=LICENCE,
    citation=CITATION,
)
ASVP_ESD_12 = replace(
    ASVP_ESD,
    name="asvp-esd-12",
    load=load_12,
    labels=TWELVE,
    counts={label: AUDIO[label] for label in TWELVE},
)
ASVP_ESD_BABIES = replace(ASVP_ESD, name="asvp-esd-babies", load=load_babies, counts=WITH_BABIES)
