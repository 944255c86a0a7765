"""Two datasets as one corpus: ``A:test=B`` trains on A and tests on B, on the labels that both have
by their common names (``Dataset.common``).

Nothing new is embedded for it: an embedding is stored under the digest of its audio, whatever the
clip is called. It is a corpus like any other from here on, with ids and groups that say whose they
are (``A/...``, ``B/...``), and one way to be cut: ``cross``.
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
from nverbench.plugin.records import SHARES, Clip, Dataset, LabelCard, Misfit

KIND = "cross"
"""The kind of folds: one, named ``test``."""


def load_local_pair(lookup: Callable[[str], Dataset], text: str) -> Corpus:
    """The clips that a reference means on this machine, one dataset or two.

    Args:
        lookup: a dataset's name -> the dataset; UsageError with the nearest ones where there is
            none.
        text: a reference such as ``jnv`` or ``asvp-esd:test=vivae``.

    Raises:
        UsageError, ArtifactError, DatasetError: as ``corpora.here`` and :func:`cross`.
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
    """The dataset that ``A:test=B`` trains on, whole: labels are left out by their common names
    once both are known.
    """
    return replace(reference, test=None, exclude=())


def kinds_of(corpus: Corpus, asked: Iterable[str | None]) -> tuple[str, ...]:
    """The one kind of folds of a crossed corpus.

    Raises:
        FoldError: another kind was asked for: it would train on clips of the dataset that is tested
            on.
    """
    wrong = [kind for kind in asked if kind not in (None, KIND)]
    if wrong:
        raise FoldError(
            f"dataset {corpus.reference} trains on one dataset and tests on another, which is"
            f" {KIND}, not {wrong[0]}; leave --folds out"
        )
    return (KIND,)


def cross_corpora(a: Corpus, b: Corpus, reference: PartRef) -> Corpus:
    """The clips of both whose labels both have: those of ``a`` train, those of ``b`` are tested
    (``Clip.split``).

    A recording of ``a`` that is, byte for byte, one of ``b`` trains nothing: it is left out and
    counted. The digest depends on everything of both corpora (their own digests), on the labels
    that are shared and on what they are called in each.

    Args:
        a, b: whole datasets of single clips, of two different corpora.
        reference: ``A:test=B``; its ``exclude`` names common labels.

    Raises:
        UsageError: both are the same corpus, or one is made of conversations.
        DatasetError: fewer than two labels are shared, or a copy has no clip of one; says what each
            has.
    """
    _check_apart(a, b, reference)
    labels, both = _shared(a, b, reference), (a, b)
    tested = [_clip(b, clip, "test") for clip in b.clips if _common(b, clip) in labels]
    trained = [_clip(a, clip, "train") for clip in a.clips if _common(a, clip) in labels]
    sha256 = {_of(side, i): digest for side in both for i, digest in side.sha256.items()}
    twice = _twice(trained, tested, sha256)
    clips = sorted((c for c in (*trained, *tested) if c.id not in twice), key=lambda c: c.id)
    _check_filled(a, b, clips, labels, reference)
    notes = [f"{side.dataset.name}: {note}" for side in both for note in side.notes]
    if twice:
        notes.append(
            f"{len(twice)} clips of {a.dataset.name} are recordings of {b.dataset.name} too and"
            f" train nothing, first {min(twice)}"
        )
    names = [
        {label: word for label, word in side.dataset.common.items() if word in labels}
        for side in both
    ]
    return Corpus(
        dataset=_dataset(a.dataset, b.dataset, labels),
        reference=reference,
        clips=tuple(clips),
        labels=labels,
        sha256={c.id: sha256[c.id] for c in clips},
        digest=digest_of(
            {"train": a.digest, "test": b.digest, "labels": list(labels), "names": names}
        ),
        left_out={_of(side, i): why for side in both for i, why in side.left_out.items()} | twice,
        misfits=tuple(Misfit(_of(side, m.path), m.reason) for side in both for m in side.misfits),
        notes=tuple(notes),
        partial=a.partial or b.partial,
        sides=both,
    )


