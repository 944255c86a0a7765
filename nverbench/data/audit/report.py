"""The report as text: the findings first, then the tables they rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from nverbench.data.audit import near_copies
from nverbench.data.audit.duplicates import SAME
from nverbench.data.audit.records import IDS, Confound, Relation, Report
from nverbench.plugin.options import split

MARKS = {3: "!!", 2: "! ", 1: "- "}
ROWS = 12
"""Rows of a list before the rest is counted."""
CONFOUND_COLUMNS: tuple[tuple[str, int, str, Callable[[Confound], float | None]], ...] = (
    ("accuracy", 9, ".3f", lambda c: c.accuracy),
    ("shuffled", 9, ".3f", lambda c: c.null_mean),
    ("most", 8, ".3f", lambda c: c.null_max),
    ("z", 7, ".1f", lambda c: c.z),
    ("p", 7, ".3f", lambda c: c.p),
    ("macro-F1", 10, ".3f", lambda c: c.macro_f1),
    ("shuffled", 9, ".3f", lambda c: c.null_macro_f1),
    ("1/k", 8, ".3f", lambda c: c.uniform),
    ("majority", 10, ".3f", lambda c: c.majority),
)
"""Heading, width, format and value of each column."""


def text(report: Report, shown: Callable[[str], str] = str) -> str:
    """The complete report, in lines of at most about 140 characters; ``shown`` maps a label to its
    display name.
    """
    parts: list[Iterator[str]] = [_head(report), _findings(report), _clips(report), _copies(report)]
    parts += [_balance(report, shown), _confounds(report), _folds(report, shown), _rest(report)]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _head(report: Report) -> Iterator[str]:
    speakers = len(report.balance.speakers) or "no known"
    counts = f"{report.clips} clips, {len(report.labels)} classes, {speakers} speakers"
    yield f"audit of {report.dataset}: {counts}, digest {report.digest[:12]}"


def _findings(report: Report) -> Iterator[str]:
    if not report.verdicts:
        yield "nothing found"
        return
    yield (
        "what to act on (!! numbers would be wrong, ! a score may not mean what it says, - worth"
        " knowing)"
    )
    for v in report.verdicts:
        yield f"  {MARKS[v.severity]} {v.sentence}{': ' if v.clips else ''}{', '.join(v.clips)}"


def _clips(report: Report) -> Iterator[str]:
    yield "clips"
    usable = [m for m in report.measured if m.reason is None]
    yield f"  usable {len(usable)} of {report.clips}"
    quantities = (
        ("seconds", "{:.2f}", [m.seconds for m in usable]),
        ("level, dBFS (RMS)", "{:.1f}", [m.rms_db for m in usable]),
        ("peak", "{:.3f}", [m.peak for m in usable]),
        ("active share", "{:.2f}", [m.active for m in usable]),
        ("leading silence, s", "{:.2f}", [m.leading for m in usable]),
        ("trailing silence, s", "{:.2f}", [m.trailing for m in usable]),
    )
    yield f"  {'':22}{'least':>9}{'5%':>9}{'median':>9}{'95%':>9}{'most':>9}"
    for name, form, values in quantities:
        known = [v for v in values if v is not None]
        if known:
            quantiles = np.quantile(known, [0, 0.05, 0.5, 0.95, 1])
            yield f"  {name:22}" + "".join(f"{form.format(q):>9}" for q in quantiles)
    below = (f"{n} below {limit} s" for limit, n in report.sizes.below.items())
    yield f"  too short: {', '.join(below)}"
    by_count: dict[int, list[str]] = {}
    for name, n in report.sizes.backbones.items():
        by_count.setdefault(n, []).append(name)
    for n, names in sorted(by_count.items(), reverse=True):
        if n:
            yield f"  padded: {n} for {', '.join(names)}"
    reasons = Counter(str(m.reason) for m in report.measured if m.reason is not None)
    for reason, n in sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))[:ROWS]:
        ids = ", ".join(m.id for m in report.measured if m.reason == reason)
        yield f"  {n} {reason}: {ids[:90]}"


def _copies(report: Report) -> Iterator[str]:
    copies = report.copies
    compared = f"(correlation >= {SAME}; {copies.candidates} looked at)"
    counts = f"{len(copies.identical)} byte-identical groups, {len(copies.near)} near-identical"
    yield f"copies: {counts} pairs {compared}"
    for group in copies.identical[:ROWS]:
        yield f"  identical: {', '.join(group.clips[:IDS])} ({_relation(group.relation)})"
    for pair in copies.near[:ROWS]:
        shift = f"r = {pair.correlation:.3f}, shifted by {pair.lag:+.2f} s"
        yield f"  near: {pair.first}, {pair.second}: {shift} ({_relation(pair.relation)})"
    left = max(0, len(copies.identical) - ROWS) + max(0, len(copies.near) - ROWS)
    if left:
        yield f"  and {left} more, in audit.json"
    yield from _block(report)


def _block(report: Report) -> Iterator[str]:
    """What the user can paste so that folds keep near-identical clips on one side."""
    groups = report.same_recordings
    if not groups:
        return
    yield (
        "  listen to them; for those that are one recording, paste this into a file for --registry,"
        " and folds keep them on one side:"
    )
    lines = near_copies.block(split(report.dataset)[0], groups[:ROWS])
    yield from (f"    {line}" for line in lines)
    if len(groups) > ROWS:
        yield f"  and {len(groups) - ROWS} more groups, in same_recordings.yaml"


def _relation(r: Relation) -> str:
    return f"speaker {r.speakers}, label {r.labels}, fold {r.folds}"


def _balance(report: Report, shown: Callable[[str], str]) -> Iterator[str]:
    b = report.balance
    yield "balance"
    fewest = shown(min(b.classes, key=lambda c: (b.classes[c], c)))
    yield f"  per class: {_spread(b.classes)}; fewest {fewest}"
    if b.speakers:
        yield (
            f"  per speaker: {_spread(b.speakers)}; the most frequent has {b.largest_speaker:.1%}"
            " of the clips"
        )
        empty = sum(len(missing) for missing in b.gaps.values())
        yield (
            f"  class x speaker: {empty} of {len(b.speakers) * len(report.labels)} cells are empty,"
            f" over {len(b.gaps)} speakers"
        )
        for speaker, missing in list(b.gaps.items())[:IDS]:
            yield f"    {speaker} lacks {_some(missing, shown)}"
    yield f"  sampling rates: {_counts(b.rates, ' Hz')}"
    yield f"  channels: {_counts(b.channels, '')}"
    for what, mixes in (("rates", b.rates_by_speaker), ("channels", b.channels_by_speaker)):
        mixed = [s for s, mix in mixes.items() if len(mix) > 1]
        if mixed:
            yield f"  speakers with several {what}: {len(mixed)}, first {', '.join(mixed[:IDS])}"
    if b.own_rate:
        yield f"  speakers with a sampling rate of their own: {', '.join(b.own_rate[:ROWS])}"


def _confounds(report: Report) -> Iterator[str]:
    found = report.confounds
    if found.reason is not None:
        yield f"confounds: none were looked for: {found.reason}"
        return
    yield (
        f"confounds ({found.clips} clips): a tree with as many leaves as classes, out of fold on"
        f" {report.folds.kind} folds"
    )
    yield (
        f"  a model may score this much without hearing a voice; labels shuffled {found.shuffled};"
        " majority: the largest class always guessed"
    )
    headings = (name.rjust(width) for name, width, _, _ in CONFOUND_COLUMNS)
    yield f"  {'target':9}{'from':17}{''.join(headings)}"
    for c in found.rows:
        cells = (
            ("" if (v := value(c)) is None else format(v, form)).rjust(width)
            for _, width, form, value in CONFOUND_COLUMNS
        )
        yield f"  {c.target:9}{c.feature:17}{''.join(cells)}"


def _folds(report: Report, shown: Callable[[str], str]) -> Iterator[str]:
    f = report.folds
    if f.reason is not None:
        yield f"folds ({f.kind}): {f.reason}"
        return
    yield (
        f"folds ({f.kind}, digest {f.digest[:12]}): {f.copies_across} pairs of copies cross them,"
        f" {f.groups_across} speakers or groups do"
    )
    for row in f.rows[:ROWS]:
        missing = f", lacks {_some(row.missing, shown)}" if row.missing else ""
        yield f"  {row.name}: {row.clips} clips, {row.copied} of them with a copy outside{missing}"
    if len(f.rows) > ROWS:
        yield f"  and {len(f.rows) - ROWS} more folds"


def _rest(report: Report) -> Iterator[str]:
    if not (report.defects or report.notes or report.misfits):
        return
    yield "other remarks"
    defects = list(report.defects.items())[:ROWS]
    yield from (f"  known defect {clip}: {why}" for clip, why in defects)
    yield from (f"  {note}" for note in report.notes)
    yield from (f"  does not fit: {path}: {why}" for path, why in report.misfits[:ROWS])
    if len(report.misfits) > ROWS:
        yield f"  and {len(report.misfits) - ROWS} more files that do not fit"


def _spread(counts: Mapping[str, int]) -> str:
    values: Sequence[int] = sorted(counts.values()) or [0]
    return f"{values[0]} to {values[-1]} clips, median {values[len(values) // 2]}"


def _counts(counts: Mapping[str, int], unit: str) -> str:
    shown = (f"{value}{unit} x {n}" for value, n in list(counts.items())[:ROWS])
    return ", ".join(shown) or "unknown"


def _some(labels: Sequence[str], shown: Callable[[str], str]) -> str:
    """The first labels by their display names, with dots where there are more."""
    return ", ".join(map(shown, labels[:IDS])) + (" ..." if len(labels) > IDS else "")
