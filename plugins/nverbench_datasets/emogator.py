"""EmoGator: vocal bursts that 357 contributors recorded themselves, three for each of 30 emotion categories.

One local copy, three datasets: all classes, the ten classes that overlap with the basic emotions, and those ten from exactly 41
contributors, pinned file by file. Layout, as upstream: ``data/mp3/NNNNNN-EE-I.mp3`` (contributor, category, take).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from nverbench import Clip, Dataset, DatasetError, LabelCard, Misfit, Source
from nverbench_datasets.listing import entries, shown, why_unreadable

# The order is upstream's (README of the repository): category 01 is the first.
CATEGORIES = (
    *("Adoration", "Amusement", "Anger", "Awe", "Confusion", "Contempt", "Contentment", "Desire", "Disappointment", "Disgust"),
    *("Distress", "Ecstasy", "Elation", "Embarrassment", "Fear", "Guilt", "Interest", "Neutral", "Pain", "Pride"),
    *("Realization", "Relief", "Romantic Love", "Sadness", "Serenity", "Shame", "Surprise (Negative)", "Surprise (Positive)"),
    *("Sympathy", "Triumph"),
)
TEN = ("Amusement", "Anger", "Awe", "Disgust", "Fear", "Neutral", "Relief", "Sadness", "Surprise (Negative)", "Triumph")
CONTRIBUTORS = 357
TAKES = 3
NAME = re.compile(r"([0-9]{6})-([0-9]{2})-([0-9])\.mp3")
LAYOUT = "data/mp3/NNNNNN-EE-I.mp3"
MANIFEST = Path(__file__).with_name("emogator_41.sha256")

HOW = "git clone https://github.com/fredbuhl/EmoGator && nverbench data add emogator PATH"
SOURCE = Source(
    address="https://github.com/fredbuhl/EmoGator",
    licence="Apache-2.0",
    revision="51eeca515a95f168ab73391cd9e7c975ab964429",
    how=HOW,
)
CITATION = """@article{buhl2023emogator,
  title = {{EmoGator}: A New Open Source Vocal Burst Dataset with Baseline Machine Learning Classification Methodologies},
  author = {Buhl, Fred W.},
  journal = {arXiv preprint arXiv:2301.00508},
  year = {2023},
}"""
CARD = LabelCard(
    kind="portrayed",
    setting="acted: contributors recorded themselves making a burst for each category they were asked for",
    raters="none; the label is the category that was asked for",
)


def parse(name: str) -> tuple[str, str, int] | str:
    """Contributor (six digits), category name and take that a file name says, or the reason why it says none."""
    match = NAME.fullmatch(name)
    if match is None:
        return "not named NNNNNN-EE-I.mp3 (contributor, category, take); rename or remove it"
    contributor, category, take = match[1], int(match[2]), int(match[3])
    if not 1 <= int(contributor) <= CONTRIBUTORS:
        return f"contributor {contributor} is not one of 000001 to 000{CONTRIBUTORS}; remove it"
    if not 1 <= category <= len(CATEGORIES):
        return f"category {match[2]} is not one of 01 to {len(CATEGORIES)}; remove it"
    if not 1 <= take <= TAKES:
        return f"take {take} is not one of 1 to {TAKES}; remove it"
    return contributor, CATEGORIES[category - 1], take


def load_all(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip of the copy at ``root``, sorted by id, and whatever lies beside the clips.

    Args:
        root: the clone, or the folder that holds ``mp3``, or the folder of mp3 files itself.

    Raises:
        DatasetError: ``root`` is none of these.
    """
    for path in entries(_audio_folder(root)):
        parsed = parse(path.name)
        reason = parsed if isinstance(parsed, str) else why_unreadable(path)
        if path.is_dir():
            reason = "a folder among the clips; remove it"
        if reason is not None:
            yield Misfit(shown(path, root), reason)
        else:
            yield Clip(id=path.stem, path=path, label=parsed[1], speaker=parsed[0])


