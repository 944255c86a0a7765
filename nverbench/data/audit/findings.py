"""The findings of an audit, worst first, one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from nverbench.data.audio import FASTEST, SLOWEST
from nverbench.data.audit.confounds import GAIN, is_confound
from nverbench.data.audit.records import (
    IDS,
    Balance,
    Confounds,
    Copies,
    Finding,
    FoldsFound,
    Measured,
    Relation,
    Report,
    Sizes,
)
from nverbench.data.folds.assign import DISJOINT

CLIPPED = 1e-4
"""Share of samples at full scale from which a clip counts as clipped without a run of equal samples
(lossy formats blur runs).
"""
OFFSET = 0.01
"""A DC offset of 1% of full scale."""
INACTIVE = 0.1
SHARE = 0.25
"""A speaker with more of the clips than this decides the score."""
TOO_SHORT = 0.1
CANCELLED = 7.0
"""dB below a mix of independent channels: a mix of two equal channels is 3 dB above it."""


def of_clips(measured: Sequence[Measured], defects: Iterable[str]) -> Iterator[Finding]:
    """Faults of single clips."""
    known = set(defects)
    unusable = [m for m in measured if m.reason is not None]
    excluded = "cannot be used, and the dataset leaves out (known defects)"
    for severity, what, chosen in (
        (3, "cannot be used", [m for m in unusable if m.id not in known]),
        (1, excluded, [m for m in unusable if m.id in known]),
    ):
        if chosen:
            reasons = sorted({str(m.reason) for m in chosen})
            more = f" and {len(reasons) - 3} more reasons" if len(reasons) > 3 else ""
            yield _finding(severity, f"clips {what}: {'; '.join(reasons[:3])}{more}", chosen)
    for severity, sentence, chosen in _signal_faults(measured):
        if chosen:
            yield _finding(severity, sentence, chosen)


def _signal_faults(measured: Sequence[Measured]) -> Iterator[tuple[int, str, list[Measured]]]:
    """Severity, sentence and clips of every check of a clip's signal."""
    usable = [m for m in measured if m.reason is None]

    def worst(
        holds: Callable[[Measured], bool], key: Callable[[Measured], float]
    ) -> list[Measured]:
        return sorted(filter(holds, usable), key=lambda m: (key(m), m.id))

    odd = [m for m in measured if m.rate is not None and not SLOWEST <= m.rate <= FASTEST]
    yield (
        3,
        f"clips claim a sampling rate outside {SLOWEST} to {FASTEST} Hz: their headers lie",
        odd,
    )
    lost = (
        f"clips lose more than {CANCELLED:.0f} dB when their channels are mixed to mono: the"
        " channels partly cancel each other; use one of them"
    )
    yield 2, lost, [m for m in measured if m.cancelled > CANCELLED]
    full = (
        "clips are clipped (runs of equal samples at full scale, or 0.01% of their samples there)"
    )
    clipped = worst(
        lambda m: bool(m.clipped_runs) or m.full_scale >= CLIPPED, lambda m: -m.full_scale
    )
    yield 2, full, clipped
    past = "clips decode past full scale (peak > 1): a lossy format of a recording at full scale"
    yield 1, past, worst(lambda m: (m.peak or 0) > 1, lambda m: -(m.peak or 0))
    quiet = worst(lambda m: m.quiet, lambda m: m.peak or 0)
    yield 1, "clips are very quiet (peak < 0.02)", quiet
    offset = worst(lambda m: abs(m.dc) > OFFSET, lambda m: -abs(m.dc))
    yield 1, "clips have a DC offset above 0.01", offset
    inactive = [m for m in usable if m.active is not None and m.active < INACTIVE]
    yield 1, f"clips are active for less than {INACTIVE:.0%} of their time", inactive
    ends = [m for m in usable if m.unheard > 0]
    yield 1, "clips are longer than an audit decodes; their ends were not measured", ends
    short = [m for m in usable if m.seconds is not None and m.seconds < TOO_SHORT]
    yield 2, f"clips are shorter than {TOO_SHORT} s", short


def of_copies(copies: Copies, found: FoldsFound) -> Iterator[Finding]:
    """Copies: a leak across folds, a wrong label across labels or speakers, otherwise clips that
    count twice.
    """
    leak = f"in another fold ({found.kind}): test clips are trained on"
    twice = "of the same speaker, label and fold: they count twice"
    tests: tuple[tuple[int, str, Callable[[Relation], bool]], ...] = (
        (3, leak, lambda r: r.folds == "across"),
        (3, "under another label: at least one label is wrong", lambda r: r.labels == "across"),
        (3, "of another speaker", lambda r: r.speakers == "across"),
        (2, twice, lambda r: "across" not in (r.speakers, r.labels, r.folds)),
    )
    identical = [(g.clips, g.relation) for g in copies.identical]
    near = [((p.first, p.second), p.relation) for p in copies.near]
    for what, groups in (
        ("are byte for byte the same as another", identical),
        ("are near-identical to another (correlation >= 0.93)", near),
    ):
        for severity, sentence, holds in tests:
            clips = sorted({clip for ids, relation in groups if holds(relation) for clip in ids})
            if clips:
                text = f"{len(clips)} clips {what} {sentence}"
                yield Finding(severity, text, tuple(clips[:IDS]))


