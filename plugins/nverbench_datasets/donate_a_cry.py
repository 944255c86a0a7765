"""Donate-a-Cry, the cleaned set: infants' cries recorded by phone, sorted by what the contributor
took to be the reason.

Layout, as upstream:
``donateacry_corpus_cleaned_and_updated_data/REASON/UUID-TIME-VERSION-SEX-AGE-TAG.wav``. The folder
is the label, and the tag says the same. The first 36 characters name an installation of the app: neither a device nor a child
(README of the repository), but the closest there is to one, so folds keep it together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Misfit, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.speakers import SEX
from nverbench_datasets.tones import write_tone

COUNTS = {"hungry": 382, "discomfort": 27, "tired": 24, "belly_pain": 16, "burping": 8}
TAGS = {
    "hu": "hungry",
    "dc": "discomfort",
    "ch": "discomfort",
    "ti": "tired",
    "bp": "belly_pain",
    "bu": "burping",
}
"""Tag in the name -> its class. README of the cleaned set: cold or hot became discomfort; lonely,
scared and don't know were left out.
"""
AGES = {
    "04": "0 to 4 weeks",
    "48": "4 to 8 weeks",
    "26": "2 to 6 months",
    "72": "7 to 24 months",
    "22": "over 2 years",
}
HEX = "[0-9A-Fa-f]"
# Seconds on iOS, milliseconds on Android.
NAME = re.compile(
    rf"({HEX}{{8}}(?:-{HEX}{{4}}){{3}}-{HEX}{{12}})-(?:[0-9]{{10}}|[0-9]{{13}})-[0-9]\.[0-9]-([mf])-({'|'.join(AGES)})-([a-z]{{2}})\.wav"
)
CLEANED = "donateacry_corpus_cleaned_and_updated_data"

LAYOUT = Layout(
    title="Donate-a-Cry",
    corpus="donate-a-cry",
    clips=f"{CLEANED}/REASON/UUID-TIME-VERSION-SEX-AGE-TAG.wav",
    places=(CLEANED, ""),
    folders=re.compile("|".join(COUNTS)),
    home=lambda said: said.label,
    apart=("donateacry-android-upload-bucket", "donateacry-ios-upload-bucket"),
    beside=re.compile(r"README\.md"),
)
REVISION = "6baf5aca0460964ad072653585837f968a87c2af"


def parse(name: str, folder: str = "") -> Said | str:
    """What a file name says, or the reason why it says nothing."""
    match = NAME.fullmatch(name)
    if match is None:
        return "not named UUID-TIME-VERSION-SEX-AGE-TAG.wav; rename or remove it"
    installation, sex, age, tag = match.groups()
    if tag not in TAGS:
        return f"tag {tag} is not one of {', '.join(TAGS)}; remove it"
    facts = {**SEX[sex], "age": AGES[age]}
    return Said(id=name.removesuffix(".wav"), label=TAGS[tag], group=installation, facts=facts)


def load(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip at ``root``: the clone, or the folder of the cleaned set."""
    return read(root, LAYOUT, parse)


def sample(root: Path) -> None:
    """Writes 20 clips in the published layout: 5 installations, 2 reasons, 2 times."""
    for number in range(5):
        installation = f"0000000{number}-0000-4000-8000-00000000000{number}"
        for time in (1430000000, 1430000060):
            for tag in ("hu", "ti"):
                name = f"{installation}-{time + 600 * number}-1.0-f-04-{tag}.wav"
                write_tone(
                    root / CLEANED / TAGS[tag] / name,
                    300.0 + 15 * number + 25 * (time % 2),
                    rate=8000,
                    falling=tag == "ti",
                )


DONATE_A_CRY = Dataset(
    name="donate-a-cry",
    corpus="donate-a-cry",
    load=load,
    labels=tuple(COUNTS),
    label_card=LabelCard(
        kind="perceived",
        setting="in the wild: cries recorded by contributors' phones",
        raters=(
            "one: the contributor, who guessed the reason; the cleaners removed what they heard to"
            " be no cry"
        ),
        languages="none (infants)",
        ages="0 weeks to more than 2 years, as the contributor said",
    ),
    group="installation",
    sample=sample,
    sources=(
        Source(
            address=f"https://codeload.github.com/gveres/donateacry-corpus/zip/{REVISION}",
            licence="ODbL 1.0",
            revision=REVISION,
            files=(CLEANED,),
        ),
    ),
    counts=COUNTS,
    rates=(8000,),
    # of the corpus' own repository at 6baf5ac
    data_digest="409138256d1a53cfb1997bf41e0b8d81fc45784bb509f858cec1c4b263d08609",
    share="labels-only",  # a clip's name holds the id of an installation of the app
    licence="ODbL 1.0",
    citation="""@misc{veres2015donateacry,
  title = {Donate-a-cry corpus},
  author = {Veres, Gabor},
  year = {2015},
  howpublished = {https://github.com/gveres/donateacry-corpus},
}""",
)