def load_ten(root: Path) -> Iterator[Clip | Misfit]:
    """The clips of ten of the thirty classes."""
    return (item for item in load_all(root) if isinstance(item, Misfit) or item.label in TEN)


def load_41(root: Path) -> Iterator[Clip | Misfit]:
    """The pinned clips among those at ``root``: ten classes, 41 contributors. The harness says which are missing."""
    pinned = manifest()
    return (item for item in load_all(root) if isinstance(item, Misfit) or item.id in pinned)


@cache
def manifest() -> Mapping[str, str]:
    """Clip id -> sha256 of its file, for the 1,230 clips of emogator-41; read from disk once, when first asked for."""
    rows = (line.split() for line in MANIFEST.read_text(encoding="ascii").splitlines())
    return MappingProxyType({Path(name).stem: digest for digest, name in rows})


def pin(root: Path) -> str:
    """The text of ``emogator_41.sha256`` for the copy at ``root``, in the format of ``sha256sum``, sorted by name.

    The committed file was written with it from the part with every ninth contributor (000001, 000010, ... 000352) and 000086, whose
    clip 000086-04-1 is silent: ``MANIFEST.write_text(pin(Path("../shared/data/EmoGator")))``.
    """
    clips = (item for item in load_ten(root) if isinstance(item, Clip))
    return "".join(f"{hashlib.sha256(clip.path.read_bytes()).hexdigest()}  {clip.path.name}\n" for clip in clips)


def sample(root: Path) -> None:
    """Writes 20 decodable clips in the published layout: 5 contributors, 2 of the ten categories, 2 takes."""
    import numpy as np
    import soundfile

    folder = root / "data" / "mp3"
    folder.mkdir(parents=True)
    seconds = np.arange(24000) / 48000  # half a second at the rate most of the corpus has
    for contributor in (1, 10, 19, 28, 37):
        for category in (2, 24):  # Amusement and Sadness: a buzz that pulses, a tone that falls
            for take in (1, 2):
                hertz = 90.0 + 5 * contributor + 10 * take
                envelope = 0.5 + 0.5 * np.cos(2 * np.pi * 5 * seconds) if category == 2 else np.exp(-4 * seconds)
                tone = 0.3 * envelope * np.sin(2 * np.pi * hertz * seconds * (1.0 if category == 2 else 2 - seconds))
                soundfile.write(folder / f"{contributor:06d}-{category:02d}-{take}.mp3", tone, 48000, format="MP3")


def _audio_folder(root: Path) -> Path:
    """The folder under ``root`` that holds at least one clip."""
    if not root.is_dir():
        state = "a file" if root.exists() else "nothing"
        raise DatasetError(f"EmoGator: expected a folder with {LAYOUT} at {root}, found {state} there; {HOW}")
    for folder in (root / "data" / "mp3", root / "mp3", root):
        if folder.is_dir() and any(not isinstance(parse(path.name), str) for path in entries(folder)):
            return folder
    names = [shown(path, root) for path in entries(root)]
    found = f"{len(names)} entries, none of them a clip ({', '.join(names[:3])})" if names else "an empty folder"
    raise DatasetError(f"EmoGator: expected {LAYOUT} under {root}, found {found}; {HOW}")


def _counts(labels: Iterable[str], contributors: int) -> dict[str, int]:
    """Published clips per label: every contributor gave every category three times.

    357 x 30 x 3 = 32,130 clips in the repository; the "31,130" of its README is a slip.
    """
    return dict.fromkeys(labels, contributors * TAKES)


# Peak 2.9e-4 of full scale, measured; the protocol calls a clip with a peak below 1e-3 silent.
DEFECTS = {"000086-04-1": "silent (peak 2.9e-4)"}

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
    defects=DEFECTS,
    counts=_counts(TEN, CONTRIBUTORS),
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
    defects=DEFECTS,
    counts=_counts(TEN, 41),
    manifest=manifest,
    share="open",
    licence="Apache-2.0",
    citation=CITATION,
)
