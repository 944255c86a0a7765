"""A dataset's clips as this machine has them: loaded, checked, digested. And where the local copy
of each corpus is.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nverbench._io import atomic, paths, state, tempfiles
from nverbench._io.digests import digest_of, file_digests
from nverbench.data.missing import missing_corpus
from nverbench.errors import ArtifactError, DatasetError, UsageError, abbreviated
from nverbench.plugin.options import PartRef, possible, resolve
from nverbench.plugin.records import Clip, Dataset, Misfit


@dataclass(frozen=True)
class Corpus:
    """The scored clips of a dataset on this machine."""

    dataset: Dataset
    reference: PartRef
    clips: tuple[Clip, ...]
    """Scored clips sorted by id, without known defects."""
    labels: tuple[str, ...]
    sha256: Mapping[str, str]
    """Clip id -> digest of its file, heard-only turns too."""
    digest: str
    """Of ids, labels, groups, segments and audio: the same files in another folder or order give
    the same.
    """
    left_out: Mapping[str, str]
    """Known defects: clip id -> reason."""
    misfits: tuple[Misfit, ...]
    notes: tuple[str, ...]
    partial: bool
    """True when the copy is not the published corpus: clips missing, or more than there should
    be.
    """
    sides: tuple[Corpus, ...] = ()
    """What a crossed corpus was made of, whole: the one that trains and the one that is tested
    (``crossing.py``).
    """
    heard: tuple[Clip, ...] = ()
    """Every turn of its conversations, scored or not, in order of conversation and turn; empty
    where clips stand alone.
    """


def local_copy(dataset: Dataset) -> Path | None:
    """The folder of a dataset's corpus on this machine; procedural corpora are made on first use.
    None: nobody added it yet.
    """
    if dataset.corpus is None:
        return None
    if dataset.make is not None:
        return _made(dataset)
    known = state.read_state("corpora").get("paths", {}).get(dataset.corpus)
    if known and not possible(known):
        raise ArtifactError(
            f"corpus {dataset.corpus}: {paths.home() / 'corpora.json'} has it at"
            f" {abbreviated(known)}; nverbench data add it again"
        )
    return Path(known) if known else None


def load_local(dataset: Dataset, reference: str | PartRef) -> Corpus:
    """The clips that a reference (its text, or what it was resolved to) means on this machine.

    Raises:
        UsageError: the reference has an option that the dataset does not have, or names two
            datasets.
        ArtifactError: nobody added or fetched the corpus yet.
        DatasetError: as :func:`load`.
    """
    root = local_copy(dataset)
    if dataset.corpus is not None and root is None:
        raise ArtifactError(str(missing_corpus(dataset.name, dataset, None)))
    return load(
        dataset, resolve(dataset, reference) if isinstance(reference, str) else reference, root
    )


def add(dataset: Dataset, folder: Path) -> Corpus:
    """Remember ``folder`` as the local copy of the dataset's corpus, once it has been seen to be
    one.

    Raises:
        DatasetError: the folder is not that corpus; nothing is remembered.
    """
    if dataset.corpus is None or dataset.make is not None:
        raise DatasetError(f"dataset {dataset.name} needs no local copy; just run it")
    if not possible(str(folder)) or not folder.is_dir():
        raise DatasetError(
            f"{folder}: expected the folder of corpus {dataset.corpus}, but there is no such"
            " folder; give its path"
        )
    corpus = load(dataset, PartRef(dataset.name), folder.resolve())
    state.write_state("corpora", "paths", dataset.corpus, str(folder.resolve()))
    return corpus


def load(dataset: Dataset, reference: PartRef, root: Path | None) -> Corpus:
    """The clips of a dataset, checked against what it declares.

    Raises:
        UsageError: the reference names two datasets (``test=NAME``): only ``crossing.here`` loads
            those.
        DatasetError: the folder is not the corpus, an id or a label is given twice or unknown, or a
            pinned file has other bytes.
    """
    if reference.test is not None:
        raise UsageError(
            f"{reference} names two datasets, and one is wanted here; leave"
            f" test={reference.test} out"
        )
    clips, misfits = _listed(dataset, reference, root)
    clips = _without(clips, reference.exclude, heard=dataset.task == "conversation")
    labelled = sorted((c for c in clips if c.label is not None), key=lambda c: c.id)
    scored = [c for c in labelled if c.id not in dataset.defects]
    left_out = {c.id: dataset.defects[c.id] for c in labelled if c.id in dataset.defects}
    if not scored:
        raise DatasetError(
            f"dataset {reference}: no labelled clip was found in {root or 'it'}; expected at"
            " least one"
        )
    labels = tuple(
        x
        for x in dataset.labels or sorted({str(c.label) for c in scored})
        if x not in reference.exclude
    )
    if len(labels) < 2:
        raise DatasetError(
            f"dataset {reference}: expected at least two classes, found {', '.join(labels)}; give"
            " clips of another class"
        )
    heard = (
        _conversations(reference, [c for c in clips if c.id not in dataset.defects])
        if dataset.task == "conversation"
        else []
    )
    spoken = sorted(heard, key=lambda c: c.id) or scored
    try:
        by_path = file_digests(c.path for c in spoken)
    except OSError as error:
        raise DatasetError(
            f"dataset {reference}: {error.filename} cannot be read ({error.strerror}); mend its"
            " permissions or its link"
        ) from error
    sha256 = {c.id: by_path[c.path] for c in spoken}
    notes, partial = _differences(dataset, labelled, sha256, reference.exclude)
    rows = [_row(c, sha256[c.id]) for c in spoken]
    return Corpus(
        dataset,
        reference,
        tuple(scored),
        labels,
        sha256,
        digest_of(rows),
        left_out,
        tuple(misfits),
        tuple(notes),
        partial,
        heard=tuple(heard),
    )


def _conversations(reference: PartRef, clips: list[Clip]) -> list[Clip]:
    """All turns in order of conversation and turn, without known defects, which nobody can hear."""
    for clip in clips:
        if clip.conversation is None or clip.turn is None:
            raise DatasetError(
                f"dataset {reference}: clip {clip.id} says no conversation and turn; its author"
                " must give both"
            )
    heard = sorted(clips, key=lambda c: (str(c.conversation), c.turn, c.id))
    for one, next_one in itertools.pairwise(heard):
        if (one.conversation, one.turn) == (next_one.conversation, next_one.turn):
            raise DatasetError(
                f"dataset {reference}: {one.id} and {next_one.id} are both turn {one.turn} of"
                f" {one.conversation}"
            )
    return heard


def _without(clips: list[Clip], labels: tuple[str, ...], *, heard: bool) -> list[Clip]:
    """The clips whose label is not one of those; a turn of a conversation is still heard, but not
    scored.
    """
    kept = [replace(c, label=None) if heard and c.label in labels else c for c in clips]
    return [c for c in kept if c.label not in labels]


def _row(clip: Clip, sha256: str) -> list[object]:
    """What of a clip the digest depends on."""
    row: list[object] = [clip.id, clip.label, clip.unit, clip.start, clip.end, sha256]
    return row if clip.conversation is None else [*row, clip.conversation, clip.turn, clip.speaker]


def _listed(
    dataset: Dataset, reference: PartRef, root: Path | None
) -> tuple[list[Clip], list[Misfit]]:
    clips: list[Clip] = []
    misfits: list[Misfit] = []
    for item in dataset.load(root, **reference.full):
        if isinstance(item, Misfit):
            misfits.append(item)
        elif isinstance(item, Clip):
            clips.append(item)
        else:
            raise DatasetError(
                f"dataset {dataset.name}: load gave a {type(item).__name__}; its author must yield"
                " Clip or Misfit records"
            )
    twice = [i for i, n in Counter(c.id for c in clips).items() if n > 1]
    if twice:
        raise DatasetError(
            f"dataset {reference}: clip id {twice[0]!r} is given"
            f" {Counter(c.id for c in clips)[twice[0]]} times; ids must be unique"
        )
    strange = (
        sorted({str(c.label) for c in clips if c.label is not None} - set(dataset.labels))
        if dataset.labels
        else []
    )
    if strange:
        raise DatasetError(
            f"dataset {reference}: label {strange[0]!r} is not one of {', '.join(dataset.labels)};"
            " its author must declare it"
        )
    return clips, misfits


def _differences(
    dataset: Dataset, labelled: list[Clip], sha256: Mapping[str, str], excluded: tuple[str, ...]
) -> tuple[list[str], bool]:
    """Sentences for how this copy differs from the published corpus, and whether it is partial."""
    notes: list[str] = []
    if dataset.manifest is not None:
        pinned = dict(dataset.manifest())
        changed = sorted(i for i in sha256 if i in pinned and sha256[i] != pinned[i])
        if changed:
            raise DatasetError(
                f"dataset {dataset.name}: {len(changed)} files are not the pinned ones, first"
                f" {changed[0]}: expected sha256 {pinned[changed[0]][:12]}, got"
                f" {sha256[changed[0]][:12]}; fetch the corpus again from {_address(dataset)}"
            )
        missing = sorted(set(pinned) - {c.id for c in labelled})
        if (
            missing and not excluded
        ):  # a manifest does not say labels: with some excluded, counts tell what is missing
            notes.append(
                f"{len(missing)} of {len(pinned)} pinned clips are missing, first {missing[0]}"
            )
    have = Counter(
        str(c.label) for c in labelled
    )  # defects included: they are part of the published counts
    by_group = Counter(str(c.unit) for c in labelled)
    notes += _partial(
        {k: n for k, n in dataset.counts.items() if k not in excluded},
        have,
        len(labelled),
        "classes",
    )
    notes += (
        []
        if excluded or (dataset.counts and notes)
        else _partial(dataset.group_counts, by_group, len(labelled), f"{dataset.group}s")
    )
    return notes, bool(notes)


def _partial(
    published: Mapping[str, int], have: Mapping[str, int], clips: int, what: str
) -> list[str]:
    """A sentence where the clips per class (or group) are not those that were published."""
    gaps = [
        f"{name} {have.get(name, 0)} of {n}"
        for name, n in published.items()
        if have.get(name, 0) != n
    ]
    if not gaps:
        return []
    more = f" and {len(gaps) - 4} more {what}" if len(gaps) > 4 else ""
    return [
        f"partial copy: {clips} of {sum(published.values())} clips; {', '.join(gaps[:4])}{more}"
    ]


def _address(dataset: Dataset) -> str:
    return dataset.sources[0].address if dataset.sources else "its source"


def _made(dataset: Dataset) -> Path:
    """The folder of a procedural corpus, made once per revision; a half-made one is never used."""
    assert dataset.make is not None  # only called for procedural corpora
    folder = paths.corpus_folder(f"{dataset.corpus}-{dataset.revision}")
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfiles.temporary_folder(folder.parent, ".making-") as passing:
            making = passing / "corpus"
            making.mkdir()
            dataset.make(making)
            making.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # otherwise another process was first, with the same bytes
            raise atomic.cannot_write(folder, error) from error
    return folder
