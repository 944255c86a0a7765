"""Reads the labels, groups and ids of ``evaluate`` by position: value i belongs to row i of the
features, whatever container holds the values.

An index of pandas names rows and gives no position. Containers with different indexes may be in
different orders, so they are refused and never guessed at.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nverbench.errors import UsageError, abbreviated


def values_of(name: str, given: Any) -> list[Any]:
    """The values of a container in their order. A column of shape (n, 1) counts as n values.

    Args:
        name: of the argument, for errors.
        given: list, tuple, array, tensor, iterator, or a column of pandas, polars or xarray.

    Raises:
        UsageError: the container has no order, or more than one value per row.
    """
    if isinstance(given, str | bytes | bytearray | Mapping | set | frozenset):
        hint = "; pass list(d.values())" if isinstance(given, Mapping) else ""
        raise UsageError(f"{_expected(name)}, got a {type(given).__name__}{hint}")
    shape = tuple(getattr(given, "shape", ()))
    if callable(getattr(given, "toarray", None)):  # scipy's sparse matrices
        raise UsageError(f"{_expected(name)}, got a sparse matrix of shape {shape}")
    plain = given
    for method in ("detach", "to_pylist"):  # torch, pyarrow
        if callable(convert := getattr(given, method, None)):
            plain = convert().tolist() if method == "detach" else convert()
    if len(shape) == 2 or hasattr(given, "dims"):  # data frames, xarray
        plain = given.to_numpy() if callable(getattr(given, "to_numpy", None)) else plain
    try:
        values = [_scalar(value) for value in plain]
    except TypeError as error:
        raise UsageError(f"{_expected(name)}, got a {type(given).__name__}") from error
    return _column(name, values)


def check_aligned(given: Sequence[tuple[str, Any]]) -> None:
    """Raise UsageError where two pandas objects hold their rows in different orders.

    Two indexes fit together if they are equal or name different things. Equal labels in another
    order, or two indexes of their own that share some labels, look like two orders of one table.
    """
    indexes = [(name, index) for name, value in given if (index := _index(value)) is not None]
    for (one, a), (other, b) in itertools.combinations(indexes, 2):
        if len(a) == len(b) and not a.equals(b) and _overlap(a, b):
            wrong, right = (one, other) if one.startswith("X") else (other, one)
            raise UsageError(
                f"evaluate: {one} and {other} are pandas objects with different indexes: row i of"
                f" one is not row i of the other; align them: {wrong}.loc[{right}.index], or pass"
                " .to_numpy() where they are in one order already"
            )


def _expected(name: str) -> str:
    return f"evaluate: {name}: expected one value per row, in order"


def _scalar(value: Any) -> Any:
    """The Python value of a scalar of numpy, torch, pyarrow or xarray."""
    if value is np.ma.masked:
        return None
    if callable(convert := getattr(value, "as_py", None)):
        return convert()
    plain = getattr(value, "shape", None) == () and not isinstance(
        value, np.datetime64 | np.timedelta64
    )
    return value.item() if plain and callable(getattr(value, "item", None)) else value


def _column(name: str, values: list[Any]) -> list[Any]:
    """The values, without the second axis of a column vector."""
    nested = [v for v in values if isinstance(v, list) or len(getattr(v, "shape", ())) > 0]
    if nested and all(len(v) == 1 for v in nested) and len(nested) == len(values):
        return _column(name, [_scalar(v[0]) for v in values])
    if nested:
        hint = "; for one-hot rows, pass names[rows.argmax(1)]" if name == "y" else ""
        raise UsageError(f"{_expected(name)}, got rows of {len(nested[0])} values{hint}")
    return values


def _index(given: Any) -> Any:
    """The index of a pandas object, or of the first axis of an xarray; None for other things."""
    if hasattr(given, "dims") and hasattr(given, "indexes"):
        return given.indexes.get(given.dims[0]) if given.dims else None
    index = getattr(given, "index", None)
    return index if callable(getattr(index, "equals", None)) else None


def _overlap(a: Any, b: Any) -> bool:
    """Whether two different indexes look like two orders of the rows of one table."""
    if Counter(a) == Counter(b):
        return True
    numbered = any(all(x == i for i, x in enumerate(index)) for index in (a, b))
    return not numbered and not set(a).isdisjoint(b)


def check_length(name: str, values: Sequence[object], rows: int) -> None:
    """Raise UsageError where there is not one value per label."""
    if len(values) != rows:
        raise UsageError(f"evaluate: expected {rows} {name}, one per label, got {len(values)}")


def check_unique(ids: Sequence[str]) -> None:
    """Raise UsageError for the first id that is given twice."""
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        if name in first:
            raise UsageError(
                f"evaluate: ids must be unique, {abbreviated(name)} is given to rows {first[name]}"
                f" and {row}"
            )
        first[name] = row
