"""A submitted row that was trained on shuffled turns is held against the entry with that shuffle."""

from __future__ import annotations

from pathlib import Path

import pytest

from nverbench import registry
from support.submissions import Desk, content, put


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def registered(desk: Desk, shuffles: str) -> None:
    """Make the verifier's entries ones with these shuffles."""
    text = (
        (desk.root / "rules.yaml")
        .read_text()
        .replace("fusions:", f"shuffles: {shuffles}, fusions:")
    )
    (desk.root / "rules.yaml").write_text(text)
    desk.rules = registry.load(packaged=desk.root / "rules.yaml")


def test_a_row_is_official_with_the_shuffle_of_its_entry_only(desk: Desk) -> None:
    folder = desk.submit()
    assert content(folder)["standing"] == "official"
    registered(desk, "[intra, inter]")
    (reason,) = desk.verify(folder).reasons
    assert "overridden: train shuffle=none" in reason
    changed = content(folder)
    changed["provenance"]["identity"]["train"] = {"shuffle": "inter"}
    assert desk.verify(put(folder, changed, identity=True)).verdict == "self-consistent"
