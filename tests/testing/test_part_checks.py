"""Every rule of datasets, fusions and losses catches a part that breaks it, in one line that helps;
well-behaved parts pass them all.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from nverbench.testing import ConformanceError, Skip, Trial, rules_of, subject_of
from support import broken_datasets, broken_fusions, broken_losses
from support.tiny_parts import FRAMES, TALKS, Case, aligned, tiny_dataset, tiny_fusion, tiny_loss

CASES = (*broken_datasets.CASES, *broken_fusions.CASES, *broken_losses.CASES)
ELSEWHERE = {"lazy-import", "device"}
"""Rules with tests of their own: test_kit.py."""
WELL_BEHAVED = {
    "dataset": tiny_dataset(),
    "procedural dataset": tiny_dataset(sample=None, make=broken_datasets.sample),
    "fusion": tiny_fusion(),
    "fusion of frames": tiny_fusion(**FRAMES),
    "fusion of conversations": tiny_fusion(**TALKS),
    "head": tiny_fusion(arity=(1, 1)),
    "transductive fusion": tiny_fusion(
        broken_fusions.builds(lambda m, o, b: broken_fusions.to(o.logits + o.logits.mean(0), o)),
        transductive=lambda options: True,
    ),
    "loss": tiny_loss(),
    "loss of views": tiny_loss(aligned, needs="views"),
}


def outcomes(part: Any, text: str = "") -> dict[str, Any]:
    """What every rule gives; the message where it is broken."""
    subject, found = subject_of(part, text), {}
    for check in rules_of(part):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # as in a process of one's own: pytest makes every warning an error
                found[check.name] = Trial(check, subject).outcome()
        except ConformanceError as error:
            found[check.name] = str(error)
    return found


@pytest.mark.parametrize("part", WELL_BEHAVED.values(), ids=WELL_BEHAVED.keys())
def test_a_well_behaved_part_passes_every_rule(part: Any) -> None:
    assert {
        name: outcome for name, outcome in outcomes(part).items() if isinstance(outcome, str)
    } == {}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_part_that_breaks_a_rule_is_named_by_that_rule_in_one_line(case: Case) -> None:
    found = {
        name: outcome for name, outcome in outcomes(case.part).items() if isinstance(outcome, str)
    }
    assert set(found) == {case.rule, *case.also}, found
    assert not any("\n" in message for message in found.values())
    message = found[case.rule]
    assert case.words in message
    assert message.startswith("tiny: expected ")
    assert "; " in message


@pytest.mark.parametrize(
    ("part", "cases"),
    [
        (tiny_dataset(), broken_datasets.CASES),
        (tiny_fusion(), broken_fusions.CASES),
        (tiny_loss(), broken_losses.CASES),
    ],
    ids=["dataset", "fusion", "loss"],
)
def test_every_rule_has_a_part_that_breaks_it(part: Any, cases: tuple[Case, ...]) -> None:
    names = [check.name for check in rules_of(part)]
    assert len(set(names)) == len(names)
    assert set(names) - {case.rule for case in cases} <= ELSEWHERE
    assert all(check.rule.endswith(".") and "\n" not in check.rule for check in rules_of(part))


def test_a_sample_too_small_for_five_folds_is_cut_in_fewer_and_says_so() -> None:
    part = tiny_dataset(
        load=broken_datasets.loads(
            lambda c, r: broken_datasets.replace(c, speaker="a" if c.speaker < "s3" else "b")
        )
    )
    assert "speaker in 2 folds: the sample is too small for 5" in outcomes(part)["folds"].measured


def test_options_of_the_reference_reach_the_part() -> None:
    assert isinstance(outcomes(tiny_fusion(), "tiny:width=5")["parameters"].measured, str)
    assert (
        outcomes(tiny_fusion(), "tiny:width=5")["parameters"]
        != outcomes(tiny_fusion())["parameters"]
    )


def test_a_dataset_that_is_its_users_own_is_checked_where_it_lies(tmp_path: Path) -> None:
    broken_datasets.sample(tmp_path)
    part = tiny_dataset(
        corpus=None,
        local=("path",),
        positional="path",
        load=lambda root, *, path: broken_datasets.load(Path(path)),
        sample=None,
    )
    found = outcomes(part, f"tiny:{tmp_path}")
    assert {name for name, outcome in found.items() if isinstance(outcome, str)} == set()
    assert not isinstance(found["folds"], Skip)
    assert "check tiny:PATH" in outcomes(part)["folds"].reason


def test_a_dataset_that_brings_its_clips_along_needs_no_sample(tmp_path: Path) -> None:
    broken_datasets.sample(tmp_path)
    found = outcomes(
        tiny_dataset(corpus=None, load=lambda root: broken_datasets.load(tmp_path), sample=None)
    )
    assert {name for name, outcome in found.items() if isinstance(outcome, str)} == set()
    assert isinstance(found["sample"], Skip)


def test_a_module_that_is_no_module_is_named() -> None:
    assert (
        "a torch.nn.Module from build, got function"
        in outcomes(tiny_fusion(lambda dims, classes: lambda batch: None))["shapes"]
    )
    assert (
        "expected an Output, got Tensor"
        in outcomes(tiny_fusion(broken_fusions.builds(lambda m, o, b: o.logits)))["shapes"]
    )
