"""Finished results -> rows -> a table. Controls and optimistic rows say so; differences that intervals cannot carry are not ranked.

Beside ours stands what the paper published, where it published that very combination, and below all what chance scores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nverbench.chance import HOW, chance
from nverbench.gaps import Gap
from nverbench.metrics import SHOWN
from nverbench.references import TERMS, Published, published
from nverbench.registry import DEFAULT_PROTOCOL
from nverbench.results import Result, Score

if TYPE_CHECKING:
    from rich.table import Table

CONTROL = "control, not a result"
PAIR, WORTH, LICENCE = 30, 22, 22
"""Columns that backbones, standing and licence take at most; a longer backbone's name takes what it needs."""
COMPARED = ("accuracy", "macro_f1")
"""The metrics that papers print."""


def order(results: Iterable[Result]) -> list[Result]:
    """Rows by dataset, protocol and folds, then macro-F1, best first; controls last."""
    return sorted(results, key=lambda r: (r.entry.dataset, r.protocol, r.folds.kind, r.control, -r.scores["macro_f1"].value, r.id))


def score_text(score: Score) -> str:
    """A score in percent with its interval: ``46.4 [42.1, 50.7]``; without one where no claim can be made."""
    value = f"{100 * score.value:.1f}"
    if score.low is None or score.high is None:
        return f"{value} [no interval]"
    return f"{value} [{100 * score.low:.1f}, {100 * score.high:.1f}]"


def worth(result: Result) -> str:
    """The level of a row in the words of the table."""
    words = [CONTROL] if result.control else [result.standing]
    words += ["optimistic"] if result.optimistic else []
    return ", ".join(words + (["heard in pretraining"] if result.heard_in_pretraining else []))


def differences(result: Result, reference: Published) -> dict[str, float]:
    """Ours minus published, as fractions."""
    return {name: result.scores[name].value - getattr(reference, name) for name in COMPARED}


def table(results: Sequence[Result], *, width: int | None = None) -> Table:
    """The rows as a rich table: percent, 95% jackknife intervals over speakers; what was combined shares one column where ``width`` is too narrow."""
    full = _full(results)
    return full if width is None or needs(full) <= width else _narrow(results)


