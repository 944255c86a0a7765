"""Text of a result, which may come from anybody, as text in MLflow: in its names, its tags and its
Markdown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

HARMLESS = frozenset(" -.,=+%;:")
"""ASCII punctuation that stands for itself in the middle of a line of Markdown."""


def plain(text: str) -> str:
    """The text with characters that cannot be seen (control, direction, surrogates) written out:
    ``\\u202e``.
    """
    return "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else c
        for c in text
    )


def markdown(text: str) -> str:
    """The text as text in Markdown, also within a table: punctuation as character references, which
    are never markup.
    """
    return "".join(
        c if c.isalnum() or c in HARMLESS or ord(c) > 127 else f"&#{ord(c)};" for c in plain(text)
    )


def fenced(text: str) -> str:
    """The text as a block of code, whatever it holds."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{plain(text)}\n{fence}"


def key(text: str) -> str:
    """One step of a metric's or param's name: MLflow takes neither most punctuation, nor a slash
    where it is no separator.
    """
    kept = "".join(
        c if c.isalnum() or c in "_- " or (c == "." and i) else "_" for i, c in enumerate(text[:80])
    ).strip(" .")
    return kept or "_"


def keys(texts: Iterable[str]) -> dict[str, str]:
    """Text -> its key; two that would share one are numbered."""
    found: dict[str, str] = {}
    for text in texts:
        wanted, number = key(text), 1
        while wanted in found.values():
            number += 1
            wanted = f"{key(text)} {number}"
        found[text] = wanted
    return found
