"""An order of licences, as corpora and weights name them, to find the licence of a row made from
several parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

UNKNOWN = 7
LEVELS: tuple[tuple[int, str, re.Pattern[str]], ...] = (
    (UNKNOWN, "unknown", re.compile(r"unknown\b", re.I)),
    (
        6,
        "by request, or for research only",
        re.compile(
            r".*\b(by|on) request\b|.*\bresearch([ -](use|purposes))? only\b|.*\bacademic\b", re.I
        ),
    ),
    (5, "non-commercial, and share-alike or no derivatives", re.compile(r".*\bNC-(SA|ND)\b")),
    (4, "non-commercial", re.compile(r".*\bNC\b|.*\bnon-?commercial\b", re.I)),
    (3, "share-alike, or no derivatives", re.compile(r".*\bBY-(SA|ND)\b|ODbL\b|[AL]?GPL\b|MPL\b")),
    (2, "attribution", re.compile(r"CC[ -]BY\b")),
    (1, "permissive", re.compile(r"(MIT|BSD|Apache|ISC)\b")),
    (0, "public domain", re.compile(r"CC0\b|public domain\b|no weights\b", re.I)),
)
"""The order, most restrictive first; a text belongs to the first level whose pattern it begins with
(remarks in parentheses do not count).
"""
ADDRESSES = {
    # The model cards of WavLM and UniSpeech-SAT name only this address; that it holds CC BY-SA 3.0:
    # microsoft/unilm, issue 1757.
    "see https://github.com/microsoft/UniSpeech/blob/main/LICENSE": "CC BY-SA 3.0"
}
"""Texts that only give an address -> the licence at that address."""
UNTRAINED = "no weights (seeded random numbers)"
OWN = "unknown (weights of one's own)"


def level(text: str) -> int | None:
    """The level of a licence, 0 (public domain) to 7 (unknown); None for a text that fits no
    level.
    """
    name = _parts(text)[0]
    return next((number for number, _, pattern in LEVELS if pattern.match(name)), None)


def most_restrictive(licences: Iterable[str]) -> str:
    """The text of the most restrictive licence; ``unknown`` if there is none.

    A text that fits no level counts as unknown. Of two on one level the one with a remark is taken
    (a licence that was only "declared" is less certain).
    """
    return max(licences, key=_rank, default="unknown")


def non_commercial(text: str) -> bool:
    """Whether a licence excludes commercial use, which a user must accept explicitly."""
    research = re.search(r"\bresearch([ -](use|purposes))? only\b|\bacademic\b", text, re.I)
    return level(text) in (4, 5) or research is not None


def of_weights(licence: str, *, untrained: bool, own: bool) -> str:
    """The licence of the weights in use, where ``licence`` is that of the published ones. Random
    weights need none; the licence of the user's own weights is unknown.
    """
    return UNTRAINED if untrained else OWN if own else licence


def combined(licences: Mapping[str, str]) -> str:
    """The most restrictive of several parts' licences, with the names of these parts: ``CC BY-NC
    4.0 (vivae)``.

    An unknown licence does not hide another that excludes commercial use: ``unknown
    (audio-mamba-base); non-commercial (vivae)``.

    Args:
        licences: the reference of a part (``byol-s``, ``table:clips.csv``; options are dropped) ->
            its licence.
    """
    worst = most_restrictive(licences.values())
    name, remark = _parts(worst)
    parts = [(reference.partition(":")[0], text) for reference, text in licences.items()]
    owners = ", ".join(dict.fromkeys(part for part, text in parts if text == worst))
    details = ": ".join(text for text in (owners, remark) if text)
    phrase = f"{name} ({details})" if details else name
    others = ", ".join(dict.fromkeys(part for part, text in parts if non_commercial(text)))
    if not others or non_commercial(worst):
        return phrase
    return f"{phrase}; non-commercial ({others})"


def _rank(text: str) -> tuple[int, bool, str]:
    place = level(text)
    return UNKNOWN if place is None else place, bool(_parts(text)[1]), text


def _parts(text: str) -> tuple[str, str]:
    """The licence, and the remark in parentheses after it."""
    name, _, remark = ADDRESSES.get(text.strip(), text.strip()).partition(" (")
    return name, remark.removesuffix(")")
