"""One result in words: its scores with intervals, its status, the published scores, and the notes
below a table of results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from nverbench.metrics.chance import HOW, chance
from nverbench.metrics.scores import SHOWN
from nverbench.registry import DEFAULT_PROTOCOL
from nverbench.results.published import TERMS, Published, reported
from nverbench.results.record import Result, Score
from nverbench.results.scoring import score_text
from nverbench.results.status import CONTROL, OPTIMISTIC, pretraining_note
from nverbench.results.warnings import warnings

COMPARED = ("accuracy", "macro_f1")
"""The metrics that papers print; one paper also prints a third."""
SHORT = {"weighted_f1": "wF1 "}
HEADINGS = {**dict(SHOWN), "weighted_f1": "weighted F1"}
"""Metric -> its name in a text."""
MOST_WARNINGS = 20
"""Lines of warnings below a table."""


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


def dataset_texts(results: Iterable[Result]) -> Callable[[Result], str]:
    """The name of the dataset of each of these results; where results of one name are of different
    clips (two tables of one file name, a partial copy), with the beginning of the digest.
    """
    known = {(r.entry.dataset, r.provenance.dataset_digest) for r in results}
    copies = Counter(name for name, _ in known)

    def text(result: Result) -> str:
        name = result.entry.dataset
        mark = f" (copy {result.provenance.dataset_digest[:8]})"
        return name + mark if copies[name] > 1 else name

    return text


def status_text(result: Result) -> str:
    """The level of a row in the words of the table."""
    words = [CONTROL] if result.control else [result.standing]
    words += ["optimistic"] if result.optimistic else []
    words += [f"trained with shuffle={result.shuffle}"] if result.shuffle != "none" else []
    return ", ".join(filter(None, (*words, pretraining_note(result))))


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

    Weighted F1 is marked where a paper prints that instead. Where a paper prints a system under
    several protocols, each number has its protocol, first the one of this row's folds, with ``; ``
    between them; the difference is to the first.
    """
    reference = reported(result)
    if reference is None:
        return "", ""
    theirs = "; ".join(_printed(one) for one in (reference, *reference.others))
    ours = differences(result, reference)
    return theirs, " / ".join(f"{SHORT.get(n, '')}{100 * d:+.1f}" for n, d in ours.items())


def _printed(reference: Published) -> str:
    scores = reference.scores.items()
    values = " / ".join(f"{SHORT.get(name, '')}{100 * value:.1f}" for name, value in scores)
    if not reference.protocol:
        return values
    return f"{values} (Table {reference.table}: {reference.protocol})"


def describe(result: Result) -> list[str]:
    """One result in a dozen lines: its parts, scores, standing and origin."""
    e, c, t, p = result.entry, result.counts, result.timings, result.provenance
    reasons = "".join(f"; {reason}" for reason in result.standing_reasons)
    lines = [
        f"{' + '.join(e.backbones)} / {e.fusion} / {e.loss} / {e.dataset}"
        + (f" ({e.paper})" if e.paper else ""),
        f"row is: {status_text(result)}{reasons}",
        f"protocol {result.protocol}, selection {result.selection}, {result.seeds} replicates,"
        f" {result.folds.number} {result.folds.kind} folds",
    ]
    lines += [_score_line(name, s, result.unit) for name, s in result.scores.items()]
    lines += [f"warning: {line}" for line in warnings(result)]
    lines += _published_and_chance(result)
    shown = {result.display.get(label, label): r for label, r in result.per_class_recall.items()}
    left_out = ", ".join(f"{k} ({v})" for k, v in c.left_out.items()) or "none"
    licences = "; ".join(f"{name}: {licence}" for name, licence in p.licences.items())
    versions = ", ".join(f"{k} {v}" for k, v in {**p.plugins, **p.libraries}.items())
    return [
        *lines,
        "recall: " + ", ".join(f"{label} {100 * r:.0f}" for label, r in shown.items()),
        f"clips: {c.clips} of {c.groups} groups; left out: {left_out}",
        f"licence {result.licence}, the most restrictive of {licences}",
        f"weights trained: {p.parameters_trained:,}; seconds: fit {t.fit:.1f}, embed"
        f" {sum(t.embed.values()):.1f}",
        f"dataset {p.dataset_digest[:12]}, folds {result.folds.digest[:12]}, result"
        f" {result.result_digest[:12]}",
        f"made with {versions}",
        f"everything, as JSON: nverbench show --json {result.id}",
    ]


