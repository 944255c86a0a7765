"""The examples of the four hooks run, their parts stand on the shelves, and every hook has one; the
API's version is minded.
"""

from __future__ import annotations

import doctest
from types import ModuleType
from typing import Any

import pytest

import nverbench
from nverbench.plugin import hooks, version
from nverbench.plugin.catalog import Origin
from nverbench.plugin.discovery import discover

HOOKS = {
    "nverbench_backbones": "mypower",
    "nverbench_datasets": "mycorpus",
    "nverbench_fusions": "myfusion",
    "nverbench_losses": "myloss",
}
STRANGER = Origin("stranger", "nver-stranger", "1.2")


def example(hook: str) -> tuple[doctest.TestResults, dict[str, Any]]:
    """The example of a hook, run, and the names it leaves behind."""
    (test,) = doctest.DocTestFinder(recurse=False).find(getattr(hooks, hook), hook, globs={})
    names = test.globs
    return doctest.DocTestRunner(verbose=False).run(test, clear_globs=False), names


def test_every_hook_has_an_example():
    assert {name for name in vars(hooks) if name.startswith("nverbench_")} == set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_a_hook_runs_as_printed(hook: str):
    results, _ = example(hook)
    assert (results.failed, results.attempted > 3) == (0, True)


@pytest.mark.parametrize(("hook", "name"), HOOKS.items())
def test_the_part_of_an_example_is_found(hook: str, name: str):
    module = ModuleType("stranger")
    setattr(module, hook, example(hook)[1][hook])
    found = discover(extra=[(STRANGER, module)])
    assert (found.quarantine, getattr(found, hook.removeprefix("nverbench_")).origins[name]) == (
        [],
        STRANGER,
    )


# the version of the API


def with_api(asked: object) -> list[str]:
    """Why a plugin that asks for it is in quarantine."""
    module = ModuleType("stranger")
    module.nverbench_api = asked  # type: ignore[attr-defined]
    return [
        q.error for q in discover(extra=[(STRANGER, module)]).quarantine if q.origin == STRANGER
    ]


def test_the_version_is_public():
    assert nverbench.api_version == version.api_version == "1.2"


def test_a_plugin_that_asks_for_nothing_asks_for_the_first_version():
    assert discover(extra=[(STRANGER, ModuleType("stranger"))]).quarantine == []


@pytest.mark.parametrize(
    ("offered", "asked"), [("1.0", "1.0"), ("1.4", "1.0"), ("1.4", "1.4"), ("1.10", "1.9")]
)
def test_the_same_major_and_no_later_minor_version_is_taken_in(
    monkeypatch: pytest.MonkeyPatch, offered: str, asked: str
):
    monkeypatch.setattr(version, "api_version", offered)
    assert with_api(asked) == []


@pytest.mark.parametrize(
    ("offered", "asked", "way_out"),
    [
        (
            "1.0",
            "1.1",
            (
                "pip install --upgrade nverbench, or install an older nver-stranger that asks for"
                " 1.0 or less"
            ),
        ),
        (
            "1.9",
            "1.10",
            (
                "pip install --upgrade nverbench, or install an older nver-stranger that asks for"
                " 1.9 or less"
            ),
        ),
        (
            "1.0",
            "2.0",
            (
                "pip install --upgrade nverbench, or install an older nver-stranger that asks for"
                " 1.0 or less"
            ),
        ),
        (
            "2.1",
            "1.0",
            "pip install --upgrade nver-stranger, or install an older nverbench that offers 1.x",
        ),
    ],
)
def test_another_version_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, offered: str, asked: str, way_out: str
):
    monkeypatch.setattr(version, "api_version", offered)
    (why,) = with_api(asked)
    assert (
        why == f"it asks for plugin API {asked}, this nverbench {nverbench.__version__} offers"
        f" {offered}; {way_out}"
    )


@pytest.mark.parametrize(
    "asked", [1.0, None, "1", "1.0.0", "01.0", "latest", "", ("1", "0")], ids=repr
)
def test_what_is_no_version_is_refused_with_an_example(asked: object):
    (why,) = with_api(asked)
    assert (
        why
        == f'its nverbench_api is {asked!r}; expected the text "MAJOR.MINOR", such as nverbench_api'
        f' = "{version.api_version}"'
    )
