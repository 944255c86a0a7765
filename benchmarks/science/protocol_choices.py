"""The ablation of protocol nver-2: what each of its choices gives, by head and corpus.

    OMP_NUM_THREADS=1 python benchmarks/science/protocol_choices.py RECORDS.jsonl FEATURES
        [--corpora NAME ...] [--heads NAME ...] [--choices TEXT ...] [--replicates N] [--subset N]
        [--tables]

FEATURES is a folder that ``corpus_features.py`` wrote. RECORDS gets one line per corpus, head and
choice; a second start computes only what is missing, and ``--tables`` computes nothing. A choice is
a protocol of the registry with other constants, such as ``nver-2:rates=[0.001];watch=cross-entropy``.
Heads of one stream are trained on byol-s, all others on byol-s + logmel-stats.

Printed as Markdown: macro-F1 minus nver-1's, in points, choice by corpus, one table per head; the
means over heads and corpora, with the time; and, for each corpus, the choice that is best on the
other corpora, with what it gives on the one left out. Time is processor time relative to nver-1.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import corpus_features
import numpy as np
from protocol_choices_tables import Measured, print_tables
from pydantic import ValidationError

from nverbench import registry
from nverbench._io.digests import digest_of
from nverbench.data.folds.protocol import folds_of_protocol
from nverbench.errors import NverbenchError
from nverbench.metrics import scores
from nverbench.plugin import discovery
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import resolve, split
from nverbench.registry import Protocol, Registry
from nverbench.training import search
from nverbench.training.folds import fit_folds
from nverbench.training.records import FoldPredictions, TrainingSetup

if TYPE_CHECKING:
    from corpus_features import CorpusFeatures

HEADS = ("linear", "fcn", "late", "gated")
CHOICES = (
    "nver-1",
    "nver-2",
    "paper-recipe",
    "nver-2:rates=[0.001]",
    "nver-2:watch=cross-entropy",
    "nver-2:inner_splits=1",
    "nver-2:rates=[0.001];inner_splits=1",
    "nver-2:rates=[];inner_splits=1",
    "nver-2:patience=5",
    "nver-2:epochs=20",
    "nver-2:rates=[0.0003,0.001,0.003]",
    "nver-2:penalties=[]",
    "nver-2:penalties=[0.01,0.1,1.0]",
)
"""In the order in which they are measured. Without rates there is no search and no refit: the two
choices of one split and the rate 1e-3 differ in the refit alone (for convex heads, in the fit to
the optimum too).
"""
BULKY = ("probabilities", "curves", "parameters", "seconds")
"""What a record does not keep of a fold's training."""


@functools.cache
def _protocols() -> Registry:
    return registry.load()


@functools.cache
def _parts() -> Catalog:
    return discovery.discover()


