"""A corpus in a dozen lines: what its labels are, who judged, who speaks, its licence and limits
(the questions of Gebru et al., 2021).

``nverbench show NAME`` prints it and the page shows it. What nobody published is said to be
unknown, never left out.
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
    """Headings and texts of one dataset; ``pin`` is what the registry says of its source."""
    card, source = (
        dataset.label_card,
        pin or (dataset.sources[0] if dataset.sources else Source(address="unknown")),
    )
    return {
        "what a label is": f"{card.kind}; {PLAIN}",
        "labels": _labels(dataset),
        "recorded": card.setting,
        "judged by": card.raters,
        "who speaks": f"languages: {card.languages}; ages: {card.ages}; {_groups(dataset)}",
        "consent": card.consent,
        "folds": (
            f"{dataset.folds[0]} by default{_or(dataset.folds[1:])}; kept together: {dataset.group}"
        ),
        "known defects": (
            "; ".join(f"{clip} {why}" for clip, why in dataset.defects.items()) or "none known"
        ),
        "licence": f"{dataset.licence}{_differs(dataset.licence, source.licence)}",
        "results may publish": SHARED[dataset.share],
        "source": " ".join(
            filter(
                None,
                (
                    source.address,
                    f"revision {source.revision}" if source.revision else "",
                    _size(source),
                ),
            )
        ),
        "how to get it": (
            manual_steps(dataset, source)
            or (f"nverbench data get {dataset.name}" if is_downloadable(source) else "")
        ),
        "cite": " ".join(dataset.citation.split()),
    }


def _labels(dataset: Dataset) -> str:
    """Every label with its published number of clips, and how it is displayed where its own name
    would mislead.
    """
    if not dataset.labels:
        return "as the clips have them"
    words = []
    for label in dataset.labels:
        count = f" {dataset.counts[label]:,}" if label in dataset.counts else ""
        words.append(
            f"{label}{count}"
            + (f" (shown as: {dataset.display[label]})" if label in dataset.display else "")
        )
    total = sum(dataset.counts.values()) or sum(dataset.group_counts.values())
    return ", ".join(words) + (f"; {total:,} clips published" if total else "")


def _groups(dataset: Dataset) -> str:
    return (
        f"{len(dataset.group_counts)} {dataset.group}s"
        if dataset.group_counts
        else f"number of {dataset.group}s: see nverbench data check"
    )


def _or(kinds: tuple[str, ...]) -> str:
    return f" (or {', '.join(kinds)})" if kinds else ""


def _differs(own: str, registered: str) -> str:
    return f" (the registry says {registered})" if registered not in ("unknown", own) else ""


def _size(source: Source) -> str:
    return f"{source.size / 1e6:,.1f} MB" if source.size else "size unknown"
