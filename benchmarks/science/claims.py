"""False verdicts on the claims of a paper: simulated corpora on which all systems are equally good.

    python benchmarks/science/claims.py [CORPORA]

The rows of a corpus are those that RENO's claims in leaderboard/claims.yaml compare: seven single
backbones under two heads, and their 21 pairs under RENO and concatenation. Every clip has a
difficulty that all systems share, every speaker too; what remains is noise of each system. A second
track has the same corpus and noise of its own. Each corpus goes through the code that judges claims.

Printed as Markdown, in percent of the corpora with a verdict ("holds" or "fails": both are false
here), for each claim and for any of the paper's claims:

- best rival: the interval of the difference to the best rival alone (nverbench before issue 18);
- alone: every rival, each claim for itself;
- Holm: corrected over the claims of the paper, as the verdict of one protocol; the goal is 5;
- both tracks: the verdict over tracks that agree.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np

from nverbench.leaderboard.claims import spec
from nverbench.leaderboard.claims.evidence import FieldEvidence
from nverbench.leaderboard.claims.spec import FAILS, HOLDS, METRIC, Claims, SystemScore
from nverbench.leaderboard.claims.tracks import TRACKS, agreed
from nverbench.leaderboard.claims.verdict import ALPHA, judge_by
from nverbench.metrics.intervals import Units
from nverbench.metrics.significance import p_value

BACKBONES = {
    **dict.fromkeys(("audio-mamba-tiny", "audio-mamba-small", "audio-mamba-base"), "mamba"),
    **dict.fromkeys(
        ("wavlm-base", "wav2vec2-base", "unispeech-sat-base", "hubert-base"), "attention"
    ),
}
SPEAKERS = (5, 11, 24, 41)
CLIPS = 40
SHARED, NOISE = 0.8, 0.8
"""Standard deviations on the logit scale: of clips and speakers, and of a system on a clip."""
ANY = "any claim of the paper"
COLUMNS = ("best rival", "alone", "Holm", "both tracks")


def systems() -> list[tuple[tuple[str, ...], str, str]]:
    """Backbones, fusion and loss of every row of the simulated board."""
    pairs = list(itertools.combinations(BACKBONES, 2))
    singles = [((b,), head, "cross-entropy") for b in BACKBONES for head in ("fcn", "cnn")]
    kinds = (("reno", "renyi"), ("concat", "cross-entropy"))
    return singles + [(pair, *kind) for pair in pairs for kind in kinds]


def boards(rng: np.random.Generator, speakers: int) -> list[FieldEvidence]:
    """The rows of one simulated corpus, one board per track."""
    shape = (speakers, CLIPS)
    hard = rng.normal(0, SHARED, (speakers, 1)) + rng.normal(0, SHARED, shape)
    return [board(rng, 0.3 + hard, track) for track in TRACKS]


def board(rng: np.random.Generator, logits: np.ndarray, protocol: str) -> FieldEvidence:
    """The rows of one track, all of them equally good on clips with these logits (speakers,
    clips).
    """
    rows, (speakers, clips) = systems(), logits.shape
    own = logits + rng.normal(0, NOISE, (len(rows), *logits.shape))
    right = (rng.random(own.shape) < 1 / (1 + np.exp(-own))).sum(-1)  # (rows, speakers)
    whole = right.sum(-1) / (speakers * clips)
    without = (right.sum(-1, keepdims=True) - right) / ((speakers - 1) * clips)
    cells = [
        SystemScore(b, tuple(BACKBONES[x] for x in b), fusion, loss, "corpus", float(score), str(i))
        for i, ((b, fusion, loss), score) in enumerate(zip(rows, whole, strict=True))
    ]
    result: Any = SimpleNamespace(protocol=protocol)
    return FieldEvidence(
        result,
        cells,
        {c.id: {METRIC: c.score} for c in cells},
        {c.id: {METRIC: w} for c, w in zip(cells, without, strict=True)},
        Units.equal(speakers),
    )


def claims() -> Claims:
    """RENO's claims, without their controls."""
    known = spec.load()
    own = [c.model_copy(update={"controls": []}) for c in known.claims if c.source == "reno"]
    return known.model_copy(update={"claims": own})


def false_verdicts(tracks: list[FieldEvidence], known: Claims) -> set[tuple[str, str]]:
    """Claim and column of every false verdict on one corpus; ``ANY`` where a column has one."""
    fields = {("corpus", "cut", t.result.protocol, "inner"): t for t in tracks}
    judged = judge_by(METRIC, fields, known)
    found = set()
    for claim in known.claims:
        first, second = (judged[key, claim.id, 0] for key in fields)
        columns = (
            _significant(p_value(first.test.difference, tracks[0].units)),
            _significant(first.test.p),
            _called(first.verdict),
            _called(agreed((first.verdict, second.verdict))),
        )
        found |= {
            (name, column)
            for column, false in zip(COLUMNS, columns, strict=True)
            for name in (claim.id, ANY)
            if false
        }
    return found


def _significant(p: float | None) -> bool:
    return p is not None and p < ALPHA


def _called(verdict: str) -> bool:
    return verdict in (HOLDS, FAILS)


def main(corpora: int) -> None:
    """Print the table."""
    known = claims()
    print("| claim | speakers | " + " | ".join(COLUMNS) + " |")
    print("|---|---|" + "---|" * len(COLUMNS))
    for speakers in SPEAKERS:
        rng, counts = np.random.default_rng(speakers), Counter[tuple[str, str]]()
        for _ in range(corpora):
            counts.update(false_verdicts(boards(rng, speakers), known))
        for name in (*(claim.id for claim in known.claims), ANY):
            cells = [f"{100 * counts[name, column] / corpora:.1f}" for column in COLUMNS]
            print(f"| {name} | {speakers} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
