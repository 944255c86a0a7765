"""One result in words: its score with interval, what it is worth, what stands beside it, and the
notes a table of results needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from nverbench.metrics.chance import HOW, chance
from nverbench.metrics.scores import SHOWN
from nverbench.registry import DEFAULT_PROTOCOL
from nverbench.results.published import TERMS, Published, reported
from nverbench.results.record import Result
from nverbench.results.scoring import score_text

CONTROL = "control, not a result"
COMPARED = ("accuracy", "macro_f1")
"""The metrics that papers print; one of them also prints a third."""
SHORT = {"weighted_f1": "wF1 "}
HEADINGS = {**dict(SHOWN), "weighted_f1": "weighted F1"}
"""Metric -> its name in a text."""


class Bounded(Protocol):
    """A score or a difference with the ends of its interval, as fractions."""

    @property
    def low(self) -> float | None: ...

    @property
    def high(self) -> float | None: ...


def interval_text(bounds: Bounded, sign: str = "") -> str:
    """The interval in percent: ``[42.1, 50.7]``, with ``sign="+"`` ``[+1.0, +2.0]``; or
    ``[no interval]`` where no claim can be made.
    """
    if bounds.low is None or bounds.high is None:
        return "[no interval]"
    return f"[{100 * bounds.low:{sign}.1f}, {100 * bounds.high:{sign}.1f}]"


def order(results: Iterable[Result]) -> list[Result]:
    """Rows by dataset, protocol and folds, then macro-F1, best first; controls last."""
    return sorted(
        results,
        key=lambda r: (
            r.entry.dataset,
            r.protocol,
            r.folds.kind,
            r.control,
            -r.scores["macro_f1"].value,
            r.id,
        ),
    )


def status_text(result: Result) -> str:
    """The level of a row in the words of the table."""
    words = [CONTROL] if result.control else [result.standing]
    words += ["optimistic"] if result.optimistic else []
    words += [f"trained with shuffle={result.shuffle}"] if result.shuffle != "none" else []
    return ", ".join(words + (["heard in pretraining"] if result.heard_in_pretraining else []))


def differences(result: Result, reference: Published) -> dict[str, float]:
    """Ours minus published, as fractions."""
    return {
        name: result.scores[name].value - value
        for name, value in reference.scores.items()
        if name in result.scores
    }


def published_text(result: Result) -> tuple[str, str]:
    """Published accuracy and macro-F1 in percent, and ours minus these in points; two empty texts
    where nothing was published.

    Weighted F1, where a paper prints that instead, is called so. Where it prints a system under
    several protocols, each number says whose it is, the one of this row's folds first, with ``; ``
    between them; the difference is to that one.
    """
    reference = reported(result)
    if reference is None:
        return "", ""
    theirs = "; ".join(_said(one) for one in (reference, *reference.others))
    return theirs, " / ".join(
        f"{SHORT.get(name, '')}{100 * d:+.1f}" for name, d in differences(result, reference).items()
    )


def _said(reference: Published) -> str:
    values = " / ".join(
        f"{SHORT.get(name, '')}{100 * value:.1f}" for name, value in reference.scores.items()
    )
    return (
        f"{values} (Table {reference.table}: {reference.protocol})"
        if reference.protocol
        else values
    )


def describe(result: Result) -> list[str]:
    """One result in a dozen lines: what, how sure, what it is worth and why, and what it was made
    from.
    """
    e, c, t = result.entry, result.counts, result.timings
    lines = [
        (
            f"{' + '.join(e.backbones)} / {e.fusion} / {e.loss} /"
            f" {e.dataset}{f' ({e.paper})' if e.paper else ''}"
        ),
        (
            "row is:"
            f" {status_text(result)}{'; ' + '; '.join(result.standing_reasons) if result.standing_reasons else ''}"
        ),
        (
            f"protocol {result.protocol}, selection {result.selection}, {result.seeds} replicates,"
            f" {result.folds.number} {result.folds.kind} folds"
        ),
    ]
    for name, s in result.scores.items():
        spread = f"folds {100 * s.fold_mean:.1f} sd {100 * s.fold_sd:.1f}" + (
            f", seeds sd {100 * s.seed_sd:.1f}" if s.seed_sd is not None else ""
        )
        boot = (
            f", bootstrap [{100 * s.bootstrap[0]:.1f}, {100 * s.bootstrap[1]:.1f}]"
            if s.bootstrap
            else ""
        )
        lines.append(f"{name}: {score_text(s)} over {result.unit}s; {spread}{boot}")
    lines += _beside_and_below(result)
    lines.append(
        "recall: "
        + ", ".join(
            f"{result.display.get(label, label)} {100 * r:.0f}"
            for label, r in result.per_class_recall.items()
        )
    )
    lines.append(
        f"clips: {c.clips} of {c.groups} groups; left out:"
        f" {', '.join(f'{k} ({v})' for k, v in c.left_out.items()) or 'none'}"
    )
    of_each = "; ".join(
        f"{name}: {licence}" for name, licence in result.provenance.licences.items()
    )
    lines.append(f"licence {result.licence}, the most restrictive of {of_each}")
    lines.append(
        f"weights trained: {result.provenance.parameters_trained:,}; seconds: fit {t.fit:.1f},"
        f" embed {sum(t.embed.values()):.1f}"
    )
    lines.append(
        f"dataset {result.provenance.dataset_digest[:12]}, folds {result.folds.digest[:12]}, result"
        f" {result.result_digest[:12]}"
    )
    lines.append(
        "made with "
        + ", ".join(
            f"{k} {v}"
            for k, v in {**result.provenance.plugins, **result.provenance.libraries}.items()
        )
    )
    return [*lines, "everything, as JSON: nverbench show --json " + result.id]


def _beside_and_below(result: Result) -> list[str]:
    """The published score, if there is one, and chance."""
    theirs, difference = published_text(result)
    lines = (
        [
            f"published: {theirs} accuracy / macro-F1 ({reported(result)}; {TERMS}); ours -"
            f" published: {difference}"
        ]
        if theirs
        else []
    )
    known = (
        f"{HOW[how]} {' / '.join(f'{100 * v[name]:.1f}' for name in COMPARED)}"
        for how, v in chance(result.counts.per_class).items()
    )
    return [*lines, f"chance: {', '.join(known)} accuracy / macro-F1"]


def _units(result: Result) -> str:
    """What its intervals are over: clips, where no group is known or all are of one."""
    if result.unit != "clip":
        return f"{result.counts.groups} {result.unit}s"
    return "clips (all of one group)" if result.counts.groups else "clips (no groups known)"


def footnotes(results: Sequence[Result]) -> list[str]:
    """What a reader must know beside the numbers."""
    notes = []
    units = sorted({f"{r.entry.dataset}: {_units(r)}" for r in results})
    notes.append(
        "intervals: delete-one-group jackknife of the pooled out-of-fold predictions over"
        f" {'; '.join(units)}"
    )
    if references := sorted({str(p) for r in results if (p := reported(r))}):
        notes.append(
            f"published (accuracy / macro-F1, or weighted F1: wF1): {';  '.join(references)}; each"
            f" {TERMS}: the difference is no test"
        )
    if any(r.control for r in results):
        notes.append(
            "controls are not results: untrained backbones and synthetic clips show that the"
            " pipeline runs, not that a model hears emotion"
        )
    other = sorted({r.protocol for r in results} - {DEFAULT_PROTOCOL})
    if other:
        notes.append(
            f"not protocol {DEFAULT_PROTOCOL}: {', '.join(other)} (nverbench show {other[0]})"
        )
    if any(r.optimistic for r in results):
        notes.append(
            "optimistic: the stopping epoch was chosen on the test part, as some papers do"
        )
    for r in results:
        if r.heard_in_pretraining:
            who = ", ".join(r.heard_in_pretraining)
            notes.append(
                f"heard in pretraining: {who} learned from the clips of {r.entry.dataset} before"
                " being judged on them"
            )
    if any(r.folds.speakers_seen for r in results if r.selection == "inner"):
        notes.append(
            "selection: speakers seen, on random folds or where whole speakers would be too much"
            " for the inner validation part"
        )
    for r in results:
        if r.per_group_accuracy:
            values = ", ".join(f"{g} {100 * v:.1f}" for g, v in r.per_group_accuracy.items())
            notes.append(
                f"{r.entry.dataset} has fewer than five {r.unit}s, so no interval; accuracy per"
                f" {r.unit}: {values}"
            )
    return list(dict.fromkeys(notes))
