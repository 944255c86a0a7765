"""Corpora of which a pretraining corpus may hold the same recordings under another name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

CUT_FROM: Mapping[str, Mapping[str, str]] = {
    # ASVP-ESD says which sound came from a website (the field "source" of a file's name), not from
    # which address, so that nobody can list the shared recordings.
    "asvp-esd": {"AudioSet": "parts of ASVP-ESD were cut from YouTube, whose videos AudioSet lists"}
}
"""Corpus -> pretraining corpus -> why the two may share recordings."""

POSSIBLY = " (possibly: "
"""Follows a backbone's name, before the reason, where an overlap is possible and not certain."""


def plain(name: str) -> str:
    """A corpus' name without remarks in parentheses, case and punctuation."""
    return re.sub(r"\(.*?\)|[^a-z0-9]", "", name.lower())


def possible_overlaps(names: Iterable[str], pretrained_on: Iterable[str]) -> list[str]:
    """Why a corpus, given by its names, may hold recordings of these pretraining corpora; empty
    where nothing is known.
    """
    asked, trained = {plain(n) for n in names}, {plain(n) for n in pretrained_on}
    return [
        reason
        for corpus, sources in CUT_FROM.items()
        if plain(corpus) in asked
        for source, reason in sources.items()
        if plain(source) in trained
    ]
