"""A submission desk in the folder of every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.submissions import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)
