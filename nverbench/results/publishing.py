"""The published form of results and predictions: without file names, clip ids or people; the key of
a clip can only be computed from its audio.

Names alone could be found by trying (corpora name their files by rule), so that a key also covers
the digest of the audio. The salt is the dataset's digest: two results on the same data can be
joined, results on two datasets cannot.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nverbench.data.corpus import Corpus
from nverbench.errors import ResultError
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Clip
from nverbench.results.predictions import Predictions
from nverbench.results.pseudonyms import Names, numbered
from nverbench.results.record import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = re.compile(r"[0-9a-f]{32}")
WITHHELD = "(name withheld)"
PATH = re.compile(r"""[^\s'"(),;]*[/\\][^'"(),;]*|[^\s'"(),;]+\.[A-Za-z][A-Za-z0-9]{1,4}\b""")
"""A path (it may hold spaces; quotes and punctuation end it), or a file's name."""


def clip_key(
    dataset_digest: str, clip_id: str, audio_sha256: str, start: float | None, end: float | None
) -> str:
    """Return the key of a clip, 32 hexadecimal digits: HMAC-SHA256 of id, audio and segment, salted
    by the dataset's digest.
    """
    message = json.dumps([clip_id, audio_sha256, start, end], separators=(",", ":")).encode()
    return hmac.new(dataset_digest.encode(), message, hashlib.sha256).hexdigest()[:32]


def keys(corpus: Corpus, clips: Iterable[Clip]) -> list[str]:
    """Return the keys of clips of a corpus, in their order."""
    return [clip_key(corpus.digest, c.id, corpus.sha256[c.id], c.start, c.end) for c in clips]


def public_text(reference: PartRef, digest: str) -> str:
    """Return a reference in its published form: the digest of a file's content replaces the name of
    a file of this machine.
    """
    options = {k: v for k, v in reference.options.items() if k not in reference.local}
    if reference.positional in reference.local and set(reference.local) & set(reference.options):
        options[str(reference.positional)] = digest[:12]
    weights = digest[:12] if reference.weights else None
    return str(replace(reference, options=options, weights=weights))


def pseudonyms_for(
    corpus: Corpus,
    kind: str,
    predictions: Predictions,
    left_out: Mapping[str, str],
    texts: Mapping[str, str],
    notes: Iterable[str] = (),
) -> Names:
    """Return the private names of a result and their pseudonyms.

    Args:
        corpus: that the result was computed on.
        kind: of its folds.
        predictions: with ids, keys and groups; pseudonyms are numbered in the order of the keys,
            which does not depend on names.
        left_out: clip id -> reason.
        texts: references of this machine -> their published form.
        notes: on the folds; where folds have the names of groups, the published note does not name
            the folds that it is about.
    """
    # units as metrics.jackknife.Decisions.units names them
    units = [group or f"clip {row}" for row, group in enumerate(predictions.groups)]
    order = np.argsort(np.array(predictions.keys))
    groups = numbered("group", [units[row] for row in order]) if any(predictions.groups) else {}
    folds = [predictions.folds[row] for row in order]
    base = kind.partition("=")[0]
    named: dict[str, str] = {}
    if base in ("leave-one-group-out", "holdout"):
        named = {fold: groups[fold] for fold in folds}
    elif base == "official":  # a split may have the name of a person in it
        people = {c.speaker for c in corpus.clips} | set(groups)
        named = numbered("split", folds) if people & set(folds) else {}
    replaced = {**texts, kind: base}
    replaced |= {why: _without_names(why, corpus, left_out) for why in left_out.values()}
    replaced |= {note: _without_folds(note) for note in notes} if named else {}
    return Names(
        texts={old: new for old, new in replaced.items() if old != new},
        clips=numbered("clip", sorted(left_out)),
        groups=groups,
        folds=named,
    )


def _without_folds(note: str) -> str:
    """Return a note without the names of its folds, which are in brackets at its end; they would
    also be given by the absent classes of folds.
    """
    head, folds, _ = note.partition(" folds (")
    return head + folds.removesuffix(" (")


