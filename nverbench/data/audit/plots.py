"""Four figures of an audit: duration and level by class, clips by class and fold (or speaker), and
confounds next to chance.

Drawn on an Agg canvas without pyplot: no display, no global state. Colours are Okabe and Ito's
(2008) and cividis, which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench._io.text import escape_control_characters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nverbench.data.audit import AuditResult
    from nverbench.data.audit.records import Confound, Measured
    from nverbench.plugin.records import Clip

DPI = 120
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
COLUMNS = 45
"""Speakers that a heat map has room for; more are drawn by fold."""
BOX: dict[str, Any] = {
    "orientation": "horizontal",
    "whis": (5, 95),
    "widths": 0.6,
    "patch_artist": True,
    "boxprops": {"facecolor": BLUE, "alpha": 0.55, "edgecolor": BLUE},
    "medianprops": {"color": "black", "linewidth": 1.5},
    "flierprops": {"marker": ".", "markersize": 3, "mfc": GREY, "mec": "none"},
    "whiskerprops": {"color": GREY},
    "capprops": {"color": GREY},
}
SMALL: dict[str, Any] = {"fontsize": 8, "frameon": False}


def draw(found: AuditResult, folder: Path, shown: Callable[[str], str] = str) -> list[Path]:
    """Writes the figures into ``folder`` (which exists) and returns their paths."""
    level = "RMS level (dB re full scale)"
    figures = {
        "duration.png": _by_class(found, shown, "duration", "seconds", lambda m: m.seconds),
        "level.png": _by_class(found, shown, "level", level, lambda m: m.rms_db),
        "clips.png": _heat_map(found, shown),
        "confounds.png": _confounds(found),
    }
    paths = []
    for name, figure in figures.items():
        if figure is not None:
            figure.savefig(folder / name, dpi=DPI, metadata={"Software": None})
            paths.append(folder / name)
    return paths


def _figure(found: AuditResult, title: str, width: float, height: float) -> Any:
    """A figure of that size in inches, with the dataset in its title."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    dataset = _short(found.report.dataset, 40)
    figure.suptitle(f"{dataset}: {title} ({found.report.clips} clips)", fontsize=11)
    return figure


def _short(name: str, most: int = 28) -> str:
    """A name that leaves room for the figure; matplotlib would read a $ as mathematics."""
    name = escape_control_characters(name)
    return (name if len(name) <= most else f"{name[: most - 3]}...").replace("$", r"\$")


