"""The folder of a submission: the published form, no private fact of the machine, and one folder per
result.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench.errors import ResultError, UsageError
from nverbench.leaderboard.submissions import make
from nverbench.leaderboard.submissions.records import Submitter
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, read_result
from support.submissions import Desk


def finished(desk: Desk, **asked: Any) -> Path:
    """A local result of a machine with private facts."""
    result, predictions = desk.run(**asked)
    machine = {**result.machine, "host": "zoes-laptop", "user": "zoe", "HOME": "/home/zoe"}
    return ResultStore(desk.root / "runs").write(
        result.model_copy(update={"machine": machine}), predictions
    )


@pytest.mark.parametrize("dataset", ["toys", "secret"])
@pytest.mark.parametrize("kind", ["speaker", "leave-one-group-out", "holdout=spk3"])
def test_a_submission_verifies_and_names_no_person(
    desk: Desk, dataset: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    folder = make(finished(desk, datasets=(dataset,), folds=(kind,)), desk.root / "entries")
    assert desk.verify(folder).verdict == "self-consistent"
    said = "".join(p.read_bytes().decode("latin-1") for p in folder.glob("*.json"))
    assert not re.search(r"zoe|hunter2|spk\d|SECRET|HOME|" + re.escape(str(desk.root)), said)
    assert sorted(p.name for p in folder.iterdir()) == [
        "environment.json",
        "folds.json",
        "predictions.npz",
        "result.json",
    ]


def test_the_environment_is_what_is_on_the_list(desk: Desk) -> None:
    folder = make(finished(desk), desk.root / "entries")
    record = json.loads((folder / "environment.json").read_text())
    assert set(record) == {"schema_version", "plugins", "libraries", "device", "machine", "threads"}
    assert set(record["machine"]) == {"device", "system", "python"}
    assert record["plugins"] == {"toy-parts": "1.0"}


def test_a_submitter_and_a_citation_are_kept(desk: Desk) -> None:
    folder = make(
        finished(desk), desk.root / "entries", Submitter(name="Zoë Lee", citation="Lee 2026")
    )
    assert json.loads((folder / "submitter.json").read_text()) == {
        "schema_version": 1,
        "name": "Zoë Lee",
        "citation": "Lee 2026",
    }
    assert desk.verify(folder).verdict == "self-consistent"


def test_a_folder_that_is_there_is_kept(desk: Desk) -> None:
    path = finished(desk)
    make(path, desk.root / "entries")
    with pytest.raises(ResultError, match="is there already; delete it"):
        make(path, desk.root / "entries")
    assert not list((desk.root / "entries").glob(".making-*"))


def test_a_result_that_was_changed_or_has_lost_its_predictions_is_refused(desk: Desk) -> None:
    path = finished(desk)
    predictions = path.with_name(f"{path.stem}.predictions.npz")
    predictions.rename(desk.root / "gone")
    with pytest.raises(ResultError, match="cannot be read"):
        make(path, desk.root / "entries")
    (desk.root / "gone").rename(predictions)
    path.write_text(path.read_text().replace('"seeds": 3', '"seeds": 4', 1))
    with pytest.raises(ResultError, match="does not match its result_digest"):
        make(path, desk.root / "entries")


@pytest.mark.parametrize("dataset", ["toys", "secret"])
@pytest.mark.parametrize("kind", ["leave-one-group-out", "holdout=spk3"])
def test_a_note_on_folds_is_published_without_the_speaker_it_names(
    desk: Desk, dataset: str, kind: str
) -> None:
    for take in (0, 1):
        (desk.root / dataset / "spk3" / f"low-{take}.wav").unlink()
    path = finished(desk, datasets=(dataset,), folds=(kind,))
    assert "(spk3)" in read_result(path).folds.notes[0]  # here it does
    folder = make(path, desk.root / "entries")
    assert desk.verify(folder).verdict == "self-consistent"
    published = Result.model_validate_json((folder / "result.json").read_bytes())
    assert published.folds.notes == [
        f"class low has no test clip in 1 of {8 if 'leave' in kind else 1} folds"
    ]
    with np.load(folder / "predictions.npz") as arrays:
        said = "".join(p.read_text() for p in folder.glob("*.json")) + str(
            {name: arrays[name].tolist() for name in arrays}
        )
    assert not re.search(r"spk\d", said)


def test_a_result_whose_notes_were_made_with_names_stays_here(desk: Desk) -> None:
    path = finished(desk, folds=("leave-one-group-out",))
    old = read_result(path)
    notes = ["class low has no test clip in 1 of 8 folds (spk3)"]
    path.write_text(
        old.model_copy(update={"folds": old.folds.model_copy(update={"notes": notes})})
        .sealed()
        .model_dump_json()
    )
    with pytest.raises(ResultError, match=r"a note on its folds names 1 groups.*--rerun"):
        make(path, desk.root / "entries")


def test_a_result_is_found_by_path_by_id_and_by_its_beginning(desk: Desk) -> None:
    path = finished(desk)
    other = finished(desk, backbones=("ant",))
    assert (
        ResultStore(desk.root / "nowhere").locate(str(path))
        == ResultStore(desk.root / "runs").locate(path.stem)
        == ResultStore(desk.root / "runs").locate(path.stem[:6])
        == path
    )
    assert ResultStore(desk.root / "runs").locate(other.stem) == other
    with pytest.raises(UsageError, match=r"no result in .* begins with 'zz'"):
        ResultStore(desk.root / "runs").locate("zz")
    other.rename(path.with_name(f"{path.stem[:8]}{other.stem[8:]}.json"))
    with pytest.raises(UsageError, match="begins 2 ids"):
        ResultStore(desk.root / "runs").locate(path.stem[:8])
