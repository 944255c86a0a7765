"""Submissions and what a tracking server sends: any folder gets a verdict of one line; nothing but
the submission itself is self-consistent.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench._io.digests import digest_of
from nverbench.leaderboard.submissions import Verifier, read
from nverbench.leaderboard.submissions.records import Environment, FoldsFile, Submitter
from nverbench.results.record import Result
from nverbench.results.store import ResultStore
from nverbench.results.tracking import pull_results
from support.foreign_text import (
    TALLY,
    TEXTS,
    VALUES,
    check_line,
    lawful,
    often,
    spoilt,
    spoilt_bytes,
)
from support.submissions import Desk

WHAT = "submissions: folders"


class Table:
    """A submission, and a verifier on a machine that has none of its audio."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("NVERBENCH_HOME", str(root / "home"))
        desk = Desk(root, patch)
        self.good = desk.submit()
        self.verifier = Verifier(desk.rules, desk.catalog, {})
        self.files = {p.name: p.read_bytes() for p in self.good.iterdir()}
        self.result = json.loads(self.files["result.json"])
        desk.without_corpora()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    with pytest.MonkeyPatch.context() as patch:
        yield Table(tmp_path_factory.mktemp("desk"), patch)


def judged(table: Table, folder: Path) -> str:
    """The verdict; counted as refused or read."""
    verdict = lawful(WHAT, lambda: table.verifier.verify(folder))
    assert verdict is not None
    for reason in verdict.reasons + verdict.notes:
        check_line(reason)
        assert reason.isprintable(), reason
    assert str(verdict).isprintable()
    if verdict.verdict != "self-consistent":
        TALLY[WHAT].update(refused=1, read=-1)
    return verdict.verdict


def fresh(table: Table, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(table.good, folder)
    return folder


def test_the_submission_itself_is_self_consistent(table: Table, room: Path) -> None:
    assert judged(table, fresh(table, room / table.good.name)) == "self-consistent"


@given(st.data())
@often(60)
def test_a_submission_with_a_spoilt_file_is_not_accepted(
    table: Table, room: Path, data: st.DataObject
) -> None:
    folder = fresh(table, room / table.good.name)
    name = data.draw(st.sampled_from(sorted(table.files)))
    content = table.files[name]
    if name.endswith(".json") and data.draw(st.booleans()):
        new = json.dumps(data.draw(spoilt(json.loads(content)))).encode()
    else:
        new = data.draw(spoilt_bytes(content))
    (folder / name).write_bytes(new)
    verdict = judged(table, folder)
    unchanged = new == content or (name.endswith(".json") and _same(new, content))
    assert (
        verdict != "self-consistent" or unchanged or name in ("submitter.json", "predictions.npz")
    )  # bytes beside the arrays say nothing


def _same(a: bytes, b: bytes) -> bool:
    try:
        return bool(json.loads(a) == json.loads(b))
    except ValueError:
        return False


@given(st.data())
@often(60)
def test_a_forged_result_gets_a_verdict(table: Table, room: Path, data: st.DataObject) -> None:
    """With a digest and an id that fit, as a forger would give it."""
    forged = data.draw(spoilt(table.result))
    try:
        if data.draw(st.booleans()):
            forged["id"] = digest_of(forged["provenance"]["identity"])[:16]
        forged["result_digest"] = Result.model_validate(forged).digest()
    except (ValueError, TypeError, KeyError):
        return
    folder = fresh(
        table,
        room
        / (
            str(forged["id"])
            if str(forged["id"]).isalnum() and len(str(forged["id"])) == 16
            else table.good.name
        ),
    )
    (folder / "result.json").write_text(json.dumps(forged))
    judged(table, folder)
    shutil.rmtree(folder)


@given(st.data())
@often(60)
def test_a_folder_of_anything_gets_a_verdict(table: Table, room: Path, data: st.DataObject) -> None:
    folder = fresh(table, room / table.good.name)
    name = data.draw(
        st.one_of(
            st.sampled_from([*table.files, "attestations", "attestations/a.json", "x.json"]),
            TEXTS.filter(lambda t: "/" not in t and "\x00" not in t),
        )
    )
    try:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if path.is_file():
            path.unlink()
        match data.draw(
            st.sampled_from(["link", "folder", "pipe", "bytes", "json", "gone", "loop"])
        ):
            case "link":
                path.symlink_to("/etc/passwd")
            case "loop":
                path.symlink_to(folder)
            case "folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "bytes":
                path.write_bytes(data.draw(st.binary(max_size=64)))
            case "json":
                path.write_text(json.dumps(data.draw(VALUES)))
    except (OSError, ValueError):
        return  # no file system holds it
    judged(table, folder)


@pytest.mark.parametrize("model", [FoldsFile, Environment, Submitter])
@given(VALUES)
@often(30)
def test_records_of_a_submission_are_read_or_refused(room: Path, model: Any, value: Any) -> None:
    (room / "r.json").write_text(json.dumps(value))
    lawful("submissions: records", lambda: read.parsed(model, room / "r.json"), "r.json")


@given(st.data())
@often(80)
def test_what_a_server_sends_is_taken_whole_or_refused(
    table: Table, room: Path, data: st.DataObject
) -> None:
    arrived = ResultStore(room / "passing")
    arrived.root.mkdir(parents=True, exist_ok=True)
    job = table.result["id"]
    names = {"result.json": arrived.path(job), "predictions.npz": arrived.predictions_path(job)}
    chosen = data.draw(st.sampled_from(sorted(names)))
    for name, path in names.items():
        path.write_bytes(table.files[name])
    own = spoilt_bytes(table.files[chosen])
    if chosen == "result.json":
        own = st.one_of(own, spoilt(table.result).map(lambda r: json.dumps(r).encode()))
    names[chosen].write_bytes(data.draw(own))
    found = lawful("tracking: pulled artifacts", lambda: pull_results._read(arrived, job))
    assert found is None or found[0].id == job
