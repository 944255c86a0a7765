"""Rows for a page, made by hand: real records of tiny results, whose texts a test may poison."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from nverbench.leaderboard.rows import Level, Row, StoredResult
from nverbench.metrics.jackknife import Interval
from nverbench.metrics.significance import Comparison
from nverbench.results.pseudonyms import Names
from nverbench.results.published import Published
from nverbench.results.record import Combination, Folds, Result, Score
from nverbench.results.speaker_gap import Difference, Gap
from support.results import finished, predictions


def identity(number: int) -> str:
    """An id as results have them."""
    return sha256(str(number).encode()).hexdigest()[:16]


def score(value: float, half: float = 0.05) -> Score:
    return Score(
        value=value,
        low=value - half,
        high=value + half,
        se=half / 2,
        bootstrap=None,
        fold_mean=value,
        fold_sd=0.02,
        seed_sd=0.01,
    )


def result(
    number: int = 0,
    value: float = 0.5,
    *,
    backbones: tuple[str, ...] = ("alpha", "beta"),
    families: tuple[str, ...] = ("mamba", "attention"),
    fusion: str = "reno",
    loss: str = "renyi",
    dataset: str = "vivae",
    kind: str = "speaker",
    **facts: Any,
) -> Result:
    """A finished result of that number and macro-F1."""
    base, named = (
        finished(),
        {
            "backbones": list(backbones),
            "families": list(families),
            "fusion": fusion,
            "loss": loss,
            "dataset": dataset,
        },
    )
    entry = Combination(**named, grid="g", paper="p", demo=False)
    provenance = base.provenance.model_copy(
        update={
            "dataset_digest": sha256(dataset.encode()).hexdigest(),
            "embedding_digests": {b: sha256(b.encode()).hexdigest() for b in backbones},
            "parameters_frozen": dict.fromkeys(backbones, 1000),
            "parameters_trained": 1000 * (number + 1),
            "identity": {"dtype": "float32", "device": "cpu"},
        }
    )
    found: dict[str, Any] = {
        "id": identity(number),
        "entry": entry,
        "provenance": provenance,
        "scores": {name: score(value) for name in ("accuracy", "macro_f1", "uar", "weighted_f1")},
        "folds": Folds(
            kind=kind,
            digest=sha256(kind.encode()).hexdigest(),
            number=2,
            speakers_seen=False,
            notes=[],
        ),
        "timings": base.timings.model_copy(
            update={"embed_per_clip": dict.fromkeys(backbones, 0.01)}
        ),
    }
    return finished(**{**found, **facts})


def row(
    number: int = 0,
    value: float = 0.5,
    *,
    rank: int | None = 1,
    behind: float | None = None,
    level: Level = "own",
    paper: bool = False,
    gap: bool = False,
    **facts: Any,
) -> Row:
    """A row of the leaderboard around ``result``."""
    r = result(number, value, **facts)
    ahead = (
        None
        if behind is None
        else Comparison(Interval(behind, behind - 0.01, behind + 0.01, 0.005), 0.04, 0.01)
    )
    values = {"macro_f1": Difference(value=0.05, low=0.02, high=0.08, se=0.01)}
    own_gap = Gap(
        system="s",
        dataset="d",
        protocol="p",
        random=identity(6),
        disjoint=r.id,
        kind="speaker",
        unit="speaker",
        values=values,
    )
    unranked = "" if rank is not None else "a control, not a result"
    return Row(
        StoredResult(r, predictions, level),
        rank,
        unranked,
        ahead,
        Published("RENO", "II", 0.6, 0.58) if paper else None,
        own_gap if gap else None,
    )


def board() -> list[Row]:
    """Nine rows: two corpora, two kinds of folds on one of them, pairs of three kinds and a single
    backbone, a control.
    """
    names = Names(
        texts={},
        clips={"private-clip": "clip 01"},
        groups={"ann": "group 01", "bob": "group 02"},
        folds={},
    )
    return [
        row(0, 0.70, behind=None, paper=True, gap=True),
        row(1, 0.68, behind=0.02, backbones=("alpha", "gamma"), families=("mamba", "attention")),
        row(
            2,
            0.60,
            rank=2,
            behind=0.10,
            backbones=("beta", "gamma"),
            families=("attention", "attention"),
            paper=True,
        ),
        row(3, 0.55, rank=2, behind=0.15, fusion="concat", loss="cross-entropy"),
        row(
            4,
            0.50,
            rank=3,
            behind=0.20,
            backbones=("beta",),
            families=("attention",),
            fusion="fcn",
            loss="cross-entropy",
            standing="official",
        ),
        row(5, 0.20, rank=None, backbones=("alpha:untrained", "beta:untrained"), control=True),
        row(6, 0.80, kind="random"),
        row(7, 0.45, dataset="jnv", backbones=("alpha", "beta")),
        row(
            8,
            0.40,
            rank=None,
            dataset="jnv",
            backbones=("alpha", "gamma"),
            level="self-consistent",
            names=names,
            counts=finished().counts.model_copy(update={"left_out": {"private-clip": "silent"}}),
        ),
    ]


PAGES = (
    "index.html",
    "claims.html",
    "datasets.html",
    "about.html",
    f"results/{identity(0)}.html",
    f"results/{identity(8)}.html",
    "index.html#view=pairs",
    "index.html#view=cost",
)
ROWS = "#rows tbody tr:not(.space)"
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> javascript:alert(3)"
    " =cmd|'/c'!A1 \u202egnirts\u2028\u2029&lt;"
)


def hostile_board() -> list:
    facts = {
        "backbones": (HOSTILE, "b" + HOSTILE),
        "fusion": HOSTILE,
        "loss": HOSTILE,
        "dataset": HOSTILE,
        "labels": [HOSTILE, "joy"],
        "licence": HOSTILE,
        "display": {HOSTILE: "shown " + HOSTILE},
        "standing": HOSTILE,
        "standing_reasons": [HOSTILE],
        "heard_in_pretraining": [HOSTILE],
        "per_class_recall": {HOSTILE: 0.5, "joy": 0.5},
        "protocol": HOSTILE,
        "machine": {HOSTILE: HOSTILE},
        "families": (HOSTILE, HOSTILE),
    }
    return [row(0, kind=HOSTILE, **facts)]


HOSTILE_CLAIM = {
    "paper": HOSTILE,
    "sentence": HOSTILE,
    "contrast": HOSTILE,
    "verdict": HOSTILE,
    "value": 0.1,
    "low": None,
    "high": None,
    "smallest": None,
    "corpus": HOSTILE,
    "note": HOSTILE,
}
