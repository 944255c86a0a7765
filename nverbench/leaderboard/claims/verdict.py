"""The verdict on each claim of a paper: a paired contrast of means over our rows with a jackknife
interval, and the same contrast on the published table.

A claim is judged in every field (clips, folds, protocol, selection) that has rows of both sides, on
the paper's corpora and on others.

A contrast against the best of several rivals shows the difference to the rival with the highest
test score, which is biased: of equal systems the luckiest one is chosen. Its verdict therefore
compares with every rival: the claim holds only if it beats each of them, and fails only if it is
significantly below one of them after Holm's correction (docs/protocol.md, "Claims").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nverbench._io.text import escape_control_characters
from nverbench.leaderboard.claims import spec as claims
from nverbench.leaderboard.claims.evidence import FieldEvidence, evidence
from nverbench.leaderboard.claims.spec import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    METRIC,
    NOT_MEASURED,
    Claim,
    Claims,
    Contrast,
    PublishedMargin,
    SystemScore,
)
from nverbench.leaderboard.difference import difference
from nverbench.leaderboard.rows import StoredResult
from nverbench.leaderboard.tables.wording import interval_text
from nverbench.metrics.jackknife import MIN_GROUPS, Interval
from nverbench.metrics.significance import holm, minimum_detectable_difference, p_value
from nverbench.results.record import Result
from nverbench.results.status import OPTIMISTIC

ALPHA = 0.05
Pairs = Sequence[tuple[SystemScore, Sequence[SystemScore]]]
"""Cells of side a, each with its counterparts."""


@dataclass(frozen=True)
class ClaimVerdict:
    """One contrast of a claim on one corpus, cut and protocol; values as fractions."""

    claim: str
    paper: str
    sentence: str
    contrast: str
    control: bool
    """Whether it is one of the claim's own controls, not the claim."""
    corpus: str
    folds: str = ""
    protocol: str = ""
    selection: str = ""
    metric: str = METRIC
    verdict: str = NOT_MEASURED
    """holds, fails, cannot tell or not measured."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest: float | None = None
    """The smallest difference that would have been significant."""
    a: float | None = None
    b: float | None = None
    cells: tuple[int, int] | None = None
    """Number of rows of each side."""
    note: str = ""
    published: PublishedMargin | None = None
    """The same contrast on the paper's own table."""

    def record(self) -> dict[str, object]:
        """The verdict as JSON."""
        return dataclasses.asdict(self)


def judge_claims(filed: Iterable[StoredResult], known: Claims | None = None) -> list[ClaimVerdict]:
    """Every claim and its controls, in the order of the file: one verdict per field where rows were
    measured, else "not measured" for each corpus of the paper.
    """
    known = known or claims.load()
    fields, reasons = evidence(filed)
    found = []
    for claim in known.claims:
        for contrast in (claim.contrast, *claim.controls):
            judged = [_measured(claim, contrast, field, known) for field in fields.values()]
            measured = [one for one in judged if one is not None]
            corpora = {one.corpus for one in measured}
            found += [
                _unmeasured(claim, contrast, corpus, known, reasons)
                for corpus in claim.corpora
                if corpus not in corpora
            ]
            found += measured
    return found


def _measured(
    claim: Claim, contrast: Contrast, field: FieldEvidence, known: Claims
) -> ClaimVerdict | None:
    """A contrast in one field; None where it lacks a side."""
    pairs = claims.matched_pairs(contrast, field.cells)
    if not pairs:
        return None
    a, b = claims.means(pairs, lambda cell: field.whole[cell.id])
    d, r = _difference(pairs, field), field.result
    rivals = _rivals(contrast, field) if contrast.against in claims.BEST else []
    return dataclasses.replace(
        _unmeasured(claim, contrast, r.entry.dataset, known, {}),
        folds=r.folds.kind,
        protocol=r.protocol,
        selection=r.selection,
        verdict=_word_of_rivals(d, rivals, field.units) if rivals else _word(d),
        value=d.value,
        low=d.low,
        high=d.high,
        p=p_value(d, field.units),
        smallest=minimum_detectable_difference(d, field.units),
        a=a,
        b=b,
        cells=claims.counted(pairs),
        note="; ".join(_notes(claim, r, d, len(rivals))),
    )


def _difference(pairs: Pairs, field: FieldEvidence) -> Interval:
    """The mean over the cells of a, minus the mean over their counterparts, with its interval."""
    a, b = claims.means(pairs, lambda cell: field.whole[cell.id])

    def without(group: int) -> float:
        x, y = claims.means(pairs, lambda cell: float(field.without[cell.id][group]))
        return x - y

    return difference(a - b, np.array([without(group) for group in range(field.units)]))


