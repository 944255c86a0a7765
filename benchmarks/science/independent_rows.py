"""Rows of protocol nver-2 computed again by other code: scikit-learn and a plain torch loop, on the
embeddings that ``corpus_features.py`` wrote.

    OMP_NUM_THREADS=1 python benchmarks/science/independent_rows.py FEATURES.npz RUNS [--replicates N]

RUNS is the folder of a run (``--out``) that holds rows of protocol nver-2 on this corpus with the
heads ``linear`` or ``fcn`` on ``byol-s`` or ``logmel-stats``. Shared with nverbench are the folds
and the validation parts, and nothing else: scaling, fits, the search, F1 and the jackknife are
written again here, in the shortest way. A linear head has one optimum, so that its score should
agree to rounding; ``fcn`` has other random numbers here, so that it should agree within its spread
over seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import corpus_features
import numpy as np
import torch
from scipy.stats import t
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from nverbench import registry
from nverbench.data.folds.protocol import folds_of_protocol
from nverbench.results.store import ResultStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

RULES = registry.load().protocol("nver-2")
Fit = Callable[..., "NDArray[np.int64]"]
"""Trains on rows of one fold and replicate, and returns the predicted classes of its test part."""


def macro_f1(target: NDArray[np.int64], predicted: NDArray[np.int64], present: bool) -> float:
    """Macro-F1 over all classes of the corpus, or over those that the target has."""
    labels = np.unique(target) if present else None
    return float(f1_score(target, predicted, labels=labels, average="macro", zero_division=0))


def linear(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    train: NDArray[np.int64],
    parts: list[NDArray[np.int64]],
    test: NDArray[np.int64],
    seed: int,
) -> NDArray[np.int64]:
    """Logistic regression; the penalty with the highest mean macro-F1 on the validation parts."""

    def fitted(rows: NDArray[np.int64], penalty: float, asked: NDArray[np.int64]) -> Any:
        scaler = StandardScaler().fit(x[rows].astype(np.float64))
        model = LogisticRegression(C=1 / (len(rows) * penalty), tol=1e-6, max_iter=5000)
        model.fit(scaler.transform(x[rows]), y[rows])
        return model.predict(scaler.transform(x[asked]))

    def mean_score(penalty: float) -> float:
        found = [macro_f1(y[p], fitted(np.setdiff1d(train, p), penalty, p), True) for p in parts]
        return float(np.mean(found))

    penalties = sorted(RULES.penalties, reverse=True)
    return np.asarray(fitted(train, max(penalties, key=mean_score), test))


def fcn(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    train: NDArray[np.int64],
    parts: list[NDArray[np.int64]],
    test: NDArray[np.int64],
    seed: int,
) -> NDArray[np.int64]:
    """Dense 512 and 128 with dropout 0.3; rate and epochs by the mean macro-F1 of the parts."""
    classes = int(y.max()) + 1

    def epochs_of(rows: NDArray[np.int64], rate: float, asked: NDArray[np.int64]) -> Any:
        """Yields the predictions of ``asked`` after each epoch."""
        scaler = StandardScaler().fit(x[rows].astype(np.float64))
        inputs = torch.tensor(scaler.transform(x), dtype=torch.float32)
        target = torch.tensor(y)
        width = x.shape[1]
        net = torch.nn.Sequential(
            *(torch.nn.Linear(width, 512), torch.nn.ReLU(), torch.nn.Dropout(0.3)),
            *(torch.nn.Linear(512, 128), torch.nn.ReLU(), torch.nn.Dropout(0.3)),
            torch.nn.Linear(128, classes),
        )
        adam = torch.optim.Adam(net.parameters(), lr=rate)
        for _ in range(RULES.epochs):
            net.train()
            order = torch.tensor(rows)[torch.randperm(len(rows))]
            for batch in order.split(RULES.batch):
                adam.zero_grad()
                torch.nn.functional.cross_entropy(net(inputs[batch]), target[batch]).backward()
                adam.step()
            net.eval()
            with torch.no_grad():
                predicted = net(inputs[asked]).argmax(1).numpy()
            yield predicted

    def search(rate: float) -> tuple[float, int]:
        """The best mean macro-F1 and its epoch."""
        best, when = -1.0, 0
        runs = [epochs_of(np.setdiff1d(train, p), rate, p) for p in parts]
        for epoch, found in enumerate(zip(*runs, strict=True), 1):
            scores = [macro_f1(y[p], one, True) for p, one in zip(parts, found, strict=True)]
            if np.mean(scores) > best:
                best, when = float(np.mean(scores)), epoch
            if epoch - when >= RULES.patience:
                break
        return best, when

    torch.manual_seed(seed)
    found = {rate: search(rate) for rate in RULES.rates}
    rate = max(found, key=lambda one: found[one][0])
    predictions = epochs_of(train, rate, test)
    for _ in range(found[rate][1]):
        predicted = next(predictions)
    return np.asarray(predicted)


def score(
    corpus: corpus_features.CorpusFeatures, stream: int, fit: Fit, replicates: int
) -> tuple[float, float]:
    """Macro-F1 of the pooled predictions, the mean over replicates, and its jackknife standard
    error over speakers.
    """
    x, y = corpus.streams[stream], corpus.target
    cut = folds_of_protocol(corpus.clips, "speaker", RULES, replicates=replicates)
    predicted = np.empty((replicates, len(y)), dtype=np.int64)
    for replicate in range(replicates):
        for fold in cut.folds:
            first = replicate * RULES.inner_splits
            parts = [np.array(p) for p in fold.splits[first : first + RULES.inner_splits]]
            rows, test = np.array(fold.train), np.array(fold.test)
            predicted[replicate, test] = fit(x, y, rows, parts, test, replicate)
    speakers = np.array([clip.unit for clip in corpus.clips])

    def mean(kept: NDArray[np.bool_]) -> float:
        return float(np.mean([macro_f1(y[kept], one[kept], False) for one in predicted]))

    without = np.array([mean(speakers != name) for name in np.unique(speakers)])
    squares = float(((without - without.mean()) ** 2).sum())
    error = float(np.sqrt((len(without) - 1) / len(without) * squares))
    return mean(np.ones(len(y), dtype=bool)), error


def main() -> None:
    """Print each row beside its recomputation."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--replicates", type=int, help="at most so many; default: all of a row")
    asked = parser.parse_args()
    corpus = corpus_features.read(asked.features)
    results, _ = ResultStore(asked.runs).results()
    print("| row | nverbench | standard error | again | standard error | difference |")
    print("|---|--:|--:|--:|--:|--:|")
    for r in results.values():
        names = ("byol-s", "logmel-stats")
        known = r.entry.fusion in ("linear", "fcn") and r.entry.backbones[0] in names
        if r.protocol != "nver-2" or len(r.entry.backbones) > 1 or not known:
            continue
        fit: Fit = linear if r.entry.fusion == "linear" else fcn
        stream = names.index(r.entry.backbones[0])
        replicates = min(r.seeds, asked.replicates or r.seeds)
        value, error = score(corpus, stream, fit, replicates)
        ours = r.scores["macro_f1"]
        units = len({clip.unit for clip in corpus.clips})
        half = float(t.ppf(0.975, units - 1)) * error
        print(
            f"| {r.entry.backbones[0]} / {r.entry.fusion} | {100 * ours.value:.2f} |"
            f" {100 * (ours.se or 0):.2f} | {100 * value:.2f} | {100 * error:.2f} (half an"
            f" interval {100 * half:.2f}) | {100 * (value - ours.value):+.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
