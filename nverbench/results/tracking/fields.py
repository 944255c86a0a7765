"""The content of MLflow's table, filters, charts and dataset card: tags, params, metrics and curves
of a job, and the view of the table that they are shown in.

Scores are fractions, as in the result's JSON.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from nverbench._io.text import escape_control_characters as escaped
from nverbench.metrics import scores
from nverbench.results.published import reported
from nverbench.results.record import FoldScore, Result
from nverbench.results.tracking.escaping import key, keys

Point = tuple[str, float, int]
"""Metric, value, step."""

DIGEST = "nverbench.result_digest"
"""The tag that identifies a result on a server."""
DIGITS = 5
"""Decimals of a score: what a column of MLflow's table shows; the result's JSON holds all."""

VIEW = "nverbench"
TABLE = {
    "selectedColumns": (
        "metrics.`accuracy`",
        "metrics.`macro_f1`",
        "metrics.`uar`",
        "metrics.`interval/low_macro_f1`",
        "metrics.`interval/high_macro_f1`",
        "metrics.`over_folds/sd_macro_f1`",
        "params.`backbones`",
        "params.`fusion`",
        "tags.`rank`",
        "tags.`standing`",
    ),
    "orderByKey": "metrics.`macro_f1`",
    "orderByAsc": False,
    "searchFilter": "tags.fusion LIKE '%'",  # jobs only: the runs of folds have no such tag
}
EXPERIMENT_TAGS = {
    f"mlflow.sharedViewState.{VIEW}": json.dumps(TABLE),
    "mlflow.experiment.primaryMetric.name": "macro_f1",
    "mlflow.experimentKind": "custom_model_development",
}
"""The shared view of an experiment's table (a UI that does not support views shows its default),
and the kind of experiment: MLflow has other pages for projects around a language model.
"""


def view_link(experiment: str) -> str:
    """Return Markdown with a link that opens the shared view of an experiment."""
    url = f"#/experiments/{experiment}/runs?viewStateShareKey={VIEW}"
    return f"[The table of jobs, best first]({url}), without the runs of their folds."


def tags(result: Result) -> dict[str, str]:
    """Return the tags that runs are filtered by: ``tags.fusion = 'reno'``, ``tags.`backbone.1` =
    'byol-s'``, ``tags.pair = 'mixed'``.
    """
    e = result.entry
    facts = {
        "nverbench.id": result.id,
        DIGEST: result.result_digest,
        "nverbench.fold_digest": result.folds.digest,
        **_settings(result, e.backbones[:20]),
        "family": " + ".join(e.families),
        "pair": _pair(e.families),
        "standing": result.standing,
        "control": str(result.control).lower(),
        "optimistic": str(result.optimistic).lower(),
        "heard_in_pretraining": ", ".join(result.heard_in_pretraining) or "none",
        "paper": e.paper or "none",
        "grid": e.grid or "none",
        "licence": result.licence,
    }
    return {name: escaped(value) for name, value in facts.items()}


def _settings(result: Result, backbones: Sequence[str]) -> dict[str, str]:
    """Return what is both a tag and a param."""
    return {
        **{f"backbone.{number}": name for number, name in enumerate(backbones, 1)},
        "fusion": result.entry.fusion,
        "loss": result.entry.loss,
        "dataset": result.entry.dataset,
        "folds": result.folds.kind,
        "protocol": result.protocol,
        "selection": result.selection,
    }


def _pair(families: list[str]) -> str:
    """Return the kind of a combination, in the terms of RENO's Table II."""
    if len(families) < 2:
        return "single"
    return "same family" if len(set(families)) == 1 else "mixed"


def params(result: Result) -> dict[str, str]:
    """Return every option of every part, defaults included, and the constants of the protocol, for
    MLflow's compare view.
    """
    backbones, identity = result.entry.backbones, result.provenance.identity
    other = ("folds", "selection", "seeds")  # given below
    options = dict(_flat({name: identity[name] for name in identity if name not in other}))
    facts = {**_settings(result, backbones), "backbones": " + ".join(backbones)}
    facts["seeds"] = str(result.seeds)
    return {name: escaped(value) for name, value in (options | facts).items()}


