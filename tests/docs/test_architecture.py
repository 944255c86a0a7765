"""docs/architecture.md names every room, the layers that are checked, and files that exist."""

from __future__ import annotations

import re
import tomllib

import pytest

from support.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(
    path.name + ("/" if path.is_dir() else "")
    for path in (ROOT / "nverbench").iterdir()
    if (path.is_dir() and path.name != "__pycache__") or path.name == "registry.py"
)
NAMED = sorted(set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", PAGE)))


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_on_the_page(room: str) -> None:
    assert f"| `{room}` |" in PAGE


@pytest.mark.parametrize("name", NAMED)
def test_every_file_and_folder_on_the_page_exists(name: str) -> None:
    assert (ROOT / name).exists() or (ROOT / "nverbench" / name).exists()


def test_the_layers_on_the_page_are_those_that_are_checked() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        contract["layers"]
        for contract in config["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    assert "\n".join(layers) in PAGE
