"""The page of one result: its texts, and the numbers of its charts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nverbench.leaderboard.page.content import interval, kind, notes, total
from nverbench.leaderboard.page.part_info import PartInfo
from nverbench.leaderboard.rows import Row
from nverbench.leaderboard.tables.wording import HEADINGS
from nverbench.metrics.chance import HOW, chance
from nverbench.metrics.scores import NAMES
from nverbench.plugin.options import split
from nverbench.results.command import command
from nverbench.results.published import TERMS
from nverbench.results.record import FoldScore, Result
from nverbench.results.scoring import score_text
from nverbench.results.warnings import warnings

LEVELS = {
    "own": "made on the machine that built this page",
    "self-consistent": (
        "submitted: every number follows from its predictions, which no one has reproduced yet, so"
        " it is not ranked"
    ),
    "rerun": (
        "submitted by the maintainers of this leaderboard: heads retrained from pinned embeddings"
        " by the maintainers, and by no other party yet"
    ),
    "reproduced": "submitted, and made again by another party",
}
DECIMALS = 4
"""Decimals of a point of a chart."""


def words(
    row: Row, r: Result, knowledge: PartInfo, pictures: Collection[str], pages: Collection[str]
) -> dict[str, Any]:
    """The texts and numbers of the page, for a template that escapes them.

    Args:
        r: the published form of the row's result.
        knowledge: of the catalogue.
        pictures: embedding digests that have points.
        pages: ids of the results that have a page.
    """
    e, p = r.entry, r.provenance
    return {
        "r": r,
        "system": " + ".join(e.backbones),
        "kind": kind(e.families),
        "notes": notes(r),
        "warnings": warnings(r),
        "rank": row.rank,
        "unranked": row.unranked,
        "behind": row.behind,
        "level": row.filed.level,
        "level_means": LEVELS[row.filed.level],
        "attested_by": row.filed.attested_by,
        "submitter": row.filed.submitter,
        "citation": row.filed.citation,
        "scores": [_score(name, r) for name in NAMES if name in r.scores],
        "published": _published(row, r),
        "gap": row.gap.values.get("macro_f1") if row.gap else None,
        "gap_with": (
            next((i for i in (row.gap.random, row.gap.disjoint) if i != r.id and i in pages), None)
            if row.gap
            else None
        ),
        "chance": [(HOW[how], values) for how, values in chance(r.counts.per_class).items()],
        "frozen": total(p.parameters_frozen.get(name) for name in p.embedding_digests),
        "seconds": total(r.timings.embed_per_clip.get(name) for name in p.embedding_digests),
        "command": command(r),
        "cited": knowledge.cited(e),
        "sheet": knowledge.sheets.get(split(e.dataset)[0], {}),
        "provenance": _provenance(r),
        "pictures": [
            digest for digest in dict.fromkeys(p.embedding_digests.values()) if digest in pictures
        ],
    }


def charts(r: Result) -> dict[str, Any]:
    """The numbers behind the charts of a published result: folds, confusion counts, learning
    curves, and which picture belongs to which backbone.
    """
    return {
        "labels": [r.display.get(label, label) for label in r.labels],
        "confusion": r.confusion,
        "recall": [round(r.per_class_recall.get(label, 0.0), DECIMALS) for label in r.labels],
        "folds": [_fold(f) for f in r.per_fold],
        "metrics": [HEADINGS[name] for name in NAMES],
        "pooled": [interval(r.scores.get(name)) for name in NAMES],
        "curves": _curves(r.per_fold),
        "embeddings": list(r.provenance.embedding_digests.items()),
    }


def _fold(f: FoldScore) -> list[Any]:
    scores = (round(getattr(f, name), DECIMALS) for name in NAMES)
    return [f.fold, f.replicate, *scores, f.best_epoch, f.epochs, f.test]


def _curves(folds: list[FoldScore]) -> dict[str, Any]:
    """Every recorded number per epoch: name -> one list per fold and replicate, in the order of the
    folds; None where an epoch lacks it.
    """
    names = list(dict.fromkeys(name for fold in folds for epoch in fold.curves for name in epoch))
    epochs = [epoch for fold in folds for epoch in fold.curves]
    if all(e.get("train_loss") == e.get("train_cross_entropy") for e in epochs):
        names = [name for name in names if name != "train_loss"]
    return {
        name: [
            [None if name not in epoch else round(epoch[name], DECIMALS) for epoch in fold.curves]
            for fold in folds
        ]
        for name in names
    }


def _score(name: str, r: Result) -> dict[str, Any]:
    s = r.scores[name]
    ends = s.bootstrap
    return {
        "heading": HEADINGS[name],
        "text": score_text(s),
        "score": s,
        "bootstrap": f"[{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends else "none",
        "folds": f"{100 * s.fold_mean:.1f} ± {100 * s.fold_sd:.1f}",
        "seeds": "one replicate" if s.seed_sd is None else f"± {100 * s.seed_sd:.1f}",
    }


def _published(row: Row, r: Result) -> dict[str, Any] | None:
    """The paper's numbers, and ours minus theirs in points."""
    if row.published is None:
        return None
    values = [
        {
            "heading": HEADINGS[name],
            "theirs": f"{100 * value:.1f}",
            "difference": r.scores[name].value - value,
        }
        for name, value in row.published.scores.items()
    ]
    return {"source": str(row.published), "terms": TERMS, "values": values, "headline": values[-1]}


def _provenance(r: Result) -> list[tuple[str, str]]:
    """Headings and texts of where the result came from."""
    e, p, f, t = r.entry, r.provenance, r.folds, r.timings
    plural = "s" if r.seeds != 1 else ""
    threads = f"{p.threads} thread{'s' if p.threads != 1 else ''}"
    memory = f"{t.peak_memory / 1e6:,.0f} MB"
    embed = sum(t.embed.values())
    return [
        ("result", f"{r.id}, digest {r.result_digest}"),
        ("made", r.created),
        ("registered in", f"{e.grid}: {e.paper}" if e.grid else "not registered"),
        ("protocol", f"{r.protocol}, selection {r.selection}, {r.seeds} replicate{plural}"),
        ("folds", f"{f.number} {f.kind}, digest {f.digest}"),
        ("dataset", f"{e.dataset}, digest {p.dataset_digest}"),
        *((f"embedding of {name}", digest) for name, digest in p.embedding_digests.items()),
        *((f"weights of {name}", digest) for name, digest in p.weights_digests.items()),
        ("plugins", _versions(p.plugins)),
        ("libraries", _versions(p.libraries)),
        ("machine", f"{_versions(r.machine)}, {threads}"),
        ("time", f"fit {t.fit:.1f} s, embed {embed:.1f} s, peak memory {memory}"),
        ("licences", "; ".join(f"{name}: {text}" for name, text in p.licences.items())),
    ]


def _versions(names: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in names.items())