def _flat(thing: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and values of nested JSON, as ``fusion.dropout``; lists count from 1, and
    ``options`` adds no component.
    """
    if isinstance(thing, dict):
        for name, value in sorted(thing.items()):
            if name not in ("name", "digest", "left_out"):  # in other params, tags and artifacts
                step = path if name == "options" else f"{path}.{key(name)}".lstrip(".")
                yield from _flat(value, step)
    elif isinstance(thing, list):
        for number, value in enumerate(thing, 1):
            yield from _flat(value, f"{path.removesuffix('s')}.{number}")
    elif thing is not None:
        digest = path.endswith(".weights") and isinstance(thing, str)
        yield path, thing[:12] if digest else str(thing)


def points(result: Result) -> list[Point]:
    """Return the metrics of a job: headline scores without a prefix, the others in sections, which
    the charts show by name: interval, over_folds, over_seeds, published, recall, resources.
    """
    found: dict[str, float | None] = {}
    for name, s in result.scores.items():
        own = key(name)
        found |= {
            own: s.value,
            f"over_folds/mean_{own}": s.fold_mean,
            f"over_folds/sd_{own}": s.fold_sd,
            f"interval/low_{own}": s.low,
            f"interval/high_{own}": s.high,
            f"over_seeds/sd_{own}": s.seed_sd,
        }
    for label, name in keys(result.per_class_recall).items():
        found[f"recall/{name}"] = result.per_class_recall[label]
    theirs = reported(result)
    for name, value in theirs.scores.items() if theirs else ():
        found[f"published/{name}"] = value
        found[f"published/ours_minus_{name}"] = result.scores[name].value - value
    rounded = {name: round(value, DIGITS) for name, value in found.items() if value is not None}
    return [(name, value, 0) for name, value in (rounded | _resources(result)).items()]


def _resources(result: Result) -> dict[str, float]:
    """Return time, memory and parameters; a sum over backbones only where each one is known."""
    t, p = result.timings, result.provenance
    sums: dict[str, Collection[float | None]] = {
        "parameters_frozen": p.parameters_frozen.values(),
        "embed_seconds_per_clip": t.embed_per_clip.values() or [None],
    }
    used = {
        "fit_seconds": t.fit,
        "peak_memory_bytes": float(t.peak_memory),
        "parameters_trained": float(p.parameters_trained),
    }
    for name, values in sums.items():
        known = [value for value in values if value is not None]
        used |= {name: float(sum(known))} if len(known) == len(values) else {}
    return {f"resources/{name}": value for name, value in used.items()}


def fold_points(replicates: Sequence[FoldScore]) -> list[Point]:
    """Return the metrics of one fold: mean scores on its test part and mean curves over replicates;
    with several replicates also the scores (step: replicate) and curves of each.

    One run for each fold and replicate would hide the jobs: MLflow's table loads 100 runs at a
    time, and the runs of folds count.
    """
    found: list[Point] = [
        (name, sum(getattr(r, name) for r in replicates) / len(replicates), 0)
        for name in scores.NAMES
    ]
    found += mean_curves(replicates)
    for r in replicates:
        found += [
            (f"training/{name}", float(getattr(r, name)), r.replicate)
            for name in ("best_epoch", "epochs")
        ]
        if len(replicates) > 1:
            found += [
                (f"replicates/{name}", getattr(r, name), r.replicate) for name in scores.NAMES
            ]
            found += [
                (f"replicate {r.replicate}/{key(term)}", value, epoch)
                for epoch, row in enumerate(r.curves, 1)
                for term, value in row.items()
            ]
    return found


def mean_curves(folds: Sequence[FoldScore]) -> list[Point]:
    """Return mean curves up to the last epoch that every fold trained: a later mean would be over
    other folds. MLflow shows what precedes the slash as a section.
    """
    return [
        (f"curves/{key(term)}", sum(row[term] for row in rows) / len(rows), epoch)
        for epoch, rows in enumerate(zip(*(fold.curves for fold in folds), strict=False), 1)
        for term in rows[0]
        if all(term in row for row in rows)
    ]


def dataset(result: Result) -> dict[str, str]:
    """Return MLflow's dataset card, without a path of this machine; its schema lists classes with
    their counts, and groups.
    """
    counts, unit = result.counts, escaped(result.unit)
    sizes = [(escaped(label), f"{n} clips") for label, n in counts.per_class.items()]
    sizes += [(f"({unit})", f"{counts.groups} groups")] if result.unit != "clip" else []
    columns = [{"name": name, "type": size, "required": True} for name, size in sizes]
    name, digest = escaped(result.entry.dataset), result.provenance.dataset_digest
    left_out = len(counts.left_out)
    profile = {"num_rows": counts.clips, "groups": counts.groups, "left_out": left_out}
    return {
        "name": name,
        "digest": digest[:12],
        "source": json.dumps({"dataset": name, "digest": digest}),
        "schema": json.dumps({"mlflow_colspec": columns}),
        "profile": json.dumps({**profile, "unit": unit}),
    }
