"""The analysis of atmosphere in words for a terminal, beside the published table, and as a record
for JSON.
"""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nverbench.errors import ResultError
from nverbench.leaderboard.context.records import Atmosphere, Conversation, Gain
from nverbench.results.published_files import FOLDER

PUBLISHED = "71% (22/31)"
"""What the paper prints of its 31 test conversations; what "dominant" means there is not said, so
both denominators stand beside it.
"""
WIDTH = 20


def text(found: Atmosphere, *, published: dict[str, dict[str, float]] | None = None) -> list[str]:
    """The analysis in lines: labels by conversation; relative gain by conversation and emotion
    where one dominates; the share that gains beside its null; and the pull.

    Args:
        published: conversation -> label -> relative gain as a fraction (``published()``); printed
            below ours of the same name.
    """
    labels = [label for label in found.labels if label in found.emotions]
    averaged = (
        f"{found.replicates[0]} and {found.replicates[1]} replicates"
        if found.replicates != (1, 1)
        else "one replicate each"
    )
    lines = [
        *_labels(found, labels),
        (
            "accuracy relative to the single-utterance model, %, by conversation and emotion; * the"
            " dominant one: over half of the scored turns"
        ),
        f"contextual and single-utterance model: {averaged}, averaged; n/a: the single-utterance"
        " model is never right"
        + (
            "; published: the paper's Table 4, of its own model, trained on sessions 1-4"
            if published
            else ""
        ),
        _heading(labels, "     all"),
    ]
    for c in found.conversations:
        if c.dominant is not None:
            lines.append(_row(c, labels))
            theirs = (published or {}).get(c.name)
            if theirs is not None:
                cells = [
                    f"{100 * theirs[label]:+8.1f}" if label in theirs else " " * 8
                    for label in labels
                ]
                lines.append("  ".join([f"{'  published':{WIDTH}}", " " * 6, *cells]).rstrip())
    cells = [_percent(found.emotions[label], "") for label in labels]
    lines.append(
        "  ".join(
            [
                f"{'all conversations':{WIDTH}}",
                f"{found.accuracy.turns:6d}",
                *cells,
                _percent(found.accuracy, ""),
            ]
        )
    )
    return [*lines, *_shares(found), *_pulled(found)]


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
        why = " ".join(str(error).split())[:160]
        raise ResultError(
            f"{path}: expected the published table of gains by conversation, got {why}; restore the"
            " file"
        ) from error


def _heading(labels: list[str], last: str) -> str:
    return "  ".join(
        [
            f"{'conversation':{WIDTH}}",
            " turns",
            *(f"{_plain(label)[:8]:>8}" for label in labels),
            last,
        ]
    )


def _labels(found: Atmosphere, labels: list[str]) -> list[str]:
    """How many scored turns of each conversation have each label."""
    lines = [
        "scored turns by conversation and label, and the share of the dominant one",
        _heading(labels, "dominant"),
    ]
    for c in found.conversations:
        cells = [f"{c.counts.get(label, 0):8d}" for label in labels]
        dominant = (
            f"{_plain(c.dominant)[:8]} {c.counts[c.dominant] / c.scored:.0%}"
            if c.dominant is not None
            else "-"
        )
        lines.append(
            "  ".join([f"{_plain(c.name)[:WIDTH]:{WIDTH}}", f"{c.scored:6d}", *cells, dominant])
        )
    cells = [f"{found.emotions[label].turns:8d}" for label in labels]
    return [
        *lines,
        "  ".join([f"{'all conversations':{WIDTH}}", f"{found.accuracy.turns:6d}", *cells]),
        "",
    ]


def _row(c: Conversation, labels: list[str]) -> str:
    cells = [
        (
            _percent(c.emotions[label], "*" if label == c.dominant else "")
            if label in c.emotions
            else " " * 8
        )
        for label in labels
    ]
    return "  ".join(
        [f"{_plain(c.name)[:WIDTH]:{WIDTH}}", f"{c.scored:6d}", *cells, _percent(c.accuracy, "")]
    )


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
        return (
            []
            if found.null is None
            else ["pull: every scored turn of these conversations has the dominant label"]
        )
    d = pull.difference
    interval = (
        f"[{100 * d.low:+.1f}, {100 * d.high:+.1f}]"
        if d.low is not None and d.high is not None
        else "[no interval]"
    )
    narrow = "" if pull.unit == "group" else "; too narrow where speakers are in many of them"
    return [
        f"pull towards the dominant emotion: of {pull.turns} turns with another label,"
        f" {100 * pull.contextual:.1f}% are called dominant with context and"
        f" {100 * pull.single:.1f}% without: {100 * d.value:+.1f} points {interval} (jackknife over"
        f" {pull.units} {pull.unit}s{narrow})"
    ]


def _plain(name: str) -> str:
    """A name that cannot move the cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