def protocol_of(choice: str) -> Protocol:
    """The protocol that a choice stands for: ``BASE`` or ``BASE:constant=value;constant=value``,
    with values in JSON or plain words.
    """
    base, _, changes = choice.partition(":")
    values = {}
    for change in filter(None, changes.split(";")):
        name, _, text = change.partition("=")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    try:
        return Protocol.model_validate(_protocols().protocol(base).model_dump() | values)
    except NverbenchError as error:
        raise SystemExit(f"choice {choice}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SystemExit(f"choice {choice}: {where}: {first['msg'].lower()}") from error


def effective(head: str, protocol: Protocol) -> Protocol:
    """The protocol without the differences that cannot change this head: learning rates and epochs
    where a search fits it to the optimum, penalties elsewhere.
    """
    setup = setup_of(head, protocol, 2)
    if not (search.searches(setup) and setup.is_convex):
        return protocol.model_copy(update={"penalties": []})
    reference = _protocols().protocol("nver-2")
    unused = {name: getattr(reference, name) for name in ("rates", "lr", "epochs", "patience")}
    return protocol.model_copy(update=unused)


def identity(corpus: CorpusFeatures, head: str, protocol: Protocol, replicates: int) -> str:
    """The digest of everything that a line of the records depends on, but for the code."""
    ids = digest_of([[clip.id, clip.label, clip.unit] for clip in corpus.clips])
    return digest_of([corpus.name, ids, head, effective(head, protocol).constants(), replicates])


def setup_of(head: str, protocol: Protocol, classes: int) -> TrainingSetup:
    """What to train: a head with its default loss."""
    parts = _parts()
    fusion = parts.fusion(split(head)[0])
    loss = parts.loss(fusion.default_loss)
    options = resolve(fusion, head).full, resolve(loss, loss.name).full
    return TrainingSetup(fusion, options[0], loss, options[1], protocol, classes)


def measure(
    corpus: CorpusFeatures, head: str, protocol: Protocol, replicates: int
) -> dict[str, Any]:
    """Train every fold of every replicate: scores of the pooled out-of-fold predictions, averaged
    over replicates; what was chosen; seconds of processor time.
    """
    cut = folds_of_protocol(corpus.clips, "speaker", protocol)
    if protocol.inner_draw == "fold" and not all(fold.splits for fold in cut.folds):
        raise SystemExit("inner_draw: fold: the folds hold no validation parts (Fold.splits)")
    setup = setup_of(head, effective(head, protocol), len(corpus.labels))
    streams = corpus.streams if setup.fusion.arity[1] != 1 else corpus.streams[:1]
    began = time.process_time()
    fitted = fit_folds(setup, streams, corpus.target, cut.folds, replicates)
    seconds = time.process_time() - began
    counts = []
    for replicate in fitted:
        predicted = np.full(len(corpus.clips), -1)
        for fold, found in zip(cut.folds, replicate, strict=True):
            predicted[list(fold.test)] = found.probabilities.argmax(1)
        counts.append(scores.confusion(corpus.target, predicted, len(corpus.labels)))
    pooled = scores.scores(np.stack(counts))  # name -> (replicates,)
    return {
        "macro_f1": float(pooled["macro_f1"].mean()),
        "accuracy": float(pooled["accuracy"].mean()),
        "macro_f1_of_replicates": pooled["macro_f1"].tolist(),
        "seconds": round(seconds, 2),
        **kept(fitted),
    }


def kept(fitted: Sequence[Sequence[FoldPredictions]]) -> dict[str, Any]:
    """Name -> [replicate][fold], for everything small that a training records: the epoch, and the
    learning rate or penalty where a search chose one.
    """
    names = [field.name for field in fields(FoldPredictions) if field.name not in BULKY]
    return {n: [[getattr(one, n) for one in folds] for folds in fitted] for n in names}


def read_records(path: Path) -> dict[str, dict[str, Any]]:
    """The records by their identity. A line that an interrupted run did not finish is removed."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return {record["id"]: record for record in map(json.loads, whole.splitlines())}


def measure_missing(
    path: Path,
    corpora: Sequence[CorpusFeatures],
    heads: Sequence[str],
    choices: Sequence[str],
    replicates: int,
) -> None:
    """Append a line for every corpus, head and choice that the records lack, choice by choice."""
    known = set(read_records(path))
    # the first training loads libraries, which takes time of its own
    measure(corpora[0], "linear", protocol_of("nver-1:epochs=1"), 1)
    for choice in choices:
        protocol = protocol_of(choice)
        for corpus in corpora:
            for head in heads:
                key = identity(corpus, head, protocol, replicates)
                if key in known:
                    continue
                line = {"corpus": corpus.name, "head": head, "choice": choice}
                size = {"clips": len(corpus.clips), "replicates": replicates}
                record = {"id": key, **line, **size, **measure(corpus, head, protocol, replicates)}
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
                known.add(key)
                value, seconds = 100 * record["macro_f1"], record["seconds"]
                print(
                    f"{choice} / {head} / {corpus.name}: {value:.1f}, {seconds:.1f} s", flush=True
                )


def measured(
    path: Path,
    corpora: Sequence[CorpusFeatures],
    heads: Sequence[str],
    choices: Sequence[str],
    replicates: int,
) -> Measured:
    """The records of these corpora, heads and choices: (choice, head, corpus) -> record."""
    records = read_records(path)
    keys = {
        (choice, head, corpus.name): identity(corpus, head, protocol, replicates)
        for choice, protocol in ((c, protocol_of(c)) for c in choices)
        for head in heads
        for corpus in corpora
    }
    cells = {place: records[key] for place, key in keys.items() if key in records}
    return Measured(cells, tuple(choices), tuple(heads), tuple(c.name for c in corpora))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("records", type=Path, help="JSON Lines; lines are added")
    parser.add_argument("features", type=Path, help="a folder of corpus_features.py")
    parser.add_argument("--corpora", nargs="+", help="names of its files; default: all")
    parser.add_argument("--heads", nargs="+", default=HEADS)
    parser.add_argument("--choices", nargs="+", default=CHOICES)
    parser.add_argument("--replicates", type=int, default=1)
    parser.add_argument("--subset", type=int, help="at most so many clips per corpus")
    parser.add_argument("--tables", action="store_true", help="print the tables only")
    return parser.parse_args()


def main() -> None:
    """Measure what is missing, then print."""
    asked = arguments()
    files = sorted(asked.features.glob("*.npz"))
    names = asked.corpora or [file.stem for file in files]
    unknown = sorted(set(names) - {file.stem for file in files})
    if unknown or not names:
        raise SystemExit(f"{asked.features}: no file {', '.join(unknown) or '*'}.npz")
    read = [corpus_features.read(asked.features / f"{name}.npz") for name in names]
    given = [corpus.subset(asked.subset) for corpus in read], asked.heads, asked.choices
    if not asked.tables:
        measure_missing(asked.records, *given, asked.replicates)
    print_tables(measured(asked.records, *given, asked.replicates))


if __name__ == "__main__":
    main()