def _without_names(reason: str, corpus: Corpus, left_out: Iterable[str]) -> str:
    """Return a reason without paths, and without names of clips, files or people."""
    private = set(left_out)
    for c in corpus.clips:
        people, path = (c.speaker or "", c.group or ""), c.path
        private |= {c.id, *people, path.name, path.stem, str(path), str(path.parent)}
    # no name: "2" in "peak 2.9e-4"
    found = [n for n in private if n in reason and not re.fullmatch(r"\d{0,2}", n)]
    # A short name must be a word of its own: "a" is in every sentence.
    words = [
        re.escape(n) if len(n) > 4 else rf"(?<!\w){re.escape(n)}(?!\w)"
        for n in sorted(found, key=len, reverse=True)
    ]
    # a path does not end at \0
    plain = re.sub("|".join(words), "\0", reason) if words else reason
    return PATH.sub(WITHHELD, plain).replace("\0", WITHHELD)


def publish(result: Result, predictions: Predictions) -> tuple[Result, Predictions]:
    """Return the published form: the same digest, no private name, rows in the order of their keys;
    labels and groups of clips only where ``open``.

    A published pair is returned unchanged.

    Raises:
        ResultError: the predictions do not belong to the result, or hold ids where keys are
            expected.
    """
    p, problem = predictions, _problem(result, predictions)
    if problem:
        raise ResultError(f"result {result.id}{problem}")
    if result.names is None:
        return result, p
    hidden, opened = result.names, result.share == "open"
    order = np.argsort(np.array(p.keys))
    rows = [int(row) for row in order]
    ids = [p.keys[row] for row in rows]
    public = Predictions(
        ids,
        [hidden.groups[p.groups[row]] if opened and p.groups[row] else "" for row in rows],
        p.target[order] if opened else p.target[:0],
        [hidden.folds.get(p.folds[row], p.folds[row]) for row in rows],
        p.probabilities[:, order],
        ids,
    )
    return result.published(), public


def _problem(result: Result, p: Predictions) -> str:
    """Return why predictions are not those of a result, as the end of a sentence; else nothing."""
    rerun, names = "; run the job with --rerun", result.names
    if not all(map(KEY.fullmatch, p.keys)) or len(set(p.keys)) != len(p.ids):
        return f": expected predictions with a key per clip{rerun}"
    if names is None and p.ids != p.keys:
        return (
            " is the published form, but its predictions hold clip ids; give the published"
            " predictions"
        )
    groups, folds = set(p.groups) - {""}, set(p.folds)
    if names and not (groups <= {*names.groups} and (not names.folds or folds <= {*names.folds})):
        return f": the predictions hold groups or folds that the result does not know{rerun}"
    return ""


def rejoin(published: Predictions, corpus: Corpus) -> Predictions:
    """Return published predictions with ids, groups, labels and fold names of the local copy of the
    dataset; rows in the order of ids.

    Raises:
        ResultError: this copy does not have all keys: it is another one.
    """
    by_key = dict(zip(keys(corpus, corpus.clips), corpus.clips, strict=True))
    missing = sum(key not in by_key for key in published.keys)
    if missing:
        raise ResultError(
            f"{missing} of {len(published.keys)} clips are not in this copy of {corpus.reference}"
            f" (digest {corpus.digest[:12]}); the predictions were made on a copy of another"
            " digest: nverbench data check says how this one differs"
        )
    order = sorted(range(len(published.keys)), key=lambda row: by_key[published.keys[row]].id)
    clips = [by_key[published.keys[row]] for row in order]
    index = {label: i for i, label in enumerate(corpus.labels)}
    return Predictions(
        [c.id for c in clips],
        [c.unit or "" for c in clips],
        np.array([index[str(c.label)] for c in clips], dtype=np.int64),
        _fold_names([published.folds[row] for row in order], clips),
        published.probabilities[:, order],
        [published.keys[row] for row in order],
    )


def _fold_names(folds: Sequence[str], clips: Sequence[Clip]) -> list[str]:
    """Return the original names of folds that have the name of a group or split: the one that all
    clips of such a fold share.
    """
    shared: dict[str, set[str | None]] = defaultdict(set)
    for fold, clip in zip(folds, clips, strict=True):
        shared[fold].add(clip.split if fold.startswith("split ") else clip.unit)
    named = {
        fold: next(iter(names))
        for fold, names in shared.items()
        if re.fullmatch(r"(group|split) \d+", fold) and len(names) == 1
    }
    return [named.get(fold) or fold for fold in folds]
