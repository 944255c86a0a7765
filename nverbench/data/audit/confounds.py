"""Prediction of the label from recording facts by a small tree: a model may score this much without
any use of the voice.

The input of the tree is one fact of a clip (duration, level, sampling rate, channels, leading
silence) or all of them, never its sound. It has as many leaves as there are classes, is trained on
the training part of each of the dataset's own folds and scored on the test part. Chance is the
score of the same tree on shuffled labels, under two hypotheses; the one that says more is reported:

- shuffled within speakers, so that the relation between a speaker and a microphone is unchanged. It
  finds a fact that follows the label of each clip, and nothing where a speaker has one label;
- shuffled among all clips, which finds a fact that follows the speaker and with him the label. Few
  speakers of few labels may match by chance: whole speakers are permuted too, and at most
  ``ALPHA`` of these permutations may score as much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nverbench.data.audit.chance import PERMUTATIONS, WITHIN, Chance
from nverbench.data.audit.records import Confound, Confounds, Measured
from nverbench.data.clip_facts import ClipFacts
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
Z = 4.0
"""Standard deviations above the shuffled labels from which a tree's accuracy is a confound."""
GAIN = 0.04
"""Gain of accuracy from which a confound biases scores; a smaller one is only worth knowing."""
RUN_SHUFFLES = 40
"""Shuffles of a run, whose predictions from quantiles are fast."""
BINS = 12
ALPHA = 0.05
FEW = 6
"""Speakers below which a permutation of them proves nothing: of six, three of each label, one
permutation in ten is a perfect match.
"""
Split = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
"""Rows trained on, rows tested."""
Predict = Callable[
    ["NDArray[np.float64]", "NDArray[np.int64]", Sequence[Split]], tuple[float, float]
]
"""Accuracy and macro-F1, out of fold, of facts (n, c) and labels (n,)."""


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
    chance = Chance(labels, [c.speaker for c in clips], shuffles, seed)
    rows, steps = [], 2 * len(_columns())
    for name, columns in _columns():
        rows.append(_against_chance(name, facts[:, columns], chance, splits))
        tick(1, steps)
    how = ", or ".join(dict.fromkeys(row.shuffled for row in rows))
    rows += _of_speakers(clips, facts, usable, k=k, seed=seed, tick=lambda: tick(1, steps))
    return Confounds(tuple(rows), how, int(usable.sum()))


def strongest_fact(
    clips: Sequence[Clip], facts: Mapping[str, ClipFacts], cut: assign.FoldSet
) -> Confound | None:
    """The one of duration, level and sampling rate that predicts the label best on some folds;
    None where none is a confound, or gains less than ``GAIN`` of accuracy.
    """
    splits = [
        (np.array(f.train + f.validation, np.int64), np.array(f.test, np.int64)) for f in cut.folds
    ]
    chance = Chance(
        _codes([str(c.label) for c in clips]), [c.speaker for c in clips], RUN_SHUFFLES, 0
    )
    found = []
    for name in ("seconds", "level", "rate"):
        values = np.array([[float(getattr(facts[c.id], name))] for c in clips])  # (n, 1)
        if len(np.unique(values)) > 1:
            word = {"seconds": "duration", "rate": "sampling rate"}.get(name, name)
            found.append(_against_chance(word, values, chance, splits, _by_bins))
    strong = [c for c in found if is_confound(c) and c.accuracy - (c.null_mean or 0) >= GAIN]
    return max(strong, key=lambda c: c.accuracy, default=None)


def _columns() -> list[tuple[str, list[int]]]:
    return [*((name, [i]) for i, name in enumerate(FACTS)), (TOGETHER, list(range(len(FACTS))))]


def _codes(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


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


def _by_bins(
    facts: NDArray[np.float64], labels: NDArray[np.int64], splits: Sequence[Split]
) -> tuple[float, float]:
    """Accuracy and macro-F1 of the commonest label in each of ``BINS`` quantiles of one fact: what
    a small tree does, a hundred times as fast.
    """
    classes, values = int(labels.max()) + 1, facts[:, 0]
    total = np.zeros((classes, classes), np.int64)
    for train, test in splits:
        edges = np.unique(np.quantile(values[train], np.linspace(0, 1, BINS + 1)[1:-1]))
        bins = np.searchsorted(edges, values, side="right")  # (n,)
        counts = np.bincount(
            bins[train] * classes + labels[train], minlength=(len(edges) + 1) * classes
        )
        commonest = counts.reshape(-1, classes).argmax(axis=1)
        total += confusion(labels[test], commonest[bins[test]], classes)
    found = scores(total)
    return float(found["accuracy"]), float(found["macro_f1"])


def _against_chance(
    name: str,
    facts: NDArray[np.float64],
    chance: Chance,
    splits: Sequence[Split],
    predict: Predict | None = None,
) -> Confound:
    """One row of the table: the tree on the labels, and on the shuffled ones; of two ways to
    shuffle, the one above which the tree is a confound, else the first.
    """
    predict = predict or _predicted
    row = _row("label", name, facts, chance.labels, splits, predict)
    found = []
    for how, draws in chance.draws.items():
        one = _compared(row, how, np.array([predict(facts, draw, splits) for draw in draws]))
        found.append(one)
        if is_confound(one) and (
            one.shuffled == WITHIN or _beyond_speakers(one, facts, chance, splits, predict)
        ):
            return one
    first = found[0]
    if is_confound(first):  # whole speakers match as well by chance
        return replace(first, null_max=first.accuracy)
    return first


def _compared(row: Confound, how: str, null: NDArray[np.float64]) -> Confound:
    """The row against scores (shuffles, 2) on shuffled labels: accuracy and macro-F1."""
    spread, mean = float(null[:, 0].std(ddof=1)), float(null[:, 0].mean())
    return replace(
        row,
        null_mean=mean,
        null_max=float(null[:, 0].max()),
        null_macro_f1=float(null[:, 1].mean()),
        z=(row.accuracy - mean) / spread if spread > 1e-9 else None,
        p=(1 + int((null[:, 0] >= row.accuracy).sum())) / (1 + len(null)),
        shuffled=how,
    )


def is_confound(row: Confound) -> bool:
    """Whether a tree predicts the label better than on any shuffled labels, by ``Z`` standard
    deviations.
    """
    if row.target != "label" or row.null_mean is None:
        return False
    return row.accuracy > (row.null_max or 0) and (row.z is None or row.z >= Z)


def _beyond_speakers(
    row: Confound,
    facts: NDArray[np.float64],
    chance: Chance,
    splits: Sequence[Split],
    predict: Predict,
) -> bool:
    """Whether at most ``ALPHA`` of the permutations of whole speakers score as much."""
    if len(chance.blocks) < FEW:
        return True
    most, reached = ALPHA * (1 + PERMUTATIONS) - 1, 0
    for draw in chance.permuted():
        reached += predict(facts, draw, splits)[0] >= row.accuracy
        if reached > most:
            return False
    return True


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
    predict: Predict | None = None,
) -> Confound:
    accuracy, macro_f1 = (predict or _predicted)(facts, labels, splits)
    counts = np.bincount(np.concatenate([labels[test] for _, test in splits]))
    majority, uniform = float(counts.max() / counts.sum()), 1 / (int(labels.max()) + 1)
    return Confound(target, name, accuracy, macro_f1, majority, uniform)