def warning_lines(results: Iterable[Result]) -> list[str]:
    """The warnings about these rows, one line each; at most ``MOST_WARNINGS``. The rows of the demo
    have none: their trainings are short on purpose.
    """
    found = []
    for r in results:
        e = r.entry
        row = f"{' + '.join(e.backbones)} / {e.fusion} / {e.loss} / {e.dataset}"
        found += [] if e.demo else [f"warning: {row}: {line}" for line in warnings(r)]
    more = len(found) - MOST_WARNINGS
    rest = [f"{more} more warning{'s' if more > 1 else ''}: nverbench show ID"] if more > 0 else []
    return found[:MOST_WARNINGS] + rest


def _score_line(name: str, s: Score, unit: str) -> str:
    how = s.method or f"over {unit}s"
    line = f"{name}: {score_text(s)} {how}; folds {100 * s.fold_mean:.1f}"
    line += f" sd {100 * s.fold_sd:.1f}"
    line += "" if s.seed_sd is None else f", seeds sd {100 * s.seed_sd:.1f}"
    if s.bootstrap is None:
        return line
    return f"{line}, bootstrap [{100 * s.bootstrap[0]:.1f}, {100 * s.bootstrap[1]:.1f}]"


def _published_and_chance(result: Result) -> list[str]:
    """The published score, if there is one, and the chance level."""
    theirs, difference = published_text(result)
    source = f"accuracy / macro-F1 ({reported(result)}; {TERMS})"
    lines = [f"published: {theirs} {source}; ours - published: {difference}"] if theirs else []
    known = (
        f"{HOW[how]} {' / '.join(f'{100 * v[name]:.1f}' for name in COMPARED)}"
        for how, v in chance(result.counts.per_class).items()
    )
    return [*lines, f"chance: {', '.join(known)} accuracy / macro-F1"]


def _units(result: Result) -> str:
    """The units of its intervals: clips, where no group is known or all are of one."""
    if result.unit != "clip":
        return f"{result.counts.groups} {result.unit}s"
    return "clips (all of one group)" if result.counts.groups else "clips (no groups known)"


def footnotes(results: Sequence[Result]) -> list[str]:
    """Notes that explain the numbers of a table."""
    units = "; ".join(sorted({f"{r.entry.dataset}: {_units(r)}" for r in results}))
    references = ";  ".join(sorted({str(p) for r in results if (p := reported(r))}))
    other = sorted({r.protocol for r in results} - {DEFAULT_PROTOCOL})
    reasons = {
        "intervals: delete-one-group jackknife of the pooled out-of-fold predictions over"
        f" {units}": True,
        f"published (accuracy / macro-F1, or weighted F1: wF1): {references}; each {TERMS}: the"
        " difference is no test": bool(references),
        "controls are not results: untrained backbones and synthetic clips show that the pipeline"
        " runs, not that a model hears emotion": any(r.control for r in results),
        f"not protocol {DEFAULT_PROTOCOL}: {', '.join(other)} (nverbench show"
        f" {next(iter(other), '')})": bool(other),
        f"{OPTIMISTIC}, as some papers do": any(r.optimistic for r in results),
    }
    notes = [note for note, holds in reasons.items() if holds]
    notes += [
        f"{pretraining_note(r)}: {', '.join(r.heard_in_pretraining)}, on {r.entry.dataset}"
        for r in results
        if r.heard_in_pretraining
    ]
    if any(r.folds.speakers_seen for r in results if r.selection == "inner"):
        notes.append(
            "selection: speakers seen, on random folds or where whole speakers would be too much"
            " for the inner validation part"
        )
    for r in results:
        methods = dict.fromkeys(s.method for s in r.scores.values() if s.method)
        notes += [f"intervals of some rows of {r.entry.dataset}: {method}" for method in methods]
        if r.per_group_accuracy:
            values = ", ".join(f"{g} {100 * v:.1f}" for g, v in r.per_group_accuracy.items())
            notes.append(
                f"{r.entry.dataset} has fewer than five {r.unit}s, so no interval over them;"
                f" accuracy per {r.unit}: {values}"
            )
    return list(dict.fromkeys(notes))
