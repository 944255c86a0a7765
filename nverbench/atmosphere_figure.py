"""The analysis of atmosphere as a picture: what the turns of each conversation are labelled, and what context gained there.

Drawn on an Agg canvas without pyplot: no display, no global state. Colours are Okabe and Ito's (2008), safe for colour-blind eyes; a ninth label
begins them again, hatched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench.stats import NOISE

if TYPE_CHECKING:
    from nverbench.atmosphere import Atmosphere, Conversation

DPI = 120
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")
NAMED = 60
"""Conversations whose names have room below their bars."""


def draw(found: Atmosphere, path: Path, *, title: str = "") -> None:
    """Write the picture as a PNG: stacked bars of labels by conversation, ordered by dominant emotion, above the gain in accuracy of each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    order = sorted(found.conversations, key=lambda c: _place(c, found.labels))
    figure = Figure(figsize=(min(16.0, max(6.5, 2.5 + 0.16 * len(order))), 6), layout="constrained")
    FigureCanvasAgg(figure)
    labels, gains = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _stack(labels, order, found.labels)
    _gains(gains, order)
    if len(order) <= NAMED:
        gains.set_xticks(range(len(order)), [_short(c.name) for c in order], rotation=90, fontsize=7)
    else:
        gains.set_xticks([])
        gains.set_xlabel(f"{len(order)} conversations, by dominant emotion and its share")
    figure.suptitle(_short(title, 90) or f"Labels of {len(order)} conversations, and what context gains", fontsize=11)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _place(c: Conversation, labels: tuple[str, ...]) -> tuple[int, float, str]:
    """Conversations of one dominant emotion side by side, the most dominated first; those that have none at the end."""
    if c.dominant is None:
        return len(labels), -max(c.counts.values()) / c.scored, c.name
    return labels.index(c.dominant), -c.counts[c.dominant] / c.scored, c.name


def _stack(axes: Any, order: list[Conversation], labels: tuple[str, ...]) -> None:
    """The dominant emotion at the foot of its bar, so that the dashed line says whether it is over half; the others in the order of labels."""
    import numpy as np

    share = np.array([[c.counts.get(label, 0) / c.scored for label in labels] for c in order])  # (c, k)
    foot = np.array([[label == c.dominant for label in labels] for c in order])
    above = np.where(foot, 0.0, (share * foot).sum(1, keepdims=True))
    bottom = above + np.where(foot, 0.0, (share * ~foot).cumsum(1) - share)
    for k, label in enumerate(labels):
        hatch = "///" if k >= len(COLOURS) else None
        axes.bar(
            range(len(order)), share[:, k], bottom=bottom[:, k], width=0.9, color=COLOURS[k % len(COLOURS)], hatch=hatch, label=_short(label),
            linewidth=0,
        )  # fmt: skip
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle="--")
    axes.set_ylim(0, 1)
    axes.set_xlim(-0.7, len(order) - 0.3)
    axes.set_ylabel("share of scored turns\n(dashed: one half)")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False, reverse=True, title="label", title_fontsize=8)


def _gains(axes: Any, order: list[Conversation]) -> None:
    """All turns of the conversation as grey bars, those of its dominant emotion as marks."""
    points = [100 * (c.accuracy.contextual - c.accuracy.single) for c in order]
    axes.bar(range(len(order)), points, width=0.9, color="#BBBBBB", label="all turns")
    marks = [(x, c.emotions[c.dominant]) for x, c in enumerate(order) if c.dominant is not None]
    for what, colour, sign in (("gains", "#0072B2", "^"), ("loses", "#D55E00", "v"), ("no change", "black", "_")):
        some = [(x, 100 * (g.contextual - g.single)) for x, g in marks if what == _direction(g.contextual - g.single)]
        if some:
            axes.scatter(*zip(*some, strict=True), marker=sign, color=colour, s=22, zorder=3, label=f"dominant: {what} ({len(some)})")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("accuracy, contextual minus\nsingle utterance (points)")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)


def _direction(difference: float) -> str:
    return "no change" if abs(difference) <= NOISE else "gains" if difference > 0 else "loses"


def _short(name: str, most: int = 24) -> str:
    """A name that leaves room for the picture; a $ would be read as mathematics, and what cannot be printed has no glyph."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    return (plain if len(plain) <= most else f"{plain[: most - 3]}...").replace("$", r"\$")
