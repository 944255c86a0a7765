"""The kit itself: a well-behaved backbone passes every rule, and a record that leaves something
unsaid is named.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nverbench import Backbone, Encoder, LoadContext, Source, UsageError
from nverbench.testing import Pass, Skip, Subject, Trial, backbone_checks
from support.conformance import CHECKS, assert_fails_only, failures, outcomes
from support.tiny_backbone import (
    BIBTEX,
    DIM,
    HOP,
    LAYERS,
    Tiny,
    altered,
    changed_layers,
    network,
    tiny_backbone,
)

# --- a well-behaved backbone


@pytest.mark.parametrize("layers", [0, LAYERS])
def test_a_well_behaved_backbone_passes_every_rule(layers: int) -> None:
    found = outcomes(
        tiny_backbone(changed_layers(lambda given: given), layers=LAYERS)
        if layers
        else tiny_backbone()
    )
    assert {name for name, outcome in found.items() if isinstance(outcome, str)} == set()
    assert {name for name, outcome in found.items() if isinstance(outcome, Skip)} == (
        {"lazy-import"} if layers else {"lazy-import", "layers"}
    )


def test_a_well_behaved_backbone_passes_with_weights_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt"
    torch.save(Tiny().state_dict(), path)
    assert failures(tiny_backbone(), f"tiny:weights={path}") == {}


def test_a_backbone_without_weights_passes() -> None:
    def load(ctx: LoadContext) -> Encoder:
        return altered(
            network(LoadContext(ctx.device, ctx.dtype)), lambda given, waves, lengths: given
        )

    assert failures(tiny_backbone(load, weights=None, pretrained_on=())) == {}


def test_a_plain_module_passes_and_is_looked_into() -> None:
    found = outcomes(tiny_backbone(lambda ctx: network(ctx), layers=LAYERS))
    assert found["frozen"] == Pass(f"{(HOP + 1) * DIM + 2 * (DIM + 1) * DIM} parameters")
    assert not any(isinstance(outcome, str) for outcome in found.values())


def test_no_rule_applies_to_stored_features() -> None:
    found = outcomes(
        Backbone(
            name="stored",
            family="features",
            frame_dim=0,
            dim=0,
            lookup=lambda ids: np.zeros((len(ids), 2)),
        )
    )
    assert all(
        isinstance(outcome, Skip) and "stored features" in outcome.reason
        for outcome in found.values()
    )


def test_a_backbone_that_refuses_other_precisions_passes() -> None:
    def load(ctx: LoadContext) -> Encoder:
        if ctx.dtype != "float32":
            raise UsageError(f"tiny: dtype is {ctx.dtype}; expected float32")
        return altered(network(ctx), lambda given, waves, lengths: given)

    found = outcomes(tiny_backbone(load))
    assert isinstance(found["float64"], Skip)
    assert "refused" in found["dtype"].measured
    assert not any(isinstance(outcome, str) for outcome in found.values())


def test_a_minute_is_tried_only_when_asked_for() -> None:
    assert set(CHECKS) - {check.name for check in backbone_checks()} == {"one-minute"}


def test_every_rule_is_one_sentence_with_a_name_of_its_own() -> None:
    assert len(CHECKS) == len(backbone_checks(slow=True))
    assert all(check.rule.endswith(".") and "\n" not in check.rule for check in CHECKS.values())


# --- the record


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"frame_rate": 0.0}, "expected frame_rate > 0, got 0.0; declare the frames per second"),
        ({"family": " "}, "expected a family"),
        ({"licence": "unknown"}, "expected a licence"),
        ({"revision": ""}, "expected a revision"),
        ({"pretrained_on": ()}, "expected what the weights were trained on"),
        (
            {"weights": Source(address="https://example.org/tiny.pt")},
            "expected a licence of the weights",
        ),
        ({"citation": "Tiny et al. 2024"}, "expected BibTeX"),
        ({"citation": "@misc{tiny, title = {Tiny}}"}, "expected BibTeX with a title and a year"),
        ({"citation": "@misc{tiny, title = {Tiny, year = {2024}}"}, "expected BibTeX"),
        ({"citation": f"{BIBTEX}\n@misc{{other, year = 2020}}"}, "expected BibTeX"),
    ],
)
def test_a_record_that_leaves_something_unsaid_is_named(facts: dict[str, Any], words: str) -> None:
    assert_fails_only(tiny_backbone(**facts), {"record"}, words)


def test_two_citations_are_fine() -> None:
    assert (
        failures(
            tiny_backbone(
                citation=f"{BIBTEX}\n@misc{{other,\n  title = {{Other}},\n  year = 2020\n}}"
            )
        )
        == {}
    )


# --- the kit itself


def test_the_kit_needs_no_pytest() -> None:
    code = "import sys, nverbench.testing; print('pytest' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "False\n"
    )


def test_one_item_per_backbone_and_rule_and_a_skip_says_why() -> None:
    from nverbench.testing.kit import items

    subject = Subject(tiny_backbone())
    given = items(subject, Subject(tiny_backbone(name="other")))
    assert [item.id for item in given][:2] == ["tiny-record", "tiny-lazy-import"]
    assert len(given) == 2 * len(backbone_checks())
    Trial(CHECKS["record"], subject)()
    with pytest.raises(pytest.skip.Exception, match="declares no layers"):
        Trial(CHECKS["layers"], subject)()


def test_checks_share_one_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    subject = Subject(tiny_backbone(lambda ctx: loads.append(ctx) or network(ctx), layers=LAYERS))
    for name in ("shapes", "batch-invariance", "finite", "stereo", "short"):
        CHECKS[name].run(subject)
    assert len(loads) == 1
