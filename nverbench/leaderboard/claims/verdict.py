"""The verdict on each claim of a paper: a paired contrast of means over our official rows, and the
same contrast on the published table.

A claim is judged in every field (clips, folds, protocol, selection) that has rows of both sides, on
the paper's corpora and on others. "holds" and "fails" need p < 0.05 after Holm's correction over
the claims of the paper in that field; its controls are corrected among themselves. Where two tracks
were measured, both must agree (``nverbench.leaderboard.claims.tracks``).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nverbench.leaderboard.claims import spec as claims
from nverbench.leaderboard.claims.contrast import Tested, tested
from nverbench.leaderboard.claims.evidence import FieldEvidence, Reasons, evidence
from nverbench.leaderboard.claims.records import ClaimVerdict, MetricVerdict
from nverbench.leaderboard.claims.spec import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    METRIC,
    PAPER_METRIC,
    Claim,
    Claims,
    Contrast,
)
from nverbench.leaderboard.claims.tracks import Measured, with_tracks
from nverbench.leaderboard.rows import Field, StoredResult
from nverbench.metrics.intervals import MIN_GROUPS
from nverbench.metrics.significance import holm

ALPHA = 0.05


@dataclass(frozen=True)
class Judged:
    """A contrast in one field by one metric, with its p value corrected."""

    test: Tested
    adjusted: float | None
    """p after Holm's correction over the family; None: no claim can be made."""
    family: int
    """Number of contrasts that the correction runs over."""

    @property
    def verdict(self) -> str:
        """holds, fails or cannot tell."""
        if self.adjusted is None or self.adjusted >= ALPHA:
            return CANNOT_TELL
        return HOLDS if self.test.above else FAILS

    def record(self) -> MetricVerdict:
        """The verdict by one metric."""
        t = self.test
        d = t.difference
        return MetricVerdict(
            t.metric, self.verdict, d.value, d.low, d.high, t.p, self.adjusted, t.smallest, t.a, t.b
        )


Key = tuple[Field, str, int]
"""A field, the id of a claim and the number of its contrast; 0 is the claim, the others are its
controls.
"""


def judge_claims(filed: Iterable[StoredResult], known: Claims | None = None) -> list[ClaimVerdict]:
    """Every claim and its controls, in the order of the file: one verdict per field where rows were
    measured, below one over both tracks where tracks were; else "not measured" for each corpus of
    the paper.
    """
    return judge_fields(*evidence(filed), known or claims.load())


def judge_fields(
    fields: Mapping[Field, FieldEvidence], reasons: Reasons, known: Claims
) -> list[ClaimVerdict]:
    """As :func:`judge_claims`, for rows that are sorted into fields."""
    by_metric = {name: judge_by(name, fields, known) for name in (METRIC, PAPER_METRIC)}
    found = []
    for claim, number, contrast in _contrasts(known):
        measured = []
        for key, field in fields.items():
            if own := by_metric[METRIC].get((key, claim.id, number)):
                beside = by_metric[PAPER_METRIC][key, claim.id, number]
                bare = _unmeasured(claim, contrast, field.result.entry.dataset, known, {})
                one = _verdict(claim, bare, field, own, beside.record())
                measured.append(Measured(key, one, own.test.systems))
        corpora = {one.verdict.corpus for one in measured}
        found += [
            _unmeasured(claim, contrast, corpus, known, reasons)
            for corpus in claim.corpora
            if corpus not in corpora
        ]
        found += with_tracks(measured)
    return found


def _contrasts(known: Claims) -> Iterator[tuple[Claim, int, Contrast]]:
    """Every claim with its own contrast, which is number 0, and its controls."""
    for claim in known.claims:
        for number, contrast in enumerate((claim.contrast, *claim.controls)):
            yield claim, number, contrast


def judge_by(
    metric: str, fields: Mapping[Field, FieldEvidence], known: Claims
) -> dict[Key, Judged]:
    """Every contrast in every field that has both sides, by one metric. Families of Holm's
    correction: the claims of one paper in one field, and their controls.
    """
    families: dict[tuple[Field, str, bool], dict[Key, Tested]] = defaultdict(dict)
    for claim, number, contrast in _contrasts(known):
        for key, field in fields.items():
            if (test := tested(contrast, field, metric)) is not None:
                families[key, claim.paper, number > 0][key, claim.id, number] = test
    return {key: one for family in families.values() for key, one in _corrected(family).items()}


def _corrected(family: Mapping[Key, Tested]) -> dict[Key, Judged]:
    p = {key: test.p for key, test in family.items() if test.p is not None}
    adjusted = dict(zip(p, map(float, holm(list(p.values()))), strict=True))
    return {key: Judged(test, adjusted.get(key), len(p)) for key, test in family.items()}


def _verdict(
    claim: Claim, bare: ClaimVerdict, field: FieldEvidence, own: Judged, beside: MetricVerdict
) -> ClaimVerdict:
    """A contrast in one field; ``bare`` has its names."""
    r, by_metric = field.result, vars(own.record())
    return dataclasses.replace(
        bare,
        **by_metric,
        folds=r.folds.kind,
        protocol=r.protocol,
        selection=r.selection,
        accuracy=beside,
        cells=own.test.cells,
        note="; ".join(_notes(claim, field, own, control=bare.control)),
    )


def _notes(claim: Claim, field: FieldEvidence, own: Judged, *, control: bool) -> list[str]:
    t, r = own.test, field.result
    lost = t.p is not None and own.adjusted is not None and t.p < ALPHA <= own.adjusted
    what = "controls" if control else "claims"
    few = f"fewer than {MIN_GROUPS} {r.unit}s"
    few = few if field.units.number < MIN_GROUPS else f"nearly all clips are of one {r.unit}"
    reasons = {
        f"the best of {t.rivals} rivals by test score; the verdict compares with each": t.rivals
        > 1,
        f"not significant after Holm's correction over {own.family} {what} of the paper": lost,
        f"{few}: no claim of significance": t.difference.low is None,
        "a corpus that the paper did not use": r.entry.dataset not in claim.corpora,
    }
    return [reason for reason, holds in reasons.items() if holds]


def _unmeasured(
    claim: Claim, contrast: Contrast, corpus: str, known: Claims, reasons: Reasons
) -> ClaimVerdict:
    """A contrast on a corpus without rows of both sides that count."""
    sides = (contrast.a, contrast.b)
    near = [
        why
        for (dataset, cell), why in reasons.items()
        if dataset == corpus and any(claims.matches(side, _bare(cell)) for side in sides)
    ]
    printed = corpus in claim.corpora
    return ClaimVerdict(
        claim.id,
        claim.paper,
        claim.sentence,
        contrast.says,
        contrast is not claim.contrast,
        corpus,
        note=f"{near[0]}: no evidence" if near else "",
        published=claims.published(contrast, claim.source, corpus, known) if printed else None,
    )


def _bare(cell: claims.SystemScore) -> claims.SystemScore:
    """A cell without the options of its backbones: an untrained backbone is close to the claim, but
    no evidence.
    """
    return dataclasses.replace(cell, backbones=tuple(b.partition(":")[0] for b in cell.backbones))
