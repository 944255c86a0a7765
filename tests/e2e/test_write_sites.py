"""Every place that a command writes to, refused one after the other: one line, the documented exit
code, nothing half-written, and the same command later does it.

``SITES`` is checked against what a command really writes: a new place fails a test until it is
listed here, and in benchmarks/RELIABILITY.md.
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

from nverbench._io.paths import home
from nverbench._io.state import write_state
from nverbench.plugin.records import Source
from support.disk_faults import disk

Act = Callable[[Any], Any]
"""A command in the tiny world."""


def grid(world: Any) -> Any:
    return world.job("--folds", "speaker", "--folds", "random")


def added(world: Any) -> Any:
    return world.run("data", "add", "tiny-bursts", world.corpus)


def made(world: Any) -> Any:
    return world.run(
        "run",
        "--backbone",
        "tiny-spectrum",
        "--dataset",
        "vocal-demo",
        "--fusion",
        "tiny-linear",
        "--protocol",
        "quick",
        "--registry",
        "tiny.yaml",
        "--dry-run",
    )


def embedded(world: Any) -> Any:
    return world.run(
        "embed", "tiny-spectrum", world.corpus / "spk0" / "low-0.wav", "-o", "out/own.npz"
    )


def exported(world: Any) -> Any:
    return world.run("cache", "export", "tiny-spectrum", "tiny-bursts", "-o", "out/shared.npz")


def submitted(world: Any) -> Any:
    return world.run(
        "leaderboard",
        "submit",
        world.results[0].stem,
        "--to",
        "submissions",
        "--registry",
        "tiny.yaml",
    )


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


COMMANDS: dict[str, Act] = {
    f.__name__: f
    for f in (
        grid,
        added,
        made,
        embedded,
        exported,
        submitted,
        built,
        begun,
        weighed,
        audited,
        drawn,
    )
}
AFTER_A_RUN = {"exported", "submitted", "built", "drawn"}
SITES: dict[str, dict[str, int]] = {
    "grid": {
        "home/embeddings mkdir": 1,
        "home/embeddings/* mkdir": 1,
        "home/embeddings/.writing-* open": 1,
        "home/embeddings/*/*.embedding rename": 1,
        "home/clips mkdir": 0,
        "home/clips/.writing-* open": 0,
        "home/clips/*.json rename": 0,
        "home/clips/*.lock open": 0,
        "nverbench-runs mkdir": 1,
        "nverbench-runs/results mkdir": 1,
        "nverbench-runs/results/.writing-* open": 1,
        "nverbench-runs/results/*.json rename": 1,
        "nverbench-runs/results/*.predictions.npz rename": 1,
        "home/file-digests.sqlite connect": 2,
        "home/.writing-* open": 0,
        "home/costs.json rename": 0,
        "home/costs.lock open": 0,
        "home/speeds.json rename": 0,
        "home/speeds.lock open": 0,
        "nverbench-runs/gaps mkdir": 0,
        "nverbench-runs/gaps/.writing-* open": 0,
        "nverbench-runs/gaps/*.json rename": 0,
    },
    "added": {
        "home/.writing-* open": 2,
        "home/corpora.json rename": 2,
        "home/corpora.lock open": 2,
        "home/file-digests.sqlite connect": 2,
    },
    "made": {
        "home/corpora mkdir": 2,
        "home/corpora/.making-* mkdir": 2,
        "home/corpora/.making-*/** mkdir": 2,
        "home/corpora/.making-*/** open": 2,
        "home/corpora/vocal-demo-1 rename": 2,
        "home/file-digests.sqlite connect": 2,
    },
    "embedded": {"out mkdir": 2, "out/.writing-* open": 2, "out/own.npz rename": 2},
    "exported": {
        "out mkdir": 2,
        "out/.writing-* open": 2,
        "out/shared.npz rename": 2,
        "home/file-digests.sqlite connect": 2,
    },
    "submitted": {
        "submissions mkdir": 2,
        "submissions/.making-* mkdir": 2,
        "submissions/.making-*/** mkdir": 2,
        "submissions/.making-*/** open": 2,
        "submissions/.making-*/** rename": 2,
        "submissions/* rename": 2,
        "home/file-digests.sqlite connect": 0,
    },
    "built": {
        "page mkdir": 2,
        "page/.nverbench-page open": 2,
        "page/.writing-* open": 2,
        "page/*.html rename": 2,
        "page/*.js rename": 2,
        "page/*.css rename": 2,
        "page/results mkdir": 2,
        "page/results/.writing-* open": 2,
        "page/results/*.html rename": 2,
        "page/embeddings mkdir": 2,
        "page/embeddings/.writing-* open": 2,
        "page/embeddings/*.js rename": 2,
        "home/embeddings/.writing-* open": 0,
        "home/embeddings/*/*.embedding rename": 0,
        "home/file-digests.sqlite connect": 0,
    },
    "begun": {
        "new mkdir": 2,
        "new/.making-* mkdir": 2,
        "new/.making-*/** mkdir": 2,
        "new/.making-*/** open": 2,
        "new/nverbench-mine rename": 2,
    },
    "weighed": {
        "home/.writing-* open": 2,
        "home/lock.json rename": 2,
        "home/lock.lock open": 2,
        "home/weights mkdir": 2,
        "home/weights/.adding-* mkdir": 2,
        "home/weights/.adding-*/** mkdir": 2,
        "home/weights/.adding-*/** open": 2,
        "home/weights/tiny-trained rename": 2,
        "home/file-digests.sqlite connect": 2,
    },
    "audited": {
        "audit mkdir": 2,
        "audit/.writing-* open": 2,
        "audit/audit.json rename": 2,
        "audit/report.txt rename": 2,
        "audit/same_recordings.yaml rename": 2,
        "audit/clips.png open": 2,
        "audit/confounds.png open": 2,
        "audit/duration.png open": 2,
        "audit/level.png open": 2,
        "tmp/nverbench-passing-* mkdir": 2,
        "tmp/nverbench-passing-*/** open": 2,
        "home/file-digests.sqlite connect": 2,
    },
    "drawn": {
        "out mkdir": 2,
        "out/.writing-* open": 2,
        "out/map.svg rename": 2,
        "home/file-digests.sqlite connect": 2,
    },
}
"""Command -> what it writes and how -> the exit code when that is refused."""
NOT_ALWAYS = {"home/embeddings/* mkdir"}
"""A folder of the cache that another embedding may have made."""


@pytest.fixture
def ready(
    world: Any, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The tiny world with what a command needs, and a folder of its own for temporary files."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("NVERBENCH_FIT", "one")
    (tmp_path / "one.bin").write_bytes(b"weights")
    world.datasets = [replace(d, share="open", licence="CC BY 4.0") for d in world.datasets]
    world.backbones.append(
        world.backbone("tiny-trained", weights=Source(address="https://example.org/one.bin"))
    )
    write_state("corpora", "paths", "tiny-bursts", str(world.corpus))
    if request.node.callspec.params["command"] in AFTER_A_RUN:
        assert world.job().code == 0
    return world


def left(world: Any) -> list[str]:
    """What is half-written, or forgotten."""
    begins = (".writing-", ".making-", ".adding-", ".building-")
    found = [
        p
        for root in (world.root, home())
        for p in root.rglob("*")
        if p.name.startswith(begins) or p.parent == world.root / "tmp"
    ]
    return [
        str(p) for p in found if "torchinductor" not in p.name
    ]  # a cache of torch, and meant to stay


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_writes_is_what_is_listed(ready: Any, command: str) -> None:
    with disk() as watched:
        ran = COMMANDS[command](ready)
    assert ran.code == 0, ran.err
    assert set(watched.seen) - NOT_ALWAYS == set(SITES[command]) - NOT_ALWAYS
    assert left(ready) == []


CASES = [
    (command, site, code)
    for command, sites in SITES.items()
    for site in sites
    for code in ((errno.ENOSPC, errno.EACCES) if site.endswith("open") else (errno.ENOSPC,))
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "site", "code"), CASES)
def test_a_place_that_cannot_be_written_is_one_line_and_the_same_command_later_goes_on(
    ready: Any, command: str, site: str, code: int
) -> None:
    with disk(site, code) as watched:
        ran = COMMANDS[command](ready)
    assert watched.seen[site] > 0
    assert ran.code == SITES[command][site], ran.err
    said = [
        line
        for line in ran.err.splitlines()
        if os.strerror(code) in line or "unable to open database file" in line
    ]
    assert (len(said) >= 1) is (site not in SILENT and f"{command}: {site}" not in SILENT), ran.err
    assert "bug" not in ran.err
    assert left(ready) == []
    if ran.code or command != "submitted":  # what is submitted already is not submitted again
        again = COMMANDS[command](ready)
        assert again.code == 0, again.err


SILENT = {
    "home/clips mkdir",
    "home/clips/.writing-* open",
    "home/clips/*.json rename",
    "home/clips/*.lock open",
    "home/costs.json rename",
    "home/costs.lock open",
    "submitted: home/file-digests.sqlite connect",
}
"""What is only a note for the next run, of a function that prints nothing; and a check that is made
where it can be.
"""
