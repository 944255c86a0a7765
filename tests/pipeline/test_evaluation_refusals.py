"""``nverbench.evaluate`` refuses missing values, names in two spellings, measurements as labels,
features that are no numbers, and options of a wrong type, each in one line.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from nverbench import UsageError
from nverbench.errors import FoldError
from nverbench.pipeline.evaluation import evaluate
from support.evaluations import FEATURES, GROUPS, IDS, LABELS, ROWS


def refused(
    words: str, X: Any = FEATURES, y: Any = LABELS, groups: Any = GROUPS, **rest: Any
) -> str:
    with pytest.raises((UsageError, FoldError)) as caught:
        evaluate(X, y, groups, **rest)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    return message


def with_one(values: Sequence[Any], value: Any, row: int = 3) -> list[Any]:
    return [value if i == row else v for i, v in enumerate(values)]


MISSING = [
    None,
    float("nan"),
    np.float32("nan"),
    Decimal("nan"),
    pd.NaT,
    pd.NA,
    np.datetime64("NaT"),
    np.ma.masked,
    torch.tensor(float("nan")),
    "",
    "  ",
    "nan",
    "NaN",
    "N/A",
    "<NA>",
    "null",
    b"nan",
]


@pytest.mark.parametrize("value", MISSING, ids=lambda v: f"{type(v).__name__} {v}")
@pytest.mark.parametrize("name", ["y", "groups", "ids"])
def test_a_missing_value_is_refused_with_its_position(name: str, value: Any) -> None:
    given: dict[str, Any] = {"y": LABELS, "groups": GROUPS, "ids": IDS}
    given[name] = with_one(given[name], value)
    assert f"1 of {ROWS} are" in refused(f"evaluate: {name}[3] is missing (", **given)


@pytest.mark.parametrize("word", ["unknown", "?", "None", "-"])
def test_an_unknown_speaker_is_no_speaker_but_may_be_a_class(word: str) -> None:
    refused("groups[3] is missing", groups=with_one(GROUPS, word))
    named = [word if x == "joy" else x for x in LABELS]
    assert evaluate(FEATURES, named, GROUPS).labels == tuple(sorted({*named}))


@pytest.mark.parametrize("value", [None, float("nan"), "", pd.NA, "unknown"], ids=str)
def test_groups_that_are_all_missing_are_to_be_left_out(value: Any) -> None:
    refused(f"all {ROWS} groups are missing; leave groups out", groups=[value] * ROWS)


def test_half_missing_groups_are_counted() -> None:
    half = [None if i % 2 else g for i, g in enumerate(GROUPS)]
    for given in (half, pd.Series(half), np.ma.array(GROUPS, mask=[g is None for g in half])):
        assert "leave groups out" in refused("; 36 of 72 are); name every speaker", groups=given)


@pytest.mark.parametrize("other", ["Joy", "JOY", "jo-y", "JOy"])
def test_labels_in_two_spellings_are_refused(other: str) -> None:
    text = {"jo-y": "jo y"}.get(other, "joy")
    labels = [text if x == "joy" else x for x in LABELS]
    refused("look like one label written in 2 ways", y=with_one(labels, other, 1))


@pytest.mark.parametrize(
    ("one", "other"), [("s1", "S1"), ("s1", "s01"), (1, "01"), ("3", "3.0"), (3, "3.0")], ids=str
)
def test_speakers_in_two_spellings_are_refused(one: Any, other: Any) -> None:
    people = [f"p{g}" for g in GROUPS]
    people[:2] = [one, other]
    refused("look like one speaker written in 2 ways", groups=people)


@pytest.mark.parametrize(
    "given",
    [
        np.linspace(0.13, 2.71, ROWS),
        list(np.linspace(0.13, 2.71, ROWS)),
        torch.linspace(0.13, 2.71, ROWS),
        pd.Series(np.linspace(0.13, 2.71, ROWS)),
        [f"{v:.3f}" for v in np.linspace(0.13, 2.71, ROWS)],
        np.arange(ROWS) / 2,
        np.random.default_rng(0).random(ROWS).round(1),
        [Decimal(i) / 4 for i in range(ROWS)],
        with_one([1.0 if x == "joy" else 0.0 for x in LABELS], float("inf")),
    ],
    ids=lambda v: type(v).__name__,
)
def test_measurements_are_no_labels(given: Any) -> None:
    refused("y looks continuous (", y=given)


def test_text_that_looks_like_a_few_fractions_is_a_label() -> None:
    text = {"joy": "0.5", "anger": "1.5", "fear": "2.5"}
    assert evaluate(FEATURES, [text[x] for x in LABELS], GROUPS).labels == ("0.5", "1.5", "2.5")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.eye(3)[np.arange(ROWS) % 3], "rows of 3 values; for one-hot rows, pass names[rows"),
        (np.eye(3)[np.arange(ROWS) % 3].tolist(), "rows of 3 values; for one-hot"),
        (torch.eye(3)[torch.arange(ROWS) % 3], "rows of 3 values; for one-hot"),
        (pd.get_dummies(pd.Series(LABELS)), "rows of 3 values; for one-hot"),
        (np.array(LABELS).reshape(1, -1), "rows of 72 values"),
        (np.tile(np.array(LABELS)[:, None, None], (1, 1, 2)), "rows of 2 values"),
        (sparse.eye_array(ROWS).tocsr(), "got a sparse matrix of shape (72, 72)"),
        (dict(enumerate(LABELS)), "got a dict; pass list(d.values())"),
        (set(LABELS), "got a set"),
        ("joy", "got a str"),
        (5, "got a int"),
        (None, "got a NoneType"),
        (np.array("joy"), "got a ndarray"),
        ([object() for _ in LABELS], "y[0]: expected text or a number, got"),
        ([{x} for x in LABELS], "y[0]: expected text or a number, got {"),
        ([(x, 1) for x in LABELS], "y[0]: expected text or a number, got ("),
        ([len for _ in LABELS], "(builtin_function_or_method)"),
        ([1j for _ in LABELS], "(complex)"),
        ([b"\xff" for _ in LABELS], "y[0]: expected UTF-8, got the bytes"),
        ([True, *([0, 1] * 40)][:ROWS], "y mixes True and False with numbers"),
        ([], "expected labels of at least two classes"),
        (IDS, "y holds 72 different labels in 72 rows; expected classes that repeat"),
        (range(ROWS), "y holds 72 different labels"),
    ],
    ids=lambda v: type(v).__name__ if not isinstance(v, str) else "",
)
def test_what_holds_no_labels_is_refused(given: Any, words: str) -> None:
    refused(words, y=given)


def test_lengths_are_both_named() -> None:
    refused("expected 72 groups, one per label, got 70", groups=iter(GROUPS[2:]))
    refused("expected 72 ids, one per label, got 71", ids=pd.Index(IDS[1:]))
    refused("expected features (n=71, d), got (72, 5)", y=LABELS[1:], groups=GROUPS[1:])


def test_the_first_id_that_is_given_twice_is_named() -> None:
    ids = [*IDS[:5], IDS[2], *IDS[6:]]
    refused(f"ids must be unique, {IDS[2]!r} is given to rows 2 and 5", ids=ids)
    refused("ids must be unique, '1' is given to rows", ids=[1.0, 1, *range(2, 72)])


def test_times_and_composite_keys_are_names() -> None:
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(int(g[1:])) for g in GROUPS]
    clips = pd.MultiIndex.from_tuples([(i, 0.5) for i in IDS])
    got = evaluate(FEATURES, LABELS, days, ids=clips)
    assert evaluate(FEATURES, LABELS, pd.Series(days), ids=clips).scores == got.scores
    assert evaluate(FEATURES, LABELS, np.array(days, "M8[D]"), ids=clips).scores == got.scores


NUMBERS = pd.DataFrame(FEATURES, columns=list("abcde"))


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (NUMBERS.assign(speaker=GROUPS), "X: 1 of 6 columns hold no real numbers: 'speaker'"),
        (NUMBERS.assign(t=pd.Timestamp(0)), "1 of 6 columns hold no real numbers: 't'"),
        (NUMBERS.astype(str), "5 of 5 columns hold no real numbers: 'a', 'b', 'c', 'd', 'e'"),
        (NUMBERS.assign(z=1j), "1 of 6 columns hold no real numbers: 'z'"),
        (FEATURES + 0j, "of real numbers, got complex numbers in row 0"),
        (torch.from_numpy(FEATURES + 0j), "got complex numbers in row 0"),
        (with_one(FEATURES.tolist(), [1, 2, 3, 4, 1j]), "got complex numbers in row 0"),
        (with_one(FEATURES.tolist(), [1, 2, 3, 4, "x"]), "got text in row 0"),
        (with_one(FEATURES.tolist(), [1, 2, 3, 4, {}]), "got other things in row 3: {} (dict)"),
        (FEATURES.astype(str), "got text in row 0"),
        (FEATURES.astype("M8[s]"), "got other things in row 0"),
        (np.array([*FEATURES.ravel()[:-1], "x"], dtype=object).reshape(72, 5), "in row 71: 'x'"),
        ({"a": FEATURES}, "got a dict; pass list(X.values())"),
        ("features.npy", "X: expected features (n, d), got a str"),
        (None, "expected features (n=72, d)"),
        (5, "expected features (n=72, d)"),
        (FEATURES.T, "got (5, 72); pass X.T"),
        (FEATURES[:, :0], "got no columns"),
        (FEATURES.reshape(72, 5, 1), "got (72, 5, 1)"),
        (np.full((72, 2), 1e300), "not finite or larger than float32 holds; the first is row 0"),
        (np.ma.array(FEATURES, mask=FEATURES > 4), "not finite"),
    ],
    ids=lambda v: "" if isinstance(v, str) else type(v).__name__,
)
def test_what_is_no_matrix_of_numbers_is_refused(X: Any, words: str) -> None:
    refused(words, X=X)


@pytest.mark.parametrize("value", [np.nan, np.inf, None, pd.NA], ids=str)
def test_the_first_row_that_is_not_finite_is_named(value: Any) -> None:
    rows = with_one(FEATURES.tolist(), [1.0, value, 2.0, 3.0, 4.0], 7)
    for X in (rows, pd.DataFrame(rows), pd.DataFrame(rows).astype("Float64")):
        refused("1 rows of features hold numbers that are not finite; the first is row 7", X=X)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folds_kind": 5}, "folds_kind: expected text such as 'speaker' or None, got 5 (int)"),
        ({"folds_kind": ["speaker"]}, "folds_kind: expected text such as 'speaker' or None"),
        ({"folds_kind": ""}, "unknown kind of folds ''"),
        ({"folds_kind": "speakers"}, "unknown kind of folds 'speakers'"),
        ({"seeds": "5"}, "seeds: expected a whole number of replicates such as 5, got '5' (str)"),
        ({"seeds": True}, "got True (bool)"),
        ({"seeds": 2.5}, "got 2.5 (float)"),
        ({"seeds": 2.0}, "got 2.0 (float)"),
        ({"seeds": None}, "got None (NoneType)"),
        ({"seeds": [1, 2]}, "got [1, 2] (list)"),
        ({"seeds": -1}, "expected at least one replicate, got seeds=-1"),
        ({"protocol": 5}, "protocol: expected text such as 'nver-1', got 5 (int)"),
        ({"protocol": None}, "protocol: expected text such as 'nver-1', got None (NoneType)"),
        ({"fusion": 5}, "fusion: expected text such as 'linear', got 5 (int)"),
        ({"fusion": len}, "fusion: expected text such as 'linear', got <built-in function len>"),
        ({"fusion": ["linear"]}, "fusion: expected text such as 'linear', got ['linear'] (list)"),
        ({"loss": ["cross-entropy"]}, "loss: expected text such as 'cross-entropy' or None"),
        ({"loss": ""}, "no loss named ''"),
    ],
    ids=str,
)
def test_an_option_of_a_wrong_type_is_named(options: dict[str, Any], words: str) -> None:
    refused(words, **options)


def test_a_numpy_integer_is_a_number_of_replicates() -> None:
    assert evaluate(FEATURES, LABELS, GROUPS, seeds=np.int64(1)).scores  # type: ignore[arg-type]
