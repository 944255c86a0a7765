"""Results, their predictions, and what this machine remembers: any bytes are read whole or refused
in one line that names the file.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench._io import paths, state
from nverbench.leaderboard.submissions.entries import Checked, _from_record
from nverbench.leaderboard.submissions.verify import Verdict
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, predictions_of, read_result
from nverbench.results.tracking.upload_state import UploadState
from support.foreign_text import NUMBERS, TEXTS, VALUES, lawful, often, spoilt, spoilt_bytes
from support.results import finished, predictions

CONTENT = json.loads(finished().model_dump_json())
JSON = json.dumps(CONTENT).encode()
NPZ = predictions().to_bytes()


@given(
    st.one_of(
        spoilt(CONTENT).map(lambda r: json.dumps(r).encode()),
        spoilt_bytes(JSON),
        VALUES.map(lambda v: json.dumps(v).encode()),
    )
)
@often(100)
def test_a_result_is_read_or_refused(room: Path, content: bytes) -> None:
    (room / "r.json").write_bytes(content)
    found = lawful("results: JSON", lambda: read_result(room / "r.json"), "r.json")
    assert (
        found is None or found.digest() == finished().result_digest
    )  # whatever is changed of what is sealed shows


@given(spoilt(CONTENT))
@often(80)
def test_a_forged_result_that_is_read_can_be_written_and_read_again(
    room: Path, content: Any
) -> None:
    """With a fitting digest, as a forger would give it."""
    try:
        forged = Result.model_validate(content).sealed()
    except ValueError:
        return
    (room / "r.json").write_text(forged.model_dump_json())
    found = lawful("results: JSON, sealed anew", lambda: read_result(room / "r.json"), "r.json")
    assert found is None or found.digest() == forged.result_digest


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"schema_version": 2, "id": ' * 50_000,
        "9" * 5_000,
        '{"schema_version": ' + "9" * 5_000 + "}",
        '{"schema_version": "' + "x" * 10_000_000 + '"}',
        '"\\ud800"',
        '{"schema_version": "\\ud800\\n"}',
    ],
)
def test_a_result_of_a_shape_that_hurts_is_refused(room: Path, text: str) -> None:
    (room / "r.json").write_text(text)
    assert lawful("results: JSON", lambda: read_result(room / "r.json"), "r.json") is None


def arrays(**changes: Any) -> bytes:
    with np.load(io.BytesIO(NPZ)) as file:
        content = {name: file[name] for name in file.files}
    content |= changes
    np.savez(buffer := io.BytesIO(), **{k: v for k, v in content.items() if v is not None})
    return buffer.getvalue()


SHAPES = st.sampled_from(
    [
        (),
        (0,),
        (1,),
        (2,),
        (4,),
        (4, 2),
        (2, 4, 2),
        (1, 4, 2),
        (2, 2, 4),
        (0, 4, 2),
        (2, 0, 2),
        (2, 4, 0),
    ]
)
KINDS = st.sampled_from(
    [
        "U1",
        "S3",
        "i8",
        "i1",
        "u8",
        "f4",
        "f8",
        "f2",
        "c16",
        "?",
        "M8[s]",
        "m8[ns]",
        "V4",
        "O",
        ">f4",
        "U0",
    ]
)
ARRAYS = st.builds(lambda shape, kind: np.zeros(shape, kind), SHAPES, KINDS)
FILES = st.builds(
    lambda name, array: arrays(**{name: array}),
    st.sampled_from(["ids", "groups", "target", "folds", "probabilities", "keys"]),
    st.one_of(st.none(), ARRAYS),
)


@given(st.one_of(spoilt_bytes(NPZ), FILES))
@often(100)
def test_predictions_are_read_or_refused(room: Path, content: bytes) -> None:
    path = room / "r.predictions.npz"
    path.write_bytes(content)
    result = finished(seeds=2)
    found = lawful("results: predictions", lambda: predictions_of(result, path), path.name)
    if found is not None and len(found.target):
        assert lawful("results: predictions", lambda: found.decisions(2).predicted.shape[1]) == 4


@given(TEXTS.filter(lambda t: "\x00" not in t and t.isprintable()), st.integers(0, 3))
@often(30)
def test_predictions_written_are_read_as_they_were(room: Path, text: str, seed: int) -> None:
    one = predictions(seed)
    one.groups[0] = one.ids[0] = text
    (room / "r.npz").write_bytes(one.to_bytes())
    other = Predictions.read(room / "r.npz")
    assert (other.ids, other.groups, other.folds, other.keys) == (
        one.ids,
        one.groups,
        one.folds,
        one.keys,
    )
    assert np.array_equal(other.probabilities, one.probabilities)


def test_predictions_that_unpack_to_more_than_they_should_are_refused(room: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": (2, 4, 1 << 29)}
    )
    with (
        zipfile.ZipFile(io.BytesIO(NPZ)) as old,
        zipfile.ZipFile(room / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            with new.open(name, "w", force_zip64=True) as file:
                file.write(head.getvalue() if name == "probabilities.npy" else old.read(name))
                for _ in range(400 if name == "probabilities.npy" else 0):
                    file.write(bytes(1 << 20))
    assert (
        lawful("results: predictions", lambda: Predictions.read(room / "bomb.npz"), "bomb.npz")
        is None
    )


@given(
    st.one_of(
        spoilt({"paths": {"a": "/x"}, "weights": {"b": "0" * 64}}).map(
            lambda v: json.dumps(v).encode()
        ),
        spoilt_bytes(b'{"paths": {"a": 1}}'),
    )
)
@often(60)
def test_notes_of_this_machine_are_read_or_refused(content: bytes) -> None:
    paths.home().mkdir(parents=True, exist_ok=True)
    (paths.home() / "lock.json").write_bytes(content)
    found = lawful("notes: lock, corpora, costs", lambda: state.read_state("lock"), "lock.json")
    assert found is None or all(isinstance(section, dict) for section in found.values())


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "", "null", "\x00"]
)
def test_notes_of_a_shape_that_hurts_are_refused(text: str) -> None:
    paths.home().mkdir(parents=True, exist_ok=True)
    (paths.home() / "lock.json").write_text(text)
    assert (
        lawful("notes: lock, corpora, costs", lambda: state.read_state("lock"), "lock.json") is None
    )


@given(
    st.dictionaries(
        st.text(max_size=4),
        st.one_of(st.text(max_size=4), NUMBERS.filter(lambda n: n == n)),
        max_size=3,
    )
)
@often(20)
def test_notes_are_read_as_they_were_written(values: dict[str, Any]) -> None:
    for key, value in values.items():
        state.write_state("fuzz", "section", key, value)
    kept = state.read_state("fuzz").get("section", {})
    assert {k: kept[k] for k in values} == values


CHECK = asdict(Checked(Verdict("f", "i", "rejected", ("why",)), ("ann",)))


@given(spoilt(json.loads(json.dumps(CHECK))))
@often(40)
def test_a_damaged_record_of_a_check_is_not_used(record: Any) -> None:
    found = lawful("submissions: remembered checks", lambda: _from_record(record))
    assert found is None or isinstance(found.verdict.reasons, tuple)


def test_a_recorded_check_is_read_as_it_was_written() -> None:
    assert (
        asdict(_from_record(json.loads(json.dumps(CHECK))) or Checked(Verdict("", "", "rejected")))
        == CHECK
    )


@given(
    st.one_of(
        spoilt_bytes(b'{"http://a": "1", "run http://a": "2"}'),
        VALUES.map(lambda v: json.dumps(v).encode()),
    )
)
@often(40)
def test_a_damaged_record_of_uploads_counts_as_none(room: Path, content: bytes) -> None:
    (room / "results").mkdir(exist_ok=True)
    (room / "results" / "x.tracked").write_bytes(content)
    memory = UploadState(ResultStore(room), "x", "http://a")
    found = lawful("tracking: record of uploads", lambda: memory.get("result"))
    assert found is None or isinstance(found, str)