def of_confounds(confounds: Confounds) -> Iterator[Finding]:
    """Facts of the recording that predict the label."""
    strong = [c for c in confounds.rows if is_confound(c)]
    if not strong:
        return
    best = max(strong, key=lambda c: c.accuracy)
    strong.sort(key=lambda c: -c.accuracy)
    each = ", ".join(f"{c.feature} {c.accuracy:.3f}" for c in strong)
    severity = 2 if best.accuracy - (best.null_mean or 0) >= GAIN else 1
    yield Finding(
        severity,
        f"a model may score this much without hearing a voice: accuracy of a small tree on {each};"
        f" shuffled labels give {best.null_mean:.3f}, guessing the largest class"
        f" {best.majority:.3f}",
    )


def of_folds(found: FoldsFound, labels: int) -> Iterator[Finding]:
    """Folds that cannot be cut, lack classes, or share speakers."""
    if found.reason is not None:
        yield Finding(3, f"no folds: {found.reason}")
    lacking = [row for row in found.rows if row.missing]
    if lacking and found.kind.partition("=")[0] != "leave-one-group-out":
        worst = max(lacking, key=lambda row: len(row.missing))
        yield Finding(
            2,
            f"{len(lacking)} of {len(found.rows)} folds lack classes; fold {worst.name} lacks"
            f" {len(worst.missing)} of {labels}",
        )
    if found.groups_across and found.kind.partition("=")[0] not in DISJOINT:
        yield Finding(
            2,
            f"{found.groups_across} speakers or groups are on both sides of the {found.kind} folds:"
            " scores hold for known speakers only",
        )


def of_mix(balance: Balance, sizes: Sizes, clips: int) -> Iterator[Finding]:
    """Rates, channels, balance of speakers and classes, sizes."""
    if len(balance.rates) > 1:
        speakers, own = balance.own_rate, ""
        if speakers:
            names = ", ".join(speakers[:IDS])
            own = f"; {len(speakers)} speakers have a rate of their own ({names})"
        rates = f"{len(balance.rates)} sampling rates: {_mix(balance.rates, ' Hz')}"
        yield Finding(2 if speakers else 1, f"{rates}{own}")
    if len(balance.channels) > 1:
        yield Finding(
            1,
            f"{len(balance.channels)} numbers of channels: {_mix(balance.channels, '')}; the mean"
            " of the channels is used",
        )
    counts = sorted(n for n in balance.classes.values() if n)
    if counts and counts[-1] > 2 * counts[0]:
        yield Finding(
            1, f"classes are uneven: {counts[0]} to {counts[-1]} clips; read macro-F1, not accuracy"
        )
    if balance.largest_speaker > SHARE and len(balance.speakers) > 1 / SHARE:
        yield Finding(1, f"one speaker has {balance.largest_speaker:.0%} of the clips")
    if balance.gaps:
        yield Finding(1, f"{len(balance.gaps)} of {len(balance.speakers)} speakers lack classes")
    padded = {name: n for name, n in sizes.backbones.items() if n}
    if padded:
        worst = max(padded, key=lambda name: (padded[name], name))
        yield Finding(
            1,
            f"{padded[worst]} of {clips} clips are shorter than what {worst} takes and are padded;"
            f" {len(padded)} backbones pad some",
        )


def of_copy(report: Report) -> Iterator[Finding]:
    """Differences between this copy and the published corpus."""
    yield from (Finding(2, f"not the published corpus: {note}") for note in report.notes)
    if report.misfits:
        yield Finding(
            1,
            f"{len(report.misfits)} files do not fit, first {report.misfits[0][0]}:"
            f" {report.misfits[0][1]}",
        )


def of_report(report: Report) -> tuple[Finding, ...]:
    """Every finding of a report, worst first."""
    found = (
        *of_clips(report.measured, report.defects),
        *of_copies(report.copies, report.folds),
        *of_confounds(report.confounds),
        *of_folds(report.folds, len(report.labels)),
        *of_copy(report),
        *of_mix(report.balance, report.sizes, report.clips),
    )
    return tuple(sorted(found, key=lambda v: -v.severity))


def _finding(severity: int, sentence: str, chosen: Sequence[Measured]) -> Finding:
    return Finding(severity, f"{len(chosen)} {sentence}", tuple(m.id for m in chosen[:IDS]))


def _mix(counts: Mapping[str, int], unit: str) -> str:
    return ", ".join(
        f"{n} clips at {value}{unit}" if unit else f"{n} clips with {value}"
        for value, n in list(counts.items())[:IDS]
    )
