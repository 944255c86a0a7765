"""The description of a run: the row as a table, the command that makes it again, what it is worth,
and what a score is not.
"""

from __future__ import annotations

from nverbench.metrics.scores import SHOWN
from nverbench.results.command import command
from nverbench.results.published import TERMS, reported
from nverbench.results.record import Result
from nverbench.results.tracking.escaping import fenced, markdown

NOT = (
    "A score is agreement with the labels of recorded, often acted, vocalisations. It is not what a"
    " person feels, and it is not for decisions about individuals: inferring emotions at work or in"
    " education is prohibited in the EU (Regulation 2024/1689, Art. 5(1)(f))."
)


def description(result: Result) -> str:
    """Markdown; every name in it is somebody's, and stands there as text."""
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
    parts = [
        f"{what}: {c.clips} clips, {people}, {cut}, selection {markdown(result.selection)}.",
        _table(result),
        _worth(result),
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
    """Percent, with what a paper published beside ours."""
    theirs = reported(result)
    headings = [
        "metric",
        "ours %",
        "95% interval",
        "mean of folds (sd)",
        "sd over seeds",
        *(["published %", "ours - published"] if theirs else []),
    ]
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for name, heading in SHOWN:
        s = result.scores.get(name)
        if s is None:
            continue
        sure = (
            f"{100 * s.low:.1f} to {100 * s.high:.1f}"
            if s.low is not None and s.high is not None
            else "none: too few groups"
        )
        seeds = f"{100 * s.seed_sd:.1f}" if s.seed_sd is not None else "one replicate"
        cells = [
            heading,
            f"**{100 * s.value:.1f}**",
            sure,
            f"{100 * s.fold_mean:.1f} ({100 * s.fold_sd:.1f})",
            seeds,
        ]
        other = getattr(theirs, name, None)
        cells += (
            [f"{100 * other:.1f}", f"{100 * (s.value - other):+.1f}"]
            if other is not None
            else ["-", "-"]
            if theirs
            else []
        )
        lines.append(f"| {' | '.join(cells)} |")
    note = (
        f"\n\nPublished: {markdown(str(theirs))}; {TERMS}, so that the difference is no test."
        if theirs
        else ""
    )
    return "\n".join(lines) + note


def _worth(result: Result) -> str:
    """Standing and reasons, first what a reader must not overlook."""
    warnings = [
        "**control, not a result**" if result.control else "",
        (
            "**optimistic: the stopping epoch was chosen on the test part**"
            if result.optimistic
            else ""
        ),
        (
            f"**heard in pretraining: {markdown(', '.join(result.heard_in_pretraining))}**"
            if result.heard_in_pretraining
            else ""
        ),
    ]
    reasons = (
        f" ({markdown('; '.join(result.standing_reasons))})" if result.standing_reasons else ""
    )
    return (
        f"This row is {'; '.join([*filter(None, warnings), markdown(result.standing) + reasons])}."
    )
