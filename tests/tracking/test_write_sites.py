"""Every place that telling and pulling write to, refused one after the other: one line, no result touched, and push or pull later does it once."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from nverbench.errors import NverbenchError
from nverbench.folder import Folder, read
from nverbench.tracking import log, patience, pull, push
from nverbench.tracking.client import _connected
from tests.faulty import disk
from tests.tracking.test_together import states
from tests.tracking.tiny import IDS, folder, result

TOLD = {
    "nverbench/tracking/client.py _alone open", "nverbench/tracking/client.py _open connect", "nverbench/tracking/told.py telling open",
    "nverbench/tracking/telling.py _tell mkdir", "nverbench/folder.py write mkdir", "nverbench/folder.py write open",
    "nverbench/folder.py write rename", "nverbench/tracking/client.py attach mkdir", "nverbench/tracking/client.py attach open",
    "nverbench/tracking/told.py note open", "nverbench/tracking/told.py note rename",
}  # fmt: skip
PULLED = {
    "nverbench/tracking/client.py _alone open", "nverbench/tracking/client.py _open connect", "nverbench/tracking/client.py fetch open",
    "nverbench/tracking/pulling.py _one mkdir", "nverbench/folder.py write mkdir", "nverbench/folder.py write open",
    "nverbench/folder.py write rename", "nverbench/tracking/told.py note open", "nverbench/tracking/told.py note rename",
}  # fmt: skip
MLFLOWS = {f"nverbench/tracking/client.py {name} connect" for name in ("_connected", "begin", "write", "runs", "experiment", "experiments")}
"""MLflow's own connections to a database that has just been opened; their number is its business."""


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own for temporary files, a server that is connected to anew, and no pauses."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(patience, "PAUSE", 0.0)
    _connected.cache_clear()


def left(root: Path) -> list[Path]:
    return [*(root / "tmp").iterdir(), *root.rglob(".writing-*")]


def test_what_telling_writes_is_what_is_listed(uri: str, tmp_path: Path) -> None:
    here = folder(tmp_path / "a")
    with disk() as watched:
        log(result(), here, uri)
    assert set(watched.seen) - MLFLOWS == TOLD
    assert left(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES], ids=["full", "refused"])
@pytest.mark.parametrize("site", sorted(TOLD))
def test_a_result_that_cannot_be_told_is_safe_and_told_once_later(uri: str, tmp_path: Path, site: str, code: int) -> None:
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


def test_what_pulling_writes_is_what_is_listed(uri: str, tmp_path: Path) -> None:
    log(result(), folder(tmp_path / "a"), uri)
    _connected.cache_clear()
    with disk() as watched:
        pull(Folder(tmp_path / "b"), uri, print)
    assert set(watched.seen) - MLFLOWS == PULLED
    assert left(tmp_path) == []


@pytest.mark.parametrize("site", sorted(PULLED))
def test_a_result_that_cannot_be_pulled_is_not_half_there_and_pulled_later(uri: str, tmp_path: Path, site: str) -> None:
    log(result(), folder(tmp_path / "a"), uri)
    _connected.cache_clear()
    said: list[str] = []
    there = Folder(tmp_path / "b")
    with disk(site, errno.ENOSPC) as watched:
        try:
            pull(there, uri, said.append)
        except NverbenchError as error:
            said.append(str(error))
    assert watched.seen[site] > 0
    assert len(said) == 1
    assert "No space left on device" in said[0] or "unable to open database file" in said[0]
    assert left(tmp_path) == []
    pull(there, uri, said.append)
    assert read(there.path(IDS[0])) == result()
