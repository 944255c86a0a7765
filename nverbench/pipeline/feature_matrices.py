"""Reads the feature matrices of ``evaluate``: n rows of finite numbers, whatever container holds
them.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.errors import UsageError, abbreviated

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING_TYPES = frozenset({"NoneType", "NAType"})


def containers(X: Any) -> list[Any]:
    """The containers of ``X``, one per matrix: ``X`` itself, or the elements of a list of matrices.
    An iterator is read once.
    """
    if isinstance(X, str | bytes | set | frozenset | Mapping) and not hasattr(X, "shape"):
        hint = "; pass list(X.values())" if isinstance(X, Mapping) else ""
        raise UsageError(f"evaluate: X: expected features (n, d), got a {type(X).__name__}{hint}")
    if isinstance(X, Iterable) and not isinstance(X, list | tuple) and not hasattr(X, "shape"):
        X = list(X)
    several = isinstance(X, list | tuple) and len(X) > 0 and _is_matrix(X[0])
    return list(X) if several else [X]


def matrices(given: Iterable[Any], rows: int) -> list[NDArray[np.float32]]:
    """The matrices (n, d) as float32.

    Args:
        given: the result of :func:`containers`.
        rows: n.

    Raises:
        UsageError: a shape does not fit, or a value is not a finite number.
    """
    return [_matrix(one, rows) for one in given]


def _is_matrix(one: Any) -> bool:
    """Whether an element of a list is a matrix and not a row."""
    if hasattr(one, "shape"):
        return len(one.shape) == 2
    rows = one if isinstance(one, list | tuple) and one else [None]
    return hasattr(rows[0], "shape") or isinstance(rows[0], list | tuple)


def _matrix(given: Any, rows: int) -> NDArray[np.float32]:
    expected = f"evaluate: expected features (n={rows}, d)"
    try:
        array = _array(given)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{expected} of numbers, got something else ({error})") from error
    if array.dtype.kind not in "biuf":
        array = _converted(array, expected)
    if array.ndim != 2 or len(array) != rows:
        turned = "; pass X.T" if array.ndim == 2 and array.shape[1] == rows else ""
        raise UsageError(f"{expected}, got {array.shape}{turned}")
    if array.shape[1] == 0:
        raise UsageError(f"{expected}, got no columns")
    with np.errstate(over="ignore"):
        numbers_ = array.astype(np.float32, copy=False)
    bad = (~np.isfinite(numbers_)).any(axis=1)
    if bad.any():
        first = int(bad.argmax())
        large = " or larger than float32 holds" if np.isfinite(array[bad]).all(axis=1).any() else ""
        raise UsageError(
            f"evaluate: {int(bad.sum())} rows of features hold numbers that are not finite{large};"
            f" the first is row {first}"
        )
    return numbers_


def _array(given: Any) -> NDArray[Any]:
    """The container as an array of numpy, of any type."""
    if callable(getattr(given, "detach", None)):
        return _of_tensor(given)
    if callable(getattr(given, "toarray", None)):  # scipy's sparse matrices
        return np.asarray(given.toarray())
    if hasattr(given, "columns") and hasattr(given, "dtypes"):
        _check_columns(given)
    if callable(getattr(given, "to_numpy", None)):
        given = given.to_numpy()
    if isinstance(given, np.ma.MaskedArray):
        return np.ma.filled(given.astype(np.float64), np.nan)
    if isinstance(given, list | tuple):
        given = [_array(row) if hasattr(row, "shape") else row for row in given]
    array = np.asarray(given)
    if array.dtype == object and array.ndim == 1:  # a column of vectors
        return np.asarray([_array(row) if hasattr(row, "shape") else row for row in array])
    return array


def _of_tensor(tensor: Any) -> NDArray[Any]:
    """A tensor of torch as an array: off its device, dense, in a type that numpy has."""
    plain = tensor.detach().cpu()
    plain = plain.to_dense() if plain.is_sparse else plain
    plain = plain.float() if str(plain.dtype) == "torch.bfloat16" else plain
    return np.asarray(plain.resolve_conj().numpy())


def _check_columns(frame: Any) -> None:
    """Raise UsageError for the columns of a data frame that hold no numbers."""
    dtypes = list(frame.dtypes)
    names = [
        str(name)
        for name, dtype in zip(frame.columns, dtypes, strict=True)
        if not _is_numeric(dtype) and not _holds_numbers(frame, name, dtype)
    ]
    if names:
        few = ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
        raise UsageError(
            f"evaluate: X: {len(names)} of {len(dtypes)} columns hold no real numbers: {few}; pass"
            " the columns of features only, such as X.select_dtypes('number')"
        )


def _is_numeric(dtype: Any) -> bool:
    kind = getattr(dtype, "kind", None)
    if isinstance(kind, str):
        return kind in "biuf"
    return bool(callable(numeric := getattr(dtype, "is_numeric", None)) and numeric())  # polars


def _holds_numbers(frame: Any, name: Any, dtype: Any) -> bool:
    """Whether a column of objects holds numbers and missing values only."""
    return (
        getattr(dtype, "kind", "") == "O"
        and str(dtype) == "object"
        and all(
            _number(value) is not None for value in np.asarray(frame[name], dtype=object).ravel()
        )
    )


def _number(value: Any) -> float | None:
    """A real number as float, missing values as nan; None for other things."""
    if type(value).__name__ in MISSING_TYPES:
        return float("nan")
    return float(value) if isinstance(value, numbers.Real | Decimal | np.bool_) else None


def _converted(array: NDArray[Any], expected: str) -> NDArray[np.float64]:
    """An array of objects as numbers.

    Raises:
        UsageError: the array holds complex numbers, text or other things; names the first.
    """
    if array.dtype.kind == "O":
        found = [_number(value) for value in array.ravel()]
        if None not in found:
            return np.array(found, dtype=np.float64).reshape(array.shape)
        place = tuple(map(int, np.unravel_index(found.index(None), array.shape)))
    else:
        place = (0,) * array.ndim
    kind = {"c": "complex numbers", "U": "text", "S": "text"}.get(array.dtype.kind, "other things")
    first = array[place] if array.size else None
    where = f" in row {place[0]}" if array.ndim and array.size else ""
    raise UsageError(
        f"{expected} of real numbers, got {kind}{where}: {abbreviated(first)}"
        f" ({type(first).__name__})"
    )
