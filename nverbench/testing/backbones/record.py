"""What a backbone's record must declare. Nothing is loaded here."""

from __future__ import annotations

import re

from nverbench.plugin.records import Backbone
from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Check, Pass, Skip, violation
from nverbench.testing.imports import LAZY_IMPORT

UNSAID = ("", "unknown")
ENTRY = re.compile(r"^\s*@(?=\w+\s*\{)", re.MULTILINE)


def record(subject: Subject) -> Pass | Skip:
    """Sizes are whole, and what a reader must know of the model is said."""
    part = subject.part
    for expected, got, do in _faults(part):
        raise violation(subject, expected=expected, got=got, do=do)
    return Pass(f"{part.frame_dim}-d, {part.frame_rate:g} frames per second, {part.licence}")


def _faults(part: Backbone) -> list[tuple[str, str, str]]:
    """(expected, got, what to do) of everything the record lacks."""
    rate = (
        part.frame_rate > 0 or part.time_local is False
    )  # one row per clip has no rate, and is not local in time
    asked = [
        (part.frame_dim > 0, "frame_dim > 0", part.frame_dim, "declare the size of a frame"),
        (
            rate,
            "frame_rate > 0",
            part.frame_rate,
            "declare the frames per second, or time_local=False for one row per clip",
        ),
        (
            part.layers >= 0,
            "layers >= 0",
            part.layers,
            "declare how many layers Frames.layers holds, or leave it out",
        ),
        (
            part.family.strip(),
            "a family",
            part.family,
            "say mamba, attention, convolution or features",
        ),
        (
            part.revision,
            "a revision",
            part.revision,
            "give a text that is bumped whenever the numbers change",
        ),
        (
            part.licence not in UNSAID,
            "a licence",
            part.licence,
            "say what is known of it, or where it is said",
        ),
        (
            is_bibtex(part.citation),
            "BibTeX with a title and a year",
            part.citation[:60],
            "cite as @inproceedings{key, title = {...}, year = {...}}",
        ),
    ]
    if part.weights is not None:
        asked += [
            (
                part.weights.address,
                "an address of the weights",
                part.weights.address,
                "say where they can be had",
            ),
            (
                part.weights.licence not in UNSAID,
                "a licence of the weights",
                part.weights.licence,
                "say what is known of it in Source.licence",
            ),
            (
                part.pretrained_on,
                "what the weights were trained on",
                part.pretrained_on,
                "name the corpora in pretrained_on: overlap is flagged",
            ),
        ]
    return [(expected, repr(got), do) for fine, expected, got, do in asked if not fine]


def is_bibtex(text: str) -> bool:
    """Whether every entry has balanced braces, a title, and a year (or a DOI, which says it); no
    full parser, a page only links to it.
    """
    before, *entries = ENTRY.split(text)
    fields = [
        re.search(rf"\b{field}\s*=", entry)
        for entry in entries
        for field in ("title", "(year|doi)")
    ]
    return (
        not before.strip() and bool(entries) and all(fields) and text.count("{") == text.count("}")
    )


CHECKS = (
    Check(
        "record",
        "The record declares sizes, frame rate, family, licence, citation, and where weights come"
        " from.",
        record,
    ),
    LAZY_IMPORT,
)
