"""What a dataset's record must say before anybody hears a clip: whose it is, what a label is, and
how it may be cut.
"""

from __future__ import annotations

from nverbench.data.folds.assign import KINDS
from nverbench.testing.backbones.record import UNSAID, is_bibtex
from nverbench.testing.check import Check, Pass, Skip, violation
from nverbench.testing.datasets.subject import DatasetSubject
from nverbench.testing.imports import LAZY_IMPORT

LABELS_ARE = ("portrayed", "perceived", "self-reported")
OWN = Skip("its clips are its user's: what they are is theirs to say")


def record(subject: DatasetSubject) -> Pass | Skip:
    """Licence, citation and sources."""
    part = subject.part
    if subject.own:
        return OWN
    cited = is_bibtex(part.citation) or (
        part.make is not None and not part.citation
    )  # a procedural corpus may have no paper
    asked = [
        (
            part.licence not in UNSAID,
            "a licence",
            part.licence,
            "say what is known of it, or where it is said",
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
            "say where the corpus can be had: Source(address=..., licence=...)",
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
            "say what is known of it",
        ),
        (
            part.revision,
            "a revision",
            part.revision,
            "give a text that is bumped whenever clips or labels change",
        ),
    ]
    for fine, expected, got, do in asked:
        if not fine:
            raise violation(subject, expected=expected, got=repr(got)[:120], do=do)
    return Pass(f"{part.licence}, {len(part.sources)} sources")


def label_card(subject: DatasetSubject) -> Pass | Skip:
    """What a label is: kind, setting, raters, languages. Ages and consent are often not published,
    which is said.
    """
    card = subject.part.label_card
    if subject.own:
        return OWN
    if not card.kind.startswith(LABELS_ARE):
        do = "say whose word a label is"
        raise violation(
            subject,
            expected=f"label_card.kind to be one of {', '.join(LABELS_ARE)}",
            got=repr(card.kind),
            do=do,
        )
    for name in ("setting", "raters", "languages"):
        if getattr(card, name).strip() in UNSAID:
            do = "say what the paper says of it (none, where there is none)"
            raise violation(
                subject, expected=f"label_card.{name}", got=repr(getattr(card, name)), do=do
            )
    unsaid = [name for name in ("ages", "consent") if getattr(card, name) in UNSAID]
    return Pass(f"{card.kind}; not known: {', '.join(unsaid) or 'nothing'}")


def words(subject: DatasetSubject) -> Pass | Skip:
    """Labels, counts and kinds of folds that belong together."""
    part = subject.part
    if len(set(part.labels)) < len(part.labels) or len(part.labels) == 1:
        raise violation(
            subject,
            expected="two labels or more, each once",
            got=repr(part.labels)[:120],
            do="mend labels",
        )
    strange = [label for label in part.counts if part.labels and label not in part.labels]
    if strange:
        raise violation(
            subject,
            expected="counts of declared labels",
            got=repr(strange[0]),
            do="mend counts or labels",
        )
    known = [kind.partition("=")[0] for kind in KINDS if kind != "cross"]
    for kind in part.folds:
        if kind.partition("=")[0] not in known:
            raise violation(
                subject,
                expected=f"kinds of folds among {', '.join(known)}",
                got=repr(kind),
                do="mend folds",
            )
    return Pass(f"{len(part.labels) or 'undeclared'} labels, folds {', '.join(part.folds)}")


CHECKS: tuple[Check[DatasetSubject], ...] = (
    Check("record", "The record declares licence, citation, sources and a revision.", record),
    Check(
        "label-card",
        "The label card says what a label is, the setting, the raters and the languages.",
        label_card,
    ),
    Check(
        "declared",
        "Labels are declared once, counts name declared labels, and every kind of folds is one the"
        " harness knows.",
        words,
    ),
    Check(LAZY_IMPORT.name, LAZY_IMPORT.rule, LAZY_IMPORT.run),
)
