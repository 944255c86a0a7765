"""``nverbench leaderboard build`` from the command line: a page of what was run here, and the
command on it that makes the result again.
"""

from __future__ import annotations

import html
import re
import shlex
import shutil
from dataclasses import replace
from typing import Any

import pytest

World = Any


def command_on(page: str) -> list[str]:
    """The words of the command that a result's page shows."""
    found = re.search(r'<code id="command"><bdi>(.*?)</bdi>', page)
    assert found
    return shlex.split(html.unescape(re.sub("</?span>", "", found[1])))


@pytest.fixture
def ran(world: World) -> World:
    """The tiny world with one finished job."""
    assert world.job().code == 0
    return world


def test_the_page_lies_beside_the_results_and_says_so(ran: World):
    done = ran.run("leaderboard", "build")
    assert (done.code, done.out.split(":")[0]) == (0, "nverbench-runs/page/index.html")
    assert "1 result," in done.out
    assert [p.stem for p in (ran.root / "nverbench-runs" / "page" / "results").iterdir()] == [
        p.stem for p in ran.results
    ]


def test_the_command_on_a_page_makes_the_same_result(ran: World):
    ran.run("leaderboard", "build", "--page", "site")
    page = (ran.root / "site" / "results" / f"{ran.results[0].stem}.html").read_text(
        encoding="utf-8"
    )
    words = command_on(page)
    again = ran.run(*words[1:], "--registry", "tiny.yaml")
    assert again.code == 0
    assert "1 already finished" in again.err
    assert len(ran.results) == 1


def test_a_damaged_result_is_named_and_the_rest_is_built(ran: World):
    (ran.root / "nverbench-runs" / "results" / "0123456789abcdef.json").write_text("{}")
    done = ran.run("leaderboard", "build")
    assert done.code == 2
    assert "0123456789abcdef.json" in done.err
    assert (ran.root / "nverbench-runs" / "page" / "index.html").exists()


def test_in_a_checkout_the_page_holds_its_entries_unless_they_are_left_out(world: World):
    """A submission of somebody else, and no result of one's own: the folder is the checkout's, or
    is named.
    """
    world.datasets = [replace(d, share="open") for d in world.datasets]
    world.job()
    (world.root / "leaderboard" / "entries").mkdir(parents=True)
    assert (
        world.run(
            "leaderboard", "submit", world.results[0].stem, "--as", "Ann", "--registry", "tiny.yaml"
        ).code
        == 0
    )
    name = world.results[0].stem
    shutil.rmtree(world.root / "nverbench-runs" / "results")
    build = ("leaderboard", "build", "--registry", "tiny.yaml")
    done = world.run(*build)
    assert done.code == 0, done.err
    assert ": 1 result (1 submitted, of leaderboard/entries)," in done.out
    assert (world.root / "nverbench-runs" / "page" / "results" / f"{name}.html").is_file()
    left_out = world.run(*build, "--no-entries")
    assert (
        left_out.code,
        "no results in nverbench-runs/results; nverbench run makes some" in left_out.err,
    ) == (2, True)
    (world.root / "leaderboard").rename(world.root / "elsewhere")
    assert world.run(*build).code == 2
    assert world.run(*build, "--entries", "elsewhere/entries").code == 0
    assert (
        "contradict each other"
        in world.run(*build, "--entries", "elsewhere/entries", "--no-entries").err
    )


def test_submitted_rows_on_both_cuts_have_their_speaker_gap(world: World):
    world.datasets = [replace(d, share="open") for d in world.datasets]
    said = world.job("--folds", "speaker", "--folds", "random").err
    assert "failed" not in said.replace("0 failed", "")
    for path in world.results:
        assert (
            world.run(
                "leaderboard",
                "submit",
                path.stem,
                "--as",
                "Ann",
                "--to",
                "theirs",
                "--registry",
                "tiny.yaml",
            ).code
            == 0
        )
    shown = {}
    for name, words in {
        "own": ("--no-entries",),
        "theirs": ("--entries", "theirs", "--out", "empty"),
    }.items():
        assert (
            world.run(
                "leaderboard", "build", "--registry", "tiny.yaml", "--page", f"{name}-page", *words
            ).code
            == 0
        )
        pages = [
            p.read_text(encoding="utf-8")
            for p in sorted((world.root / f"{name}-page" / "results").iterdir())
        ]
        shown[name] = [re.findall(r"Speaker gap.*?points[^.]*\.\d[^.]*", page) for page in pages]
    assert shown["theirs"] == shown["own"]
    assert list(map(len, shown["own"])) == [1, 1]  # both rows say it


def test_no_results_are_no_page(world: World):
    done = world.run("leaderboard", "build")
    assert (done.code, "nverbench run makes some" in done.err) == (2, True)
    assert not (world.root / "nverbench-runs" / "page").exists()


def test_a_folder_of_other_files_is_refused_in_one_line(ran: World):
    done = ran.run("leaderboard", "build", "--page", ".")
    assert done.code == 2
    assert "holds other files" in done.err


@pytest.mark.parametrize("share", ["open", "labels-only", "none"])
def test_embeddings_are_drawn_where_their_labels_may_be_published(world: World, share: str):
    world.datasets[0] = replace(world.datasets[0], share=share)
    world.job()
    done = world.run("leaderboard", "build")
    assert done.code == 0
    pages = world.root / "nverbench-runs" / "page"
    assert len(list(pages.glob("embeddings/*.js"))) == (share == "open")
    assert ("may not be published" in done.err) == (share != "open")
    assert "spk0" not in "".join(p.read_text(encoding="utf-8") for p in pages.rglob("*.*"))
