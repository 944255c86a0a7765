"""A stranger's parts, a registry that pins them, and submissions of results nobody had to train:
the executor's own, on made-up probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nverbench import Backbone, Clip, Dataset, Fusion, LabelCard, Loss, Source, hookimpl, registry
from nverbench._io.state import write_state
from nverbench.embedding.pooled import Embeddings
from nverbench.leaderboard.submissions import Verdict, Verifier
from nverbench.leaderboard.submissions.bundle import write
from nverbench.leaderboard.submissions.records import Submitter, folds_file
from nverbench.metrics import scores as metrics
from nverbench.pipeline import assemble
from nverbench.pipeline.job import Job
from nverbench.pipeline.plan import plan
from nverbench.pipeline.selection import Selection
from nverbench.plugin import discovery
from nverbench.plugin.catalog import Catalog, Origin
from nverbench.registry import Registry
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import publish
from nverbench.results.record import Result
from nverbench.training.records import FoldPredictions

RULES = """
protocols:
  nver-1: {{summary: s, k: 4, scaling: z-score, selection: inner, inner_share: 0.1, inner_most: 0.3, inner_per_class: 2, patience: 5,
    optimizer: adam, lr: 0.001, batch: 8, epochs: 20, replicates: 3, seed: 1, official: true}}
pins:
  weights:
    bee: {{source: "https://example.org/bee", licence: MIT, sha256: "{weights}"}}
  datasets:
    toys: {{source: "https://example.org/toys", licence: "CC BY 4.0", digest: "{digest}", folds: {{speaker: "{folds}"}}}}
