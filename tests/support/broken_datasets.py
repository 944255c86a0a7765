"""Datasets that break one rule each, and what the kit says of them: the table of the tests and of
benchmarks/reliability/rules.py.
"""

from __future__ import annotations

import atexit
import contextlib
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from nverbench import Clip, LabelCard
from support.tiny_parts import LABELS, Case, load, loads, sample, tiny_dataset, write

OF_CLIPS = (
    "ids",
    "paths",
    "readable",
    "repeatable",
    "another-root",
    "misfits",
    "no-global-state",
    "labels",
    "groups",
    "folds",
    "conversations",
)
OUTSIDE = Path(tempfile.mkdtemp(prefix="nverbench-outside-"))
atexit.register(shutil.rmtree, OUTSIDE, ignore_errors=True)
calls = count()


def elsewhere(clip: Clip, root: Path) -> Clip:
    path = OUTSIDE / "outside.wav"
    if not path.exists():
        write(path, 300.0)
    return replace(clip, path=path) if clip.id == "s3/cry" else clip


def random_sample(root: Path) -> None:
    sample(root)
    (root / "notes.txt").write_text(str(next(calls)))


def large_sample(root: Path) -> None:
    sample(root)
    (root / "notes.txt").write_bytes(bytes(5_000_001))


def silent_sample(root: Path) -> None:
    sample(root)
    write(root / "s2" / "cry.wav", 300.0, peak=0.0)


def downloading(root: Path) -> Iterator[Any]:
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    return load(root)


def printing(root: Path) -> Iterator[Any]:
    print("loading ...")
    return load(root)


def seeding(root: Path) -> Iterator[Any]:
    random.seed(0)
    return load(root)


def forgetful(root: Path) -> list[Any]:
    return [
        item
        for item in load(root)
        if not isinstance(item, Clip) or item.id != "s3/cry" or next(calls) % 2
    ]


def scanning(root: Path) -> list[Any]:
    return [item for item in load(root) if isinstance(item, Clip)]


def listing(root: Path) -> list[Any]:
    """A list in the code, as of a table: what is gone stays a clip."""
    return [
        Clip(f"{s}/{label}", root / s / f"{label}.wav", label, speaker=s)
        for s in ("s1", "s2", "s3", "s4", "s5")
        for label in LABELS
    ]


def by_one(clip: Clip, root: Path) -> Clip:
    return replace(clip, label="laugh" if clip.speaker == "s1" else "cry")


CARD = LabelCard(kind="felt", setting="acted", raters="none", languages="none")
CASES = (
    Case(
        "record",
        "says no licence",
        tiny_dataset(licence="unknown"),
        "expected a licence, got 'unknown'",
    ),
    Case(
        "record",
        "cites nothing",
        tiny_dataset(citation=""),
        "expected BibTeX with a title and a year",
    ),
    Case("record", "says no source", tiny_dataset(sources=()), "expected sources, got ()"),
    Case(
        "label-card",
        "labels of a kind of their own",
        tiny_dataset(label_card=CARD),
        "one of portrayed, perceived, self-reported, got 'felt'",
    ),
    Case(
        "label-card",
        "silent on raters",
        tiny_dataset(label_card=replace(CARD, kind="perceived", raters="unknown")),
        "label_card.raters",
    ),
    Case(
        "declared",
        "counts a label that is none",
        tiny_dataset(counts={"sob": 3}),
        "counts of declared labels, got 'sob'",
    ),
    Case(
        "declared",
        "folds nobody knows",
        tiny_dataset(folds=("random", "monthly")),
        "got 'monthly'",
        ("folds",),
    ),
    Case(
        "sample",
        "no sample",
        tiny_dataset(sample=None),
        "expected sample(root), or make(root), got neither",
        OF_CLIPS,
    ),
    Case(
        "sample",
        "other bytes each time",
        tiny_dataset(sample=random_sample),
        "the same bytes each time, got others in notes.txt",
    ),
    Case("sample", "a large sample", tiny_dataset(sample=large_sample), "at most 5,000,000 bytes"),
    Case(
        "no-download",
        "load asks the network",
        tiny_dataset(load=downloading),
        "got a call to 192.0.2.1",
    ),
    Case(
        "ids",
        "backslashes in ids",
        tiny_dataset(load=loads(lambda c, r: replace(c, id=c.id.replace("/", "\\")))),
        "ids that are relative names",
    ),
    Case(
        "ids",
        "the file's name as id",
        tiny_dataset(load=loads(lambda c, r: replace(c, id=c.path.name))),
        "unique ids",
        ("another-root", "folds"),
    ),
    Case(
        "ids",
        "the whole path as id",
        tiny_dataset(load=loads(lambda c, r: replace(c, id=str(c.path)))),
        "relative names",
        ("another-root",),
    ),
    Case(
        "paths",
        "a clip outside the root",
        tiny_dataset(load=loads(elsewhere)),
        "expected clip s3/cry inside the root",
    ),
    Case(
        "readable",
        "a silent clip",
        tiny_dataset(sample=silent_sample),
        "clip s2/cry to be readable audio, got one that is silent",
    ),
    Case(
        "readable",
        "a segment that ends before it starts",
        tiny_dataset(load=loads(lambda c, r: replace(c, start=2.0, end=1.0))),
        "end after",
    ),
    Case(
        "repeatable",
        "a clip in every other load",
        tiny_dataset(load=forgetful),
        "from a second load, got others",
        ("another-root",),
    ),
    Case(
        "another-root",
        "a speaker's whole path",
        tiny_dataset(load=loads(lambda c, r: replace(c, speaker=str(c.path.parent)))),
        "another root",
    ),
    Case(
        "misfits",
        "passes over what it does not know",
        tiny_dataset(load=scanning),
        "a stray file nverbench-stray.wav among the clips to be named",
    ),
    Case(
        "misfits",
        "a clip whose file is gone",
        tiny_dataset(load=listing),
        "no clip whose file is gone, got s5/laugh",
    ),
    Case(
        "no-global-state",
        "prints while it loads",
        tiny_dataset(load=printing),
        "nothing printed during sample and load",
    ),
    Case(
        "no-global-state",
        "seeds random",
        tiny_dataset(load=seeding),
        "another random state of python",
    ),
    Case(
        "labels",
        "a label it did not declare",
        tiny_dataset(labels=("cry", "sob")),
        "labels among cry, sob, got 'laugh'",
        ("another-root",),
    ),
    Case(
        "labels",
        "one class",
        tiny_dataset(load=loads(lambda c, r: replace(c, label="cry"))),
        "at least two classes, got cry",
        ("another-root",),
    ),
    Case(
        "groups",
        "no speakers",
        tiny_dataset(load=loads(lambda c, r: replace(c, speaker=None))),
        "a speaker for every clip",
        ("folds",),
    ),
    Case(
        "groups",
        "no official split",
        tiny_dataset(folds=("random", "official")),
        "a split for every clip (folds official)",
        ("folds",),
    ),
    Case(
        "folds",
        "one speaker says a whole class",
        tiny_dataset(load=loads(by_one)),
        "got no laugh outside fold",
    ),
    Case(
        "conversations",
        "turns of a dataset of clips",
        tiny_dataset(load=loads(lambda c, r: replace(c, conversation="a"))),
        "task is clip",
    ),
    Case(
        "conversations",
        "no turns",
        tiny_dataset(task="conversation"),
        "a conversation and a turn for every clip",
        ("another-root",),
    ),
)
