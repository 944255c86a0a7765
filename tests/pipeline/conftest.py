"""A bench for planning: parts that must never be built, empty files for clips, and a registry of
its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nverbench import Backbone, Clip, Dataset, Fusion, LabelCard, Loss, Source, hookimpl, registry
from nverbench.pipeline.job import Plan
from nverbench.pipeline.plan import plan
from nverbench.pipeline.selection import Selection
from nverbench.plugin import discovery
from nverbench.plugin.catalog import Catalog, Origin
from nverbench.registry import Registry

PROTOCOL = """{summary: s, k: 5, scaling: z-score, selection: inner, inner_share: 0.1, inner_most: 0.2, inner_per_class: 2, patience: 5,
    optimizer: adam, lr: 0.001, batch: 8, epochs: 20, replicates: 5"""
RULES = f"""
protocols:
  nver-1: {PROTOCOL}, seed: 1}}
  other: {PROTOCOL}, seed: 2}}
entries:
  - {{name: heads, backbones: [[ant], [bee]], fusions: [head, seer], datasets: [toys]}}
  - {{name: pairs, backbones: [[bee, ant], [ant, cow], [bee, cow]], fusions: [pair], datasets: [toys]}}
  - {{name: ablation, backbones: [[bee, ant]], fusions: [pair], losses: [plain], datasets: [toys]}}
  - {{name: show, backbones: [[ant], [bee]], fusions: [head], datasets: [demo], weights: untrained, demo: true}}
"""


def build(*sizes: Any, width: int = 4, deep: bool = False) -> Any:
    raise AssertionError("planning builds nothing")


def loaded(ctx: Any, *, layer: int = -1) -> Any:
    raise AssertionError("planning loads nothing")


@dataclass
class Bench:
    """Four backbones (cow lacks its weights), two heads, a pair, three datasets of empty files, and
    a registry of its own.
    """

    root: Path
    rules: Registry
    parts: dict[str, list[Any]]

    def catalog(self, version: str = "1.0") -> Catalog:
        module = ModuleType("toys")
        for kind, parts in self.parts.items():
            exec(f"def hook(): return parts_{kind}", space := {f"parts_{kind}": parts})
            setattr(module, f"nverbench_{kind}", hookimpl(space["hook"]))
        return discovery.discover(
            disabled=["nverbench"], extra=[(Origin("toys", "toy-parts", version), module)]
        )

    def plan(self, **asked: Any) -> Plan:
        return plan(self.rules, self.catalog(), Selection(**asked))

    def only(self, **asked: Any) -> Any:
        (job,) = self.plan(
            **{"backbones": ("ant",), "fusions": ("head",), "datasets": ("toys",), **asked}
        ).jobs
        return job

    def write(self, name: str, speakers: int) -> Callable[..., list[Clip]]:
        """Another folder of clips; what loads it."""
        return toy_clips(write(self.root / name, speakers), speakers)

    def swap(self, kind: str, name: str, **facts: Any) -> None:
        self.parts[kind] = [replace(p, **facts) if p.name == name else p for p in self.parts[kind]]


def toy_clips(folder: Path, speakers: int) -> Callable[..., list[Clip]]:
    def load(root: Path | None, *, take: int = 0) -> list[Clip]:
        return [
            Clip(f"s{s}/{c}{i}", folder / f"s{s}-{c}{i}", c, f"s{s}")
            for s in range(speakers)
            for c in "xy"
            for i in range(3)
        ]

    return load


def write(folder: Path, speakers: int = 6) -> Path:
    folder.mkdir(parents=True)
    for clip in toy_clips(folder, speakers)(None):
        clip.path.write_text(clip.id)
    return folder


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    card = LabelCard(kind="portrayed", setting="acted")
    source = Source(address="https://example.org/cow", licence="MIT", size=5_000_000)
    facts: dict[str, Any] = {"family": "features", "frame_dim": 4, "dim": 4, "load": loaded}
    parts: dict[str, list[Any]] = {
        "backbones": [
            Backbone(name="ant", **facts),
            Backbone(name="bee", **facts),
            Backbone(name="cow", weights=source, **facts),
        ],
        "datasets": [
            Dataset(name=n, load=toy_clips(write(tmp_path / n, k), k), label_card=card)
            for n, k in (("toys", 6), ("demo", 6), ("few", 3))
        ],
        "fusions": [
            Fusion(name="head", arity=(1, 1), build=build, default_loss="plain"),
            Fusion(name="seer", arity=(1, 1), build=build, default_loss="views"),
            Fusion(name="pair", arity=(2, 2), build=build, default_loss="views", views=True),
            Fusion(name="timed", arity=(1, 1), build=build, default_loss="plain", wants="frames"),
        ],
        "losses": [Loss(name="plain", build=build), Loss(name="views", build=build, needs="views")],
    }
    (tmp_path / "rules.yaml").write_text(RULES)
    return Bench(tmp_path, registry.load(packaged=tmp_path / "rules.yaml"), parts)
