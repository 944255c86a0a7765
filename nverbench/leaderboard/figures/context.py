"""Ricoh's Figure 3: the labels of the turns of each conversation, and the gain from context.

Colours are Okabe and Ito's (2008), grey in the place of black, which would hide the line at one
half; a ninth label begins them again, hatched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.leaderboard.figures.canvas import canvas, short
from nverbench.metrics.jackknife import ROUNDING

if TYPE_CHECKING:
    from nverbench.leaderboard.context.records import Atmosphere, Conversation

COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")
NAMED = 60
"""The largest number of conversations whose names fit below their bars."""
NAME = 18
"""Characters of a conversation's name; a title has ten per inch, a dominant emotion 15."""
LEGEND: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
LEGEND |= {"fontsize": 8, "frameon": False}
MARGIN = 2.5
"""Inches to the left and right of the bars: axis and legends."""


def draw_atmosphere(found: Atmosphere, *, title: str = "") -> Any:
    """The picture: stacked bars of labels by conversation, ordered by dominant emotion, above the
    gain in accuracy of each.
    """
    order = sorted(found.conversations, key=lambda c: _place(c, found.labels))
    width = min(16.0, max(7.5, 4.0 + 0.18 * len(order)))
    figure = canvas(width, 6.5)
    stack, gains = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _stack(stack, order, found.labels)
    _emotions(stack, order, (width - MARGIN) / len(order))
    _gains(gains, order)
    gains.set_xlim(-0.7, len(order) - 0.3)
    if len(order) <= NAMED:
        names = [short(c.name, NAME) for c in order]
        gains.set_xticks(range(len(order)), names, rotation=90, fontsize=7)
    else:
        gains.set_xticks([])
        gains.set_xlabel(f"{len(order)} conversations, by dominant emotion and its share")
    stack.tick_params(bottom=False)
    lines = [short(line, int(10 * width)) for line in title.split("\n")] if title else []
    figure.suptitle("\n".join([*lines, _caption(found)]), fontsize=10)
    return figure


def _caption(found: Atmosphere) -> str:
    m, n = len(found.conversations), found.dominated
    return (
        f"{n} of {m} conversations {'has' if n == 1 else 'have'} a dominant emotion; it gains from"
        f" context in {found.gaining}"
    )


def _place(c: Conversation, labels: tuple[str, ...]) -> tuple[int, float, str]:
    """Conversations of one dominant emotion side by side, the most dominated first; those that have
    none at the end.
    """
    if c.dominant is None:
        return len(labels), -max(c.counts.values()) / c.scored, c.name
    return labels.index(c.dominant), -c.counts[c.dominant] / c.scored, c.name


def _stack(axes: Any, order: list[Conversation], labels: tuple[str, ...]) -> None:
    """The dominant emotion at the bottom of its bar, so that the dashed line shows whether it is
    over half; the others in the order of labels.
    """
    # (c, k)
    share = np.array([[c.counts.get(label, 0) / c.scored for label in labels] for c in order])
    foot = np.array([[label == c.dominant for label in labels] for c in order])
    above = np.where(foot, 0.0, (share * foot).sum(1, keepdims=True))
    bottom = above + np.where(foot, 0.0, (share * ~foot).cumsum(1) - share)
    for k, label in enumerate(labels):
        look: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "label": short(label)}
        look |= {"hatch": "///" if k >= len(COLOURS) else None, "width": 0.9, "linewidth": 0}
        axes.bar(range(len(order)), share[:, k], bottom=bottom[:, k], **look)
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle="--")
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
    axes.set_ylabel("% of scored turns")
    axes.legend(**LEGEND, reverse=True, title="label", title_fontsize=8)


def _emotions(axes: Any, order: list[Conversation], bar: float) -> None:
    """The name of each dominant emotion above its conversations, and a line between two of them; a
    bar is so many inches wide.
    """
    found = [c.dominant for c in order]
    starts = [x for x, emotion in enumerate(found) if not x or found[x - 1] != emotion]
    for start, end in zip(starts, [*starts[1:], len(found)], strict=True):
        name = found[start]
        text = "none" if name is None else short(name, max(3, int(15 * bar * (end - start))))
        slant = "italic" if name is None else "normal"
        middle, place = (start + end - 1) / 2, {"ha": "center", "va": "bottom"}
        axes.text(middle, 1.015, text, fontsize=7, style=slant, **place)
        if start:
            axes.axvline(start - 0.5, color="black", linewidth=0.8)


def _gains(axes: Any, order: list[Conversation]) -> None:
    """All turns of the conversation as grey bars, those of its dominant emotion as marks."""
    points = [100 * (c.accuracy.contextual - c.accuracy.single) for c in order]
    axes.bar(range(len(order)), points, width=0.9, color="#BBBBBB", label="all turns")
    marks = [(x, c.emotions[c.dominant]) for x, c in enumerate(order) if c.dominant is not None]
    changes = [(x, g.contextual - g.single) for x, g in marks]
    signs = {"gains": ("#0072B2", "^"), "loses": ("#D55E00", "v"), "no change": ("black", "_")}
    for what, (colour, sign) in signs.items():
        some = [(x, 100 * change) for x, change in changes if what == _direction(change)]
        if some:
            label, look = f"dominant: {what} ({len(some)})", {"marker": sign, "color": colour}
            axes.scatter(*zip(*some, strict=True), s=22, zorder=3, label=label, **look)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("accuracy, contextual minus\nsingle utterance (points)")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(**LEGEND)


def _direction(difference: float) -> str:
    return "no change" if abs(difference) <= ROUNDING else "gains" if difference > 0 else "loses"
