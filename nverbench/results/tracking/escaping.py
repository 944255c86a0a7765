"""Escapes text of a result, which may come from a third party, for MLflow: in its names and in its
Markdown. Plain text is escaped by ``_io.text``.
"""

from __future__ import annotations

from collections.abc import Iterable

from nverbench._io.text import escape_control_characters

HARMLESS = frozenset(" -.,=+%;:")
"""ASCII punctuation that has no meaning within a line of Markdown."""


def markdown(text: str) -> str:
    """Escape text for Markdown, also within a table: punctuation becomes character references,
    which are never markup.
    """
    return "".join(
        c if c.isalnum() or c in HARMLESS or ord(c) > 127 else f"&#{ord(c)};"
        for c in escape_control_characters(text)
    )


def fenced(text: str) -> str:
    """Return the text as a Markdown code block with a fence that the text does not contain."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{escape_control_characters(text)}\n{fence}"


def key(text: str) -> str:
    """Return the text as one component of a metric's or param's name: MLflow refuses most
    punctuation, and reads a slash as a separator.
    """
    kept = "".join(
        c if c.isalnum() or c in "_- " or (c == "." and i) else "_" for i, c in enumerate(text[:80])
    ).strip(" .")
    return kept or "_"


def keys(texts: Iterable[str]) -> dict[str, str]:
    """Map each text to its key; texts whose keys would be equal get numbers."""
    found: dict[str, str] = {}
    for text in texts:
        unique, number = key(text), 1
        while unique in found.values():
            number += 1
            unique = f"{key(text)} {number}"
        found[text] = unique
    return found
