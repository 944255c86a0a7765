"""``nverbench.evaluate`` reads by position: the same rows in any container give the same result to
the last bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from nverbench import UsageError
from nverbench.pipeline.evaluation import Evaluation, evaluate
from support.evaluations import FEATURES, GROUPS, IDS, LABELS, ORDER, ROWS

Wrap = Callable[[Any], Any]


def optional(name: str) -> ModuleType:
    return pytest.importorskip(name, reason=f"{name} is not installed")


def generator(values: Any) -> Iterator[Any]:
    yield from values


COLUMNS: dict[str, Wrap] = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda v: np.array(v, dtype=object),
    "column vector": lambda v: np.array(v).reshape(-1, 1),
    "list of lists of one": lambda v: [[x] for x in v],
    "masked array": np.ma.array,
    "bytes": lambda v: [x.encode() for x in v],
    "array of bytes": lambda v: np.array(v, dtype="S16"),
    "Series": pd.Series,
    "Series of strings": lambda v: pd.Series(v, dtype="string"),
    "shuffled Series": lambda v: pd.Series(v, index=ORDER),
    "filtered Series": lambda v: pd.Series(["", *v], index=range(ROWS + 1))[1:],
    "named index": lambda v: pd.Series(v, index=[f"file{i}.wav" for i in ORDER]),
    "repeated index": lambda v: pd.Series(v, index=[i // 2 for i in range(ROWS)]),
    "Categorical": pd.Categorical,
    "Series of categories": lambda v: pd.Series(v, dtype="category", index=ORDER),
    "Index": pd.Index,
    "frame of one column": lambda v: pd.DataFrame({"value": v}, index=ORDER),
    "generator": generator,
    "iterator": iter,
    "map": lambda v: map(str, v),
    "values of a dict": lambda v: dict(enumerate(v)).values(),
    "white space at the ends": lambda v: [f" {x}\u200b " for x in v],
    "polars": lambda v: optional("polars").Series(v),
    "frame of polars": lambda v: optional("polars").DataFrame({"value": v}),
    "xarray": lambda v: optional("xarray").DataArray(v),
    "pyarrow": lambda v: optional("pyarrow").array(v),
}
MATRICES: dict[str, Wrap] = {
    "list of lists": lambda x: x.tolist(),
    "tuple of rows": tuple,
    "list of rows": list,
    "float64": lambda x: x.astype(np.float64),
    "Fortran order": np.asfortranarray,
    "array of objects": lambda x: x.astype(object),
    "frame": pd.DataFrame,
    "shuffled frame": lambda x: pd.DataFrame(x, index=ORDER),
    "nullable frame": lambda x: pd.DataFrame(x).convert_dtypes(),
    "column of vectors": lambda x: pd.Series(list(x)),
    "generator of rows": generator,
    "tensor": torch.from_numpy,
    "tensor with a gradient": lambda x: torch.from_numpy(x).clone().requires_grad_(),
    "list of tensors": lambda x: list(torch.from_numpy(x)),
    "sparse tensor": lambda x: torch.from_numpy(x).to_sparse(),
    "masked array": np.ma.array,
    "sparse matrix": sparse.csr_matrix,
    "sparse array": sparse.coo_array,
    "polars": lambda x: optional("polars").DataFrame(x),
    "xarray": lambda x: optional("xarray").DataArray(x),
}


@functools.cache
def expected() -> Evaluation:
    return evaluate(FEATURES, LABELS, GROUPS, ids=IDS)


def check_same(got: Evaluation) -> None:
    want = expected()
    assert got.scores == want.scores
    assert got.folds == want.folds
    assert got.labels == want.labels
    assert got.predictions.ids == want.predictions.ids
    assert np.array_equal(got.predictions.probabilities, want.predictions.probabilities)
    assert got.notes == want.notes


@pytest.mark.parametrize("name", COLUMNS)
def test_labels_groups_and_ids_in_any_container_give_the_same_result(name: str) -> None:
    wrap = COLUMNS[name]
    check_same(evaluate(FEATURES, wrap(LABELS), wrap(GROUPS), ids=wrap(IDS)))


@pytest.mark.parametrize("name", COLUMNS)
def test_one_container_beside_lists_gives_the_same_result(name: str) -> None:
    check_same(evaluate(FEATURES, LABELS, COLUMNS[name](GROUPS), ids=IDS))


@pytest.mark.parametrize("name", MATRICES)
def test_features_in_any_container_give_the_same_result(name: str) -> None:
    check_same(evaluate(MATRICES[name](FEATURES), LABELS, GROUPS, ids=IDS))


NUMBERS: dict[str, Wrap] = {
    "int": list,
    "float": lambda v: [float(x) for x in v],
    "numpy int": lambda v: np.array(v, dtype=np.int16),
    "numpy float": lambda v: np.array(v, dtype=np.float32),
    "text": lambda v: [str(x) for x in v],
    "int and float": lambda v: [float(x) if i % 2 else x for i, x in enumerate(v)],
    "tensor": torch.tensor,
    "tensor on a column": lambda v: torch.tensor(v).reshape(-1, 1),
    "list of tensors": lambda v: [torch.tensor(x) for x in v],
    "Int64": lambda v: pd.Series(v, dtype="Int64"),
    "Series of floats": lambda v: pd.Series(v, dtype=float),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_whole_number_is_one_name_whatever_its_type(name: str) -> None:
    labels, people = [-1 if x == "joy" else 1 for x in LABELS], [int(g[1:]) for g in GROUPS]
    wrap = NUMBERS[name]
    want = evaluate(FEATURES, list(map(str, labels)), list(map(str, people)))
    got = evaluate(FEATURES, wrap(labels), wrap(people))
    assert got.labels == ("-1", "1")
    assert (got.scores, got.folds) == (want.scores, want.folds)


def test_true_and_false_are_labels() -> None:
    for given in ([x == "joy" for x in LABELS], np.array(LABELS) == "joy"):
        assert evaluate(FEATURES, given, GROUPS).labels == ("False", "True")


def test_a_mixed_frame_gives_the_numbers_of_lists() -> None:
    frame = pd.DataFrame(FEATURES).assign(label=LABELS, speaker=GROUPS, id=IDS).iloc[ORDER]
    columns = [0, 1, 2, 3, 4]
    got = evaluate(frame[columns], frame.label, frame.speaker, ids=frame.id)
    check_same(got)


DEFAULT = list(range(ROWS))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ORDER, DEFAULT),
        (ORDER, ORDER[::-1]),
        ([f"f{i}" for i in ORDER], [f"f{i}" for i in DEFAULT]),
        (ORDER + 5, [*range(6, ROWS + 6)]),
        ([i // 2 for i in ORDER], [i // 2 for i in DEFAULT]),
    ],
    ids=["shuffled and not", "two orders", "names", "two filters", "repeated"],
)
@pytest.mark.parametrize("what", ["y and groups", "y and ids", "groups and ids", "y and X"])
def test_two_orders_of_pandas_rows_are_refused_in_one_line(one: Any, other: Any, what: str) -> None:
    given: dict[str, Any] = {"y": LABELS, "groups": GROUPS, "ids": IDS, "X": pd.DataFrame(FEATURES)}
    a, b = what.split(" and ")
    first = pd.Series(given[a], index=one)
    second = given[b].set_axis(other) if b == "X" else pd.Series(given[b], index=other)
    words = {**given, "X": FEATURES, a: first, b: second}
    with pytest.raises(UsageError, match="row i of one is not row i of the other; align") as caught:
        evaluate(words["X"], words["y"], words["groups"], ids=words["ids"])
    assert f"evaluate: {what} are pandas objects with different indexes" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ORDER, [f"clip{i}" for i in DEFAULT]),
        (ORDER + ROWS, DEFAULT),
        ([2 * i for i in DEFAULT], DEFAULT),
    ],
    ids=["numbers and names", "others", "one of them reset"],
)
def test_indexes_that_name_different_things_are_read_by_position(one: Any, other: Any) -> None:
    check_same(
        evaluate(FEATURES, pd.Series(LABELS, index=one), pd.Series(GROUPS, index=other), ids=IDS)
    )
