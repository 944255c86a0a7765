"""Checks of the records that plugins yield: names, choices, and the types of fields.

The annotations of fields stay text and are parsed here: to evaluate them would import torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from nverbench.errors import PartError

NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,79}")

SIMPLE: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "None": (type(None),),
}


def check_name(kind: str, name: str) -> None:
    """Raises PartError for a name that references and file names cannot hold."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PartError(
            f"{kind} {name!r}: a name is lower-case letters, digits, '.', '+' and '-', and starts"
            " with a letter or digit; 80 of them at most"
        )


def check_choice(kind: str, name: str, what: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises PartError for a field whose value is not one of those allowed."""
    if value not in allowed:
        raise PartError(f"{kind} {name}: {what} is {value!r}; expected one of {', '.join(allowed)}")


def check_types(kind: str, record: Any) -> None:
    """Raises PartError with one phrase for every field whose value does not fit its annotation."""
    values = [(each.name, getattr(record, each.name), str(each.type)) for each in fields(record)]
    wrong = [
        f"{name} is a {type(value).__name__} where {annotation} is expected"
        for name, value, annotation in values
        if not fits(value, annotation)
    ]
    if wrong:
        raise PartError(f"{kind} {record.name}: {'; '.join(wrong)}")


def fits(value: Any, annotation: str) -> bool:
    """Whether a value fits an annotation. A list fits a tuple; a function fits every Callable; a
    class fits by its name.
    """
    return any(_fits(value, one) for one in _split(annotation, "|"))


def _fits(value: Any, annotation: str) -> bool:
    if annotation == "Any":
        return True
    name, _, inner = annotation.partition("[")
    inside = _split(inner.removesuffix("]"), ",") if inner else []
    if name == "Callable":
        return callable(value)
    if name == "Mapping":
        return isinstance(value, Mapping) and all(
            fits(k, inside[0]) and fits(v, inside[1]) for k, v in value.items()
        )
    if name == "tuple":
        if not isinstance(value, tuple | list):
            return False
        kinds = [inside[0]] * len(value) if inside[-1] == "..." else inside
        return len(kinds) == len(value) and all(
            fits(item, kind) for item, kind in zip(value, kinds, strict=True)
        )
    if name in SIMPLE:
        return isinstance(value, SIMPLE[name]) and (name == "bool" or not isinstance(value, bool))
    return any(kind.__name__ == name for kind in type(value).__mro__)


def _split(text: str, by: str) -> list[str]:
    """The parts of an annotation, split outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == by and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
