"""False verdicts on claims against the best of several rivals: simulated corpora on which all
systems are equally good.

    python benchmarks/science/claims.py [CORPORA]

Every clip has a difficulty that all systems share, every speaker too; what remains is noise of each
system. Each corpus goes through the code that judges claims. Printed as Markdown, in percent of the
corpora: the verdicts of the difference to the best rival alone (nverbench up to nver-1's first
release) and those of the comparison with every rival. Both "holds" and "fails" are false here; the
goal is at most 5.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np

from nverbench.leaderboard.claims import spec, verdict
from nverbench.leaderboard.claims.evidence import FieldEvidence
from nverbench.leaderboard.claims.spec import Claims, SystemScore

BACKBONES = [f"b{i}" for i in range(6)]
PAIRS = list(itertools.combinations(BACKBONES, 2))
SPEAKERS = (5, 11, 24, 41)
CLIPS = 40
SHARED, NOISE = 0.8, 0.8
"""Standard deviations on the logit scale: of clips and speakers, and of a system on a clip."""


def systems() -> list[tuple[tuple[str, ...], str, str]]:
    """Backbones, fusion and loss of every row of the simulated board."""
    singles = [((b,), head, "cross-entropy") for b in BACKBONES for head in ("fcn", "cnn")]
    return [(pair, "reno", "renyi") for pair in PAIRS] + singles


def board(rng: np.random.Generator, speakers: int) -> FieldEvidence:
    """The rows of one simulated corpus."""
    rows = systems()
    hard = rng.normal(0, SHARED, (speakers, 1)) + rng.normal(0, SHARED, (speakers, CLIPS))
    logits = 0.3 + hard + rng.normal(0, NOISE, (len(rows), speakers, CLIPS))
    right = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).sum(-1)  # (rows, speakers)
    whole = right.sum(-1) / (speakers * CLIPS)
    without = (right.sum(-1, keepdims=True) - right) / ((speakers - 1) * CLIPS)
    cells = [
        SystemScore(b, ("mamba",) * len(b), fusion, loss, "corpus", float(score), str(i))
        for i, ((b, fusion, loss), score) in enumerate(zip(rows, whole, strict=True))
    ]
    result: Any = SimpleNamespace(
        entry=SimpleNamespace(dataset="corpus"),
        folds=SimpleNamespace(kind="speaker"),
        protocol="nver-1",
        selection="inner",
        unit="speaker",
        optimistic=False,
    )
    ids = [cell.id for cell in cells]
    return FieldEvidence(
        result,
        cells,
        dict(zip(ids, map(float, whole), strict=True)),
        dict(zip(ids, without, strict=True)),
        speakers,
    )


def claims() -> dict[str, spec.Claim]:
    """RENO against its better backbone, and one pair against the best other one, of claims.yaml,
    with the names of the simulated backbones.
    """
    known = {claim.id: claim for claim in spec.load().claims}
    single, pair = known["reno-over-best-single"], known["reno-best-pair-vivae"]
    named = pair.contrast.a.model_copy(update={"backbones": ["+".join(PAIRS[0])]})
    b = pair.contrast.b.model_copy(update={"pair": ""})
    contrast = pair.contrast.model_copy(update={"a": named, "b": b})
    a = single.contrast.a.model_copy(update={"pair": ""})
    return {
        "reno-over-best-single": single.model_copy(
            update={"contrast": single.contrast.model_copy(update={"a": a})}
        ),
        "reno-best-pair": pair.model_copy(update={"contrast": contrast}),
    }


def before(claim: spec.Claim, field: FieldEvidence) -> str:
    """The verdict of the difference to the best rival alone."""
    pairs = spec.matched_pairs(claim.contrast, field.cells)
    return verdict._word(verdict._difference(pairs, field))


def main(corpora: int) -> None:
    """Print the table."""
    known: Claims = spec.load()
    print("| claim | speakers | best rival: holds | fails | every rival: holds | fails |")
    print("|---|---|---|---|---|---|")
    for (name, claim), speakers in itertools.product(claims().items(), SPEAKERS):
        rng, old, new = np.random.default_rng(speakers), Counter[str](), Counter[str]()
        for _ in range(corpora):
            field = board(rng, speakers)
            judged = verdict._measured(claim, claim.contrast, field, known)
            assert judged is not None
            old[before(claim, field)] += 1
            new[judged.verdict] += 1
        cells = [100 * c[word] / corpora for c in (old, new) for word in (spec.HOLDS, spec.FAILS)]
        print(f"| {name} | {speakers} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
