"""Each place that uploads and pulls write to fails in turn: one line, no result changed, and a later
push or pull does it once.
"""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from nverbench.errors import NverbenchError
from nverbench.results.store import ResultStore, read_result
from nverbench.results.tracking import backoff, log, pull, push
from nverbench.results.tracking.client import _connected
from support.disk_faults import disk
from support.tracking_results import IDS, folder, result, states

UPLOADED = {
    "a/results/.telling open",
    "a/results/.writing-* open",
    "a/results/*.tracked rename",
    "store/.mlflow.db.lock open",
    "store/mlflow.db connect",
    "tmp/nverbench-passing-* mkdir",
    "tmp/nverbench-passing-*/** mkdir",
    "tmp/nverbench-passing-*/** open",
    "tmp/nverbench-passing-*/** rename",
    "store/mlruns mkdir",
    "store/mlruns/* mkdir",
    "store/mlruns/*/* mkdir",
    "store/mlruns/*/*/artifacts mkdir",
    "store/mlruns/*/*/artifacts/*.json open",
    "store/mlruns/*/*/artifacts/*.predictions.npz open",
}
"""The writes of an upload; the last ones are MLflow's own, of its artifacts."""
PULLED = {
    "b mkdir",
    "b/results mkdir",
    "b/results/.writing-* open",
    "b/results/*.json rename",
    "b/results/*.predictions.npz rename",
    "b/results/*.tracked rename",
    "store/.mlflow.db.lock open",
    "store/mlflow.db connect",
    "tmp/nverbench-passing-* mkdir",
    "tmp/nverbench-passing-*/** mkdir",
    "tmp/nverbench-passing-*/** open",
}


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own for temporary files, a server that is connected to anew, and no
    pauses.
    """
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(backoff, "PAUSE", 0.0)
    _connected.cache_clear()


def left(root: Path) -> list[Path]:
    return [*(root / "tmp").iterdir(), *root.rglob(".writing-*")]


def test_an_upload_writes_what_is_listed(uri: str, tmp_path: Path) -> None:
    here = folder(tmp_path / "a")
    with disk() as watched:
        log(result(), here, uri)
    assert set(watched.seen) == UPLOADED
    assert left(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES], ids=["full", "refused"])
@pytest.mark.parametrize("site", sorted(UPLOADED))
def test_a_result_that_cannot_be_uploaded_is_safe_and_uploaded_once_later(
    uri: str, tmp_path: Path, site: str, code: int
) -> None:
    here = folder(tmp_path / "a")
    before = {p: p.read_bytes() for p in here.root.iterdir()}
    with disk(site, code) as watched, pytest.raises(NverbenchError) as caught:
        log(result(), here, uri)
    assert watched.seen[site] > 0
    assert "\n" not in str(caught.value)
    assert {p: p.read_bytes() for p in before} == before
    assert left(tmp_path) == []
    push(here, uri, print)
    assert push(here, uri, print).known == 1
    assert states(uri) == [("FINISHED", 2)]


def test_a_pull_writes_what_is_listed(uri: str, tmp_path: Path) -> None:
    log(result(), folder(tmp_path / "a"), uri)
    _connected.cache_clear()
    with disk() as watched:
        pull(ResultStore(tmp_path / "b"), uri, print)
    assert set(watched.seen) == PULLED
    assert left(tmp_path) == []


@pytest.mark.parametrize("site", sorted(PULLED))
def test_a_result_that_cannot_be_pulled_is_not_half_there_and_pulled_later(
    uri: str, tmp_path: Path, site: str
) -> None:
    log(result(), folder(tmp_path / "a"), uri)
    _connected.cache_clear()
    printed: list[str] = []
    there = ResultStore(tmp_path / "b")
    with disk(site, errno.ENOSPC) as watched:
        try:
            pull(there, uri, printed.append)
        except NverbenchError as error:
            printed.append(str(error))
    assert watched.seen[site] > 0
    assert len(printed) == 1
    assert "No space left on device" in printed[0] or "unable to open database file" in printed[0]
    assert left(tmp_path) == []
    pull(there, uri, printed.append)
    assert read_result(there.path(IDS[0])) == result()
