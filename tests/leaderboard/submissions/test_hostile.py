"""Any folder gets a verdict in one line: no traceback, no hang, bounded memory."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench.leaderboard.submissions import read as reading
from support.submissions import Desk, content, predictions_of, put_predictions


def npz(folder: Path, **changes: Any) -> None:
    """The predictions with other arrays."""
    arrays = {**vars(predictions_of(folder)), **changes}
    np.savez_compressed(
        folder / "predictions.npz", **{k: v for k, v in arrays.items() if v is not None}
    )


def bomb(folder: Path) -> None:
    """Hundreds of megabytes of zeros in one or two."""
    with zipfile.ZipFile(
        folder / "predictions.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as file:
        for name in ("ids", "groups", "target", "folds"):
            file.writestr(f"{name}.npy", b"")
        with file.open("probabilities.npy", "w", force_zip64=True) as member:
            for _ in range(260):
                member.write(bytes(1 << 20))


def lying_header(folder: Path) -> None:
    """An array that declares more than a machine has."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 60, 1 << 60)}
    )
    with zipfile.ZipFile(folder / "predictions.npz") as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(folder / "predictions.npz", "w") as file:
        for name, data in {**members, "probabilities.npy": header.getvalue()}.items():
            file.writestr(name, data)


def linked(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / f"outside-{name}")
    (folder / name).symlink_to(folder.parent / f"outside-{name}")


def edited(folder: Path, change: Callable[[Any], Any]) -> None:
    result = content(folder)
    change(result)
    (folder / "result.json").write_text(json.dumps(result))


def row(array: Any, index: Any, value: Any) -> Any:
    array = array.copy()
    array[index] = value
    return array


def p(folder: Path) -> Any:
    return predictions_of(folder).probabilities


CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a zip bomb": (bomb, "unpacks to more than"),
    "an array larger than its bytes": (lying_header, "declares shape"),
    "a pickle": (
        lambda f: npz(f, groups=np.array([{}] * 48, dtype=object)),
        "expected text of at most 64 letters",
    ),
    "text that is too wide": (
        lambda f: npz(f, groups=np.array(["x" * 999] * 48)),
        "expected text of at most 64 letters",
    ),
    "labels as numbers with fractions": (lambda f: npz(f, target=np.zeros(48)), "expected int64"),
    "probabilities of another precision": (
        lambda f: npz(f, probabilities=p(f).astype(np.float64)),
        "expected float32",
    ),
    "another byte order": (lambda f: npz(f, probabilities=p(f).astype(">f4")), "expected float32"),
    "columns first": (lambda f: npz(f, probabilities=np.asfortranarray(p(f))), "expected float32"),
    "an array too many": (lambda f: npz(f, more=np.zeros(1)), "expected exactly the arrays"),
    "an array too few": (lambda f: npz(f, folds=None), "expected exactly the arrays"),
    "a clip too few": (
        lambda f: npz(f, target=np.zeros(47, dtype=np.int64)),
        "target has shape (47,)",
    ),
    "a label that is no class": (
        lambda f: npz(f, target=np.full(48, 3)),
        "labels are not classes from 0 to 2",
    ),
    "a negative label": (lambda f: npz(f, target=np.full(48, -1)), "labels are not classes"),
    "not a number": (
        lambda f: npz(f, probabilities=row(p(f), (0, 0, 0), np.nan)),
        "not finite numbers that sum to 1",
    ),
    "infinity": (lambda f: npz(f, probabilities=row(p(f), (0, 0, 0), np.inf)), "not finite"),
    "a negative probability": (
        lambda f: npz(f, probabilities=row(p(f), (0, 0), [-1, 1, 1])),
        "not finite",
    ),
    "a clip given twice": (
        lambda f: npz(f, ids=row(predictions_of(f).ids, 1, predictions_of(f).ids[0])),
        "a clip is given twice",
    ),
    "clips in another order": (
        lambda f: npz(f, ids=predictions_of(f).ids[::-1].copy()),
        "not in the order of their keys",
    ),
    "a path as an id": (
        lambda f: npz(f, ids=row(predictions_of(f).ids, 0, "../../etc/passwd")),
        "not keys of 32 hexadecimal digits",
    ),
    "a name as an id": (
        lambda f: npz(f, ids=np.array([f"spk{i}" for i in range(48)])),
        "not keys of 32 hexadecimal digits",
    ),
    "no archive": (
        lambda f: (f / "predictions.npz").write_bytes(b"x" * 99),
        "not a readable archive",
    ),
    "half an archive": (
        lambda f: (f / "predictions.npz").write_bytes((f / "predictions.npz").read_bytes()[:900]),
        "not a readable archive",
    ),
    "a file too large": (
        lambda f: os.truncate(f / "predictions.npz", 99_000_000_000),
        "at most 64,000,000 are read",
    ),
    "a linked result": (lambda f: linked(f, "result.json"), "is a link or no plain file"),
    "linked predictions": (lambda f: linked(f, "predictions.npz"), "is a link or no plain file"),
    "a pipe that nobody writes to": (
        lambda f: ((f / "submitter.json").unlink(), os.mkfifo(f / "submitter.json")),
        "is a link or no plain file",
    ),
    "linked attestations": (
        lambda f: (f / "attestations").symlink_to("/"),
        "attestations is a link or no folder",
    ),
    "a file nobody asked for": (
        lambda f: (f / "run.sh").write_text("rm"),
        "unexpected file 'run.sh'",
    ),
    "a file with a terminal's escapes for a name": (
        lambda f: (f / "\x1b[2J\n").write_text(""),
        "unexpected file '\\x1b[2J\\n'",
    ),
    "deep nesting": (
        lambda f: (f / "folds.json").write_text("[" * 99_999),
        "folds.json: not readable JSON",
    ),
    "deep, but readable": (
        lambda f: (f / "folds.json").write_text('{"a":' + "[" * 40 + "]" * 40 + "}"),
        "nested deeper than 16",
    ),
    "a number of ten thousand digits": (
        lambda f: (f / "folds.json").write_text('{"a": ' + "9" * 10_000 + "}"),
        "folds.json: not readable JSON",
    ),
    "a list": (lambda f: (f / "folds.json").write_text("[]"), "expected a JSON object"),
    "bytes that are no text": (
        lambda f: (f / "folds.json").write_bytes(b"\xff\xfe"),
        "folds.json: not readable JSON",
    ),
    "a key given twice": (
        lambda f: (f / "folds.json").write_text('{"kind": "a", "kind": "b"}'),
        "a key is given twice",
    ),
    "a key too many": (lambda f: (f / "folds.json").write_text('{"kind": "a"}'), "field required"),
    "NaN in a result": (
        lambda f: edited(f, lambda r: r["scores"]["uar"].update(value=float("nan"))),
        "NaN is no number",
    ),
    "infinity by its exponent": (
        lambda f: (f / "result.json").write_text(
            re.sub('"fit": [^,]*', '"fit": 1e999', (f / "result.json").read_text())
        ),
        "1e999 is too large a number",
    ),
    "a number as text": (
        lambda f: edited(f, lambda r: r.update(seeds="3")),
        "values of wrong types",
    ),
    "a truth as a number": (
        lambda f: edited(f, lambda r: r.update(control="no")),
        "values of wrong types",
    ),
    "no dictionary": (lambda f: edited(f, lambda r: r.update(counts=[])), "result.json: 'counts'"),
    "a billion clips": (
        lambda f: edited(f, lambda r: r["counts"].update(clips=10**9)),
        "at most 256,000,000 bytes",
    ),
    "no clips": (
        lambda f: edited(f, lambda r: r["counts"].update(clips=0)),
        "expected at least one",
    ),
    "names of people": (
        lambda f: edited(
            f, lambda r: r.update(names={"texts": {}, "clips": {}, "groups": {}, "folds": {}})
        ),
        "holds names of files, clips or people",
    ),
    "an id that is a path": (
        lambda f: edited(f, lambda r: r.update(id="../../x")),
        "its result has the id '../../x'",
    ),
    "a submitter of ten thousand letters": (
        lambda f: (f / "submitter.json").write_text(
            json.dumps({"schema_version": 1, "name": "x" * 10_000})
        ),
        "submitter.json: 'name'",
    ),
    "an empty result": (
        lambda f: (f / "result.json").write_text(""),
        "result.json: not readable JSON",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_hostile_files_are_rejected_in_one_line(desk: Desk, case: str) -> None:
    folder = desk.submit()
    CASES[case][0](folder)
    verdict = desk.verify(folder)
    assert verdict.verdict == "rejected"
    assert CASES[case][1] in str(verdict)
    assert str(verdict).isprintable()


@pytest.mark.parametrize("name", ["../entries", "x", "0123456789ABCDEF", "0123456789abcdef\n"])
def test_a_folder_of_another_name_is_rejected(desk: Desk, name: str) -> None:
    folder = desk.submit()
    other = folder.rename(folder.parent / name) if ".." not in name else folder.parent
    assert "expected the id of its result" in str(desk.verify(other))


def test_a_linked_folder_and_none_at_all_are_rejected(desk: Desk) -> None:
    folder = desk.submit()
    link = desk.root / folder.name
    link.symlink_to(folder)
    assert "expected a folder (no link)" in str(desk.verify(link))
    assert "expected a folder" in str(desk.verify(desk.root / "nothing"))


@pytest.mark.parametrize("name", reading.NEEDED)
def test_a_missing_file_leaves_the_verdict_open(desk: Desk, name: str) -> None:
    folder = desk.submit()
    (folder / name).unlink()
    verdict = desk.verify(folder)
    assert (verdict.verdict, verdict.reasons) == (
        "incomplete",
        (f"{name} missing; nverbench leaderboard submit makes a whole folder",),
    )


@pytest.mark.parametrize("version", [1, 3, None, "2", [2]])
def test_a_result_of_another_schema_leaves_the_verdict_open(desk: Desk, version: Any) -> None:
    folder = desk.submit()
    edited(folder, lambda r: r.update(schema_version=version))
    verdict = desk.verify(folder)
    assert verdict.verdict == "incomplete"
    assert "this version checks schema 2" in verdict.reasons[0]


def test_a_dataset_of_paths_never_reads_the_path_that_a_submission_names(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    folder = desk.submit()
    read: list[Any] = []
    toys = replace(
        desk.catalog.datasets.parts["toys"],
        corpus=None,
        positional="path",
        local=("path",),
        load=lambda root, *, path: read.append(path),
    )
    desk.catalog.datasets.parts["toys"] = toys
    result = content(folder)
    result["entry"]["dataset"] = "toys:/etc/passwd"
    (folder / "result.json").write_text(json.dumps(result))
    assert desk.verify(folder).verdict == "rejected"
    assert read == []


def test_long_and_many_reasons_stay_one_readable_line(desk: Desk) -> None:
    folder = desk.submit()
    arrays = predictions_of(folder)
    arrays.folds[:] = "1"
    put_predictions(folder, arrays, digests=False)
    result = content(folder)
    result["labels"] = ["<script>alert(1)</script>" * 400, "\u202e", "=1+1"]
    (folder / "result.json").write_text(json.dumps(result))
    line = str(desk.verify(folder))
    assert line.isprintable()
    assert len(line) < 6000
