"""A folder for the files of a module's examples, and the way to :mod:`strange`."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a module: each writes over the last."""
    return tmp_path_factory.mktemp("room")