def needs(shown: Table) -> int:
    """Columns of a terminal in which a table stands without a broken name."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=10_000)
    return Measurement.get(console, console.options, shown).maximum


def _full(results: Sequence[Result]) -> Table:
    from rich.table import Table

    shown = Table(header_style="bold")
    compared = any(published(r.entry) for r in results)
    shown.add_column("backbone", overflow="fold", max_width=max([PAIR, *(len(f"{b} +") for r in results for b in r.entry.backbones)]))
    for heading in ("fusion", "loss", "dataset", "folds"):
        shown.add_column(heading, overflow="fold")
    for _, heading in SHOWN:
        shown.add_column(f"{heading} % [95%]", justify="right", no_wrap=True)
    for heading in ("published %\nacc. / F1", "ours - published\nacc. / F1, points") if compared else ():
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("row is", overflow="fold", max_width=WORTH)
    shown.add_column("licence", overflow="fold", max_width=LICENCE)
    for r in order(results):
        cells = [" + ".join(r.entry.backbones), r.entry.fusion, r.entry.loss, r.entry.dataset, r.folds.kind]
        shown.add_row(*cells, *(score_text(r.scores[name]) for name, _ in SHOWN), *(_beside(r) if compared else ()), worth(r), r.licence)
    for dataset, folds, how, values in _chances(results):
        scores = (f"{100 * values[name]:.1f}" for name, _ in SHOWN)
        shown.add_row(HOW[how], "", "", dataset, folds, *scores, *(("", "") if compared else ()), "chance", "")
    return shown


def _narrow(results: Sequence[Result]) -> Table:
    from rich.table import Table

    shown = Table(header_style="bold", show_lines=True)
    shown.add_column("what", overflow="fold")
    for _, heading in SHOWN:
        shown.add_column(f"{heading} %\n[95%]", justify="right", no_wrap=True)
    for r in order(results):
        what = [" + ".join(r.entry.backbones), f"{r.entry.fusion} / {r.entry.loss}", f"{r.entry.dataset} / {r.folds.kind}", worth(r), r.licence]
        theirs, difference = _beside(r)
        what += [f"published {theirs}", f"ours - published {difference}"] if theirs else []
        shown.add_row("\n".join(what), *(score_text(r.scores[name]).replace(" ", "\n", 1) for name, _ in SHOWN))
    for dataset, folds, how, values in _chances(results):
        shown.add_row(f"chance: {HOW[how]}\n{dataset} / {folds}", *(f"{100 * values[name]:.1f}" for name, _ in SHOWN))
    return shown


def _beside(result: Result) -> tuple[str, str]:
    """Published accuracy and macro-F1 in percent, and ours minus these in points; two empty texts where nothing was published."""
    reference = published(result.entry)
    if reference is None:
        return "", ""
    theirs = " / ".join(f"{100 * getattr(reference, name):.1f}" for name in COMPARED)
    return theirs, " / ".join(f"{100 * d:+.1f}" for d in differences(result, reference).values())


def _chances(results: Sequence[Result]) -> list[tuple[str, str, str, dict[str, float]]]:
    """Dataset, kind of folds, how and scores: once for every dataset, folds and counts of clips among the rows."""
    seen = {(r.entry.dataset, r.folds.kind, tuple(r.counts.per_class.items())) for r in results}
    return [(dataset, folds, how, values) for dataset, folds, counts in sorted(seen) for how, values in chance(dict(counts)).items()]


def record(result: Result, gaps: Sequence[Gap] = ()) -> dict[str, object]:
    """A result as one JSON record, without the epoch curves and the table of names.

    With it: what chance scores; the paper's score and ours minus it, where there is one; the speaker gap it is one side of, if any.
    """
    content: dict[str, object] = result.model_dump(mode="json", exclude={"per_fold": {"__all__": {"curves"}}, "names": True})
    content["chance"] = chance(result.counts.per_class)
    if reference := published(result.entry):
        content["published"] = {**dataclasses.asdict(reference), "difference": differences(result, reference), "terms": TERMS}
    own = [gap.model_dump(mode="json") for gap in gaps if result.id in (gap.random, gap.disjoint)]
    return content | ({"speaker_gap": own[0]} if own else {})


def describe(result: Result) -> list[str]:
    """One result in a dozen lines: what, how sure, what it is worth and why, and what it was made from."""
    e, c, t = result.entry, result.counts, result.timings
    lines = [
        f"{' + '.join(e.backbones)} / {e.fusion} / {e.loss} / {e.dataset}{f' ({e.paper})' if e.paper else ''}",
        f"row is: {worth(result)}{'; ' + '; '.join(result.standing_reasons) if result.standing_reasons else ''}",
        f"protocol {result.protocol}, selection {result.selection}, {result.seeds} replicates, {result.folds.number} {result.folds.kind} folds",
    ]
    for name, s in result.scores.items():
        spread = f"folds {100 * s.fold_mean:.1f} sd {100 * s.fold_sd:.1f}" + (f", seeds sd {100 * s.seed_sd:.1f}" if s.seed_sd is not None else "")
        boot = f", bootstrap [{100 * s.bootstrap[0]:.1f}, {100 * s.bootstrap[1]:.1f}]" if s.bootstrap else ""
        lines.append(f"{name}: {score_text(s)} over {result.unit}s; {spread}{boot}")
    lines += _beside_and_below(result)
    lines.append("recall: " + ", ".join(f"{result.display.get(label, label)} {100 * r:.0f}" for label, r in result.per_class_recall.items()))
    lines.append(f"clips: {c.clips} of {c.groups} groups; left out: {', '.join(f'{k} ({v})' for k, v in c.left_out.items()) or 'none'}")
    of_each = "; ".join(f"{name}: {licence}" for name, licence in result.provenance.licences.items())
    lines.append(f"licence {result.licence}, the most restrictive of {of_each}")
    lines.append(f"weights trained: {result.provenance.parameters_trained:,}; seconds: fit {t.fit:.1f}, embed {sum(t.embed.values()):.1f}")
    lines.append(f"dataset {result.provenance.dataset_digest[:12]}, folds {result.folds.digest[:12]}, result {result.result_digest[:12]}")
    lines.append("made with " + ", ".join(f"{k} {v}" for k, v in {**result.provenance.plugins, **result.provenance.libraries}.items()))
    return [*lines, "everything, as JSON: nverbench show --json " + result.id]


def _beside_and_below(result: Result) -> list[str]:
    """The published score, if there is one, and chance."""
    theirs, difference = _beside(result)
    lines = [f"published: {theirs} accuracy / macro-F1 ({published(result.entry)}; {TERMS}); ours - published: {difference}"] if theirs else []
    known = (f"{HOW[how]} {' / '.join(f'{100 * v[name]:.1f}' for name in COMPARED)}" for how, v in chance(result.counts.per_class).items())
    return [*lines, f"chance: {', '.join(known)} accuracy / macro-F1"]


def footnotes(results: Sequence[Result]) -> list[str]:
    """What a reader must know beside the numbers."""
    notes = []
    units = sorted({f"{r.entry.dataset}: {f'{r.counts.groups} {r.unit}s' if r.unit != 'clip' else 'clips (no groups known)'}" for r in results})
    notes.append(f"intervals: delete-one-group jackknife of the pooled out-of-fold predictions over {'; '.join(units)}")
    if references := sorted({str(p) for r in results if (p := published(r.entry))}):
        notes.append(f"published (accuracy / macro-F1): {';  '.join(references)}; each {TERMS}: the difference is no test")
    if any(r.control for r in results):
        notes.append("controls are not results: untrained backbones and synthetic clips show that the pipeline runs, not that a model hears emotion")
    other = sorted({r.protocol for r in results} - {DEFAULT_PROTOCOL})
    if other:
        notes.append(f"not protocol {DEFAULT_PROTOCOL}: {', '.join(other)} (nverbench show {other[0]})")
    if any(r.optimistic for r in results):
        notes.append("optimistic: the stopping epoch was chosen on the test part, as some papers do")
    for r in results:
        if r.heard_in_pretraining:
            who = ", ".join(r.heard_in_pretraining)
            notes.append(f"heard in pretraining: {who} learned from the clips of {r.entry.dataset} before being judged on them")
    if any(r.folds.speakers_seen for r in results if r.selection == "inner"):
        notes.append("selection: speakers seen, on random folds or where whole speakers would be too much for the inner validation part")
    for r in results:
        if r.per_group_accuracy:
            values = ", ".join(f"{g} {100 * v:.1f}" for g, v in r.per_group_accuracy.items())
            notes.append(f"{r.entry.dataset} has fewer than five {r.unit}s, so no interval; accuracy per {r.unit}: {values}")
    return list(dict.fromkeys(notes))
