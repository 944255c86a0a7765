"""Every place that a command writes to, refused one after the other: one line, the documented exit code, nothing half-written, and the same command
later does it.

``SITES`` is checked against what a command really writes: a new place fails a test until it is listed here, and in benchmarks/RELIABILITY.md.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nverbench.home import home, note
from nverbench.parts import Source
from tests.faulty import disk

Act = Callable[[Any], Any]
"""A command in the tiny world."""


def grid(world: Any) -> Any:
    return world.job("--folds", "speaker", "--folds", "random")


def added(world: Any) -> Any:
    return world.run("data", "add", "tiny-bursts", world.corpus)


def made(world: Any) -> Any:
    return world.run("run", "--backbone", "tiny-spectrum", "--dataset", "vocal-demo", "--fusion", "tiny-linear", "--protocol", "quick", "--registry",
                     "tiny.yaml", "--dry-run")  # fmt: skip


def embedded(world: Any) -> Any:
    return world.run("embed", "tiny-spectrum", world.corpus / "spk0" / "low-0.wav", "-o", "out/own.npz")


def exported(world: Any) -> Any:
    return world.run("cache", "export", "tiny-spectrum", "tiny-bursts", "-o", "out/shared.npz")


def submitted(world: Any) -> Any:
    return world.run("leaderboard", "submit", world.results[0].stem, "--to", "submissions", "--registry", "tiny.yaml")


def built(world: Any) -> Any:
    return world.run("leaderboard", "build", "--page", "page")


def begun(world: Any) -> Any:
    return world.run("new", "fusion", "mine", "--to", "new")


def weighed(world: Any) -> Any:
    return world.run("weights", "add", "tiny-trained", "one.bin")


def audited(world: Any) -> Any:
    return world.run("data", "audit", "tiny-bursts", "--out", "audit")


def drawn(world: Any) -> Any:
    return world.run("figure", "reno-2", world.results[0].stem, "-o", "out/map.svg")


COMMANDS: dict[str, Act] = {f.__name__: f for f in (grid, added, made, embedded, exported, submitted, built, begun, weighed, audited, drawn)}
AFTER_A_RUN = {"exported", "submitted", "built", "drawn"}
SITES: dict[str, dict[str, int]] = {
    "grid": {
        "nverbench/cache.py put mkdir": 1, "nverbench/cache.py put open": 1, "nverbench/cache.py put rename": 1,
        "nverbench/folder.py write mkdir": 1, "nverbench/folder.py write open": 1, "nverbench/folder.py write rename": 1,
        "nverbench/digests.py _memory connect": 2,
        "nverbench/costs.py complete open": 0, "nverbench/costs.py complete rename": 0,
        "nverbench/run.py note_speeds open": 0, "nverbench/run.py note_speeds rename": 0,
        "nverbench/gaps.py write mkdir": 0, "nverbench/gaps.py write open": 0, "nverbench/gaps.py write rename": 0,
    },
    "added": {"nverbench/corpora.py add open": 2, "nverbench/corpora.py add rename": 2, "nverbench/digests.py _memory connect": 2},
    "made": {"nverbench/corpora.py _made mkdir": 2, "nverbench/corpora.py _made open": 2, "nverbench/corpora.py _made rename": 2,
             "nverbench/digests.py _memory connect": 2},
    "embedded": {"nverbench/cli/files.py embed mkdir": 2, "nverbench/cli/files.py embed open": 2, "nverbench/cli/files.py embed rename": 2},
    "exported": {"nverbench/cli/caching.py export mkdir": 2, "nverbench/cli/caching.py export open": 2, "nverbench/cli/caching.py export rename": 2,
                 "nverbench/digests.py _memory connect": 2},
    "submitted": {"nverbench/submissions/bundle.py make mkdir": 2, "nverbench/submissions/bundle.py make rename": 2,
                  "nverbench/submissions/bundle.py write mkdir": 2, "nverbench/submissions/bundle.py write open": 2,
                  "nverbench/submissions/bundle.py write rename": 2, "nverbench/digests.py _memory connect": 0},
    "built": {"nverbench/page/build.py _prepare mkdir": 2, "nverbench/page/build.py _prepare open": 2, "nverbench/page/build.py _write mkdir": 2,
              "nverbench/page/build.py _write open": 2, "nverbench/page/build.py _write rename": 2, "nverbench/digests.py _memory connect": 0,
              "nverbench/cache.py put mkdir": 0, "nverbench/cache.py put open": 0, "nverbench/cache.py put rename": 0},
    "begun": {"nverbench/cli/new.py _write mkdir": 2, "nverbench/cli/new.py _write open": 2, "nverbench/cli/new.py _write rename": 2},
    "weighed": {"nverbench/artifacts.py _made mkdir": 2, "nverbench/artifacts.py _copy open": 2, "nverbench/artifacts.py keep mkdir": 2,
                "nverbench/artifacts.py keep rename": 2, "nverbench/artifacts.py keep open": 2, "nverbench/digests.py _memory connect": 2},
    "audited": {"nverbench/audit/copies.py signal_store mkdir": 2, "nverbench/audit/copies.py signal_store open": 2,
                "nverbench/cli/auditing.py _write mkdir": 2, "nverbench/cli/auditing.py _write open": 2, "nverbench/cli/auditing.py _write rename": 2,
                "nverbench/audit/pictures.py draw open": 2, "nverbench/digests.py _memory connect": 2},
    "drawn": {"nverbench/figures/drawing.py save mkdir": 2, "nverbench/figures/drawing.py save open": 2,
              "nverbench/figures/drawing.py save rename": 2, "nverbench/digests.py _memory connect": 2},
}  # fmt: skip
PLUGINS = "nverbench/process.py overheard open"
"""What plugins print is caught in a file without a name, in every command."""


@pytest.fixture
def ready(world: Any, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny world with what a command needs, and a folder of its own for temporary files."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("NVERBENCH_FIT", "one")
    (tmp_path / "one.bin").write_bytes(b"weights")
    world.datasets = [replace(d, share="open", licence="CC BY 4.0") for d in world.datasets]
    world.backbones.append(world.backbone("tiny-trained", weights=Source(address="https://example.org/one.bin")))
    note("corpora", "paths", "tiny-bursts", str(world.corpus))
    if request.node.callspec.params["command"] in AFTER_A_RUN:
        assert world.job().code == 0
    return world


def left(world: Any) -> list[str]:
    """What is half-written, or forgotten."""
    begins = (".writing-", ".making-", ".adding-", ".building-")
    found = [p for root in (world.root, home()) for p in root.rglob("*") if p.name.startswith(begins) or p.parent == world.root / "tmp"]
    return [str(p) for p in found if "torchinductor" not in p.name]  # a cache of torch, and meant to stay


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_writes_is_what_is_listed(ready: Any, command: str) -> None:
    with disk() as watched:
        ran = COMMANDS[command](ready)
    assert ran.code == 0, ran.err
    assert set(watched.seen) - {PLUGINS} == set(SITES[command])
    assert left(ready) == []


CASES = [(command, site, code) for command, sites in SITES.items() for site in sites
         for code in ((errno.ENOSPC, errno.EACCES) if site.endswith("open") else (errno.ENOSPC,))]  # fmt: skip


@pytest.mark.parametrize(("command", "site", "code"), CASES)
def test_a_place_that_cannot_be_written_is_one_line_and_the_same_command_later_goes_on(ready: Any, command: str, site: str, code: int) -> None:
    with disk(site, code) as watched:
        ran = COMMANDS[command](ready)
    assert watched.seen[site] > 0
    assert ran.code == SITES[command][site], ran.err
    said = [line for line in ran.err.splitlines() if os.strerror(code) in line or "unable to open database file" in line]
    assert (len(said) >= 1) is (site not in SILENT and f"{command}: {site}" not in SILENT), ran.err
    assert "bug" not in ran.err
    assert left(ready) == []
    if ran.code or command != "submitted":  # what is submitted already is not submitted again
        again = COMMANDS[command](ready)
        assert again.code == 0, again.err


SILENT = {"nverbench/costs.py complete open", "nverbench/costs.py complete rename", "submitted: nverbench/digests.py _memory connect"}
"""What is only a note for the next run, of a function that has nobody to tell; and a check that is made where it can be."""
