"""What MLflow's table, filters and charts are made of: tags, params and metrics of a job. Scores
are fractions, as in the result's JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from nverbench.results.published import reported
from nverbench.results.record import Result
from nverbench.results.tracking.client import DIGEST, Point
from nverbench.results.tracking.escaping import key, keys, plain

DIGITS = 5
"""Of a score: what a column of MLflow's table shows; the result's JSON holds all."""


def tags(result: Result) -> dict[str, str]:
    """What runs are filtered by: ``tags.fusion = 'reno'``, ``tags.`backbone.1` = 'byol-s'``,
    ``tags.pair = 'mixed'``.
    """
    e = result.entry
    facts = {
        "nverbench.id": result.id,
        DIGEST: result.result_digest,
        "nverbench.fold_digest": result.folds.digest,
        **{f"backbone.{number}": name for number, name in enumerate(e.backbones[:20], 1)},
        "family": " + ".join(e.families),
        "pair": _pair(e.families),
        "fusion": e.fusion,
        "loss": e.loss,
        "dataset": e.dataset,
        "folds": result.folds.kind,
        "protocol": result.protocol,
        "selection": result.selection,
        "standing": result.standing,
        "control": str(result.control).lower(),
        "optimistic": str(result.optimistic).lower(),
        "heard_in_pretraining": ", ".join(result.heard_in_pretraining) or "none",
        "paper": e.paper or "none",
        "grid": e.grid or "none",
        "licence": result.licence,
    }
    return {name: plain(value) for name, value in facts.items()}


def _pair(families: list[str]) -> str:
    """The kind of a combination, in the words of RENO's Table II."""
    if len(families) < 2:
        return "single"
    return "same family" if len(set(families)) == 1 else "mixed"


def params(result: Result) -> dict[str, str]:
    """Every option of every part, defaults included, and the constants of the protocol: what the
    compare view sets side by side.
    """
    e = result.entry
    found = {f"backbone.{number}": name for number, name in enumerate(e.backbones, 1)}
    found |= {
        "backbones": " + ".join(e.backbones),
        "fusion": e.fusion,
        "loss": e.loss,
        "dataset": e.dataset,
        "folds": result.folds.kind,
    }
    found |= {
        "protocol": result.protocol,
        "selection": result.selection,
        "seeds": str(result.seeds),
    }
    identity = {
        name: value
        for name, value in result.provenance.identity.items()
        if name not in ("folds", "selection", "seeds")
    }
    return {name: plain(value) for name, value in (dict(_flat(identity)) | found).items()}


def _flat(thing: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values of nested JSON, as ``fusion.dropout``; lists count from 1, and
    ``options`` is no step of its own.
    """
    if isinstance(thing, dict):
        for name, value in sorted(thing.items()):
            if name not in ("name", "digest", "left_out"):  # said elsewhere
                yield from _flat(
                    value, path if name == "options" else f"{path}.{key(name)}".lstrip(".")
                )
    elif isinstance(thing, list):
        for number, value in enumerate(thing, 1):
            yield from _flat(value, f"{path.removesuffix('s')}.{number}")
    elif thing is not None:
        yield (
            path,
            (thing[:12] if path.endswith(".weights") and isinstance(thing, str) else str(thing)),
        )


def points(result: Result) -> list[Point]:
    """Headline scores bare; what belongs to them in sections, which the charts show by name:
    curves, interval, over_folds, over_seeds, published, recall, resources."""
    found: dict[str, float] = {}
    for name, s in result.scores.items():
        own = key(name)
        found |= {
            own: s.value,
            f"over_folds/mean_{own}": s.fold_mean,
            f"over_folds/sd_{own}": s.fold_sd,
        }
        sure = {
            f"interval/low_{own}": s.low,
            f"interval/high_{own}": s.high,
            f"over_seeds/sd_{own}": s.seed_sd,
        }
        found |= {place: value for place, value in sure.items() if value is not None}
    found |= {
        f"recall/{name}": result.per_class_recall[label]
        for label, name in keys(result.per_class_recall).items()
    }
    if theirs := reported(result):
        for name, value in theirs.scores.items():
            found |= {
                f"published/{name}": value,
                f"published/ours_minus_{name}": result.scores[name].value - value,
            }
    rounded = {name: round(value, DIGITS) for name, value in found.items()}
    return [(name, value, 0) for name, value in (rounded | _resources(result)).items()]


def _resources(result: Result) -> dict[str, float]:
    t, p = result.timings, result.provenance
    frozen = [count for count in p.parameters_frozen.values() if count is not None]
    per_clip = [seconds for seconds in t.embed_per_clip.values() if seconds is not None]
    used = {
        "resources/fit_seconds": t.fit,
        "resources/peak_memory_bytes": float(t.peak_memory),
        "resources/parameters_trained": float(p.parameters_trained),
    }
    used |= (
        {"resources/parameters_frozen": float(sum(frozen))}
        if len(frozen) == len(p.parameters_frozen)
        else {}
    )
    return used | (
        {"resources/embed_seconds_per_clip": sum(per_clip)}
        if per_clip and len(per_clip) == len(t.embed_per_clip)
        else {}
    )


def dataset(result: Result) -> dict[str, str]:
    """What the run was judged on, for MLflow's dataset card: no path of this machine; its schema
    says classes with counts, and groups.
    """
    counts = result.counts
    columns = [
        {"name": plain(label), "type": f"{n} clips", "required": True}
        for label, n in counts.per_class.items()
    ]
    columns += (
        [{"name": f"({plain(result.unit)})", "type": f"{counts.groups} groups", "required": True}]
        if result.unit != "clip"
        else []
    )
    name = plain(result.entry.dataset)
    return {
        "name": name,
        "digest": result.provenance.dataset_digest[:12],
        "source": json.dumps({"dataset": name, "digest": result.provenance.dataset_digest}),
        "schema": json.dumps({"mlflow_colspec": columns}),
        "profile": json.dumps(
            {
                "num_rows": counts.clips,
                "groups": counts.groups,
                "left_out": len(counts.left_out),
                "unit": plain(result.unit),
            }
        ),
    }
