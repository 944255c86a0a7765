"""The analysis of context in words for a terminal, with the published table, and as a record for
JSON.
"""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nverbench.errors import ResultError, reason_of
from nverbench.leaderboard.context.records import Atmosphere, Conversation, Gain
from nverbench.leaderboard.tables.wording import interval_text
from nverbench.results.published_files import FOLDER

PUBLISHED = "71% (22/31)"
"""The share that the paper prints for its 31 test conversations; it does not define "dominant", so
the text gives ours with both denominators.
"""
WIDTH = 20


def text(found: Atmosphere, *, published: dict[str, dict[str, float]] | None = None) -> list[str]:
    """The analysis in lines: labels by conversation; relative gain by conversation and emotion
    where one dominates; the share that gains with its null distribution; and the pull.

    Args:
        published: conversation -> label -> relative gain as a fraction (``published()``); printed
            below ours of the same name.
    """
    labels = [label for label in found.labels if label in found.emotions]
    a, b = found.replicates
    averaged = f"{a} and {b} replicates" if (a, b) != (1, 1) else "one replicate each"
    table = "; published: the paper's Table 4, of its own model, trained on sessions 1-4"
    lines = [
        *_labels(found, labels),
        (
            "accuracy relative to the single-utterance model, %, by conversation and emotion; * the"
            " dominant one: over half of the scored turns"
        ),
        f"contextual and single-utterance model: {averaged}, averaged; n/a: the single-utterance"
        f" model is never right{table if published else ''}",
        _heading(labels, "     all"),
    ]
    for c in found.conversations:
        if c.dominant is not None:
            lines.append(_row(c, labels))
            theirs = (published or {}).get(c.name)
            if theirs is not None:
                points = {label: f"{100 * gain:+8.1f}" for label, gain in theirs.items()}
                cells = [points.get(label, " " * 8) for label in labels]
                lines.append(_line("  published", " " * 6, cells).rstrip())
    cells = [_percent(found.emotions[label], "") for label in labels]
    cells.append(_percent(found.accuracy, ""))
    lines.append(_line("all conversations", f"{found.accuracy.turns:6d}", cells))
    return [*lines, *_shares(found), *_pulled(found)]


def _line(name: str, turns: str, cells: list[str]) -> str:
    """A line of a table; a name that is too long is cut."""
    return "  ".join([f"{_plain(name)[:WIDTH]:{WIDTH}}", turns, *cells])


def record(
    found: Atmosphere, *, published: dict[str, dict[str, float]] | None = None
) -> dict[str, Any]:
    """The analysis for JSON: dicts, lists, numbers and texts; fractions, relative gains (None where
    there is none) and both shares included.

    Args:
        published: as for :func:`text`; stands in the conversations of that name.
    """
    content = asdict(found)
    content["accuracy"]["relative"] = found.accuracy.relative
    content["emotions"] = _relative(found.emotions)
    content["conversations"] = [
        {
            **asdict(c),
            "accuracy": {**asdict(c.accuracy), "relative": c.accuracy.relative},
            "emotions": _relative(c.emotions),
            **({"published": published[c.name]} if published and c.name in published else {}),
        }
        for c in found.conversations
    ]
    of_dominated = found.gaining / found.dominated if found.dominated else None
    shares = {"of_dominated": of_dominated, "of_all": found.gaining / len(found.conversations)}
    return {
        **content,
        "labels": list(found.labels),
        "replicates": list(found.replicates),
        "dominated": found.dominated,
        "shares": shares,
    }


def _relative(emotions: dict[str, Gain]) -> dict[str, dict[str, Any]]:
    return {label: {**asdict(gain), "relative": gain.relative} for label, gain in emotions.items()}


def published(path: Path = FOLDER / "erc_table4.csv") -> dict[str, dict[str, float]]:
    """The paper's Table 4: conversation -> label -> relative gain as a fraction, labels that have
    one.

    Raises:
        ResultError: the file cannot be read, or a row is not a conversation and its gains.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        gains = [
            {
                k: float(v) / 100
                for k, v in row.items()
                if k not in ("conversation", "dominant") and v
            }
            for row in rows
        ]
        return {row["conversation"]: gain for row, gain in zip(rows, gains, strict=True)}
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, TypeError, KeyError) as error:
        why = reason_of(error, 160)
        raise ResultError(
            f"{path}: expected the published table of gains by conversation, got {why}; restore the"
            " file"
        ) from error


def _heading(labels: list[str], last: str) -> str:
    return _line("conversation", " turns", [*(f"{_plain(k)[:8]:>8}" for k in labels), last])


def _labels(found: Atmosphere, labels: list[str]) -> list[str]:
    """The number of scored turns with each label, by conversation."""
    lines = [
        "scored turns by conversation and label, and the share of the dominant one",
        _heading(labels, "dominant"),
    ]
    for c in found.conversations:
        cells = [f"{c.counts.get(label, 0):8d}" for label in labels]
        share = c.counts[c.dominant] / c.scored if c.dominant is not None else 0
        cells.append("-" if c.dominant is None else f"{_plain(c.dominant)[:8]} {share:.0%}")
        lines.append(_line(c.name, f"{c.scored:6d}", cells))
    cells = [f"{found.emotions[label].turns:8d}" for label in labels]
    return [*lines, _line("all conversations", f"{found.accuracy.turns:6d}", cells), ""]


def _row(c: Conversation, labels: list[str]) -> str:
    cells = [
        (
            _percent(c.emotions[label], "*" if label == c.dominant else "")
            if label in c.emotions
            else " " * 8
        )
        for label in labels
    ]
    return _line(c.name, f"{c.scored:6d}", [*cells, _percent(c.accuracy, "")])


def _percent(gain: Gain, mark: str) -> str:
    words = "n/a" if gain.relative is None else f"{100 * gain.relative:+.1f}"
    return f"{mark + words:>8}"


def _shares(found: Atmosphere) -> list[str]:
    n, m = found.dominated, len(found.conversations)
    if found.null is None:
        return [
            f"no conversation of {m} has a dominant emotion: no share, no pull (the paper:"
            f" {PUBLISHED})"
        ]
    null = found.null
    return [
        (
            f"the dominant emotion gains in {found.gaining} of {n} conversations that have one"
            f" ({found.gaining / n:.0%}), of all {m} conversations {found.gaining / m:.0%} (the"
            f" paper: {PUBLISHED})"
        ),
        (
            f"where labels are permuted within conversations: {null.mean:.1f} of {n}"
            f" ({null.mean / n:.0%}; 95% of {null.draws} draws: {null.low:.0f} to {null.high:.0f}),"
            f" p = {null.p:.3g}: the chance of as many if being dominant meant nothing"
        ),
    ]


def _pulled(found: Atmosphere) -> list[str]:
    pull = found.pull
    if pull is None:
        no_pull = "pull: every scored turn of these conversations has the dominant label"
        return [] if found.null is None else [no_pull]
    d, interval = pull.difference, interval_text(pull.difference, "+")
    narrow = "" if pull.unit == "group" else "; too narrow where speakers are in many of them"
    return [
        f"pull towards the dominant emotion: of {pull.turns} turns with another label,"
        f" {100 * pull.contextual:.1f}% are called dominant with context and"
        f" {100 * pull.single:.1f}% without: {100 * d.value:+.1f} points {interval} (jackknife over"
        f" {pull.units} {pull.unit}s{narrow})"
    ]


def _plain(name: str) -> str:
    """A name without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