def _twice(
    trained: Iterable[Clip], tested: Iterable[Clip], sha256: Mapping[str, str]
) -> dict[str, str]:
    """Training clips whose file is also a test clip's -> why they are left out."""
    heard = {sha256[clip.id]: clip.id for clip in tested}
    return {
        clip.id: f"the same recording as {heard[sha256[clip.id]]}"
        for clip in trained
        if sha256[clip.id] in heard
    }


def _check_apart(a: Corpus, b: Corpus, reference: PartRef) -> None:
    corpus = _corpus_of(a.dataset)
    if corpus == _corpus_of(b.dataset):
        raise UsageError(
            f"dataset {reference}: both are corpus {corpus}, so that clips of the test would be"
            " trained on; cross two different corpora"
        )
    talks = [side.dataset.name for side in (a, b) if side.dataset.task != "clip"]
    if talks:
        raise UsageError(
            f"dataset {reference}: {talks[0]} is made of conversations, and only datasets of single"
            " clips can be crossed"
        )


def _shared(a: Corpus, b: Corpus, reference: PartRef) -> tuple[str, ...]:
    """The common labels of both, sorted: the same whichever of the two trains."""
    have = [
        {side.dataset.common[label] for label in side.labels if label in side.dataset.common}
        for side in (a, b)
    ]
    labels = sorted((have[0] & have[1]) - set(reference.exclude))
    if len(labels) < 2:
        said = "; ".join(
            f"{s.dataset.name} has {', '.join(sorted(h)) or 'none'}"
            for s, h in zip((a, b), have, strict=True)
        )
        raise DatasetError(
            f"dataset {reference}: expected at least two labels under common names, found"
            f" {', '.join(labels) or 'none'} ({said})"
        )
    return tuple(labels)


def _check_filled(
    a: Corpus, b: Corpus, clips: Sequence[Clip], labels: Sequence[str], reference: PartRef
) -> None:
    """Labels are shared by what a dataset declares: a partial copy may have none of their clips."""
    for side, part, what in ((a, "train", "train on"), (b, "test", "test on")):
        if not any(clip.split == part for clip in clips):
            raise DatasetError(
                f"dataset {reference}: this copy of {side.dataset.name} has no clip to {what} with"
                f" a label of both ({', '.join(labels)}); complete it: nverbench data check"
                f" {side.dataset.name}"
            )


def _common(side: Corpus, clip: Clip) -> str | None:
    return side.dataset.common.get(str(clip.label))


def _of(side: Corpus, name: str) -> str:
    """An id, a speaker, a group or a path of one of the two, with the dataset it belongs to."""
    return f"{side.dataset.name}/{name}"


def _clip(side: Corpus, clip: Clip, part: str) -> Clip:
    speaker, group = (
        None if name is None else _of(side, name) for name in (clip.speaker, clip.group)
    )
    return replace(
        clip,
        id=_of(side, clip.id),
        label=_common(side, clip),
        speaker=speaker,
        group=group,
        split=part,
    )


def _corpus_of(dataset: Dataset) -> str:
    return dataset.corpus or dataset.name


def _dataset(a: Dataset, b: Dataset, labels: Sequence[str]) -> Dataset:
    """The record of the pair. Its name is its own (``a+b``), so that no pin and no note about one
    of the two is taken for one about the pair; its corpus and its groups are those that are tested,
    which is what intervals run over and what a backbone may have heard before.
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
    """What a label is in each of the two."""
    said: Mapping[str, tuple[str, str]] = {
        f.name: (getattr(a.label_card, f.name), getattr(b.label_card, f.name))
        for f in fields(LabelCard)
    }
    return LabelCard(
        **{
            name: x if x == y else f"{a.name} (training): {x}; {b.name} (test): {y}"
            for name, (x, y) in said.items()
        }
    )
