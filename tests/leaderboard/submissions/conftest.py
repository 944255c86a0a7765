"""The desk of :mod:`making`, in every test's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.submissions import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)
