"""The rules of the conformance kit: for each, the broken plugin that it catches and the message it
prints; from the tables the tests use.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import soundfile
import torch

from nverbench.testing import Check, ConformanceError, Trial, rules_of, subject_of
from nverbench.testing.fusions.subject import FusionSubject
from support import broken_backbones, broken_datasets, broken_fusions, broken_losses
from support.tiny_backbone import tiny_backbone
from support.tiny_parts import Case, builds, tiny_dataset, tiny_fusion, tiny_loss

Caught = tuple[str, str]
"""(what its author did, what the rule says)."""
TABLES = {
    "backbone": (tiny_backbone(), broken_backbones.CASES),
    "dataset": (tiny_dataset(), broken_datasets.CASES),
    "fusion": (tiny_fusion(), broken_fusions.CASES),
    "loss": (tiny_loss(), broken_losses.CASES),
}


def main() -> None:
    """Prints Markdown: a table per kind."""
    missing = []
    for kind, (well_behaved, cases) in TABLES.items():
        rules = rules_of(well_behaved, slow=True)
        print(
            f"\n## {kind}: {len(rules)} rules\n\n| rule | holds that | a broken plugin | message"
            " |\n|---|---|---|---|"
        )
        for check in rules:
            found = list(caught(kind, check, cases))
            missing += [f"{kind} {check.name}"] * (not found)
            for number, (what, message) in enumerate(found):
                first = f"{check.name} | {check.rule}" if number == 0 else " | "
                print(f"| {first} | {what} | {message.replace('|', chr(92) + '|')} |")
    if missing:
        sys.exit(f"no broken plugin is caught by {', '.join(missing)}")


def caught(kind: str, check: Check, cases: tuple[Case, ...]) -> Iterator[Caught]:
    """Every broken plugin of the table that the rule catches, with its message."""
    for case in cases:
        if case.rule == check.name and (message := tried(check, subject_of(case.part))) is not None:
            yield case.what, message
    if check.name == "lazy-import":
        yield "imports torch at the top of its module", heavy(kind, check)
    if check.name == "stereo":
        one = patch(
            "nverbench.data.audio.read",
            lambda path, rate: soundfile.read(path, dtype="float32", always_2d=True)[0][:, 0],
        )
        with one:
            yield (
                "(the harness's decoder, not a plugin) takes one channel",
                tried(check, subject_of(tiny_backbone())) or "",
            )
    if check.name == "device" and kind == "fusion":
        part = tiny_fusion(
            builds(lambda m, o, b: type(o)(o.logits + torch.ones(o.logits.shape), o.views))
        )
        yield (
            "makes a tensor on the processor",
            tried(check, FusionSubject(part, device="meta")) or "",
        )


def tried(check: Check, subject: object) -> str | None:
    """What the rule says of a part; None where it holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Trial(check, subject).outcome()
        except ConformanceError as error:
            return str(error)
    return None


def heavy(kind: str, check: Check) -> str:
    """The message for an installed plugin that imports torch to be listed."""
    name = f"heavy_{kind}"
    with tempfile.TemporaryDirectory() as folder:
        module, facts = Path(folder) / f"{name}.py", Path(folder) / f"{name}-1.dist-info"
        module.write_text("import torch\ndef function(*a, **k): ...\n")
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (facts / "entry_points.txt").write_text(f"[nverbench]\n{name} = {name}\n")
        sys.path.insert(0, folder)
        function = importlib.import_module(name).function
        made = {
            "backbone": lambda: tiny_backbone(function),
            "dataset": lambda: tiny_dataset(load=function),
            "fusion": lambda: tiny_fusion(function),
            "loss": lambda: tiny_loss(function),
        }
        message = tried(check, subject_of(made[kind]()))
        sys.path.remove(folder)
    return message or ""


if __name__ == "__main__":
    main()
