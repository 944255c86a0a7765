"""The datasheet of a corpus: its labels, raters, speakers, licence and limits (the questions of
Gebru et al., 2021).

``nverbench show NAME`` and the page show it. An unpublished answer is shown as unknown.
"""

from __future__ import annotations

from nverbench.data.missing import is_downloadable, manual_steps
from nverbench.plugin.records import Dataset, Source

PLAIN = "a label is a reported or posed expression, not a person's inner state"
SHARED = {
    "open": "predictions with their labels, and embeddings, by salted clip hashes",
    "labels-only": "predictions by salted clip hashes without labels, and embeddings",
    "none": "predictions by salted clip hashes without labels; no embeddings",
}


def datasheet(dataset: Dataset, pin: Source | None = None) -> dict[str, str]:
    """Headings and texts of one dataset; ``pin`` is its source in the registry."""
    card = dataset.label_card
    source = pin or (dataset.sources[0] if dataset.sources else Source(address="unknown"))
    revision = f"revision {source.revision}" if source.revision else ""
    size = f"{source.size / 1e6:,.1f} MB" if source.size else "size unknown"
    command = f"nverbench data get {dataset.name}" if is_downloadable(source) else ""
    others = f" (or {', '.join(dataset.folds[1:])})" if dataset.folds[1:] else ""
    defects = "; ".join(
        (*(f"{clip} {why}" for clip, why in dataset.defects.items()), *dataset.remarks)
    )
    rates = " or ".join(f"{rate:,} Hz" for rate in dataset.rates)
    differs = source.licence not in ("unknown", dataset.licence)
    registered = f" (the registry says {source.licence})" if differs else ""
    return {
        "what a label is": f"{card.kind}; {PLAIN}",
        "labels": _labels(dataset),
        "recorded": card.setting,
        "judged by": card.raters,
        "who speaks": f"languages: {card.languages}; ages: {card.ages}; {_groups(dataset)}",
        "consent": card.consent,
        "folds": f"{dataset.folds[0]} by default{others}; kept together: {dataset.group}",
        "sampling rate": rates or "not declared",
        "known defects": defects or "none known",
        "licence": f"{dataset.licence}{registered}",
        "results may publish": SHARED[dataset.share],
        "source": " ".join(filter(None, (source.address, revision, size))),
        "how to get it": manual_steps(dataset, source) or command,
        "cite": " ".join(dataset.citation.split()),
    }


def _labels(dataset: Dataset) -> str:
    """Every label with its published number of clips, and its display name where it has one."""
    if not dataset.labels:
        return "as the clips have them"
    words = []
    for label in dataset.labels:
        count = f" {dataset.counts[label]:,}" if label in dataset.counts else ""
        shown = f" (shown as: {dataset.display[label]})" if label in dataset.display else ""
        words.append(f"{label}{count}{shown}")
    total = sum(dataset.counts.values()) or sum(dataset.group_counts.values())
    return ", ".join(words) + (f"; {total:,} clips published" if total else "")


def _groups(dataset: Dataset) -> str:
    if dataset.group_counts:
        return f"{len(dataset.group_counts)} {dataset.group}s"
    return f"number of {dataset.group}s: see nverbench data check"
