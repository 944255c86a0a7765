"""EmoGator: vocal bursts that 357 contributors recorded themselves, three for each of 30 emotion
categories.

One local copy, three datasets: all classes, the ten classes that overlap with the basic emotions,
and those ten from exactly 41 contributors, pinned file by file. Layout, as upstream:
``data/mp3/NNNNNN-EE-I.mp3`` (contributor, category, take).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from nverbench import Clip, Dataset, LabelCard, Misfit, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.tones import write_tone

# The order is upstream's (README of the repository): category 01 is the first.
CATEGORIES = (
    *(
        "Adoration",
        "Amusement",
        "Anger",
        "Awe",
        "Confusion",
        "Contempt",
        "Contentment",
        "Desire",
        "Disappointment",
        "Disgust",
    ),
    *(
        "Distress",
        "Ecstasy",
        "Elation",
        "Embarrassment",
        "Fear",
        "Guilt",
        "Interest",
        "Neutral",
        "Pain",
        "Pride",
    ),
    *(
        "Realization",
        "Relief",
        "Romantic Love",
        "Sadness",
        "Serenity",
        "Shame",
        "Surprise (Negative)",
        "Surprise (Positive)",
    ),
    *("Sympathy", "Triumph"),
)
TEN = (
    "Amusement",
    "Anger",
    "Awe",
    "Disgust",
    "Fear",
    "Neutral",
    "Relief",
    "Sadness",
    "Surprise (Negative)",
    "Triumph",
)
CONTRIBUTORS = 357
TAKES = 3
NAME = re.compile(r"([0-9]{6})-([0-9]{2})-([0-9])\.mp3")
MANIFEST = Path(__file__).with_name("emogator_41.sha256")

LAYOUT = Layout(
    title="EmoGator",
    corpus="emogator",
    clips="data/mp3/NNNNNN-EE-I.mp3",
    places=("data/mp3", "mp3", ""),
)
REVISION = "51eeca515a95f168ab73391cd9e7c975ab964429"
SOURCE = Source(
    address=f"https://codeload.github.com/fredbuhl/EmoGator/zip/{REVISION}",
    licence="Apache-2.0",
    revision=REVISION,
)
CITATION = """@article{buhl2023emogator,
  title = {{EmoGator}: A New Open Source Vocal Burst Dataset with Baseline Machine Learning Classification Methodologies},
  author = {Buhl, Fred W.},
  journal = {arXiv preprint arXiv:2301.00508},
  year = {2023},
}"""
CARD = LabelCard(
    kind="portrayed",
    setting=(
        "acted: contributors recorded themselves making a burst for each category they were"
        " asked for"
    ),
    raters="none; the label is the category that was asked for",
    languages="none: no words",
)


def parse(name: str, folder: str = "") -> Said | str:
    """What a file name says (contributor, category and take), or the reason why it says nothing."""
    match = NAME.fullmatch(name)
    if match is None:
        return "not named NNNNNN-EE-I.mp3 (contributor, category, take); rename or remove it"
    contributor, category, take = match.groups()
    if not 1 <= int(contributor) <= CONTRIBUTORS:
        return f"contributor {contributor} is not one of 000001 to 000{CONTRIBUTORS}; remove it"
    if not 1 <= int(category) <= len(CATEGORIES):
        return f"category {category} is not one of 01 to {len(CATEGORIES)}; remove it"
    if not 1 <= int(take) <= TAKES:
        return f"take {take} is not one of 1 to {TAKES}; remove it"
    return Said(
        id=name.removesuffix(".mp3"), label=CATEGORIES[int(category) - 1], speaker=contributor
    )


def load_all(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip at ``root``: the clone, the folder of an unpacked archive of it, or the folder of
    mp3 files itself.
    """
    return read(root, LAYOUT, parse)


def load_ten(root: Path) -> Iterator[Clip | Misfit]:
    """The clips of ten of the thirty classes."""
    return (item for item in load_all(root) if isinstance(item, Misfit) or item.label in TEN)


def load_41(root: Path) -> Iterator[Clip | Misfit]:
    """The pinned clips among those at ``root``: ten classes, 41 contributors. The harness says
    which are missing.
    """
    pinned = manifest()
    return (item for item in load_all(root) if isinstance(item, Misfit) or item.id in pinned)


@cache
def manifest() -> Mapping[str, str]:
    """Clip id -> sha256 of its file, for the 1,230 clips of emogator-41; read from disk once, when
    first asked for.
    """
    rows = (line.split() for line in MANIFEST.read_text(encoding="ascii").splitlines())
    return MappingProxyType({Path(name).stem: digest for digest, name in rows})