def _by_class(
    found: AuditResult,
    shown: Callable[[str], str],
    what: str,
    axis: str,
    value: Callable[[Measured], float | None],
) -> Any:
    """A box per class (median, quartiles, 5% and 95%, outliers); classes are ordered by median,
    then mean.
    """
    import numpy as np

    measured = {m.id: m for m in found.report.measured}
    groups: dict[str, list[float]] = {label: [] for label in found.report.labels}
    for clip in found.clips:
        number = value(measured[clip.id]) if measured[clip.id].reason is None else None
        if number is not None:
            groups[str(clip.label)].append(number)
    order = sorted(
        (label for label in groups if groups[label]),
        key=lambda label: (np.median(groups[label]), np.mean(groups[label])),
    )
    if not order:
        return None
    figure = _figure(found, f"{what} by class", 8, 1.8 + 0.24 * len(order))
    axes = figure.subplots()
    axes.boxplot([groups[label] for label in order], **BOX)
    names = [f"{_short(shown(label))} ({len(groups[label])})" for label in order]
    axes.set_yticks(range(1, len(order) + 1), names, fontsize=8)
    median = float(np.median(np.concatenate([groups[label] for label in order])))
    line = {"color": ORANGE, "linewidth": 1, "linestyle": "--"}
    axes.axvline(median, label=f"median of all: {median:.3g}", **line)
    axes.set_xlabel(f"{axis}; box: quartiles, whiskers: 5% and 95%")
    axes.set_ylabel("class (clips)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), **SMALL)
    axes.grid(axis="x", alpha=0.3)
    return figure


def _heat_map(found: AuditResult, shown: Callable[[str], str]) -> Any:
    """Clips by class and speaker, where the speakers fit and their counts differ; else by class and
    fold.
    """
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    labels, speakers = (
        found.report.labels,
        sorted({c.speaker for c in found.clips if c.speaker is not None}),
    )
    folds = [row.name for row in found.report.folds.rows]
    grid = _grid(found, speakers, lambda c: c.speaker)
    by_speaker = 1 < len(speakers) <= COLUMNS and (not folds or bool((grid != grid[0, 0]).any()))
    columns = speakers if by_speaker else folds
    if not columns:
        return None
    grid = grid if by_speaker else _grid(found, folds, lambda c: found.places.get(c.id))
    title = f"clips by class and {'speaker' if by_speaker else 'fold'}"
    size = max(6.0, 3.2 + 0.2 * len(columns)), 2.2 + 0.24 * len(labels)
    figure = _figure(found, title, *size)
    axes = figure.subplots()
    scale = {"cmap": "cividis", "vmin": 0, "vmax": max(1, grid.max())}
    image = axes.imshow(grid, aspect="auto", interpolation="nearest", **scale)
    axes.set_yticks(range(len(labels)), [_short(shown(label)) for label in labels], fontsize=8)
    step = -(-len(columns) // COLUMNS)
    names = [_short(column, 16) for column in columns[::step]]
    rotation = 90 if len(columns) > 8 else 0
    axes.set_xticks(range(0, len(columns), step), names, fontsize=8, rotation=rotation)
    if len(columns) <= 12:
        for (row, column), n in np.ndenumerate(grid):
            colour = "black" if n > grid.max() * 0.6 else "white"
            axes.text(column, row, str(n), ha="center", va="center", fontsize=7, color=colour)
    axes.set_xlabel("speaker" if by_speaker else f"fold ({found.report.folds.kind})")
    axes.set_ylabel("class")
    figure.colorbar(image, ax=axes, label="clips", ticks=MaxNLocator(integer=True, nbins=6))
    return figure


def _grid(
    found: AuditResult, columns: Sequence[str], of: Callable[[Clip], str | None]
) -> NDArray[np.int64]:
    """Clips by class (rows) and the value of ``of`` (columns)."""
    import numpy as np

    counts = Counter((str(c.label), of(c)) for c in found.clips)
    rows = [[counts[label, column] for column in columns] for label in found.report.labels]
    return np.array(rows, np.int64)


def _confounds(found: AuditResult) -> Any:
    """Out-of-fold accuracy of the trees as bars, chance as marks."""
    rows = found.report.confounds.rows
    if not rows:
        return None
    targets = [t for t in ("label", "speaker") if any(c.target == t for c in rows)]
    figure = _figure(found, "what recording facts alone predict", 4.6 * len(targets) + 0.6, 3.8)
    panels = figure.subplots(1, len(targets), squeeze=False)[0]
    for axes, target in zip(panels, targets, strict=True):
        _bars(axes, [c for c in rows if c.target == target][::-1])
        kind = "random" if target == "speaker" else found.report.folds.kind
        axes.set_title(f"{target}, {kind} folds", fontsize=10)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, **SMALL)
    return figure


def _bars(axes: Any, rows: Sequence[Confound]) -> None:
    """One bar per recording fact, the best of the shuffled labels, and the largest class."""
    places = range(len(rows))
    accuracies = [c.accuracy for c in rows]
    axes.barh(places, accuracies, color=BLUE, alpha=0.7, height=0.6, label="tree, out of fold")
    drawn = [(c.null_max, y) for y, c in zip(places, rows, strict=True) if c.null_mean is not None]
    mark = {"marker": "|", "s": 220, "color": "black", "zorder": 3}
    axes.scatter(
        [x for x, _ in drawn], [y for _, y in drawn], label="best of shuffled labels", **mark
    )
    line = {"color": ORANGE, "linestyle": "--", "linewidth": 1.5}
    axes.axvline(rows[0].majority, label="largest class always guessed", **line)
    right = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
    for y, c in zip(places, rows, strict=True):
        axes.annotate(f"{c.accuracy:.3f}", (max(c.accuracy, c.null_max or 0), y), **right)
    axes.set_yticks(places, [c.feature for c in rows], fontsize=9)
    axes.set_xlim(0, 1.25 * max(max(c.accuracy, c.majority, c.null_max or 0) for c in rows))
    axes.set_xlabel("accuracy (fraction)")
    axes.grid(axis="x", alpha=0.3)
