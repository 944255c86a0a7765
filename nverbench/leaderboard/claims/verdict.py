"""The papers' claims on our own rows: paired contrasts of means with a jackknife interval, and a
verdict beside the published table's.

Evidence are rows that could be ranked: no controls, nothing that somebody has yet to rerun. A claim
is judged in every field (clips, folds, protocol, selection) that has rows of both sides, on the
papers' corpora and on others. Where a contrast picks the best cell, it is picked once, on all
groups.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nverbench._io.text import escape_control_characters
from nverbench.errors import ResultError
from nverbench.leaderboard.claims import spec as claims
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
from nverbench.leaderboard.rows import NOT_RERUN, RANKED, Field, StoredResult, field_of
from nverbench.metrics.jackknife import (
    MIN_GROUPS,
    Decisions,
    Interval,
    leave_one_out,
    quantile,
    standard_error,
    zero_rounding,
)
from nverbench.metrics.significance import minimum_detectable_difference, p_value
from nverbench.results.record import Result

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ClaimVerdict:
    """One contrast of a claim on one corpus, cut and protocol; values as fractions."""

    claim: str
    paper: str
    sentence: str
    contrast: str
    control: bool
    """It is one of the claim's own controls, not the claim."""
    corpus: str
    folds: str
    protocol: str
    selection: str
    metric: str
    verdict: str
    """holds, fails, cannot tell or not measured."""
    value: float | None
    low: float | None
    high: float | None
    p: float | None
    smallest: float | None
    """What a measured difference would have had to be."""
    a: float | None
    b: float | None
    cells: tuple[int, int] | None
    """How many rows of each side."""
    note: str
    published: PublishedMargin | None
    """The same contrast on the paper's own table."""

    def record(self) -> dict[str, object]:
        """As JSON."""
        return dataclasses.asdict(self)


def judge_claims(filed: Iterable[StoredResult], known: Claims | None = None) -> list[ClaimVerdict]:
    """Every claim and its controls, in the order of the file: where measured one verdict per field,
    else one that says so per corpus of the paper.
    """
    known = known or claims.load()
    evidence, reasons = _evidence(filed)
    found = []
    for claim in known.claims:
        for contrast in (claim.contrast, *claim.controls):
            measured = [
                one
                for field in evidence.values()
                if (one := _measured(claim, contrast, field, known)) is not None
            ]
            corpora = {one.corpus for one in measured}
            found += [
                _unmeasured(claim, contrast, corpus, known, reasons)
                for corpus in claim.corpora
                if corpus not in corpora
            ]
            found += measured
    return found


@dataclass(frozen=True)
class _Field:
    """The rows of one field that count, over the same clips."""

    result: Result
    """Any of them."""
    cells: list[SystemScore]
    whole: dict[str, float]
    without: dict[str, NDArray[np.float64]]
    """Id -> (G,)."""
    units: int


def _evidence(
    filed: Iterable[StoredResult],
) -> tuple[dict[Field, _Field], dict[tuple[str, SystemScore], str]]:
    """Fields with what counts in them; and what does not count: corpus and cell -> why."""
    fields: dict[Field, dict[tuple[object, ...], StoredResult]] = defaultdict(dict)
    reasons = {}
    # Of one combination the row with the most replicates counts, then the newest.
    for one in sorted(filed, key=lambda f: (f.result.seeds, f.result.created, f.result.id)):
        r = one.result
        if r.control:
            reasons[r.entry.dataset, _cell(r)] = (
                "only controls (untrained or synthetic) were measured"
            )
        elif one.level not in RANKED:
            reasons[r.entry.dataset, _cell(r)] = NOT_RERUN
        else:
            fields[field_of(r)][tuple(r.entry.backbones), _fusion(r), r.entry.loss] = one
    made = {
        key: field
        for key, rows in fields.items()
        if (field := _field(list(rows.values()))) is not None
    }
    return made, reasons


def _cell(r: Result) -> SystemScore:
    e = r.entry
    return SystemScore(
        tuple(e.backbones),
        tuple(e.families),
        _fusion(r),
        e.loss,
        e.dataset,
        r.scores[METRIC].value,
        r.id,
    )


def _fusion(r: Result) -> str:
    """The fusion, and whether it was trained on turns out of order: another system, which must not
    stand in for the one of that name.
    """
    return r.entry.fusion if r.shuffle == "none" else f"{r.entry.fusion} (shuffle={r.shuffle})"


def _field(rows: Sequence[StoredResult]) -> _Field | None:
    """The rows that are over the same clips, labels and groups as most; None where no predictions
    can be read.
    """
    alike: dict[tuple[object, ...], list[tuple[StoredResult, Decisions]]] = defaultdict(list)
    for one in rows:
        try:
            p = one.predictions().decisions(len(one.result.labels))
        except ResultError:  # its row says so on the table
            continue
        alike[p.groups, p.target.tobytes(), p.classes].append((one, p))
    if not alike:
        return None
    kept = max(alike.values(), key=len)
    parts = {one.result.id: leave_one_out(p) for one, p in kept}
    whole, without = (
        {i: w[METRIC] for i, (w, _) in parts.items()},
        {i: o[METRIC] for i, (_, o) in parts.items()},
    )
    return _Field(
        kept[0][0].result,
        [_cell(one.result) for one, _ in kept],
        whole,
        without,
        len(set(kept[0][1].units())),
    )


