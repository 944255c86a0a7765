"""RENO's Figure 2: a map of each backbone's embeddings by emotion and by speaker, with measures of
their separation.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nverbench.leaderboard.figures.canvas import COLOURS, canvas, short, style
from nverbench.leaderboard.figures.separation import (
    Level,
    Structure,
    distances,
    planar,
    sampled,
    scaled,
    structure,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nverbench.leaderboard.figures.embeddings import StoredEmbeddings

NAMED = 16
"""The largest number of labels in a legend."""


@dataclass(frozen=True)
class Panel:
    """One backbone's map under one way of labelling its clips."""

    backbone: str
    by: str
    """emotion, or the kind of a group of the corpus: speaker, ..."""
    positions: NDArray[np.float64]
    """(n, 2)"""
    labels: tuple[str, ...]
    """(n,)"""
    of: int
    """All clips; more than n where a sample is drawn."""
    structure: Structure


def panels(stored: Sequence[StoredEmbeddings]) -> list[Panel]:
    """The panels of every backbone: emotion, then speaker where speakers are known."""
    found = []
    for one in stored:
        rows = sampled(len(one.matrix))
        z = scaled(one.matrix[rows])
        positions, pairwise = planar(z), distances(z)
        for by, labels in (("emotion", one.labels), (one.unit, one.groups)):
            if labels:
                kept = tuple(labels[row] for row in rows)
                numbers = len(one.matrix), structure(pairwise, kept)
                found.append(Panel(one.backbone, by, positions, kept, *numbers))
    return found


def draw_maps(found: Sequence[Panel]) -> Any:
    """One row of maps per backbone, one column per way of labelling."""
    columns = list(dict.fromkeys(panel.by for panel in found))
    rows = list(dict.fromkeys(panel.backbone for panel in found))
    figure = canvas(5.9 * len(columns), 4.6 * len(rows) + 0.3)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for panel in found:
        _draw(grid[rows.index(panel.backbone)][columns.index(panel.by)], panel)
    most = max(len(panel.labels) for panel in found)
    of = found[0].of
    sample = f"; a sample of {most} of {of} clips" if of > most else f"; {of} clips"
    figure.supxlabel(
        f"t-SNE of up to 50 principal components of z-scored embeddings{sample}; numbers: all"
        " dimensions, cosine",
        fontsize=8,
    )
    return figure


def _draw(axes: Any, panel: Panel) -> None:
    names = sorted(set(panel.labels))
    number = {name: i for i, name in enumerate(names)}
    for name in names:
        colour, marker = style(number[name])
        rows = [i for i, label in enumerate(panel.labels) if label == name]
        look = {"c": colour, "marker": marker, "linewidths": 0.25, "edgecolors": "#333333"}
        axes.scatter(*panel.positions[rows].T, s=12, label=short(name, 28), **look)
    axes.set_xticks([])
    axes.set_yticks([])
    s = panel.structure
    axes.set_title(
        f"{short(panel.backbone, 40)} by {panel.by}\nkNN purity {_shown(s.purity)}, silhouette"
        f" {_shown(s.silhouette)}",
        fontsize=10,
    )
    if len(names) <= NAMED:
        look = {"fontsize": 8, "frameon": False, "markerscale": 1.8, "handletextpad": 0.2}
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), **look)
    else:
        many = len(names) > len(COLOURS)
        repeated = f"; {len(COLOURS)} colours, then the marker changes" if many else ""
        axes.set_xlabel(f"{len(names)} {panel.by}s{repeated}", fontsize=8)


def _shown(level: Level) -> str:
    return f"{level.value:.2f} (chance {level.chance:.2f})"


def map_numbers(found: Sequence[Panel]) -> list[dict[str, Any]]:
    """The measures of the maps, as JSON: one record per panel."""
    return [
        {
            "backbone": p.backbone,
            "by": p.by,
            "clips": len(p.labels),
            "of": p.of,
            "largest_label": max(Counter(p.labels).values()),
            **dataclasses.asdict(p.structure),
        }
        for p in found
    ]
