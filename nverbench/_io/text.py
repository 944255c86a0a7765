"""Text of somebody else on a terminal: names, labels and notes of results and parts may hold signs
that a terminal obeys.
"""

from __future__ import annotations

import unicodedata

HIDDEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
"""Unicode categories that a reader cannot see, or that turn the text around them: control, format,
unassigned, private, surrogates, separators.
"""


def escape_control_characters(text: str) -> str:
    """The text with every sign that cannot be seen, or turns the text around it, as an escape:
    ``\\u202e``. A line break too: a line stays one.
    """
    return "".join(
        f"\\u{ord(sign):04x}" if unicodedata.category(sign) in HIDDEN else sign for sign in text
    )
