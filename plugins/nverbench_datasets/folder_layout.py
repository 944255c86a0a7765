"""Class folders that are none: parts of a split, people, an unpacked archive around the classes.

A wrong layout gives a score of something else, so each is refused with the layout that was found
and the one that is expected. No check fires on ``PATH/CLASS/file`` or ``PATH/CLASS/SPEAKER/file``
with ordinary names.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from nverbench import DatasetError

SPLITS = frozenset(
    {
        *("train", "training", "test", "testing", "val", "valid", "validation", "dev", "devel"),
        *("development", "eval"),
    }
)
PERSON = re.compile(
    r"(actor|actress|speaker|spkr?|subject|subj|participant|person|patient|child|infant|baby|user"
    r"|singer|volunteer|donor|speaker_?id|client|contributor|session|ses)s?[\s_\-.]*\d+[a-z]?",
    re.IGNORECASE,
)
"""Names that are people's: a word for a person, then a number."""
NUMBERED = re.compile(r"[a-z]{0,3}[\s_\-.]*\d+[a-z]?|(wo)?man|(fe)?male", re.IGNORECASE)
"""Names that may be people's, and may be classes': a number, or a few letters and a number."""
AFFECT = frozenset(
    {
        *(
            "anger",
            "angry",
            "ang",
            "happy",
            "happiness",
            "hap",
            "sad",
            "sadness",
            "fear",
            "fearful",
        ),
        *(
            "fea",
            "afraid",
            "disgust",
            "disgusted",
            "dis",
            "neutral",
            "neu",
            "surprise",
            "surprised",
        ),
        *("sur", "calm", "bored", "boredom", "joy", "joyful", "pain", "pleasure", "excited", "exc"),
        *("excitement", "frustrated", "frustration", "fru", "contempt", "amused", "amusement"),
        *("laugh", "laughs", "laughter", "laughing", "cry", "cries", "crying", "sob", "sobs"),
        *("sobbing", "sigh", "sighs", "sighing", "scream", "screams", "screaming", "shout", "yell"),
        *(
            "moan",
            "groan",
            "growl",
            "gasp",
            "cough",
            "coughing",
            "sneeze",
            "sniff",
            "yawn",
            "relief",
        ),
        *("shame", "triumph", "achievement", "awe", "pride", "guilt", "embarrassment", "anxiety"),
        *("anxious", "tired", "hungry", "discomfort", "burping", "positive", "negative"),
        *("wut", "freude", "trauer", "angst", "ekel", "langeweile"),
        *("enojo", "ira", "alegria", "alegr\u00eda", "felicidad", "tristeza", "miedo", "asco"),
        *("sorpresa", "neutro", "neutre", "colere", "col\u00e8re", "joie", "peur", "degout"),
        *(
            "d\u00e9go\u00fbt",
            "tristesse",
            "rabbia",
            "gioia",
            "paura",
            "tristezza",
            "raiva",
            "medo",
        ),
    }
)
"""Names of emotions and vocal sounds in the languages of the common corpora."""
MOST_NAMES = 4


def check_layout(ids: Iterable[str], path: str) -> None:
    """Checks that the first folders of clips look like classes.

    Args:
        ids: the clips' posix paths below ``path``.
        path: the folder, for messages.

    Raises:
        DatasetError: they look like the parts of a split or like people.
    """
    inside: dict[str, set[str]] = defaultdict(set)
    for clip in ids:
        first, *rest = clip.split("/")[:-1]
        inside[first].update(rest[:1])
    parts = sorted(name for name in inside if name.strip().lower() in SPLITS)
    if parts:
        plural = "s" if len(parts) > 1 else ""
        looks = "look like parts of a split, not classes" if plural else "looks like a part of one"
        raise DatasetError(
            f"dataset folder: the folder{plural} {_named(parts)} in {path} {looks}; expected one"
            f" folder per class: move the clips into {path}/CLASS/, or list them in a table with"
            " a column split: table:FILE.csv"
        )
    if _are_people(inside):
        deeper = sorted(set().union(*inside.values()))
        found = f"{path}/SPEAKER/CLASS/file" if deeper else f"{path}/SPEAKER/file"
        raise DatasetError(
            f"dataset folder: the folders {_named(sorted(inside))}"
            f"{f' with {_named(deeper)} in them' if deeper else ''} look like {found}; expected"
            f" {path}/CLASS/SPEAKER/file: move the folders, or list the clips in a table:"
            " table:FILE.csv"
        )


def _are_people(inside: dict[str, set[str]]) -> bool:
    """Whether the first folders (name -> its folders) are people rather than classes."""
    deeper = Counter(name for names in inside.values() for name in names)
    people = all(PERSON.fullmatch(name) for name in inside)
    if not deeper:
        return people
    if any(_affect(name) for name in inside) or len(inside) < 2:
        return False
    shared = [name for name, times in deeper.items() if times > 1]
    anonymous = [name for name in deeper if not _maybe_person(name)]
    if not shared or len(anonymous) < len(deeper):
        return False
    emotions = sum(_affect(name) for name in deeper)
    if 2 * emotions > len(deeper) and emotions > 1:
        return True
    if people:
        return 2 * len(shared) >= len(deeper)
    # Numbers may be classes with speakers named in them: only many of them, each with the same few
    # folders, are people.
    same = len({frozenset(names) for names in inside.values()}) == 1
    numbered = all(_maybe_person(name) for name in inside)
    return numbered and same and len(inside) >= 5 and 1 < len(deeper) < len(inside)


def _maybe_person(name: str) -> bool:
    return bool(PERSON.fullmatch(name) or NUMBERED.fullmatch(name))


def _affect(name: str) -> bool:
    """Whether a name is or has a word for an emotion or a vocal sound, such as ``angry_high``."""
    return not AFFECT.isdisjoint(re.split(r"[\W_\d]+", name.lower()))


def _named(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
