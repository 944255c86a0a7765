"""The description of a run in Markdown: scores, status, licence, the command that reproduces them,
and what a score does not mean.
"""

from __future__ import annotations

from nverbench.metrics.scores import SHOWN
from nverbench.results.command import command
from nverbench.results.published import TERMS, reported
from nverbench.results.record import Result
from nverbench.results.status import status_notes
from nverbench.results.tracking.escaping import fenced, markdown

NOT = (
    "A score is agreement with the labels of recorded, often acted, vocalisations. It is not what a"
    " person feels, and it is not for decisions about individuals: inferring emotions at work or in"
    " education is prohibited in the EU (Regulation 2024/1689, Art. 5(1)(f))."
)


def description(result: Result) -> str:
    """Return the description; all text of the result in it is escaped."""
    e, c = result.entry, result.counts
    what = (
        f"**{markdown(' + '.join(e.backbones))}** with **{markdown(e.fusion)}**, loss"
        f" {markdown(e.loss)}, on **{markdown(e.dataset)}**"
    )
    people = f"{c.groups} {markdown(result.unit)}s" if result.unit != "clip" else "no groups known"
    cut = (
        f"{result.folds.number} {markdown(result.folds.kind)} folds, {result.seeds} replicates,"
        f" protocol {markdown(result.protocol)}"
    )
    reasons = "; ".join(result.standing_reasons)
    standing = markdown(result.standing) + (f" ({markdown(reasons)})" if reasons else "")
    notes = [f"**{note}**" for note in map(markdown, status_notes(result))]
    parts = [
        f"{what}: {c.clips} clips, {people}, {cut}, selection {markdown(result.selection)}.",
        _table(result),
        f"This row is {'; '.join([*notes, standing])}.",
        f"Licence: {markdown(result.licence)}.",
        "Run it again:\n\n" + fenced(" ".join(command(result))),
        NOT,
        (
            f"Result {markdown(result.id)}, digest {markdown(result.result_digest[:16])}. Its JSON"
            " and its predictions are among the artifacts; learning curves here are means over the"
            " folds below, as far as all of them trained."
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(result: Result) -> str:
    """Return the scores in percent, next to those that a paper published."""
    theirs = reported(result)
    headings = ["metric", "ours %", "95% interval", "mean of folds (sd)", "sd over seeds"]
    headings += ["published %", "ours - published"] if theirs else []
    rows = [headings]
    for name, heading in SHOWN:
        s = result.scores.get(name)
        if s is None:
            continue
        interval = (
            f"{100 * s.low:.1f} to {100 * s.high:.1f}"
            if s.low is not None and s.high is not None
            else "none: too few groups"
        )
        folds = f"{100 * s.fold_mean:.1f} ({100 * s.fold_sd:.1f})"
        seeds = f"{100 * s.seed_sd:.1f}" if s.seed_sd is not None else "one replicate"
        row = [heading, f"**{100 * s.value:.1f}**", interval, folds, seeds]
        other = theirs.scores.get(name) if theirs else None
        if other is not None:
            row += [f"{100 * other:.1f}", f"{100 * (s.value - other):+.1f}"]
        rows.append(row + ["-"] * (len(headings) - len(row)))
    head, *lines = [f"| {' | '.join(row)} |" for row in rows]
    table = "\n".join([head, "|---" * len(headings) + "|", *lines])
    if theirs:
        source = f"{markdown(str(theirs))}; {TERMS}, so that the difference is no test"
        table += f"\n\nPublished: {source}."
    return table
