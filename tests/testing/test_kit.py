"""The kit as authors meet it: ``checks(name)`` in a test, ``nverbench check NAME`` on the command
line, and what importing it costs.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nverbench import cli
from nverbench.errors import ConformanceError, UsageError
from nverbench.plugin import discovery
from nverbench.testing import Check, Skip, Trial, checks, rules_of, subject_of, trials
from nverbench.testing.fusions.subject import FusionSubject
from support import broken_backbones, broken_losses
from support.tiny_parts import Case, builds, tiny_dataset, tiny_fusion, tiny_loss

# --- checks(name): the whole test of a plugin


@pytest.mark.parametrize("check", checks("cross-entropy"))
def test_it_conforms(check: Any) -> None:
    check()


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("vocal-demo", {"sample", "folds", "label-card"}),
        ("linear", {"rows-apart", "gradients"}),
        ("renyi", {"falls"}),
        ("logmel-stats", {"shapes"}),
    ],
)
def test_every_kind_is_found_by_its_name_and_gives_one_named_item_per_rule(
    name: str, rules: set[str]
) -> None:
    items = checks(name)
    assert rules <= {item.id for item in items}
    assert len({item.id for item in items}) == len(items)


def test_a_rule_that_does_not_apply_is_a_skipped_test_with_its_reason() -> None:
    (item,) = (item for item in checks("linear") if item.id == "padding")
    with pytest.raises(pytest.skip.Exception, match="pooled embeddings"):
        item.values[0]()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("cross-entropi",),
            "no part named 'cross-entropi' is installed; did you mean cross-entropy",
        ),
        (("cross-entropy", "fusion"), "no fusion named 'cross-entropy'"),
        (("cross-entropy", "los"), "expected one of backbone, dataset, fusion, loss"),
        (("cross-entropy:smooth=1",), "has no option 'smooth'"),
    ],
)
def test_a_name_or_kind_or_option_that_is_not_there_is_refused(
    arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        checks(*arguments)


def test_a_name_of_two_kinds_needs_the_kind() -> None:
    found = discovery.discover()
    origin = found.losses.origins["cross-entropy"]
    assert found.fusions.add(tiny_fusion(name="cross-entropy"), origin) is None
    with pytest.raises(
        UsageError, match="is the name of a fusion and of a loss; say which with --kind"
    ):
        trials(found, "cross-entropy")
    assert {trial.rule for trial in trials(found, "cross-entropy", "loss")} == {
        check.name for check in rules_of(tiny_loss())
    }


@pytest.mark.parametrize("error", [ValueError("two\nlines"), UsageError("two\nlines")])
def test_whatever_a_rule_raises_is_one_line_of_a_conformance_error(error: Exception) -> None:
    def run(subject: Any) -> Any:
        raise error

    with pytest.raises(ConformanceError) as caught:
        Trial(Check("odd", "Odd.", run), subject_of(tiny_loss())).outcome()
    assert "\n" not in str(caught.value)
    assert "two lines" in str(caught.value)


def test_importing_the_kit_imports_neither_pytest_nor_torch() -> None:
    code = (
        "import sys, nverbench.testing; print([m for m in ('pytest', 'torch', 'numpy', 'mlflow') if"
        " m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


# --- rules that need a machine or an installation


def test_a_fusion_that_forgets_the_device_is_named() -> None:
    rule = next(check for check in rules_of(tiny_fusion()) if check.name == "device")
    assert not isinstance(rule.run(FusionSubject(tiny_fusion(), device="meta")), Skip)
    part = tiny_fusion(
        builds(lambda m, o, b: type(o)(o.logits + torch.ones(o.logits.shape), o.views))
    )
    with pytest.raises(ConformanceError, match="an Output for streams"):
        rule.run(FusionSubject(part, device="meta"))


@pytest.mark.parametrize("first", ["import torch", ""])
@pytest.mark.parametrize("kind", ["dataset", "fusion", "loss"])
def test_a_plugin_that_imports_torch_to_be_listed_is_named(
    kind: str, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"heavy_{kind}{'_torch' if first else ''}"
    (tmp_path / f"{name}.py").write_text(f"{first}\ndef function(*a, **k): ...\n")
    (tmp_path / f"{name}-1.dist-info").mkdir()
    (tmp_path / f"{name}-1.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
    )
    (tmp_path / f"{name}-1.dist-info" / "entry_points.txt").write_text(
        f"[nverbench]\n{name} = {name}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    function = importlib.import_module(name).function
    part = {
        "dataset": lambda: tiny_dataset(load=function),
        "fusion": lambda: tiny_fusion(function),
        "loss": lambda: tiny_loss(function),
    }[kind]()
    (rule,) = (check for check in rules_of(part) if check.name == "lazy-import")
    if first:
        with pytest.raises(
            ConformanceError,
            match="without heavy imports, got torch; move these imports inside load or build",
        ):
            rule.run(subject_of(part))
    else:
        assert not isinstance(rule.run(subject_of(part)), Skip)


@pytest.mark.parametrize("case", broken_backbones.CASES, ids=str)
def test_every_rule_of_a_backbone_has_one_that_breaks_it(case: Case) -> None:
    (rule,) = (check for check in rules_of(case.part, slow=True) if check.name == case.rule)
    with pytest.raises(ConformanceError) as caught:
        Trial(rule, subject_of(case.part)).outcome()
    assert case.words in str(caught.value)


def test_no_rule_of_a_backbone_is_left_out() -> None:
    names = {check.name for check in rules_of(broken_backbones.CASES[0].part, slow=True)}
    assert names - {case.rule for case in broken_backbones.CASES} == {
        "lazy-import",
        "stereo",
    }  # an installation, and a decoder: see the others


# --- nverbench check


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(["check", *words])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def with_broken(monkeypatch: pytest.MonkeyPatch, part: Any) -> None:
    found = discovery.Catalog()
    found.losses.add(part, discovery.Origin("tiny", "nverbench-tiny", "1"))
    monkeypatch.setattr("nverbench.cli.check.load_catalog", lambda *given: found)


def test_the_command_prints_a_line_per_rule_and_leaves_with_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = checked(capsys, "cross-entropy", "--kind", "loss")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == len(rules_of(tiny_loss()))
    assert all(line.startswith(("pass ", "skip ")) for line in lines)
    assert "pass falls: " in out
    assert "cross-entropy: 13 rules hold, 0 skipped, 0 broken" in err


def test_a_broken_rule_is_said_with_what_to_do_and_leaves_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = (case for case in broken_losses.CASES if case.rule == "falls")
    with_broken(monkeypatch, case.part)
    code, out, err = checked(capsys, "tiny")
    assert code == 1
    assert "FAIL falls: tiny: expected an objective that falls" in out
    assert "correct its sign, or its target" in out
    assert "1 broken" in err


def test_json_holds_every_rule(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = (case for case in broken_losses.CASES if case.rule == "falls")
    with_broken(monkeypatch, case.part)
    code, out, _ = checked(capsys, "tiny", "--json")
    said = json.loads(out)
    assert (code, said["part"], said["failed"]) == (1, "tiny", 1)
    assert {row["rule"]: row["outcome"] for row in said["rules"]}["falls"] == "FAIL"
    assert all(set(row) == {"rule", "outcome", "text"} for row in said["rules"])


@pytest.mark.parametrize(
    "words", [("no-such-part",), ("linear", "--kind", "loss"), ("linear", "--no-plugin", "fusions")]
)
def test_an_unknown_part_leaves_with_2(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = checked(capsys, *words)
    assert (code, out) == (2, "")
    assert "is installed" in err
    assert "Traceback" not in err
