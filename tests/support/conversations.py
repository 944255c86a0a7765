"""Finished results on an IEMOCAP-shaped tree without a training: what models of a chosen skill
would have left in a results folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nverbench._io.state import write_state
from nverbench.data import corpus as corpora
from nverbench.data.corpus import Corpus
from nverbench.plugin import discovery
from nverbench.results import publishing
from nverbench.results.predictions import Predictions
from nverbench.results.record import Combination, Folds, Result
from nverbench.results.store import ResultStore
from support.iemocap_tree import write_tree
from support.results import finished

MAMBA, ALONE = "erc-mamba", "erc-mamba:context=utterance"


def tree(root: Path, *, dialogues: int = 3, turns: int = 8) -> Corpus:
    """An IEMOCAP-shaped corpus that this machine knows as iemocap-6."""
    write_tree(root / "IEMOCAP", dialogues=dialogues, turns=turns, seconds=0.06)
    write_state("corpora", "paths", "iemocap", str(root / "IEMOCAP"))
    return corpora.load_local(discovery.discover().dataset("iemocap-6"), "iemocap-6")


def tried(corpus: Corpus, skill: float, *, seed: int, session: str, replicates: int) -> Predictions:
    """Right with that probability, of the scored turns whose session's name begins so."""
    clips = [clip for clip in corpus.clips if str(clip.unit).startswith(session)]
    target = np.array([corpus.labels.index(str(clip.label)) for clip in clips])
    rng = np.random.default_rng(seed)
    said = np.where(
        rng.random((replicates, len(clips))) < skill,
        target,
        rng.integers(len(corpus.labels), size=(replicates, len(clips))),
    )
    groups = [str(clip.unit) for clip in clips]
    probabilities = np.eye(len(corpus.labels), dtype=np.float32)[said]
    return Predictions(
        [clip.id for clip in clips],
        groups,
        target,
        groups,
        probabilities,
        publishing.keys(corpus, clips),
    )


def leave(
    out: Path,
    corpus: Corpus,
    name: str,
    *,
    fusion: str = MAMBA,
    skill: float = 0.6,
    session: str = "",
    replicates: int = 1,
    **changes: Any,
) -> Result:
    """Write a result of a model of that skill into a results folder; ``changes`` of a combination's
    field or of a result's.
    """
    entry = {
        "backbones": ["logmel-stats"],
        "families": ["features"],
        "loss": "cross-entropy",
        "dataset": "iemocap-6",
        "grid": "g",
        "paper": "",
        "demo": False,
    }
    entry |= {key: changes.pop(key) for key in list(changes) if key in entry}
    kind = f"holdout={session}" if session else "leave-one-group-out"
    folds = Folds(
        kind=kind, digest=changes.pop("digest", kind), number=5, speakers_seen=False, notes=[]
    )
    made_from = finished().provenance.model_copy(update={"dataset_digest": corpus.digest})
    predictions = tried(
        corpus, skill, seed=len(name) + int(100 * skill), session=session, replicates=replicates
    )
    result = finished(
        id=name,
        entry=Combination(fusion=fusion, **entry),
        folds=folds,
        provenance=made_from,
        labels=list(corpus.labels),
        seeds=replicates,
        **changes,
    )
    ResultStore(out).write(result, predictions)
    return result
