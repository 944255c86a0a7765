"""Labels and speakers as people write them: cleaned, missing values recognised, and names that look
like two spellings of one name found.

Every road of own data uses these functions (``docs/protocol.md``, "Own recordings"). A cleaned name
differs from the written one in characters that nobody sees; names that differ in visible
characters are never changed: :func:`spellings` finds them and :func:`check_spellings` refuses them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from nverbench.errors import NverbenchError

INVISIBLE = frozenset(
    {"\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e", "\u200f", "\u180e"}
)
"""Zero-width characters, soft hyphen, byte order mark and marks of writing direction: editors and
web pages leave them at the ends of a cell.
"""
NO_VALUE = frozenset(
    {"", "nan", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "null", "nat", "missing", "undefined"}
)
"""What pandas, spreadsheets and databases write where a value is missing (pandas'
``STR_NA_VALUES`` without "None").
"""
UNCERTAIN = frozenset({"none", "unknown", "unk", "unlabelled", "unlabeled", "?", "-", "--", "nil"})
"""Words that mean a missing value for a person, and may be a class of their own for a label."""
SINGLE_NUMBER = re.compile(r"(\D*)(\d+)(\D*)")
NEGATIVE = re.compile(r"[-\u2212]\d+(?:\.\d+)?")
WHOLE_DECIMAL = re.compile(r"((?:minus)?\d+)\.0+")


def clean(text: str) -> str:
    """The text in composed form (Unicode NFC), without white space and invisible characters at its
    ends.
    """
    text = unicodedata.normalize("NFC", text)
    first, last = 0, len(text)
    while first < last and _blank(text[first]):
        first += 1
    while last > first and _blank(text[last - 1]):
        last -= 1
    return text[first:last]


def is_missing_label(text: str) -> bool:
    """Whether a cell holds a word for a missing value that no class is called."""
    return clean(text).casefold() in NO_VALUE


def is_missing_person(text: str) -> bool:
    """Whether a speaker's or group's cell holds a word for a missing value; ``unknown``, ``none``
    and ``?`` too, because many unknown people are not one person.
    """
    return clean(text).casefold() in NO_VALUE | UNCERTAIN


def spellings(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that look like one name written in several ways, sorted.

    Two names are alike if they differ in letter case, in white space, hyphens and underscores, in
    invisible characters or compatibility forms (full-width letters), in leading zeros of their
    only number (``3``, ``03``, ``S3``, ``s03``), or as a whole number and a decimal (``3.0``).
    """
    alike: dict[str, set[str]] = defaultdict(set)
    for name in names:
        alike[_key(name)].add(name)
    return sorted(tuple(sorted(group)) for group in alike.values() if len(group) > 1)


def check_spellings(
    where: str,
    what: str,
    names: Iterable[str],
    error: type[NverbenchError],
    places: Mapping[str, str] | None = None,
) -> None:
    """Raises ``error`` where names look like two spellings of one name.

    Args:
        where: what the names come from, such as ``table labels.csv``.
        what: what a name stands for, in one word: label, speaker.
        names: all names.
        error: the class to raise.
        places: name -> where it is first written, such as ``row 3``.
    """
    found = spellings(names)
    if found:
        known = places or {}
        shown = (f"{n!r} ({known[n]})" if n in known else repr(n) for n in found[0][:3])
        first = " and ".join(shown)
        more = f" ({len(found)} such {what}s)" if len(found) > 1 else ""
        raise error(
            f"{where}: {what}s {first} look like one {what} written in {len(found[0])} ways{more};"
            f" write one name per {what}, and clearly different names for different {what}s"
        )


def _blank(character: str) -> bool:
    return character.isspace() or character in INVISIBLE


def _key(name: str) -> str:
    """The same text for names that are alike."""
    text = unicodedata.normalize("NFKC", name)
    text = "".join(c for c in text if c not in INVISIBLE).casefold()
    if NEGATIVE.fullmatch(text):
        text = f"minus{text[1:]}"
    text = " ".join(re.split(r"[\s_\-]+", text)).strip()
    whole = WHOLE_DECIMAL.fullmatch(text)
    text = whole[1] if whole else text
    number = SINGLE_NUMBER.fullmatch(text)
    # only one number: of hashed names, such as 0a1 and 00a1, more may differ in zeros by chance
    return f"{number[1]}{number[2].lstrip('0') or '0'}{number[3]}" if number else text
