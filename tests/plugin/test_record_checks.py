"""Fields of records: what an annotation says is accepted, anything else is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from nverbench import Backbone, Dataset, Fusion, LabelCard, Source
from nverbench.errors import PartError
from nverbench.plugin.record_checks import fits

CARD = LabelCard(kind="portrayed", setting="acted")


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("a", "str"),
        (1, "int"),
        (1, "float"),
        (True, "bool"),
        (None, "int | None"),
        ((), "tuple[str, ...]"),
        (["a", "b"], "tuple[str, ...]"),
        ((1, None), "tuple[int, int | None]"),
        ({"a": 1}, "Mapping[str, int]"),
        (len, "Callable[..., Any]"),
        (object(), "Any"),
        (Path("x"), "Path"),
        (len, "Recipe | Callable[[Mapping[str, Any]], Recipe]"),
    ],
)
def test_what_an_annotation_says_fits(value: Any, annotation: str) -> None:
    assert fits(value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, "str"),
        ("1", "int"),
        (True, "int"),
        (1, "bool"),
        ("a", "int | None"),
        ("ab", "tuple[str, ...]"),
        (("a", 1), "tuple[str, ...]"),
        ((1,), "tuple[int, int | None]"),
        ((1, "a"), "tuple[int, int | None]"),
        ({"a": "b"}, "Mapping[str, int]"),
        ([], "Mapping[str, int]"),
        (3, "Callable[..., Any]"),
        ("x", "Path"),
    ],
)
def test_anything_else_does_not(value: Any, annotation: str) -> None:
    assert not fits(value, annotation)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Dataset(name="toys", load=len, label_card=CARD, folds=len),
            "dataset toys: folds is a builtin_function_or_method where tuple",
        ),
        (
            lambda: Dataset(name="toys", load=len, label_card=CARD, counts={"a": "many"}),
            "dataset toys: counts is a dict where Mapping",
        ),
        (
            lambda: Dataset(name="toys", load=len, label_card="acted"),
            "dataset toys: label_card is a str where LabelCard is expected",
        ),
        (
            lambda: Backbone(name="bee", family="f", frame_dim="4", dim=4, load=len),
            "backbone bee: frame_dim is a str where int is expected",
        ),
        (
            lambda: Fusion(name="head", arity=2, build=len),
            "fusion head: arity is a int where tuple",
        ),
    ],
)
def test_a_record_with_a_field_of_another_type_is_refused_by_name(make: Any, words: str) -> None:
    with pytest.raises(PartError, match=words.replace("[", r"\[")):
        make()


@pytest.mark.parametrize("record", [Backbone, Dataset, Fusion, Source])
def test_annotations_are_texts_that_the_checker_can_read(record: Any) -> None:
    assert all(isinstance(f.type, str) for f in dataclasses.fields(record))