def pin(root: Path) -> str:
    """The text of ``emogator_41.sha256`` for the copy at ``root``, in the format of ``sha256sum``,
    sorted by name.

    The committed file was written with it from the part with every ninth contributor (000001,
    000010, ... 000352) and 000086, whose clip 000086-04-1 is silent:
    ``MANIFEST.write_text(pin(Path("../shared/data/EmoGator")))``.
    """
    clips = (item for item in load_ten(root) if isinstance(item, Clip))
    return "".join(
        f"{hashlib.sha256(clip.path.read_bytes()).hexdigest()}  {clip.path.name}\n"
        for clip in clips
    )


def sample(root: Path) -> None:
    """Writes 20 decodable clips in the published layout: 5 contributors, 2 of the ten categories, 2
    takes.
    """
    for contributor in (1, 10, 19, 28, 37):
        for category in (2, 24):  # Amusement and Sadness
            for take in (1, 2):
                path = root / "data" / "mp3" / f"{contributor:06d}-{category:02d}-{take}.mp3"
                write_tone(
                    path, 90.0 + 5 * contributor + 10 * take, rate=48000, falling=category == 24
                )  # the rate most of the corpus has


def _counts(labels: Iterable[str], contributors: int) -> dict[str, int]:
    """Published clips per label: every contributor gave every category three times.

    357 x 30 x 3 = 32,130 clips in the repository; the "31,130" of its README is a slip.
    """
    return dict.fromkeys(labels, contributors * TAKES)


# Amusement is not happiness, and negative surprise is half of surprise (common.py).
COMMON = {
    "Anger": "anger",
    "Disappointment": "disappointment",
    "Disgust": "disgust",
    "Fear": "fear",
    "Neutral": "neutral",
    "Pain": "pain",
    "Sadness": "sadness",
    "Surprise (Positive)": "positive-surprise",
    "Triumph": "triumph",
}
COMMON_OF_TEN = {label: word for label, word in COMMON.items() if label in TEN}

# Measured on the mean of the channels, in parts of full scale; the protocol calls a clip with a peak
# below 1e-3 silent. Contributor 000160's other 74 clips are above it.
DEFECTS_41 = {"000086-04-1": "silent (peak 2.9e-4)"}
DEFECTS = {
    **DEFECTS_41,
    "000160-02-1": "silent (peak 8.6e-4)",
    "000160-05-1": "silent (peak 9.9e-4)",
    "000160-06-2": "silent (peak 9.8e-4)",
    "000160-06-3": "silent (peak 8.7e-4)",
    "000160-12-1": "silent (peak 9.5e-4)",
    "000160-12-2": "silent (peak 8.4e-4)",
    "000160-14-1": "silent (peak 7.4e-4)",
    "000160-15-1": "silent (peak 9.4e-4)",
    "000160-15-2": "silent (peak 9.4e-4)",
    "000160-16-1": "silent (peak 9.6e-4)",
    "000160-18-1": "silent (peak 8.2e-4)",
    "000160-20-2": "silent (peak 8.4e-4)",
    "000160-21-2": "silent (peak 9.5e-4)",
    "000160-24-3": "silent (peak 8.4e-4)",
    "000160-29-1": "silent (peak 9.6e-4)",
    "000160-30-2": "silent (peak 8.2e-4)",
}
_CODES_OF_TEN = {f"{CATEGORIES.index(label) + 1:02d}" for label in TEN}
DEFECTS_10 = {clip: why for clip, why in DEFECTS.items() if clip.split("-")[1] in _CODES_OF_TEN}

EMOGATOR = Dataset(
    name="emogator",
    corpus="emogator",
    load=load_all,
    labels=CATEGORIES,
    label_card=CARD,
    sample=sample,
    sources=(SOURCE,),
    defects=DEFECTS,
    counts=_counts(CATEGORIES, CONTRIBUTORS),
    common=COMMON,
    share="open",
    licence="Apache-2.0",
    citation=CITATION,
)
EMOGATOR_10 = Dataset(
    name="emogator-10",
    corpus="emogator",
    load=load_ten,
    labels=TEN,
    label_card=CARD,
    sample=sample,
    sources=(SOURCE,),
    defects=DEFECTS_10,
    counts=_counts(TEN, CONTRIBUTORS),
    common=COMMON_OF_TEN,
    share="open",
    licence="Apache-2.0",
    citation=CITATION,
)
# No sample: a dataset that is exactly these files has no synthetic stand-in.
EMOGATOR_41 = Dataset(
    name="emogator-41",
    corpus="emogator",
    load=load_41,
    labels=TEN,
    label_card=CARD,
    sources=(SOURCE,),
    defects=DEFECTS_41,
    counts=_counts(TEN, 41),
    common=COMMON_OF_TEN,
    manifest=manifest,
    data_digest="7951e0ce03528f6cde0b89856e1a00393249c96bef1530a4d11dd8edd823a17d",
    share="open",
    licence="Apache-2.0",
    citation=CITATION,
)
