"""A plugin that hung is remembered until it changes, is asked for, or is given more time; a damaged
memory is none.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nverbench._io import paths
from nverbench.errors import UsageError
from nverbench.plugin import quarantine
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.discovery import discover
from support.wheels import install, loss_of

SLOW = "import time\ntime.sleep(30)\n" + loss_of("slow")
QUICK = "import time\ntime.sleep(.0)\n" + loss_of("slow")  # of the same size


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nver-slow is installed, which has hung once."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("NVERBENCH_PLUGIN_SECONDS", "0.1")
    install(tmp_path, "slow", SLOW)
    assert "took more than 0.1 s and was stopped" in why(discover())
    assert "on an earlier run" in why(discover())
    return tmp_path


def why(found: Catalog) -> str:
    """Why nver-slow is in quarantine; empty when it is not."""
    sys.modules.pop("nver_slow", None)
    return "".join(q.error for q in found.quarantine if q.origin.plugin == "slow")


def fix(site: Path, *, visibly: bool) -> None:
    """Make the plugin quick; where this is not to be seen, its file keeps size and time."""
    file = site / "nver_slow.py"
    before = file.stat()
    file.write_text(QUICK)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + (1_000_000_000 if visibly else 0)))


def test_a_change_of_its_file_is_tried(site: Path):
    fix(site, visibly=True)
    assert why(discover()) == ""


def test_what_did_not_change_is_not_tried(site: Path):
    fix(site, visibly=False)
    assert "on an earlier run" in why(discover())


def test_a_new_version_is_tried(site: Path):
    fix(site, visibly=False)
    info = (site / "nver_slow-1.0.dist-info").rename(site / "nver_slow-1.1.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nver-slow\nVersion: 1.1\n")
    assert why(discover()) == ""


def test_more_time_is_a_new_try(site: Path, monkeypatch: pytest.MonkeyPatch):
    fix(site, visibly=False)
    monkeypatch.setenv("NVERBENCH_PLUGIN_SECONDS", "5")
    assert why(discover()) == ""


def test_forgetting_is_a_new_try(site: Path):
    fix(site, visibly=False)
    quarantine.forget()
    assert why(discover()) == ""


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"hung": {"nver-slow/slow": {"colour": "red"}}}',
        '{"hung": {"nver-slow/slow": 3}}',
    ],
)
def test_a_damaged_memory_is_none(site: Path, damage: str):
    fix(site, visibly=False)
    (paths.home() / "plugins.json").write_text(damage)
    assert why(discover()) == ""


def test_a_home_that_cannot_be_written_costs_the_memory_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NVERBENCH_HOME", str(tmp_path / "file" / "home"))
    assert "was stopped" in quarantine.too_slow("nver-x/x", "1.0", "nver_x", 1.0)
    assert quarantine.remembered("nver-x/x", "1.0", "nver_x", 1.0) is None


@pytest.mark.parametrize("text", ["0", "-1", "ten", "nan", "inf"])
def test_a_limit_that_is_no_number_above_0_is_refused(monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setenv("NVERBENCH_PLUGIN_SECONDS", text)
    with pytest.raises(UsageError, match=f"NVERBENCH_PLUGIN_SECONDS is '{text}'; expected"):
        discover()