def _measured(
    claim: Claim, contrast: Contrast, field: _Field, known: Claims
) -> ClaimVerdict | None:
    """A contrast in one field; None where it lacks a side."""
    pairs = claims.matched_pairs(contrast, field.cells)
    if not pairs:
        return None
    a, b = claims.means(pairs, lambda cell: field.whole[cell.id])

    def without(group: int) -> tuple[float, float]:
        return claims.means(pairs, lambda cell: float(field.without[cell.id][group]))

    left = [without(group) for group in range(field.units)]
    d = difference(a - b, np.array([x - y for x, y in left]), field.units)
    r = field.result
    verdict = (
        CANNOT_TELL
        if d.low is None or d.high is None
        else HOLDS
        if d.low > 0
        else FAILS
        if d.high < 0
        else CANNOT_TELL
    )
    notes = (
        [f"fewer than {MIN_GROUPS} {r.unit}s: no claim of significance"] if d.low is None else []
    )
    notes += ["a corpus that the paper did not use"] if r.entry.dataset not in claim.corpora else []
    notes += ["optimistic: the stopping epoch was chosen on the test part"] if r.optimistic else []
    return dataclasses.replace(
        _unmeasured(claim, contrast, r.entry.dataset, known, {}),
        folds=r.folds.kind,
        protocol=r.protocol,
        selection=r.selection,
        verdict=verdict,
        value=d.value,
        low=d.low,
        high=d.high,
        p=p_value(d, field.units),
        smallest=minimum_detectable_difference(d, field.units),
        a=a,
        b=b,
        cells=claims.counted(pairs),
        note="; ".join(notes),
    )


def difference(
    value: float, without: NDArray[np.float64], units: int, level: float = 0.95
) -> Interval:
    """A difference of means with its jackknife interval, from the values (G,) without each group:
    +- t(G-1) se; none with fewer than five groups.
    """
    settled_value = float(zero_rounding(np.asarray(value)))
    if units < 2:
        return Interval(settled_value, None, None, None)
    se = float(standard_error(zero_rounding(without)))
    if units < MIN_GROUPS:
        return Interval(settled_value, None, None, se)
    half = quantile(level, units) * se
    return Interval(settled_value, settled_value - half, settled_value + half, se)


def _unmeasured(
    claim: Claim,
    contrast: Contrast,
    corpus: str,
    known: Claims,
    reasons: Mapping[tuple[str, SystemScore], str],
) -> ClaimVerdict:
    """A contrast on a corpus without rows of both sides that count."""
    near = [
        why
        for (dataset, cell), why in reasons.items()
        if dataset == corpus
        and any(claims.matches(side, _bare(cell)) for side in (contrast.a, contrast.b))
    ]
    table = (
        claims.published(contrast, claim.source, corpus, known) if corpus in claim.corpora else None
    )
    return ClaimVerdict(
        claim=claim.id,
        paper=claim.paper,
        sentence=claim.sentence,
        contrast=contrast.says,
        control=contrast is not claim.contrast,
        corpus=corpus,
        folds="",
        protocol="",
        selection="",
        metric=METRIC,
        verdict=NOT_MEASURED,
        value=None,
        low=None,
        high=None,
        p=None,
        smallest=None,
        a=None,
        b=None,
        cells=None,
        note=f"{near[0]}: no evidence" if near else "",
        published=table,
    )


def _bare(cell: SystemScore) -> SystemScore:
    """A cell as if its backbones had no options: an untrained one is near to what was claimed, and
    no evidence.
    """
    return dataclasses.replace(cell, backbones=tuple(b.partition(":")[0] for b in cell.backbones))


def lines(judged: Sequence[ClaimVerdict]) -> list[str]:
    """The verdicts in words: paper and sentence, then every contrast and corpus, but for controls
    that nobody measured; points of accuracy.
    """
    shown: list[str] = []
    said = ""
    for one in judged:
        if one.control and one.verdict == NOT_MEASURED and not one.published:
            continue
        if one.claim != said:
            said = one.claim
            shown += ["", f"{one.paper}: {one.sentence}"]
        where = f"{one.corpus}{f', {one.folds} folds, {one.protocol}' if one.folds else ''}"
        shown.append(f"  {'(control) ' if one.control else ''}{one.contrast}; {where}")
        shown.append(f"    ours:      {_ours(one)}")
        if one.published:
            shown.append(f"    published: {_theirs(one.published)}")
    return [escape_control_characters(line) for line in shown[1:]]


def _ours(one: ClaimVerdict) -> str:
    if one.value is None or one.a is None or one.b is None or one.cells is None:
        return one.verdict + (f" ({one.note})" if one.note else "")
    interval = (
        f" [{100 * one.low:.1f}, {100 * one.high:.1f}]"
        if one.low is not None and one.high is not None
        else ""
    )
    seen = (
        f"; {100 * one.smallest:.1f} would have been seen"
        if one.verdict == CANNOT_TELL and one.smallest is not None
        else ""
    )
    rows = f"{100 * one.a:.1f} - {100 * one.b:.1f}, {one.cells[0]} and {one.cells[1]} rows"
    return (
        f"{one.verdict}: {100 * one.value:+.1f}{interval}"
        f" ({rows}{seen}){f'; {one.note}' if one.note else ''}"
    )


def _theirs(published: PublishedMargin) -> str:
    rows = (
        f"{100 * published.a:.1f} - {100 * published.b:.1f}, {published.cells[0]} and"
        f" {published.cells[1]} rows"
    )
    return (
        f"{published.verdict}: {100 * published.value:+.1f}"
        f" ({rows}){f'; {published.note}' if published.note else ''}"
    )
