"""Are a record's fields what its annotations say? Asked of what strangers yield, before anybody
reads it; annotations stay text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

SIMPLE: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "None": (type(None),),
}


def misfits(record: Any) -> list[str]:
    """One phrase for every field of a dataclass that holds something else than its annotation says;
    classes are known by their names.
    """
    found = []
    for each in fields(record):
        value, wanted = getattr(record, each.name), str(each.type)
        if not fits(value, wanted):
            found.append(f"{each.name} is a {type(value).__name__} where {wanted} is expected")
    return found


def fits(value: Any, annotation: str) -> bool:
    """Whether a value is what an annotation says. Lists do for tuples; of a function nothing is
    known but that it can be called.
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
    """The parts of an annotation, cut where no bracket is open."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == by and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
