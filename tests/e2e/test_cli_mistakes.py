"""A user's mistakes, and a stranger's: one sentence that says what to do, the right exit code,
never a traceback.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

from nverbench import hookimpl

RATE = 8000


def empty(path: Path) -> None:
    soundfile.write(path, np.zeros(0), RATE)


def not_finite(path: Path) -> None:
    soundfile.write(path, np.array([0.1, np.nan] * 900), RATE, subtype="FLOAT")


BAD = pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.write_text("not audio"), "cannot be decoded"),
        (empty, "is empty"),
        (not_finite, "not finite numbers"),
        (lambda p: soundfile.write(p, np.zeros(900), RATE), "is silent"),
    ],
    ids=["undecodable", "empty", "nan", "silent"],
)


@BAD
def test_a_bad_clip_stops_the_job_and_is_named(
    world: Any, damage: Callable[[Path], object], words: str
) -> None:
    damage(world.corpus / "spk3" / "low-1.wav")
    ran = world.job()
    assert ran.code == 2
    assert "1 clips of tiny-bursts cannot be used: spk3/low-1" in ran.err
    assert words in ran.err
    assert "--skip-bad" in ran.err
    assert world.results == []


@BAD
def test_skip_bad_leaves_it_out_unofficially_and_counts_it(
    world: Any, damage: Callable[[Path], object], words: str
) -> None:
    damage(world.corpus / "spk3" / "low-1.wav")
    ran = world.job("--skip-bad", "--json")
    assert ran.code == 0
    (record,) = ran.records
    assert (
        record["standing"],
        record["counts"]["clips"],
        record["counts"]["per_class"]["low"],
    ) == ("unofficial", 47, 15)
    assert words in record["counts"]["left_out"]["spk3/low-1"]
    assert "overridden: --skip-bad" in record["standing_reasons"]


def test_data_add_of_another_folder_is_refused_and_forgotten(world: Any, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    ran = world.run("data", "add", "emogator", tmp_path / "holiday")
    assert ran.code == 2
    assert "emogator" in ran.err
    assert world.run("data", "check", "emogator").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["data", "add", "tiny-bursts", "nowhere"],
            "nowhere: expected the folder of corpus tiny-bursts, but there is no such folder",
        ),
        (["data", "add", "vocal-demo", "."], "dataset vocal-demo needs no local copy; just run it"),
        (
            ["data", "check", "emogator"],
            "corpus emogator is missing: source https://codeload.github.com/fredbuhl/EmoGator",
        ),
        (
            ["data", "check", "emogater"],
            "no dataset named 'emogater' is installed; did you mean emogator",
        ),
        (["list", "backbonez"], "did you mean backbones?"),
        (["show", "renoo"], "nothing is named 'renoo'; did you mean reno"),
        (["run", "--fusion", "lineer"], "no fusion named 'lineer'; did you mean linear"),
        (["run", "--selection", "best"], "selection=best: expected one of inner, test, last"),
        (
            ["run", "--dtype", "float8"],
            "dtype 'float8' is unknown; expected one of float32, bfloat16, float16",
        ),
        (["run", "--device", "tpu"], "device 'tpu' is unknown; expected one of auto, cpu, cuda"),
        (
            ["run", "--registry", "absent.yaml"],
            "registry absent.yaml: cannot be read (No such file or directory)",
        ),
        (
            ["weights", "add", "tiny-spectrum", "tiny.yaml"],
            "backbone tiny-spectrum has no weights; just run it",
        ),
        (["weights", "add", "audio-mamba-tiny", "none.pth"], "none.pth: no such file or folder"),
        (["weights", "check", "audio-mamba-tiny"], "weights audio-mamba-tiny is missing"),
        (
            ["embed", "tiny-spectrum", "bursts/spk0/high-0.wav", "-o", "out.npy"],
            "expected a name that ends in .npz",
        ),
        (
            ["embed", "audio-mamba-tiny", "x.wav", "-o", "out.npz"],
            "or give --weights PATH or --untrained",
        ),
        (
            ["embed", "npz:a.npz", "x.wav", "-o", "out.npz"],
            "backbone npz holds stored features and has no encoder",
        ),
        (
            ["embed", "tiny-spectrum", "absent.wav", "-o", "out.npz"],
            "none of 1 files could be used",
        ),
        (
            ["run", "--backbone", "npz:none.npz", "--fusion", "linear", "--dataset", "tiny-bursts"],
            "none.npz is not a file",
        ),
        (["leaderboard", "show"], "no results in nverbench-runs/results; nverbench run makes some"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(world: Any, words: list[str], said: str) -> None:
    ran = world.run(*words)
    assert ran.code == 2
    assert said in ran.err


def test_a_typo_in_an_overlay_names_the_key_and_the_nearest(world: Any, tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        "entries:\n  - {name: mine, backbones: [[tiny-spectrum]], fusion: [linear], datasets:"
        " [tiny-bursts]}\n"
    )
    ran = world.run("run", "--registry", overlay)
    assert ran.code == 2
    assert "mine.yaml: entries.0.fusions" in ran.err
    assert "unknown key; did you mean fusions" in ran.err


@pytest.mark.parametrize(
    "content",
    [ImportError("no module named flash_attn"), SystemExit("goodbye"), RuntimeError("boom")],
    ids=lambda e: type(e).__name__,
)
def test_a_plugin_that_cannot_be_imported_is_quarantined_and_the_rest_run(
    world: Any, install: Any, content: Any
) -> None:
    install("broken", content)
    ran = world.job()
    assert ran.code == 0
    assert (
        f"plugin broken of nverbench-broken 0.1 is in quarantine: {type(content).__name__}:"
        f" {content}" in ran.err
    )


def test_a_mistyped_hook_is_quarantined_and_quoted_when_its_part_is_asked_for(
    world: Any, install: Any
) -> None:
    module = ModuleType("typo")
    # the s is missing
    module.nverbench_backbone = hookimpl(lambda: [])  # type: ignore[attr-defined]
    install("typo", module)
    ran = world.run("run", "--backbone", "newest-model")
    assert ran.code == 2
    assert "no backbone named 'newest-model'" in ran.err
    assert "plugin typo of nverbench-typo 0.1 is in quarantine" in ran.err


def test_a_plugin_can_be_left_out(world: Any) -> None:
    ran = world.job("--no-plugin", "tiny")
    assert ran.code == 2
    assert "no fusion named 'tiny-linear' is installed; did you mean linear?" in ran.err


def test_a_file_that_vanishes_is_named(world: Any) -> None:
    shutil.rmtree(world.corpus)
    world.corpus.mkdir()
    ran = world.job()
    assert ran.code == 2
    assert "no labelled clip was found" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ["rum"],
        ["run", "--fusio", "x"],
        ["run", "--seeds", "0"],
        ["data", "add", "emogator"],
        [],
        ["data"],
    ],
    ids=["command", "option", "range", "argument", "nothing", "group alone"],
)
def test_a_word_the_parser_does_not_know_is_one_sentence_and_exit_2(
    world: Any, words: list[str]
) -> None:
    assert world.run(*words).code == 2


# --- bugs


def test_weights_that_only_a_person_can_fetch_are_not_downloaded(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nverbench._io import download

    tried: list[object] = []
    monkeypatch.setattr(
        download,
        "fetch",
        lambda *a, **k: tried.append(a) or (_ for _ in ()).throw(OSError("no network in tests")),
    )
    ran = world.run("weights", "get", "audio-mamba-tiny")
    assert (ran.code, tried) == (2, [])
    assert "nverbench weights add audio-mamba-tiny PATH" in ran.err


def test_a_stranger_whose_dataset_raises_anything_is_one_sentence(world: Any) -> None:
    def load(root: Path) -> Any:
        raise ValueError("the stranger forgot something")

    from dataclasses import replace

    world.datasets = [replace(world.datasets[0], load=load)]
    ran = world.job()
    assert ran.code in (1, 2)
    assert "the stranger forgot something" in ran.err


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "make room, then the same command goes on from here"),
        (errno.EACCES, "correct the path, or its permission"),
    ],
)
def test_an_error_of_the_system_is_one_line_that_says_what_to_do(
    world: Any, monkeypatch: pytest.MonkeyPatch, code: int, advice: str
) -> None:
    def fails(*words: Any) -> None:
        raise OSError(code, os.strerror(code), "some/file")

    monkeypatch.setattr("nverbench.cli.app", lambda *words, **options: fails())
    ran = world.run("list")
    assert (ran.code, ran.err) == (2, f"nverbench: some/file: {os.strerror(code)}; {advice}\n")
