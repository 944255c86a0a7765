"""Can a small tree tell the label from how a clip was recorded? A model may score this much without
hearing a voice.

The tree sees one fact of a clip (duration, level, sampling rate, channels, leading silence) or all
of them, never its sound. It has as many leaves as there are classes, is trained on the training
part of each of the dataset's own folds and scored on the test part. Chance is what the same tree
scores when the labels are shuffled, within speakers so that what a speaker's microphone says about
the speaker stays as it is.
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
    """The label from each fact on the dataset's folds; as a remark, the speaker from each on random
    ones.

    Args:
        clips: what was cut, sorted by id; those without a measured duration are left out of
            training and test.
        cut: the dataset's folds; None gives the reason instead of rows.
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
    rows = []
    for name, columns in _columns():
        rows.append(_against_chance(name, facts[:, columns], labels, draws, splits))
        tick(1, 2 * len(FACTS) + 2)
    rows += _of_speakers(
        clips, facts, usable, k=k, seed=seed, tick=lambda: tick(1, 2 * len(FACTS) + 2)
    )
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
    parts = (
        [np.array(rows) for _, rows in sorted(blocks.items())]
        if within
        else [np.arange(len(labels))]
    )
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
    with sklearn.config_context(
        assume_finite=True, skip_parameter_validation=True
    ):  # on small corpora, checking takes as long as fitting
        for train, test in splits:
            tree = DecisionTreeClassifier(max_leaf_nodes=max(2, classes), random_state=0).fit(
                facts[train], labels[train]
            )
            total += confusion(labels[test], tree.predict(facts[test]).astype(np.int64), classes)
    found = scores(total)
    return float(found["accuracy"]), float(found["macro_f1"])


def _against_chance(
    name: str,
    facts: NDArray[np.float64],
    labels: NDArray[np.int64],
    draws: Sequence[NDArray[np.int64]],
    splits: Sequence[Split],
) -> Confound:
    """One row of the table: the tree on the labels as they are and as they are shuffled."""
    row = _row("label", name, facts, labels, splits)
    null = np.array([_predicted(facts, draw, splits) for draw in draws])  # (shuffles, 2)
    spread = float(null[:, 0].std(ddof=1))
    return replace(
        row,
        null_mean=float(null[:, 0].mean()),
        null_max=float(null[:, 0].max()),
        null_macro_f1=float(null[:, 1].mean()),
        z=(row.accuracy - float(null[:, 0].mean())) / spread if spread > 1e-9 else None,
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
    """The same trees asked for the speaker, on random folds that every speaker with k clips is
    in.
    """
    counts = Counter(c.speaker for c in clips)
    kept = [
        i
        for i, c in enumerate(clips)
        if usable[i] and c.speaker is not None and counts[c.speaker] >= k
    ]
    if len({clips[i].speaker for i in kept}) < 2:
        return []
    parts = assign.assign(
        [replace(clips[i], label=clips[i].speaker) for i in kept], "random", k=k, seed=seed
    )
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
    return Confound(
        target,
        name,
        accuracy,
        macro_f1,
        float(counts.max() / counts.sum()),
        1 / (int(labels.max()) + 1),
    )
