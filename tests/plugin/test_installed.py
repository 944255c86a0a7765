"""Broken distributions, really installed, all at once: each harms only itself and is named, while
the house works on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.wheels import install, loss_of, nverbench

PRINTS = """
import os, sys, warnings
print('{"not": "yours"}')
print("and on the other stream", file=sys.stderr)
os.system("echo from a child")
warnings.warn("you should know")
""" + loss_of("printed")
TORCH = """
import os, random
import numpy, torch
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.manual_seed(0)
numpy.random.seed(0)
os.environ["STRANGER"] = "secret"
""" + loss_of("stateful")
BROKEN = {
    "raising": "raise RuntimeError('no licence file')",
    "printing": PRINTS,
    "hanging": (
        "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n   "
        "     pass"
    ),
    "torchy": TORCH,
    "shadowing": loss_of("renyi"),
    "newer": "nverbench_api = '2.0'\n" + loss_of("later"),
    "sound": loss_of("mine"),
}
SAID = {
    "raising": "plugin raising of nver-raising 1.0 is in quarantine: RuntimeError: no licence file",
    "hanging": "plugin hanging of nver-hanging 1.0 is in quarantine: its import took more than 1 s",
    "printing": 'plugin printing of nver-printing 1.0 prints "',
    "warning": (
        'plugin printing of nver-printing 1.0 warns "UserWarning: you should know" when it is'
        " imported"
    ),
    "torchy": (
        "plugin torchy of nver-torchy 1.0 changes environment variables (STRANGER), random state of"
        " numpy, default dtype, gradient mode, random state of torch (put back) when it is imported"
    ),
    "shadowing": "loss renyi is claimed by nverbench",
    "newer": "plugin newer of nver-newer 1.0 is in quarantine: it asks for plugin API 2.0",
}
STATUS = {
    "nver-raising/raising": "quarantined: RuntimeError: no licence file",
    "nver-printing/printing": "ok",
    "nver-hanging/hanging": "quarantined: its import took more than 1 s",
    "nver-torchy/torchy": "ok",
    "nver-shadowing/shadowing": "clash: loss renyi",
    "nver-newer/newer": "quarantined: it asks for plugin API 2.0",
    "nver-sound/sound": "ok",
    "nverbench/losses": "ok",
}

QUICK = """
protocols:
  quick: {summary: two epochs, seed: 7, k: 2, scaling: z-score, selection: inner, inner_share: 0.1, inner_most: 0.3, inner_per_class: 2,
          patience: 5, optimizer: adam, lr: 0.05, batch: 8, epochs: 2, replicates: 1}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of them are installed; the first command, which waits for the hanging one, has been
    given.
    """
    place = tmp_path_factory.mktemp("third") / "site"
    for name, source in BROKEN.items():
        install(place, name, source)
    return place


@pytest.fixture(scope="module")
def first(site: Path) -> Any:
    return nverbench(site, "list", "--json", NVERBENCH_PLUGIN_SECONDS="1")


@pytest.fixture(scope="module")
def later(site: Path, first: Any) -> Any:
    return nverbench(site, "list", "plugins", "--json", NVERBENCH_PLUGIN_SECONDS="1")


def test_list_as_json_is_json_and_holds_the_house_and_whatever_is_sound(first: Any) -> None:
    losses = {row["name"]: row["what"] for row in json.loads(first.stdout)["losses"]}
    assert first.returncode == 0
    assert {"mine", "printed", "stateful", "renyi", "cross-entropy"} <= set(losses)
    assert not {"later"} & set(losses)
    assert "by nverbench" in losses["renyi"]


@pytest.mark.parametrize("what", SAID)
def test_each_is_named_once(first: Any, what: str) -> None:
    assert [line.startswith(SAID[what]) for line in first.stderr.splitlines()].count(True) == 1


def test_nothing_else_is_said(first: Any) -> None:
    assert len(first.stderr.splitlines()) == len(SAID)


@pytest.mark.parametrize("handle", STATUS)
def test_the_list_of_plugins_says_how_each_stands(later: Any, handle: str) -> None:
    (row,) = [row for row in json.loads(later.stdout) if row["name"] == handle]
    assert row["status"].startswith(STATUS[handle])
    assert (row["distribution"], row["plugin"]) == tuple(handle.split("/"))


def test_the_plugin_that_hung_is_not_waited_for_again_and_the_way_to_try_it_is_said(
    later: Any,
) -> None:
    (row,) = [row for row in json.loads(later.stdout) if row["plugin"] == "hanging"]
    assert "on an earlier run" in row["status"]
    assert "nverbench list plugins --retry" in row["status"]


def test_doctor_agrees(site: Path, later: Any) -> None:
    found = json.loads(nverbench(site, "doctor", "--json", NVERBENCH_PLUGIN_SECONDS="1").stdout)[
        "plugins"
    ]
    assert found == {row["name"]: row["what"] for row in json.loads(later.stdout)}


def test_warnings_as_errors_change_nothing(site: Path, first: Any) -> None:
    strict = nverbench(site, "list", "--json", NVERBENCH_PLUGIN_SECONDS="1", PYTHONWARNINGS="error")
    assert (strict.returncode, strict.stdout) == (0, first.stdout)


def test_a_job_runs_and_prints_json_only(site: Path, later: Any) -> None:
    (site.parent / "quick.yaml").write_text(QUICK)
    words = (
        "--backbone",
        "logmel-stats",
        "--fusion",
        "linear",
        "--dataset",
        "vocal-demo",
        "--registry",
        "quick.yaml",
        "--protocol",
        "quick",
    )
    ran = nverbench(
        site,
        "run",
        *words,
        "--loss",
        "mine",
        "--json",
        "--tracking-uri",
        "sqlite:///m.db",
        NVERBENCH_PLUGIN_SECONDS="1",
    )
    assert ran.returncode == 0, ran.stderr
    (record,) = [json.loads(line) for line in ran.stdout.splitlines()]
    assert record["entry"]["loss"] == "mine"
    assert [
        what for what, said in SAID.items() if what != "hanging" and said not in ran.stderr
    ] == []


def test_the_plugin_that_hung_is_tried_again_on_request(site: Path, later: Any) -> None:
    again = nverbench(site, "list", "plugins", "--retry", NVERBENCH_PLUGIN_SECONDS="1")
    assert "its import took more than 1 s and was stopped" in again.stderr


def test_a_distribution_without_metadata_is_unknown_and_the_rest_goes_on(tmp_path: Path) -> None:
    install(tmp_path / "site", "bare", loss_of("mine"), metadata=False)
    ran = nverbench(tmp_path / "site", "list", "losses", "--json")
    assert (
        ran.returncode,
        {"mine", "renyi"} <= {row["name"] for row in json.loads(ran.stdout)},
    ) == (0, True)


def test_plugins_that_are_left_out_are_listed_as_disabled(site: Path, later: Any) -> None:
    ran = nverbench(
        site,
        "list",
        "plugins",
        "--no-plugin",
        "Nver_Torchy",
        NVERBENCH_DISABLE_PLUGINS="hanging, raising,printing",
    )
    standing = {line.split()[0]: line for line in ran.stdout.splitlines()[1:]}
    left_out = [
        standing[f"nver-{name}/{name}"] for name in ("torchy", "hanging", "raising", "printing")
    ]
    assert [line.endswith("1.0, disabled") for line in left_out] == [True] * 4
    assert "printing" not in ran.stderr
