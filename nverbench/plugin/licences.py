"""Licences as corpora and weights write them, in one order: what may be done with a row that was
made from several.
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
"""Texts that only say where a licence stands -> what stands there."""
UNTRAINED = "no weights (seeded random numbers)"
OWN = "unknown (weights of one's own)"


def level(text: str) -> int | None:
    """The place of a licence in the order, 0 (public domain) to 7 (unknown); None for a text that
    no level claims.
    """
    name = _parts(text)[0]
    return next((number for number, _, pattern in LEVELS if pattern.match(name)), None)


def most_restrictive(licences: Iterable[str]) -> str:
    """The text of the most restrictive licence, whatever their order; ``unknown`` of none at all.

    A text that no level claims counts as unknown; of two on one level the one with a remark wins (a
    licence that was "declared" is worth less).
    """
    return max(licences, key=_rank, default="unknown")


def non_commercial(text: str) -> bool:
    """Whether a licence excludes commercial use: what a user must accept explicitly."""
    return (
        level(text) in (4, 5)
        or re.search(r"\bresearch([ -](use|purposes))? only\b|\bacademic\b", text, re.I) is not None
    )


def of_weights(licence: str, *, untrained: bool, own: bool) -> str:
    """The licence of the weights that were used (``licence`` is that of the published ones): random
    numbers need none, one's own are unknown.
    """
    return UNTRAINED if untrained else OWN if own else licence


def combined(licences: Mapping[str, str]) -> str:
    """The most restrictive of several parts' licences in one phrase that names whose it is: ``CC
    BY-NC 4.0 (vivae)``.

    An unknown one does not hide that another excludes commercial use: ``unknown (audio-mamba-base);
    non-commercial (vivae)``.

    Args:
        licences: a part as it was referred to (``byol-s``, ``table:clips.csv``; options are
            dropped) -> its licence.
    """
    worst = most_restrictive(licences.values())
    name, remark = _parts(worst)
    owners = dict.fromkeys(
        owner.partition(":")[0] for owner, text in licences.items() if text == worst
    )
    phrase = (
        f"{name} ({', '.join(owners)}{': ' if owners and remark else ''}{remark})"
        if owners or remark
        else name
    )
    others = dict.fromkeys(
        owner.partition(":")[0] for owner, text in licences.items() if non_commercial(text)
    )
    return (
        phrase
        if not others or non_commercial(worst)
        else f"{phrase}; non-commercial ({', '.join(others)})"
    )


def _rank(text: str) -> tuple[int, bool, str]:
    place = level(text)
    return UNKNOWN if place is None else place, bool(_parts(text)[1]), text


def _parts(text: str) -> tuple[str, str]:
    """The licence, and the remark that follows it in parentheses."""
    name, _, remark = ADDRESSES.get(text.strip(), text.strip()).partition(" (")
    return name, remark.removesuffix(")")
