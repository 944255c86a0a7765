"""Third-party text on a terminal: names, labels and notes of results and parts may hold control
sequences.
"""

from __future__ import annotations

import unicodedata

HIDDEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
"""Unicode categories of characters that are invisible or reorder text: control, format, unassigned,
private, surrogates, separators.
"""


def escape_control_characters(text: str) -> str:
    """The text with every invisible or reordering character as an escape such as ``\\u202e``. Line
    breaks too: a line stays one line.
    """
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in HIDDEN else c for c in text)
