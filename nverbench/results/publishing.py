"""What leaves this machine: results and predictions without file names, clip ids or people, keyed
by what only a holder of the audio can compute.

A name alone could be undone by anybody (corpora name their files by rule), so a key also takes in
the digest of the audio; the dataset's digest is the salt: two results on the same data can be
joined, two datasets cannot.
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
    """The key of a clip, 32 hexadecimal digits: HMAC-SHA256 of id, audio and segment, salted by the
    dataset's digest.
    """
    message = json.dumps([clip_id, audio_sha256, start, end], separators=(",", ":")).encode()
    return hmac.new(dataset_digest.encode(), message, hashlib.sha256).hexdigest()[:32]


def keys(corpus: Corpus, clips: Iterable[Clip]) -> list[str]:
    """The keys of clips of a corpus, in their order."""
    return [clip_key(corpus.digest, c.id, corpus.sha256[c.id], c.start, c.end) for c in clips]


def public_text(reference: PartRef, digest: str) -> str:
    """A reference as it is published: where it would name a file of this machine, the digest of its
    content stands instead.
    """
    options = {k: v for k, v in reference.options.items() if k not in reference.local}
    if reference.positional in reference.local and reference.positional in reference.options:
        options[str(reference.positional)] = digest[:12]
    return str(
        replace(reference, options=options, weights=digest[:12] if reference.weights else None)
    )


def pseudonyms_for(
    corpus: Corpus,
    kind: str,
    predictions: Predictions,
    left_out: Mapping[str, str],
    texts: Mapping[str, str],
    notes: Iterable[str] = (),
) -> Names:
    """What must not be published of a result, and what stands there instead.

    Args:
        corpus: what was run on.
        kind: how it was cut.
        predictions: with ids, keys and groups; pseudonyms are numbered in the order of the keys,
            which says nothing about names.
        left_out: clip id -> reason.
        texts: references of this machine -> as they are published.
        notes: on the folds; which folds a note is about is not published where these are called
            after groups.
    """
    units = [
        group or f"clip {row}" for row, group in enumerate(predictions.groups)
    ]  # as stats.Predictions.units names them
    order = np.argsort(np.array(predictions.keys))
    groups = numbered("group", [units[row] for row in order]) if any(predictions.groups) else {}
    folds = [predictions.folds[row] for row in order]
    base = kind.partition("=")[0]
    named: dict[str, str] = {}
    if base in ("leave-one-group-out", "holdout"):
        named = {fold: groups[fold] for fold in folds}
    elif base == "official":  # a split may be named after whom it holds
        people = {c.speaker for c in corpus.clips} | set(groups)
        named = numbered("split", folds) if people & set(folds) else {}
    reasons = {why: _without_names(why, corpus, left_out) for why in left_out.values()}
    replaced = {
        **texts,
        kind: base,
        **reasons,
        **({note: _about_folds(note) for note in notes} if named else {}),
    }
    clips = numbered("clip", sorted(left_out))
    return Names(
        texts={old: new for old, new in replaced.items() if old != new},
        clips=clips,
        groups=groups,
        folds=named,
    )


def _about_folds(note: str) -> str:
    """A note without the names of the folds it is about, which stand in brackets at its end; a
    fold's absent classes say the same.
    """
    head, folds, _ = note.partition(" folds (")
    return head + folds.removesuffix(" (")


def _without_names(reason: str, corpus: Corpus, left_out: Iterable[str]) -> str:
    """A reason without paths, and without names of clips, files or people."""
    private = set(left_out)
    for c in corpus.clips:
        private |= {
            c.id,
            c.speaker or "",
            c.group or "",
            c.path.name,
            c.path.stem,
            str(c.path),
            str(c.path.parent),
        }
    told = [
        name for name in private if name in reason and not re.fullmatch(r"\d{0,2}", name)
    ]  # "2" in "peak 2.9e-4" is nobody's name
    # A short name is only looked for as a word of its own: "a" is in every sentence.
    words = [
        re.escape(n) if len(n) > 4 else rf"(?<!\w){re.escape(n)}(?!\w)"
        for n in sorted(told, key=len, reverse=True)
    ]
    plain = (
        re.sub("|".join(words), "\0", reason) if words else reason
    )  # a sign that no path ends at
    return PATH.sub(WITHHELD, plain).replace("\0", WITHHELD)


def publish(result: Result, predictions: Predictions) -> tuple[Result, Predictions]:
    """The published form: the same digest, no private name, rows in the order of their keys; labels
    and who goes with whom only where ``open``.

    A published pair comes back as it is.

    Raises:
        ResultError: the predictions do not belong to the result, or hold ids where keys are
            expected.
    """
    if not all(KEY.fullmatch(key) for key in predictions.keys) or len(set(predictions.keys)) != len(
        predictions.ids
    ):
        raise ResultError(
            f"result {result.id}: expected predictions with a key per clip; run the job with"
            " --rerun"
        )
    if result.names is None:
        if predictions.ids != predictions.keys:
            raise ResultError(
                f"result {result.id} is the published form, but its predictions hold clip ids; give"
                " the published predictions"
            )
        return result, predictions
    hidden, opened = result.names, result.share == "open"
    if not set(predictions.groups) - {""} <= set(hidden.groups) or (
        hidden.folds and not set(predictions.folds) <= set(hidden.folds)
    ):
        raise ResultError(
            f"result {result.id}: the predictions hold groups or folds that the result does not"
            " know; run the job with --rerun"
        )
    order = np.argsort(np.array(predictions.keys))
    rows = [int(row) for row in order]
    ids = [predictions.keys[row] for row in rows]
    public = Predictions(
        ids,
        [
            hidden.groups[predictions.groups[row]] if opened and predictions.groups[row] else ""
            for row in rows
        ],
        predictions.target[order] if opened else predictions.target[:0],
        [hidden.folds.get(predictions.folds[row], predictions.folds[row]) for row in rows],
        predictions.probabilities[:, order],
        ids,
    )
    return result.published(), public


def rejoin(published: Predictions, corpus: Corpus) -> Predictions:
    """Published predictions with ids, groups, labels and fold names again, from one's own copy;
    rows in the order of ids.

    Raises:
        ResultError: keys that this copy does not have: it is another one.
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
    """The names of folds that were called after groups or splits: what all clips of such a fold
    share.
    """
    shared: dict[str, set[str | None]] = defaultdict(set)
    for fold, clip in zip(folds, clips, strict=True):
        shared[fold].add(clip.split if fold.startswith("split ") else clip.unit)
    named = {
        fold: next(iter(who))
        for fold, who in shared.items()
        if re.fullmatch(r"(group|split) \d+", fold) and len(who) == 1
    }
    return [named.get(fold) or fold for fold in folds]
