"""Every first-party dataset, fusion and loss against every rule of the kit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from nverbench.testing import Trial, rules_of, subject_of
from nverbench_datasets import nverbench_datasets
from nverbench_fusions import nverbench_fusions
from nverbench_losses import nverbench_losses
from support.tiny_parts import write

SAME_CODE = {"asvp-esd-12", "asvp-esd-babies", "conversation-demo-order", "conversation-demo-plain"}
"""Datasets of one loader and one sample with another, in other words only."""
SLIM = "dim=8,layers=2,hidden=12"
SMALL = {
    "erc-mamba": (SLIM, f"{SLIM},context=utterance"),
    "erc-transformer": (f"{SLIM},heads=2",),
    "erc-gru": (SLIM,),
    "erc-mean": (SLIM, "dim=8,layers=0"),
    "erc-prior": (SLIM,),
    "cnn": ("conv1=4,conv2=6,dense1=32,dense2=16",),
    "parrot": ("", "transport=batch"),
}
"""Fusions that are tried in other sizes than their own, or in two ways."""
OWN = {"folder": "folder:{clips}", "table": "table:{clips}/table.csv"}
"""Datasets whose clips are their user's."""
FUSIONS = {part.name: part for part in nverbench_fusions()}
DATASETS = {part.name: part for part in nverbench_datasets()}
LOSSES = {part.name: part for part in nverbench_losses()}


def items(parts: Iterable[tuple[Any, str]]) -> list[Any]:
    """One item per part and rule; rules of a part share its subject."""
    found = []
    for part, text in parts:
        subject = subject_of(part, text)
        found += [
            pytest.param(Trial(check, subject), id=f"{text or part.name}-{check.name}")
            for check in rules_of(part)
        ]
    return found


def fusions() -> Iterable[tuple[Any, str]]:
    for name, part in FUSIONS.items():
        yield from (
            (part, f"{name}:{options}" if options else name) for options in SMALL.get(name, ("",))
        )


@pytest.mark.parametrize(
    "check", items((part, "") for name, part in DATASETS.items() if name not in SAME_CODE)
)
def test_every_dataset_conforms(check: Trial) -> None:
    check()


@pytest.mark.parametrize("check", items(fusions()))
def test_every_fusion_conforms(check: Trial) -> None:
    check()


@pytest.mark.parametrize("check", items((part, "") for part in LOSSES.values()))
def test_every_loss_conforms(check: Trial) -> None:
    check()


@pytest.mark.parametrize("name", sorted(SAME_CODE))
def test_a_dataset_of_the_same_code_says_and_cuts_what_it_should(name: str) -> None:
    subject = subject_of(DATASETS[name])
    for check in rules_of(DATASETS[name]):
        if check.name in ("record", "label-card", "declared", "labels", "folds"):
            Trial(check, subject).outcome()


@pytest.mark.parametrize("name", OWN)
def test_recordings_of_ones_own_are_checked_where_they_lie(name: str, tmp_path: Path) -> None:
    for speaker in ("s1", "s2", "s3", "s4", "s5"):
        for number, label in enumerate(("cry", "laugh")):
            (tmp_path / label / speaker).mkdir(parents=True)
            write(tmp_path / label / speaker / "1.wav", 200.0 + 50 * number)
    rows = [
        f"{p.relative_to(tmp_path)},{p.parts[-3]},{p.parts[-2]}"
        for p in sorted(tmp_path.glob("*/*/*.wav"))
    ]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,speaker", *rows]))
    subject = subject_of(DATASETS[name], OWN[name].format(clips=tmp_path))
    for check in rules_of(DATASETS[name]):
        Trial(check, subject).outcome()
