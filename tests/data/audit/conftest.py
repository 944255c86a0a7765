"""An empty corpus of bursts."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.audio import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "bursts")
