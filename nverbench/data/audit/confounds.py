"""Prediction of the label from recording facts by a small tree: a model may score this much without
any use of the voice.

The input of the tree is one fact of a clip (duration, level, sampling rate, channels, leading
silence) or all of them, never its sound. It has as many leaves as there are classes, is trained on
the training part of each of the dataset's own folds and scored on the test part. Chance is the
score of the same tree on shuffled labels. They are shuffled within speakers, so that the relation
between a speaker and a microphone is unchanged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nverbench.data.audit.records import Confound, Confounds, Measured
from nverbench.data.folds import assign
from nverbench.metrics.scores import confusion, scores
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOOR_DB = -120.0
"""Level of a clip of zeros."""
FACTS: Mapping[str, Callable[[Measured], float]] = {
    "duration": lambda m: m.seconds or 0.0,
    "level": lambda m: FLOOR_DB if m.rms_db is None else max(FLOOR_DB, m.rms_db),
    "sampling rate": lambda m: float(m.rate or 0),
    "channels": lambda m: float(m.channels or 0),
    "leading silence": lambda m: m.leading or 0.0,
}
TOGETHER = "all together"
SHUFFLES = 20
Split = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
"""Rows trained on, rows tested."""


def confounds(
    clips: Sequence[Clip],
    measured: Mapping[str, Measured],
    cut: assign.FoldSet | None,
    *,
    k: int,
    seed: int,
    shuffles: int = SHUFFLES,
    tick: Callable[[int, int], None] = lambda done, of: None,
) -> Confounds:
    """Prediction of the label from each fact on the dataset's folds ``cut``, and of the speaker on
    random folds; clips without a measured duration are excluded.
    """
    if cut is None:
        return Confounds(reason="the clips cannot be cut into folds")
    splits = [
        (np.array(f.train + f.validation, np.int64), np.array(f.test, np.int64)) for f in cut.folds
    ]
    usable = np.array([measured[c.id].seconds is not None for c in clips], dtype=bool)
    splits = [(train[usable[train]], test[usable[test]]) for train, test in splits]
    if not splits or not all(len(train) and len(test) for train, test in splits):
        return Confounds(reason="too few clips could be decoded")
    facts = np.array([[fact(measured[c.id]) for fact in FACTS.values()] for c in clips])  # (n, 5)
    labels = _codes([str(c.label) for c in clips])
    draws, how = _shuffled(labels, [c.speaker for c in clips], shuffles, seed)
    rows, steps = [], 2 * len(_columns())
    for name, columns in _columns():
        rows.append(_against_chance(name, facts[:, columns], labels, draws, splits))
        tick(1, steps)
    rows += _of_speakers(clips, facts, usable, k=k, seed=seed, tick=lambda: tick(1, steps))
    return Confounds(tuple(rows), how, int(usable.sum()))


def _columns() -> list[tuple[str, list[int]]]:
    return [*((name, [i]) for i, name in enumerate(FACTS)), (TOGETHER, list(range(len(FACTS))))]


def _codes(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _shuffled(
    labels: NDArray[np.int64], speakers: Sequence[str | None], times: int, seed: int
) -> tuple[list[NDArray[np.int64]], str]:
    """Labels shuffled within speakers, or among all clips where speakers are unknown or each has
    one label only.
    """
    blocks: dict[str | None, list[int]] = defaultdict(list)
    for row, speaker in enumerate(speakers):
        blocks[speaker].append(row)
    within = None not in blocks and any(len(set(labels[rows])) > 1 for rows in blocks.values())
    parts = [np.array(blocks[s]) for s in sorted(map(str, blocks))] if within else []
    parts = parts or [np.arange(len(labels))]
    rng, draws = np.random.default_rng(seed), []
    for _ in range(times):
        draw = labels.copy()
        for rows in parts:
            draw[rows] = labels[rng.permutation(rows)]
        draws.append(draw)
    return draws, "within speakers" if within else "among all clips"


def _predicted(
    facts: NDArray[np.float64], labels: NDArray[np.int64], splits: Sequence[Split]
) -> tuple[float, float]:
    """Accuracy and macro-F1 of the tree, out of fold."""
    import sklearn
    from sklearn.tree import DecisionTreeClassifier

    classes = int(labels.max()) + 1
    total = np.zeros((classes, classes), np.int64)
    # on small corpora, scikit-learn's checks take as long as the training
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for train, test in splits:
            tree = DecisionTreeClassifier(max_leaf_nodes=max(2, classes), random_state=0)
            predicted = tree.fit(facts[train], labels[train]).predict(facts[test])
            total += confusion(labels[test], predicted.astype(np.int64), classes)
    found = scores(total)
    return float(found["accuracy"]), float(found["macro_f1"])


def _against_chance(
    name: str,
    facts: NDArray[np.float64],
    labels: NDArray[np.int64],
    draws: Sequence[NDArray[np.int64]],
    splits: Sequence[Split],
) -> Confound:
    """One row of the table: the tree on the labels, and on the shuffled ones."""
    row = _row("label", name, facts, labels, splits)
    null = np.array([_predicted(facts, draw, splits) for draw in draws])  # (shuffles, 2)
    spread, mean = float(null[:, 0].std(ddof=1)), float(null[:, 0].mean())
    return replace(
        row,
        null_mean=mean,
        null_max=float(null[:, 0].max()),
        null_macro_f1=float(null[:, 1].mean()),
        z=(row.accuracy - mean) / spread if spread > 1e-9 else None,
        p=(1 + int((null[:, 0] >= row.accuracy).sum())) / (1 + len(null)),
    )


def _of_speakers(
    clips: Sequence[Clip],
    facts: NDArray[np.float64],
    usable: NDArray[np.bool_],
    *,
    k: int,
    seed: int,
    tick: Callable[[], None],
) -> list[Confound]:
    """The same trees with the speaker as target, on random folds of the speakers with at least k
    clips.
    """
    counts = Counter(c.speaker for c in clips)
    known = [i for i, c in enumerate(clips) if usable[i] and c.speaker is not None]
    kept = [i for i in known if counts[clips[i].speaker] >= k]
    if len({clips[i].speaker for i in kept}) < 2:
        return []
    by_speaker = [replace(clips[i], label=clips[i].speaker) for i in kept]
    parts = assign.assign(by_speaker, "random", k=k, seed=seed)
    everyone = np.arange(len(kept))
    splits = [(np.setdiff1d(everyone, test), np.array(test, np.int64)) for _, test in parts]
    speakers, rows = _codes([str(clips[i].speaker) for i in kept]), []
    for name, columns in _columns():
        rows.append(_row("speaker", name, facts[np.ix_(kept, columns)], speakers, splits))
        tick()
    return rows


def _row(
    target: str,
    name: str,
    facts: NDArray[np.float64],
    labels: NDArray[np.int64],
    splits: Sequence[Split],
) -> Confound:
    accuracy, macro_f1 = _predicted(facts, labels, splits)
    counts = np.bincount(np.concatenate([labels[test] for _, test in splits]))
    majority, uniform = float(counts.max() / counts.sum()), 1 / (int(labels.max()) + 1)
    return Confound(target, name, accuracy, macro_f1, majority, uniform)
