"""Four pictures of an audit: duration and level by class, clips by class and fold (or speaker),
confounds beside chance.

Drawn on an Agg canvas without pyplot: no display, no global state. Colours are Okabe and Ito's
(2008) and cividis, safe for colour-blind eyes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nverbench.data.audit import AuditResult
    from nverbench.data.audit.records import Measured
    from nverbench.plugin.records import Clip

DPI = 120
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
COLUMNS = 45
"""Speakers a heat map has room for; more are drawn by fold."""


def draw(found: AuditResult, folder: Path, shown: Callable[[str], str] = str) -> list[Path]:
    """Write the pictures into ``folder`` (which exists) and give their paths."""
    made = {
        "duration.png": _by_class(found, shown, "duration", "seconds", lambda m: m.seconds),
        "level.png": _by_class(
            found, shown, "level", "RMS level (dB re full scale)", lambda m: m.rms_db
        ),
        "clips.png": _heat(found, shown),
        "confounds.png": _confounds(found),
    }
    paths = []
    for name, figure in made.items():
        if figure is not None:
            figure.savefig(folder / name, dpi=DPI, metadata={"Software": None})
            paths.append(folder / name)
    return paths


def _canvas(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _short(name: str, most: int = 28) -> str:
    """A name that leaves room for the picture; a $ would be read as mathematics."""
    return (name if len(name) <= most else f"{name[: most - 3]}...").replace("$", r"\$")


def _title(found: AuditResult, what: str) -> str:
    return f"{_short(found.report.dataset, 40)}: {what} ({found.report.clips} clips)"


def _by_class(
    found: AuditResult,
    shown: Callable[[str], str],
    what: str,
    axis: str,
    value: Callable[[Measured], float | None],
) -> Any:
    """A box per class (median, quartiles, 5% and 95%, and what lies outside), the classes ordered
    by median, then mean.
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
    figure = _canvas(8, 1.8 + 0.24 * len(order))
    axes = figure.subplots()
    axes.boxplot(
        [groups[label] for label in order],
        orientation="horizontal",
        whis=(5, 95),
        widths=0.6,
        patch_artist=True,
        boxprops={"facecolor": BLUE, "alpha": 0.55, "edgecolor": BLUE},
        medianprops={"color": "black", "linewidth": 1.5},
        flierprops={
            "marker": ".",
            "markersize": 3,
            "markerfacecolor": GREY,
            "markeredgecolor": "none",
        },
        whiskerprops={"color": GREY},
        capprops={"color": GREY},
    )
    axes.set_yticks(
        range(1, len(order) + 1),
        [f"{_short(shown(label))} ({len(groups[label])})" for label in order],
        fontsize=8,
    )
    every = np.concatenate([groups[label] for label in order])
    axes.axvline(
        float(np.median(every)),
        color=ORANGE,
        linewidth=1,
        linestyle="--",
        label=f"median of all: {np.median(every):.3g}",
    )
    axes.set_xlabel(f"{axis}; box: quartiles, whiskers: 5% and 95%")
    axes.set_ylabel("class (clips)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, frameon=False)
    axes.grid(axis="x", alpha=0.3)
    figure.suptitle(_title(found, f"{what} by class"), fontsize=11)
    return figure


def _heat(found: AuditResult, shown: Callable[[str], str]) -> Any:
    """Clips by class and speaker, where there is room for the speakers and something to see; else
    by class and fold.
    """
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    speakers = sorted({c.speaker for c in found.clips if c.speaker is not None})
    folds = [row.name for row in found.report.folds.rows]
    grid = _grid(found, speakers, lambda c: c.speaker)
    by_speaker = 1 < len(speakers) <= COLUMNS and (not folds or bool((grid != grid[0, 0]).any()))
    columns = speakers if by_speaker else folds
    if not columns:
        return None
    grid = grid if by_speaker else _grid(found, folds, lambda c: found.places.get(c.id))
    figure = _canvas(max(6.0, 3.2 + 0.2 * len(columns)), 2.2 + 0.24 * len(found.report.labels))
    axes = figure.subplots()
    image = axes.imshow(
        grid,
        aspect="auto",
        cmap="cividis",
        vmin=0,
        vmax=max(1, grid.max()),
        interpolation="nearest",
    )
    axes.set_yticks(
        range(len(found.report.labels)),
        [_short(shown(label)) for label in found.report.labels],
        fontsize=8,
    )
    step = -(-len(columns) // COLUMNS)
    axes.set_xticks(
        range(0, len(columns), step),
        [_short(c, 16) for c in columns[::step]],
        fontsize=8,
        rotation=90 if len(columns) > 8 else 0,
    )
    if len(columns) <= 12:
        for (row, column), n in np.ndenumerate(grid):
            axes.text(
                column,
                row,
                str(n),
                ha="center",
                va="center",
                fontsize=7,
                color="black" if n > grid.max() * 0.6 else "white",
            )
    axes.set_xlabel("speaker" if by_speaker else f"fold ({found.report.folds.kind})")
    axes.set_ylabel("class")
    figure.colorbar(image, ax=axes, label="clips", ticks=MaxNLocator(integer=True, nbins=6))
    figure.suptitle(
        _title(found, f"clips by class and {'speaker' if by_speaker else 'fold'}"), fontsize=11
    )
    return figure


def _grid(
    found: AuditResult, columns: Sequence[str], of: Callable[[Clip], str | None]
) -> NDArray[np.int64]:
    """Clips by class (rows) and what ``of`` gives (columns)."""
    import numpy as np

    counts = Counter((str(c.label), of(c)) for c in found.clips)
    return np.array(
        [[counts[label, column] for column in columns] for label in found.report.labels], np.int64
    )


def _confounds(found: AuditResult) -> Any:
    """Out-of-fold accuracy of the trees as bars, chance as marks."""
    rows = found.report.confounds.rows
    if not rows:
        return None
    targets = [t for t in ("label", "speaker") if any(c.target == t for c in rows)]
    figure = _canvas(4.6 * len(targets) + 0.6, 3.8)
    for axes, target in zip(
        figure.subplots(1, len(targets), squeeze=False)[0], targets, strict=True
    ):
        some = [c for c in rows if c.target == target][::-1]
        places = range(len(some))
        axes.barh(
            places,
            [c.accuracy for c in some],
            color=BLUE,
            alpha=0.7,
            height=0.6,
            label="tree, out of fold",
        )
        drawn = [(y, c) for y, c in zip(places, some, strict=True) if c.null_mean is not None]
        best = [c.null_max for _, c in drawn]
        axes.scatter(
            best,
            [y for y, _ in drawn],
            marker="|",
            s=220,
            color="black",
            label="best of shuffled labels",
            zorder=3,
        )
        axes.axvline(
            some[0].majority,
            color=ORANGE,
            linestyle="--",
            linewidth=1.5,
            label="largest class always guessed",
        )
        for y, c in zip(places, some, strict=True):
            end = max(c.accuracy, c.null_max or 0), y
            axes.annotate(
                f"{c.accuracy:.3f}",
                end,
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        axes.set_yticks(places, [c.feature for c in some], fontsize=9)
        axes.set_xlim(0, 1.25 * max(max(c.accuracy, c.majority, c.null_max or 0) for c in some))
        axes.set_xlabel("accuracy (fraction)")
        axes.set_title(
            f"{target}, {'random' if target == 'speaker' else found.report.folds.kind} folds",
            fontsize=10,
        )
        axes.grid(axis="x", alpha=0.3)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    figure.suptitle(_title(found, "what recording facts alone predict"), fontsize=11)
    return figure
