"""Two datasets as one corpus: ``A:test=B`` trains on A and tests on B, on the labels that both have
under common names (``Dataset.common``).

Its ids and groups name their dataset (``A/...``, ``B/...``), and its only kind of folds is
``cross``. Its embeddings are those of A and B, stored under the digest of their audio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace

from nverbench._io.digests import digest_of
from nverbench.data import corpus as corpora
from nverbench.data.corpus import Corpus
from nverbench.errors import DatasetError, FoldError, UsageError
from nverbench.plugin import licences
from nverbench.plugin.options import PartRef, resolve, split
from nverbench.plugin.records import SHARES, Clip, Dataset, LabelCard

KIND = "cross"
"""The kind of folds: one fold, named ``test``."""


def load_local_pair(lookup: Callable[[str], Dataset], text: str) -> Corpus:
    """The corpus on this machine that a reference stands for: one dataset (``jnv``) or two
    (``asvp-esd:test=vivae``). ``lookup`` maps a name to its dataset.

    Errors are those of ``corpus.load_local`` and :func:`cross_corpora`.
    """
    dataset = lookup(split(text)[0])
    reference = resolve(dataset, text)
    if reference.test is None:
        return corpora.load_local(dataset, reference)
    tested = lookup(reference.test)
    return cross_corpora(
        corpora.load_local(dataset, training_side(reference)),
        corpora.load_local(tested, resolve(tested, reference.test)),
        reference,
    )


def training_side(reference: PartRef) -> PartRef:
    """The training dataset of ``A:test=B``, with all labels: ``exclude`` names common labels."""
    return replace(reference, test=None, exclude=())


def kinds_of(corpus: Corpus, requested: Iterable[str | None]) -> tuple[str, ...]:
    """The requested kinds of folds; of a cross-corpus pair, its only kind. Raises a FoldError where
    another kind is requested for a pair, which would train on clips of the test dataset, or the
    pair's for a single dataset.
    """
    requested = tuple(requested)
    if not corpus.sides:
        if KIND in requested:
            raise FoldError(
                f"dataset {corpus.reference} is one dataset, and {KIND} needs two, one to train and"
                " one to test on; write them as A:test=B"
            )
        return tuple(dict.fromkeys(kind for kind in requested if kind is not None))
    wrong = [kind for kind in requested if kind not in (None, KIND)]
    if wrong:
        raise FoldError(
            f"dataset {corpus.reference} trains on one dataset and tests on another, which is"
            f" {KIND}, not {wrong[0]}; leave --folds out"
        )
    return (KIND,)


def cross_corpora(a: Corpus, b: Corpus, reference: PartRef) -> Corpus:
    """The clips with shared labels: those of ``a`` train, those of ``b`` are tested
    (``Clip.split``).

    A recording of ``a`` that is byte for byte one of ``b`` is left out and counted. The digest
    depends on the digests of both corpora, on the shared labels and on their names in each.

    Raises:
        UsageError: both are the same corpus, or one is made of conversations.
        DatasetError: fewer than two labels are shared, or a copy has no clip of them.
    """
    _check_apart(a, b, reference)
    labels, both = _shared(a, b, reference), (a, b)
    tested = [_clip(b, clip, "test") for clip in b.clips if _common(b, clip) in labels]
    trained = [_clip(a, clip, "train") for clip in a.clips if _common(a, clip) in labels]
    sha256 = {_of(side, i): digest for side in both for i, digest in side.sha256.items()}
    copies = _copies(trained, tested, sha256)
    clips = sorted((c for c in (*trained, *tested) if c.id not in copies), key=lambda c: c.id)
    _check_filled(both, clips, labels, reference)
    notes = [f"{side.dataset.name}: {note}" for side in both for note in side.notes]
    if copies:
        notes.append(
            f"{len(copies)} clips of {a.dataset.name} are recordings of {b.dataset.name} too and"
            f" train nothing, first {min(copies)}"
        )
    names = [{x: name for x, name in s.dataset.common.items() if name in labels} for s in both]
    digest = {"train": a.digest, "test": b.digest, "labels": list(labels), "names": names}
    left_out = {_of(side, i): why for side in both for i, why in side.left_out.items()}
    return Corpus(
        dataset=_dataset(a.dataset, b.dataset, labels),
        reference=reference,
        clips=tuple(clips),
        labels=labels,
        sha256={c.id: sha256[c.id] for c in clips},
        digest=digest_of(digest),
        left_out=left_out | copies,
        misfits=tuple(replace(m, path=_of(side, m.path)) for side in both for m in side.misfits),
        notes=tuple(notes),
        partial=a.partial or b.partial,
        sides=both,
        decoders=tuple(sorted({*a.decoders, *b.decoders})),
    )


def _copies(
    trained: Iterable[Clip], tested: Iterable[Clip], sha256: Mapping[str, str]
) -> dict[str, str]:
    """Training clips whose file is also a test clip's -> why they are left out."""
    by_digest = {sha256[clip.id]: clip.id for clip in tested}
    return {
        clip.id: f"the same recording as {by_digest[sha256[clip.id]]}"
        for clip in trained
        if sha256[clip.id] in by_digest
    }


