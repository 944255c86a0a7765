"""RENO's Figure 3: the confusion of emotions, in percent of the clips of the true one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.leaderboard.figures.canvas import canvas, short
from nverbench.metrics.scores import SHOWN
from nverbench.results.scoring import score_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nverbench.results.record import Result

NUMBERED = 16
"""Classes whose cells have room for a number."""


def shares(result: Result) -> NDArray[np.float64]:
    """Row-normalised confusion (k, k), pooled over folds and replicates; a class without clips is a
    row of 0.
    """
    counts = np.array(result.confusion, dtype=np.float64)
    true = counts.sum(1, keepdims=True)
    found: NDArray[np.float64] = np.divide(counts, true, out=np.zeros_like(counts), where=true > 0)
    return found


def draw_confusion(result: Result) -> Any:
    """The picture: rows are true classes with their clips, columns what was predicted."""
    values, k = shares(result), len(result.labels)
    names = [result.display.get(label, label) for label in result.labels]
    size = 3.2 + 0.42 * k
    figure = canvas(size + 1.0, size)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    axes = figure.subplots()
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=1)
    rows = [
        f"{short(name)} ({result.counts.per_class.get(label, 0)})"
        for name, label in zip(names, result.labels, strict=True)
    ]
    columns = [short(name) for name in names]
    axes.set_xticks(range(k), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(k), rows)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (clips)")
    if k <= NUMBERED:
        for (row, column), value in np.ndenumerate(values):
            colour, middle = "white" if value > 0.7 else "black", {"ha": "center", "va": "center"}
            axes.text(column, row, f"{100 * value:.0f}", fontsize=9, color=colour, **middle)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="% of the true class")
    bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
    e = result.entry
    scores = ", ".join(
        f"{heading} {score_text(result.scores[name])}"
        for name, heading in SHOWN[:2]
        if name in result.scores
    )
    parts = " +\n".join(short(backbone, 60) for backbone in e.backbones)
    axes.set_title(
        f"{parts}\n{short(f'{e.fusion}, {e.dataset}, {result.folds.kind} folds', 60)}\n{scores}",
        fontsize=10,
    )
    return figure


def confusion_numbers(result: Result) -> dict[str, Any]:
    """The numbers of the picture, as JSON: labels, clips, percent of each true class."""
    return {
        "result": result.id,
        "labels": result.labels,
        "clips": result.counts.per_class,
        "percent": (100 * shares(result)).round(2).tolist(),
    }
