"""The rules about the record of a backbone. Nothing is loaded here."""

from __future__ import annotations

import re
from typing import Any

from nverbench.plugin.records import Backbone, Source
from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Pass, Skip, rule, violation
from nverbench.testing.imports import lazy_import

UNSAID = ("", "unknown")
ENTRY = re.compile(r"^\s*@(?=\w+\s*\{)", re.MULTILINE)


@rule(
    "record",
    "The record declares sizes, frame rate, family, licence, citation, and where weights come"
    " from.",
)
def record(subject: Subject) -> Pass | Skip:
    part = subject.part
    for expected, got, do in _faults(part):
        raise violation(subject, expected, got, do)
    return Pass(f"{part.frame_dim}-d, {part.frame_rate:g} frames per second, {part.licence}")


def _faults(part: Backbone) -> list[tuple[str, str, str]]:
    """(expected, got, what to do) for every field that is missing or wrong."""
    rate = (
        part.frame_rate > 0 or part.time_local is False
    )  # one row per clip has no rate, and is not local in time
    requirements: list[tuple[Any, str, Any, str]] = [
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
            "give mamba, attention, convolution or features",
        ),
        (
            part.revision,
            "a revision",
            part.revision,
            "give a text that changes whenever the numbers change",
        ),
        (
            part.licence not in UNSAID,
            "a licence",
            part.licence,
            "give the licence, or the address of its text",
        ),
        (
            is_bibtex(part.citation),
            "BibTeX with a title and a year",
            part.citation[:60],
            "cite as @inproceedings{key, title = {...}, year = {...}}",
        ),
    ]
    if part.weights is not None:
        requirements += _of_weights(part, part.weights)
    return [(expected, repr(got), do) for fine, expected, got, do in requirements if not fine]


def _of_weights(part: Backbone, weights: Source) -> list[tuple[Any, str, Any, str]]:
    """(holds, expected, got, what to do) for the source of weights."""
    return [
        (
            weights.address,
            "an address of the weights",
            weights.address,
            "give the address of the weights",
        ),
        (
            weights.licence not in UNSAID,
            "a licence of the weights",
            weights.licence,
            "give it in Source.licence",
        ),
        (
            part.pretrained_on,
            "what the weights were trained on",
            part.pretrained_on,
            "name the corpora in pretrained_on: overlap is marked",
        ),
    ]


def is_bibtex(text: str) -> bool:
    """Whether every entry has balanced braces, a title, and a year or a DOI. This is no full
    parser.
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


CHECKS = (record, lazy_import)
