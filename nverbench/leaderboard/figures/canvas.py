"""The canvas of all figures: Agg without pyplot, colours for colour-blind readers, plain text, and
files without dates.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from nverbench._io.atomic import atomic_open
from nverbench._io.text import escape_control_characters
from nverbench.errors import UsageError

FORMATS = (".png", ".svg", ".pdf")
DPI = 200
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")
"""Okabe and Ito (2008)."""
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
"""Beyond eight labels the marker changes too."""
UNDATED = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def canvas(width: float, height: float) -> Any:
    """A figure of that size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def short(text: str, most: int = 24) -> str:
    """A name of at most ``most`` characters, without mathematics and control characters."""
    shown = escape_control_characters(text)
    shown = shown if len(shown) <= most else f"{shown[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
    return shown.replace("$", r"\$")


def style(number: int) -> tuple[str, str]:
    """Colour and marker of the label of that number."""
    return COLOURS[number % len(COLOURS)], MARKERS[number // len(COLOURS) % len(MARKERS)]


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF, the same bytes every time; UsageError for another
    suffix.
    """
    import matplotlib

    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context({"svg.hashsalt": "nverbench", "pdf.fonttype": 42}),
    ):
        # A script that the font lacks shows as boxes.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing")
        suffix = path.suffix.lower()
        with atomic_open(path) as file:
            figure.savefig(file, format=suffix[1:], dpi=DPI, metadata=UNDATED[suffix])
