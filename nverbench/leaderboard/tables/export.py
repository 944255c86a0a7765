"""Ranked rows as CSV, Markdown and LaTeX. A text of a result stays plain text in each format."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from nverbench._io.text import escape_control_characters
from nverbench.leaderboard.rows import Row, field_of
from nverbench.leaderboard.tables.wording import (
    dataset_texts,
    interval_text,
    published_text,
    status_text,
)
from nverbench.metrics.chance import HOW, chance
from nverbench.metrics.jackknife import Interval
from nverbench.metrics.scores import NAMES, SHOWN
from nverbench.results.record import Score
from nverbench.results.scoring import score_text

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r")
"""Characters that begin a formula in a spreadsheet: operators, their full-width forms, a tab or a
carriage return.
"""
MARKDOWN = {
    **{c: f"\\{c}" for c in "\\`*_[]|#~!"},
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "@": "&#64;",
}
"""Characters with a meaning in Markdown or HTML; an at sign would make an address."""
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\char34{}",
}
HEADINGS = (
    "rank",
    "backbones",
    "fusion",
    "loss",
    "dataset",
    "folds",
    *(f"{heading} % [95%]" for _, heading in SHOWN),
    "behind the best, macro-F1 points",
    "published % accuracy / macro-F1",
    "row is",
)
UNRANKED = "-"
CSV_FIRST = "id rank unranked backbones fusion loss dataset folds protocol selection"
CSV_LAST = (
    "behind behind_low behind_high published_accuracy published_macro_f1 standing level control"
    " licence"
)
"""Columns of the CSV form, before and after the scores."""


def rank_text(row: Row) -> str:
    """The rank of a row, or a dash."""
    return UNRANKED if row.rank is None else str(row.rank)


def behind_text(row: Row) -> str:
    """The points of macro-F1 by which the best row of the field is ahead, with the interval; empty
    where nothing was compared.
    """
    if row.behind is None:
        return ""
    d = row.behind.difference
    return f"{100 * d.value:.1f}" + (f" {interval_text(d)}" if d.low is not None else "")


def unranked(rows: Iterable[Row]) -> list[str]:
    """The reasons why rows have no rank: one line per reason, with the ids."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.unranked:
            reasons.setdefault(row.unranked, []).append(row.result.id)
    return [
        f"not ranked ({len(ids)} row{'s' if len(ids) > 1 else ''}:"
        f" {', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''}): {why}"
        for why, ids in reasons.items()
    ]


def as_csv(rows: Sequence[Row]) -> str:
    """One line per row; scores as fractions in full precision. No cell of text begins a formula of
    a spreadsheet.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180
    datasets = dataset_texts(row.result for row in rows)
    spread = [f"{name}{end}" for name in NAMES for end in ("", "_low", "_high")]
    writer.writerow([*CSV_FIRST.split(), *spread, *CSV_LAST.split()])
    for row in rows:
        r, e, theirs = row.result, row.result.entry, row.published
        words = [row.unranked, " + ".join(e.backbones), e.fusion, e.loss, datasets(r)]
        words += [r.folds.kind, r.protocol, r.selection]
        intervals = [*(r.scores.get(name) for name in NAMES)]
        numbers = [value for score in intervals for value in _three(score)]
        numbers += _three(row.behind.difference if row.behind else None)
        numbers += [theirs.accuracy, theirs.macro_f1] if theirs else [None, None]
        last = [_safe(status_text(r)), row.filed.level, str(r.control).lower(), _safe(r.licence)]
        cells = ("" if n is None else repr(n) for n in numbers)
        writer.writerow([_safe(r.id), row.rank or "", *map(_safe, words), *cells, *last])
    return buffer.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """A table in GitHub's Markdown, chance levels last; no cell holds markup or HTML."""
    lines = [
        _line(HEADINGS),
        "|" + "|".join("---:" if "%" in h or h == "rank" else "---" for h in HEADINGS) + "|",
    ]
    lines += [_line(map(_markdown, cells)) for cells in (*_cells(rows), *_chances(rows))]
    return "\n".join(lines) + "\n"


def as_latex(rows: Sequence[Row]) -> str:
    """A tabular for the package booktabs; the best rank group of each field in bold, a rule between
    fields, chance last.
    """
    lines = [
        "% needs \\usepackage{booktabs}; bold: the rows that cannot be told apart from the best",
        f"\\begin{{tabular}}{{rlllll{'r' * len(SHOWN)}rrl}}",
        "\\toprule",
        " & ".join(_latex(h) for h in HEADINGS) + r" \\",
        "\\midrule",
    ]
    for i, (row, own) in enumerate(zip(rows, _cells(rows), strict=True)):
        if i and field_of(rows[i - 1].result) != field_of(row.result):
            lines.append("\\midrule")
        cells = [_latex(cell) for cell in own]
        lines.append(
            " & ".join(f"\\textbf{{{cell}}}" if row.rank == 1 and cell else cell for cell in cells)
            + r" \\"
        )
    lines += [
        "\\midrule",
        *(" & ".join(map(_latex, cells)) + r" \\" for cells in _chances(rows)),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    """The rows in the order of ``HEADINGS``."""
    datasets = dataset_texts(row.result for row in rows)
    return [_cells_of(row, datasets(row.result)) for row in rows]


def _cells_of(row: Row, dataset: str) -> list[str]:
    r, e = row.result, row.result.entry
    scores = [score_text(r.scores[name]) if name in r.scores else "" for name, _ in SHOWN]
    words = [" + ".join(e.backbones), e.fusion, e.loss, dataset, r.folds.kind]
    return [rank_text(row), *words, *scores, behind_text(row), published_text(r)[0], status_text(r)]


def _chances(rows: Sequence[Row]) -> list[list[str]]:
    """The chance levels, once for every dataset, folds and counts of clips."""
    datasets = dataset_texts(row.result for row in rows)
    seen = {
        (datasets(r), r.folds.kind, tuple(r.counts.per_class.items()))
        for r in (row.result for row in rows)
    }
    found = []
    for dataset, folds, counts in sorted(seen):
        for how, values in chance(dict(counts)).items():
            scores = [f"{100 * values[name]:.1f}" for name, _ in SHOWN]
            found.append([UNRANKED, HOW[how], "", "", dataset, folds, *scores, "", "", "chance"])
    return found


def _three(score: Score | Interval | None) -> list[float | None]:
    return [None, None, None] if score is None else [score.value, score.low, score.high]


def _safe(text: str) -> str:
    """A cell that no spreadsheet evaluates."""
    shown = escape_control_characters(text)
    return (
        f"'{shown}"
        if text.startswith(FORMULA) or shown.lstrip(" '\"").startswith(FORMULA)
        else shown
    )


def _escaped(text: str, signs: dict[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in escape_control_characters(text))


def _markdown(text: str) -> str:
    """A cell; a text that looks like an address makes no link."""
    return (
        _escaped(text, MARKDOWN)
        .replace("://", "&#58;//")
        .replace("www.", "www&#46;")
        .replace("WWW.", "WWW&#46;")
    )


def _latex(text: str) -> str:
    return _escaped(text, LATEX).replace("--", "-{}-").replace("''", "'{}'")


def _line(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(cells) + " |"
