"""Names made wrong by hypothesis: a published name with a field dropped, added or changed, other
scripts' digits, control characters, and so on.
"""

from __future__ import annotations

import re

from hypothesis import strategies as st

FIELDS = re.compile(r"([-_.])")
DIGITS = {ord("0") + digit: zero + digit for zero in (0x0660,) for digit in range(10)}
VALUES = (
    "",
    "0",
    "00",
    "01",
    "99",
    "000",
    "007",
    "1002",
    "358",
    "QQQ",
    "qqq",
    "X",
    "F1",
    "S12",
    "NEU",
    "IEO",
    "LO",
    "wav",
    "\u0663",
    "a b",
)
ODD = (
    "\x00",
    "\x07",
    "\n",
    "\r",
    "\x1b",
    "\x7f",
    "\u200b",
    "\u202e",
    "\u2028",
    " ",
    "\u00e9",
    "e\u0301",
    "\U0001f600",
)


@st.composite
def mutated(draw: st.DrawFn, name: str) -> str:
    """``name`` after one to three of the ways in which people and programs spoil a name; now and
    then it is still a published one.
    """
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(WAYS))(draw, name)
    return name


def _field(draw: st.DrawFn, name: str) -> tuple[list[str], int]:
    parts = FIELDS.split(name)  # fields at even places, separators at odd ones
    return parts, 2 * draw(st.integers(0, len(parts) // 2))


def _dropped(draw: st.DrawFn, name: str) -> str:
    parts, at = _field(draw, name)
    return "".join(parts[:at] + parts[at + 2 :])


def _added(draw: st.DrawFn, name: str) -> str:
    parts, at = _field(draw, name)
    return "".join(
        [*parts[:at], draw(st.sampled_from(VALUES)), draw(st.sampled_from("-_.")), *parts[at:]]
    )


def _changed(draw: st.DrawFn, name: str) -> str:
    parts, at = _field(draw, name)
    return "".join([*parts[:at], draw(st.sampled_from(VALUES)), *parts[at + 1 :]])


def _inserted(draw: st.DrawFn, name: str) -> str:
    at = draw(st.integers(0, len(name)))
    return name[:at] + draw(st.sampled_from(ODD)) + name[at:]


def _replaced(draw: st.DrawFn, name: str) -> str:
    at = draw(st.integers(0, max(0, len(name) - 1)))
    return name[:at] + draw(st.sampled_from("0123456789aAxXzZ_-. \u0660")) + name[at + 1 :]


def _long(draw: st.DrawFn, name: str) -> str:
    parts, at = _field(draw, name)
    return "".join([*parts[:at], (parts[at] or "x") * 60, *parts[at + 1 :]])[
        :250
    ]  # what a file system takes


WAYS = (
    _dropped,
    _added,
    _changed,
    _inserted,
    _replaced,
    _long,
    lambda draw, name: name.swapcase(),
    lambda draw, name: name.translate(DIGITS),
    lambda draw, name: f"._{name}",
    lambda draw, name: f"{name}{draw(st.sampled_from((' (1)', '~', '.part', '.wav', '.txt')))}",
)
