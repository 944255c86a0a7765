"""The verdicts on claims in words, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from nverbench._io.text import escape_control_characters
from nverbench.leaderboard.claims.records import ClaimVerdict, MetricVerdict
from nverbench.leaderboard.claims.spec import CANNOT_TELL, NOT_MEASURED, PublishedMargin
from nverbench.leaderboard.tables.wording import interval_text

EXPLANATION = (
    "ours: macro-F1, official rows only, paired jackknife over speakers; p (Holm): corrected over"
    " the paper's claims on the same rows, or over its controls; published: accuracy on the paper's"
    " own table and folds, a sign and a size, never a test"
)


def lines(judged: Sequence[ClaimVerdict]) -> list[str]:
    """The verdicts in words: paper and sentence, then every contrast and corpus, in points of
    macro-F1 and of accuracy. Controls that were not measured are left out.
    """
    shown: list[str] = []
    last = ""
    for one in judged:
        if one.control and one.verdict == NOT_MEASURED and not one.published:
            continue
        if one.claim != last:
            last = one.claim
            shown += ["", f"{one.paper}: {one.sentence}"]
        shown.append(f"  {'(control) ' if one.control else ''}{one.contrast}; {_where(one)}")
        if one.tracks:
            note = f"; {one.note}" if one.note else ""
            shown.append(f"    verdict:   {one.verdict}{note}")
            continue
        shown.append(f"    ours:      {_ours(one)}")
        if one.accuracy:
            shown.append(f"    accuracy:  {_measured(one.accuracy)}")
        if one.published:
            shown.append(f"    published: {_published(one.published)}")
    return [escape_control_characters(line) for line in shown[1:]]


def _where(one: ClaimVerdict) -> str:
    if one.tracks:
        plural = "s" if len(one.tracks) > 1 else ""
        return f"{one.corpus}, {one.folds} folds, track{plural} {' and '.join(one.tracks)}"
    return f"{one.corpus}{f', {one.folds} folds, {one.protocol}' if one.folds else ''}"


def _ours(one: ClaimVerdict) -> str:
    if one.value is None or one.cells is None:
        return one.verdict + (f" ({one.note})" if one.note else "")
    value = f"{_measured(one)}; {one.cells[0]} and {one.cells[1]} rows"
    return f"{value}; {one.note}" if one.note else value


def _measured(one: ClaimVerdict | MetricVerdict) -> str:
    """Verdict, difference, interval, p values and the scores of both sides."""
    if one.value is None or one.a is None or one.b is None:
        return one.verdict
    interval = f" {interval_text(one)}" if one.low is not None else ""
    detail = f"{100 * one.a:.1f} - {100 * one.b:.1f}"
    if one.p is not None and one.p_adjusted is not None:
        detail += f"; p {one.p:.2g}, Holm {one.p_adjusted:.2g}"
    if one.verdict == CANNOT_TELL and one.smallest is not None:
        detail += f"; {100 * one.smallest:.1f} would have been seen"
    return f"{one.verdict}: {100 * one.value:+.1f}{interval} ({detail})"


def _published(margin: PublishedMargin) -> str:
    rows = f"{margin.cells[0]} and {margin.cells[1]} rows"
    sides = f"{100 * margin.a:.1f} - {100 * margin.b:.1f}"
    value = f"{margin.verdict}: {100 * margin.value:+.1f} ({sides}, {rows})"
    return f"{value}; {margin.note}" if margin.note else value