def _check_apart(a: Corpus, b: Corpus, reference: PartRef) -> None:
    """Raises where both are one corpus, or one of them has conversations."""
    corpus = _corpus_of(a.dataset)
    if corpus == _corpus_of(b.dataset):
        raise UsageError(
            f"dataset {reference}: both are corpus {corpus}, so that clips of the test would be"
            " trained on; cross two different corpora"
        )
    others = [side.dataset.name for side in (a, b) if side.dataset.task != "clip"]
    if others:
        raise UsageError(
            f"dataset {reference}: {others[0]} is made of conversations, and only datasets of"
            " single clips can be crossed"
        )


def _shared(a: Corpus, b: Corpus, reference: PartRef) -> tuple[str, ...]:
    """The common labels of both, sorted."""
    declared = [side.dataset.labels or side.labels for side in (a, b)]
    names = [
        {side.dataset.common[x] for x in labels if x in side.dataset.common}
        for side, labels in zip((a, b), declared, strict=True)
    ]
    labels = sorted((names[0] & names[1]) - set(reference.exclude))
    if len(labels) < 2:
        each = "; ".join(
            f"{side.dataset.name} has {', '.join(sorted(found)) or 'none'}"
            for side, found in zip((a, b), names, strict=True)
        )
        raise DatasetError(
            f"dataset {reference}: expected at least two labels under common names, found"
            f" {', '.join(labels) or 'none'} ({each})"
        )
    return tuple(labels)


def _check_filled(
    both: Sequence[Corpus], clips: Sequence[Clip], labels: Sequence[str], reference: PartRef
) -> None:
    """Raises where a partial copy has no clip of the shared labels, which its dataset declares."""
    for side, part in zip(both, ("train", "test"), strict=True):
        if not any(clip.split == part for clip in clips):
            raise DatasetError(
                f"dataset {reference}: this copy of {side.dataset.name} has no clip to {part} on"
                f" with a label of both ({', '.join(labels)}); complete it: nverbench data check"
                f" {side.dataset.name}"
            )


def _common(side: Corpus, clip: Clip) -> str | None:
    return side.dataset.common.get(str(clip.label))


def _of(side: Corpus, name: str) -> str:
    """An id, a speaker, a group or a path, with its dataset in front."""
    return f"{side.dataset.name}/{name}"


def _clip(side: Corpus, clip: Clip, part: str) -> Clip:
    """The clip as a part (train or test) of the pair."""
    speaker = None if clip.speaker is None else _of(side, clip.speaker)
    group = None if clip.group is None else _of(side, clip.group)
    label, name = _common(side, clip), _of(side, clip.id)
    return replace(clip, id=name, label=label, speaker=speaker, group=group, split=part)


def _corpus_of(dataset: Dataset) -> str:
    return dataset.corpus or dataset.name


def _dataset(a: Dataset, b: Dataset, labels: Sequence[str]) -> Dataset:
    """The record of the pair. Its name (``a+b``) is not that of a or b, so that a pin or note about
    one of them is not used for the pair. Its corpus and its groups are those of the test dataset:
    intervals run over them, and a backbone may have been trained on them.
    """

    def nothing(root: object) -> list[Clip]:
        raise DatasetError(f"{a.name}+{b.name} is loaded as {a.name}:test={b.name}")

    return Dataset(
        name=f"{a.name}+{b.name}",
        corpus=_corpus_of(b),
        load=nothing,
        labels=tuple(labels),
        label_card=_card(a, b),
        group=b.group,
        folds=(KIND,),
        share=max(a.share, b.share, key=SHARES.index),
        licence=licences.combined({a.name: a.licence, b.name: b.licence}),
        citation="\n".join(dict.fromkeys(filter(None, (a.citation, b.citation)))),
    )


def _card(a: Dataset, b: Dataset) -> LabelCard:
    """The label card of the pair: both texts where they differ."""
    texts = {}
    for name in (f.name for f in fields(LabelCard)):
        x, y = getattr(a.label_card, name), getattr(b.label_card, name)
        texts[name] = x if x == y else f"{a.name} (training): {x}; {b.name} (test): {y}"
    return LabelCard(**texts)
