"""The rules about the record of a dataset: licence, sources, meaning of labels, folds. They load no
clip.
"""

from __future__ import annotations

from nverbench.data.folds.assign import KINDS
from nverbench.testing.backbones.record import UNSAID, is_bibtex
from nverbench.testing.check import Pass, Skip, rule, violation
from nverbench.testing.datasets.subject import DatasetSubject
from nverbench.testing.imports import lazy_import

LABELS_ARE = ("portrayed", "perceived", "self-reported")
OWN = Skip("its clips belong to the user, who alone knows what they are")


@rule("record", "The record declares licence, citation, sources and a revision.")
def record(subject: DatasetSubject) -> Pass | Skip:
    part = subject.part
    if subject.own:
        return OWN
    cited = is_bibtex(part.citation) or (
        part.make is not None and not part.citation
    )  # a procedural corpus may have no paper
    requirements = [
        (
            part.licence not in UNSAID,
            "a licence",
            part.licence,
            "give the licence, or the address of its text",
        ),
        (
            cited,
            "BibTeX with a title and a year (or DOI)",
            part.citation[:60],
            "cite as @inproceedings{key, title = {...}, year = {...}}",
        ),
        (
            part.sources,
            "sources",
            part.sources,
            "give the address of the corpus: Source(address=..., licence=...)",
        ),
        (
            all(s.address for s in part.sources),
            "an address in every source",
            part.sources,
            "give an address, or a sentence that says how to get it",
        ),
        (
            all(s.licence not in UNSAID for s in part.sources),
            "a licence in every source",
            part.sources,
            "give it",
        ),
        (
            part.revision,
            "a revision",
            part.revision,
            "give a text that changes whenever clips or labels change",
        ),
    ]
    for fine, expected, got, do in requirements:
        if not fine:
            raise violation(subject, expected, repr(got)[:120], do)
    return Pass(f"{part.licence}, {len(part.sources)} sources")


@rule(
    "label-card", "The label card says what a label is, the setting, the raters and the languages."
)
def label_card(subject: DatasetSubject) -> Pass | Skip:
    card = subject.part.label_card
    if subject.own:
        return OWN
    if not card.kind.startswith(LABELS_ARE):
        do = "say who assigned the labels"
        expected = f"label_card.kind to be one of {', '.join(LABELS_ARE)}"
        raise violation(subject, expected, repr(card.kind), do)
    for name in ("setting", "raters", "languages"):
        if getattr(card, name).strip() in UNSAID:
            do = "give what the paper says about it, or none"
            raise violation(subject, f"label_card.{name}", repr(getattr(card, name)), do)
    unsaid = [name for name in ("ages", "consent") if getattr(card, name) in UNSAID]
    return Pass(f"{card.kind}; not known: {', '.join(unsaid) or 'nothing'}")


@rule(
    "declared",
    "Labels are declared once, counts name declared labels, and every kind of folds is one the"
    " harness knows.",
)
def words(subject: DatasetSubject) -> Pass | Skip:
    part = subject.part
    if len(set(part.labels)) < len(part.labels) or len(part.labels) == 1:
        do = "correct labels"
        raise violation(subject, "two labels or more, each once", repr(part.labels)[:120], do)
    undeclared = [label for label in part.counts if part.labels and label not in part.labels]
    if undeclared:
        do = "correct counts or labels"
        raise violation(subject, "counts of declared labels", repr(undeclared[0]), do)
    known = [kind.partition("=")[0] for kind in KINDS if kind != "cross"]
    for kind in part.folds:
        if kind.partition("=")[0] not in known:
            do = "correct folds"
            raise violation(subject, f"kinds of folds among {', '.join(known)}", repr(kind), do)
    return Pass(f"{len(part.labels) or 'undeclared'} labels, folds {', '.join(part.folds)}")


CHECKS = (record, label_card, words, lazy_import)