entries:
  - {{name: heads, paper: the stranger's, backbones: [[ant], [bee]], fusions: [head], datasets: [toys, secret]}}
"""
CLASSES = ("high", "low", "mid")


def build(*sizes: Any, width: int = 4) -> Any:
    raise AssertionError("nothing is trained here")


def loaded(ctx: Any, *, step: int = 1) -> Any:
    raise AssertionError("nothing is heard here")


def listed(root: Path) -> list[Clip]:
    return [
        Clip(f"{p.parent.name}/{p.stem}", p, p.stem.partition("-")[0], p.parent.name)
        for p in sorted(root.glob("spk*/*.wav"))
    ]


def write_corpus(root: Path, speakers: int = 8) -> Path:
    for speaker in range(speakers):
        (root / f"spk{speaker}").mkdir(parents=True)
        for label in CLASSES:
            for take in range(2):
                (root / f"spk{speaker}" / f"{label}-{take}.wav").write_text(
                    f"{root.name} {speaker} {label} {take}"
                )
    return root


def parts() -> dict[str, list[Any]]:
    card = LabelCard(kind="portrayed", setting="acted")
    facts: dict[str, Any] = {
        "family": "features",
        "frame_dim": 4,
        "dim": 4,
        "load": loaded,
        "licence": "MIT",
    }
    source = Source(address="https://example.org/bee", licence="MIT")
    data: dict[str, Any] = {
        "load": listed,
        "labels": CLASSES,
        "label_card": card,
        "folds": ("speaker", "random", "leave-one-group-out"),
        "common": {name: name for name in CLASSES},
    }
    return {
        "backbones": [Backbone(name="ant", **facts), Backbone(name="bee", weights=source, **facts)],
        "datasets": [
            Dataset(name="toys", corpus="toys", share="open", licence="CC BY 4.0", **data),
            Dataset(
                name="secret", corpus="secret", share="labels-only", licence="CC BY-NC 4.0", **data
            ),
            Dataset(name="few", corpus="few", share="open", licence="CC0", **data),
        ],
        "fusions": [Fusion(name="head", arity=(1, 2), build=build, default_loss="plain")],
        "losses": [Loss(name="plain", build=build), Loss(name="other", build=build)],
    }


def installed(version: str = "1.0") -> Catalog:
    module = ModuleType("toys")
    for kind, own in parts().items():
        exec(f"def hook(): return own_{kind}", space := {f"own_{kind}": own})
        setattr(module, f"nverbench_{kind}", hookimpl(space["hook"]))
    return discovery.discover(
        disabled=["nverbench"], extra=[(Origin("toys", "toy-parts", version), module)]
    )


class Silence:
    """Embeddings that cost nothing."""

    workers = None

    checkpoints = None

    def heard(self, job: Job, planned: Any, watch: Any) -> Embeddings:
        return Embeddings(
            ids=tuple(c.id for c in job.corpus.clips),
            matrix=np.zeros((len(job.corpus.clips), 4), np.float32),
        )


def invented(seed: int) -> Callable[..., list[list[FoldPredictions]]]:
    """What stands in for training: right more often than not."""

    def fit(
        training: Any, streams: Any, target: Any, folds: Any, seeds: int, *rest: Any
    ) -> list[list[FoldPredictions]]:
        rng, classes = np.random.default_rng(seed), training.classes
        found = []
        for _ in range(seeds):
            replicate = []
            for fold in folds:
                rows = np.array(fold.test)
                logits = rng.normal(size=(len(rows), classes)) + 1.5 * np.eye(classes)[target[rows]]
                p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
                scores = metrics.scores(
                    metrics.confusion(target[rows], p.argmax(1), classes), present_only=True
                )
                seen = {
                    "watched_accuracy": float(scores["accuracy"]),
                    "watched_macro_f1": float(scores["macro_f1"]),
                }
                last = training.protocol.selection == "last"
                curves = tuple(
                    {"train_loss": 1.0} | ({} if last else {"watched_cross_entropy": c, **seen})
                    for c in (1.5, 1.0, 1.2)
                )
                replicate.append(FoldPredictions(p, 3 if last else 2, curves, 15, 0.0))
            found.append(replicate)
        return found

    return fit


@dataclass
class Desk:
    """Everything a submission is made from and checked with."""

    root: Path
    patch: pytest.MonkeyPatch
    catalog: Catalog = field(default_factory=installed)
    rules: Registry = field(init=False)

    def __post_init__(self) -> None:
        for name in ("toys", "secret"):
            write_state("corpora", "paths", name, str(write_corpus(self.root / name)))
        write_state("corpora", "paths", "few", str(write_corpus(self.root / "few", 3)))
        bee = self.root / "bee.pth"
        bee.write_text("weights")
        self.patch.setattr("nverbench.embedding.weights.kept_weights", lambda backbone: bee)
        self.rules = self._registry("a" * 64, "a" * 64, "a" * 64)
        job = self.job(backbones=("ant",))
        from nverbench._io.digests import file_sha256

        self.rules = self._registry(job.corpus.digest, job.cut.digest, file_sha256(bee))

    def _registry(self, digest: str, folds: str, weights: str) -> Registry:
        path = self.root / "rules.yaml"
        path.write_text(RULES.format(digest=digest, folds=folds, weights=weights))
        return registry.load(packaged=path)

    def job(self, **asked: Any) -> Job:
        words = {
            "backbones": ("bee",),
            "fusions": ("head",),
            "datasets": ("toys",),
            "seeds": 3,
            **asked,
        }
        (job,) = plan(self.rules, self.catalog, Selection(**words)).jobs
        return job

    def run(self, seed: int = 0, **asked: Any) -> tuple[Result, Predictions]:
        """A finished result, in its local form."""
        self.patch.setattr(assemble, "submit_folds", lambda *given: lambda: invented(seed)(*given))
        # all that it asks of it
        return assemble.begin_job(self.job(**asked), Silence())()  # type: ignore[arg-type]

    def submit(
        self, seed: int = 0, to: str = "entries", submitter: str | None = "Ann", **asked: Any
    ) -> Path:
        """The folder of a submission."""
        result, predictions = publish(*self.run(seed, **asked))
        result = result.model_copy(
            update={"machine": {"device": "x", "system": "Linux", "python": "3"}}
        )
        folder = self.root / to / result.id
        write(folder, result, predictions, Submitter(name=submitter) if submitter else None)
        return folder

    def without_corpora(self) -> None:
        """Another machine, that has none of the audio."""
        from nverbench._io.paths import home

        (home() / "corpora.json").unlink()

    def verify(self, folder: Path) -> Verdict:
        return Verifier(self.rules, self.catalog).verify(folder)


def content(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text())


def put(folder: Path, changed: Any, *, sealed: bool = True, identity: bool = False) -> Path:
    """Write a changed result back as a forger would: with a fitting digest and, where ``identity``
    changed, under the id that follows.
    """
    from nverbench._io.digests import digest_of

    if identity:
        changed["id"] = digest_of(changed["provenance"]["identity"])[:16]
        folder = folder.rename(folder.with_name(changed["id"]))
    if sealed:
        changed["result_digest"] = Result.model_validate(changed).digest()
    (folder / "result.json").write_text(json.dumps(changed))
    return folder


def predictions_of(folder: Path) -> SimpleNamespace:
    with np.load(folder / "predictions.npz") as file:
        return SimpleNamespace(**{name: file[name].copy() for name in file})


def put_predictions(folder: Path, arrays: SimpleNamespace, *, digests: bool) -> None:
    """Write changed predictions back; with ``digests``, folds.json is made to fit, as a forger
    would.
    """
    np.savez_compressed(folder / "predictions.npz", **vars(arrays))
    if digests:
        a = arrays
        own = Predictions(
            a.ids.tolist(),
            a.groups.tolist(),
            a.target,
            a.folds.tolist(),
            a.probabilities,
            a.ids.tolist(),
        )
        record = folds_file(Result.model_validate(content(folder)), own)
        (folder / "folds.json").write_text(record.model_dump_json())


def why(desk: Desk, folder: Path) -> str:
    """The reasons of a rejection."""
    verdict = desk.verify(folder)
    assert verdict.verdict == "rejected", verdict
    assert "\n" not in str(verdict)
    return "; ".join(verdict.reasons)