def _rivals(contrast: Contrast, field: FieldEvidence) -> list[Interval]:
    """The difference to every rival. Where several cells of a have rivals of their own, the first
    rivals of all cells are averaged, then the second ones, and so on: their order does not depend
    on scores. A cell with fewer rivals is left out of the later averages.
    """
    found = claims.candidates(contrast, field.cells)
    most = max(len(others) for _, others in found)
    return [
        _difference([(cell, [others[i]]) for cell, others in found if i < len(others)], field)
        for i in range(most)
    ]


def _word_of_rivals(best: Interval, rivals: Sequence[Interval], units: int) -> str:
    """holds: significantly above the best rival and above each; fails: significantly below one of
    them after Holm's correction.
    """
    if all(d.low is not None and d.low > 0 for d in (best, *rivals)):
        return HOLDS
    tested = [(d.value, p) for d in rivals if (p := p_value(d, units)) is not None]
    adjusted = holm([p for _, p in tested])
    below = any(v < 0 and p < ALPHA for (v, _), p in zip(tested, adjusted, strict=True))
    return FAILS if below else CANNOT_TELL


def _word(d: Interval) -> str:
    if d.low is not None and d.low > 0:
        return HOLDS
    return FAILS if d.high is not None and d.high < 0 else CANNOT_TELL


def _notes(claim: Claim, r: Result, d: Interval, rivals: int) -> list[str]:
    reasons = {
        f"the best of {rivals} rivals by test score; the verdict compares with each": rivals > 1,
        f"fewer than {MIN_GROUPS} {r.unit}s: no claim of significance": d.low is None,
        "a corpus that the paper did not use": r.entry.dataset not in claim.corpora,
        OPTIMISTIC: r.optimistic,
    }
    return [reason for reason, holds in reasons.items() if holds]


def _unmeasured(
    claim: Claim,
    contrast: Contrast,
    corpus: str,
    known: Claims,
    reasons: Mapping[tuple[str, SystemScore], str],
) -> ClaimVerdict:
    """A contrast on a corpus without rows of both sides that count."""
    sides = (contrast.a, contrast.b)
    near = [
        why
        for (dataset, cell), why in reasons.items()
        if dataset == corpus and any(claims.matches(side, _bare(cell)) for side in sides)
    ]
    source = claim.source
    printed = corpus in claim.corpora
    return ClaimVerdict(
        claim.id,
        claim.paper,
        claim.sentence,
        contrast.says,
        contrast is not claim.contrast,
        corpus,
        note=f"{near[0]}: no evidence" if near else "",
        published=claims.published(contrast, source, corpus, known) if printed else None,
    )


def _bare(cell: SystemScore) -> SystemScore:
    """A cell without the options of its backbones: an untrained backbone is close to the claim, but
    no evidence.
    """
    return dataclasses.replace(cell, backbones=tuple(b.partition(":")[0] for b in cell.backbones))


def lines(judged: Sequence[ClaimVerdict]) -> list[str]:
    """The verdicts in words: paper and sentence, then every contrast and corpus, in points of
    accuracy. Controls that were not measured are left out.
    """
    shown: list[str] = []
    last = ""
    for one in judged:
        if one.control and one.verdict == NOT_MEASURED and not one.published:
            continue
        if one.claim != last:
            last = one.claim
            shown += ["", f"{one.paper}: {one.sentence}"]
        where = f"{one.corpus}{f', {one.folds} folds, {one.protocol}' if one.folds else ''}"
        shown.append(f"  {'(control) ' if one.control else ''}{one.contrast}; {where}")
        shown.append(f"    ours:      {_ours(one)}")
        if one.published:
            shown.append(f"    published: {_published(one.published)}")
    return [escape_control_characters(line) for line in shown[1:]]


def _ours(one: ClaimVerdict) -> str:
    if one.value is None or one.a is None or one.b is None or one.cells is None:
        return one.verdict + (f" ({one.note})" if one.note else "")
    interval = f" {interval_text(one)}" if one.low is not None else ""
    detail = _rows(one.a, one.b, one.cells)
    if one.verdict == CANNOT_TELL and one.smallest is not None:
        detail += f"; {100 * one.smallest:.1f} would have been seen"
    value = f"{one.verdict}: {100 * one.value:+.1f}{interval} ({detail})"
    return f"{value}; {one.note}" if one.note else value


def _published(margin: PublishedMargin) -> str:
    rows = _rows(margin.a, margin.b, margin.cells)
    value = f"{margin.verdict}: {100 * margin.value:+.1f} ({rows})"
    return f"{value}; {margin.note}" if margin.note else value


def _rows(a: float, b: float, cells: tuple[int, int]) -> str:
    return f"{100 * a:.1f} - {100 * b:.1f}, {cells[0]} and {cells[1]} rows"
