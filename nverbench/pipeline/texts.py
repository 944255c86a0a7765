"""The labels, groups and ids of ``evaluate`` as texts: numbers in one spelling, missing values and
names in two spellings refused.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from nverbench.data.metadata import names
from nverbench.errors import UsageError, abbreviated
from nverbench.pipeline.positional import values_of

MISSING_TYPES = frozenset({"NoneType", "NAType", "NaTType"})
"""The types of None, ``pandas.NA`` and ``NaT``; pandas itself need not be installed."""
NEGATIVE = re.compile(r"-\d+")
DECIMAL = re.compile(r"[+-]?\d*\.\d+(?:e[+-]?\d+)?", re.IGNORECASE)


def labels(given: Any) -> list[str]:
    """The labels of ``y`` as texts.

    Raises:
        UsageError: a value is missing, no label repeats, labels look like measurements, or two look
            like one label.
    """
    values = values_of("y", given)
    remedy = "leave these rows out of X, y, groups and ids"
    texts = _texts("y", values, names.is_missing_label, remedy)
    _check_classes(values, texts)
    _check_spellings("y", "label", texts)
    return texts


def groups(given: Any) -> list[str]:
    """The groups as texts.

    Raises:
        UsageError: a group is missing, or two look like one.
    """
    values = values_of("groups", given)
    remedy = "name every speaker, leave these rows out, or leave groups out (random folds)"
    texts = _texts("groups", values, names.is_missing_person, remedy)
    _check_spellings("groups", "speaker", texts)
    return texts


def ids(given: Any) -> list[str]:
    """The ids as texts; UsageError for a missing one."""
    return _texts("ids", values_of("ids", given), names.is_missing_label, "name every row")


def _texts(
    name: str, values: Sequence[Any], missing_word: Callable[[str], bool], remedy: str
) -> list[str]:
    texts = [_text(name, row, value) for row, value in enumerate(values)]
    missing = [row for row, text in enumerate(texts) if text is None or missing_word(text)]
    if missing and len(missing) == len(values) and name == "groups":
        raise UsageError(f"evaluate: all {len(values)} groups are missing; leave groups out")
    if missing:
        first = abbreviated(values[missing[0]])
        raise UsageError(
            f"evaluate: {name}[{missing[0]}] is missing ({first}; {len(missing)} of"
            f" {len(values)} are); {remedy}"
        )
    return [str(text) for text in texts]


def _text(name: str, row: int, value: Any) -> str | None:
    """A value as text; None for a missing one. A whole number has one text, as int or float."""
    if type(value).__name__ in MISSING_TYPES:
        return None
    if isinstance(value, str):
        return names.clean(str(value))
    if isinstance(value, bytes | bytearray):
        return _decoded(name, row, bytes(value))
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, numbers.Real | Decimal):
        return _number(value)
    if isinstance(value, tuple) and name != "y":  # a row of a MultiIndex
        parts = [_text(name, row, part) for part in value]
        return (
            None
            if any(part is None or names.is_missing_label(part) for part in parts)
            else str(value)
        )
    if not _has_text(value):
        raise UsageError(
            f"evaluate: {name}[{row}]: expected text or a number, got {abbreviated(value)}"
            f" ({type(value).__name__})"
        )
    text = names.clean(str(value))
    return None if text == "NaT" else text  # numpy's missing time


def _number(value: Any) -> str | None:
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if math.isnan(value):
        return None
    return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)


def _decoded(name: str, row: int, value: bytes) -> str:
    try:
        return names.clean(value.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(
            f"evaluate: {name}[{row}]: expected UTF-8, got the bytes {abbreviated(value)}; decode"
            " them"
        ) from error


def _has_text(value: Any) -> bool:
    """Whether the text of a value names it: a container, a function and an object without a text of
    its own have none.
    """
    if isinstance(value, list | tuple | dict | set | frozenset | complex) or callable(value):
        return False
    own: Any = type(value)
    return own.__str__ is not object.__str__ or own.__repr__ is not object.__repr__


def _check_classes(values: Sequence[Any], texts: Sequence[str]) -> None:
    """Raise UsageError where labels are measurements, or are no classes."""
    classes = set(texts)
    kinds = {isinstance(v, bool) for v in values if isinstance(v, bool | numbers.Real | Decimal)}
    if len(kinds) == 2:
        raise UsageError("evaluate: y mixes True and False with numbers; write one kind of label")
    measured = [v for v, text in zip(values, texts, strict=True) if _fraction(v, text)]
    typed = all(isinstance(v, str) for v in measured)
    if measured and (not typed or 2 * len(classes) > len(texts)):
        raise UsageError(
            f"evaluate: y looks continuous ({abbreviated(measured[0])}; {len(classes)} different"
            f" values in {len(texts)} rows); expected classes: bin the values, or pass names of"
            " classes as text"
        )
    if len(classes) < 2:
        raise UsageError("evaluate: expected labels of at least two classes")
    if len(classes) == len(texts) > 2:
        raise UsageError(
            f"evaluate: y holds {len(classes)} different labels in {len(texts)} rows; expected"
            " classes that repeat"
        )


def _fraction(value: Any, text: str) -> bool:
    """Whether a label is a number with a fraction."""
    if isinstance(value, str):
        return bool(DECIMAL.fullmatch(text)) and not float(text).is_integer()
    number = isinstance(value, numbers.Real | Decimal) and not isinstance(value, numbers.Integral)
    return number and not NEGATIVE.fullmatch(text) and not text.isdigit()


def _check_spellings(name: str, what: str, texts: Sequence[str]) -> None:
    """Raise UsageError where two names look like one; -1 is not another spelling of 1."""
    distinct = {text for text in texts if not NEGATIVE.fullmatch(text)}
    names.check_spellings(f"evaluate: {name}", what, distinct, UsageError)
