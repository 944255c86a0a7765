"""A dataset's clips on this machine: loaded, checked and digested; and the local copy of each
corpus.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nverbench._io import atomic, paths, state, tempfiles
from nverbench._io.digests import digest_of, file_digests
from nverbench.data import audio, published
from nverbench.data.folds import official
from nverbench.data.metadata.clips import check_own_names, cleaned
from nverbench.data.missing import missing_corpus, no_folder
from nverbench.errors import ArtifactError, DatasetError, UsageError, abbreviated
from nverbench.plugin.options import PartRef, possible, resolve
from nverbench.plugin.records import Clip, Dataset, Misfit, Note


@dataclass(frozen=True)
class Corpus:
    """The scored clips of a dataset on this machine."""

    dataset: Dataset
    reference: PartRef
    clips: tuple[Clip, ...]
    """Scored clips sorted by id, without known defects."""
    labels: tuple[str, ...]
    sha256: Mapping[str, str]
    """Clip id -> digest of its file, unscored turns too."""
    digest: str
    """Digest of ids, labels, groups, segments and audio; it does not depend on folders or order."""
    left_out: Mapping[str, str]
    """Known defects: clip id -> reason."""
    misfits: tuple[Misfit, ...]
    notes: tuple[str, ...]
    partial: bool
    """True when the copy is not the published corpus: clips are missing or added."""
    sides: tuple[Corpus, ...] = ()
    """The training corpus and the test corpus of a cross-corpus pair, complete
    (``cross_corpus.py``).
    """
    heard: tuple[Clip, ...] = ()
    """Every turn of its conversations, scored or not, in order of conversation and turn; empty for
    single clips.
    """
    decoders: tuple[str, ...] = ()
    """What decodes its clips, where libsndfile alone does not (``audio.decoder``), sorted."""
    remarks: tuple[str, ...] = ()
    """What the loader says about the input as a whole (:class:`Note`)."""


def local_copy(dataset: Dataset) -> Path | None:
    """The folder of a dataset's corpus on this machine; a procedural corpus is made on first use.
    None: no copy was added yet.
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
    """The corpus on this machine that a reference, as text or resolved, stands for.

    Raises:
        UsageError: the reference has an option that the dataset does not have, or names two
            datasets.
        ArtifactError: the corpus was not added or downloaded yet.
        DatasetError: as :func:`load`.
    """
    root = local_copy(dataset)
    if dataset.corpus is not None and root is None:
        raise ArtifactError(str(missing_corpus(dataset.name, dataset, None)))
    if isinstance(reference, str):
        reference = resolve(dataset, reference)
    return load(dataset, reference, root)


def add(dataset: Dataset, folder: Path) -> Corpus:
    """Registers ``folder`` as the local copy of the dataset's corpus, after a check.

    Raises:
        DatasetError: the folder is not that corpus; nothing is registered.
    """
    if dataset.corpus is None or dataset.make is not None:
        run = f"--dataset {dataset.name}:{abbreviated(str(folder))}" if dataset.local else "it"
        raise DatasetError(f"dataset {dataset.name} needs no local copy; just run {run}")
    if not possible(str(folder)) or not folder.is_dir():
        raise DatasetError(
            f"{folder}: expected the folder of corpus {dataset.corpus}, {no_folder(folder)}"
        )
    corpus = load(dataset, PartRef(dataset.name), folder.resolve())
    state.write_state("corpora", "paths", dataset.corpus, str(folder.resolve()))
    return corpus


def load(dataset: Dataset, reference: PartRef, root: Path | None) -> Corpus:
    """The clips of a dataset, checked against what it declares.

    Raises:
        UsageError: the reference names two datasets (``test=NAME``): only
            ``cross_corpus.load_local_pair`` loads those.
        DatasetError: the folder is not the corpus, an id or a label is given twice or unknown, or a
            pinned file has other bytes.
    """
    if reference.test is not None:
        raise UsageError(
            f"{reference} names two datasets, and only one is possible here; leave"
            f" test={reference.test} out"
        )
    clips, misfits, remarks = _listed(dataset, reference, root)
    in_conversations = dataset.task == "conversation"
    clips = _without(clips, reference.exclude, keep_turns=in_conversations)
    labelled = sorted((c for c in clips if c.label is not None), key=lambda c: c.id)
    scored = [c for c in labelled if c.id not in dataset.defects]
    if not scored:
        raise DatasetError(
            f"dataset {reference}: no labelled clip was found in {root or 'it'}; expected at"
            " least one"
        )
    labels = _labels(dataset, reference, scored)
    usable = [c for c in clips if c.id not in dataset.defects]
    turns = _turns(reference, usable) if in_conversations else []
    embedded = sorted(turns, key=lambda c: c.id) or scored
    sha256 = _digests(reference, embedded)
    audio.look_up_decoders(c.path for c in embedded)
    digest = digest_of([_row(c, sha256[c.id]) for c in embedded])
    notes = published.differences(dataset, labelled, sha256, digest, reference.exclude)
    return Corpus(
        dataset=dataset,
        reference=reference,
        clips=tuple(scored),
        labels=labels,
        sha256=sha256,
        digest=digest,
        left_out={c.id: dataset.defects[c.id] for c in labelled if c.id in dataset.defects},
        misfits=tuple(misfits),
        notes=tuple(notes),
        partial=bool(notes),
        heard=tuple(turns),
        remarks=tuple(remarks),
        decoders=tuple(sorted({audio.decoder(c.path, c.start) for c in embedded} - {""})),
    )


def _labels(dataset: Dataset, reference: PartRef, scored: list[Clip]) -> tuple[str, ...]:
    """The classes of the clips, in the order that the dataset declares, else sorted."""
    found = {str(c.label) for c in scored}
    labels = tuple(label for label in dataset.labels or sorted(found) if label in found)
    if len(labels) < 2:
        raise DatasetError(
            f"dataset {reference}: expected at least two classes, found {', '.join(labels)}; give"
            " clips of another class"
        )
    return labels


def _digests(reference: PartRef, clips: list[Clip]) -> dict[str, str]:
    """Clip id -> sha256 of its file."""
    try:
        by_path = file_digests(c.path for c in clips)
    except OSError as error:
        raise DatasetError(
            f"dataset {reference}: {error.filename} cannot be read ({error.strerror}); correct its"
            " permissions or its link"
        ) from error
    return {c.id: by_path[c.path] for c in clips}


def _turns(reference: PartRef, clips: list[Clip]) -> list[Clip]:
    """All turns in order of conversation and turn."""
    for clip in clips:
        if clip.conversation is None or clip.turn is None:
            raise DatasetError(
                f"dataset {reference}: clip {clip.id} says no conversation and turn; its author"
                " must give both"
            )
    turns = sorted(clips, key=lambda c: (str(c.conversation), c.turn, c.id))
    for one, other in itertools.pairwise(turns):
        if (one.conversation, one.turn) == (other.conversation, other.turn):
            raise DatasetError(
                f"dataset {reference}: {one.id} and {other.id} are both turn {one.turn} of"
                f" {one.conversation}"
            )
    return turns


def _without(clips: list[Clip], labels: tuple[str, ...], *, keep_turns: bool) -> list[Clip]:
    """The clips without the excluded labels; a turn of a conversation stays, unscored."""
    if keep_turns:
        clips = [replace(c, label=None) if c.label in labels else c for c in clips]
    return [c for c in clips if c.label not in labels]


def _row(clip: Clip, sha256: str) -> list[object]:
    """The values of a clip that the corpus digest depends on."""
    row: list[object] = [clip.id, clip.label, clip.unit, clip.start, clip.end, sha256]
    return row if clip.conversation is None else [*row, clip.conversation, clip.turn, clip.speaker]


def _listed(
    dataset: Dataset, reference: PartRef, root: Path | None
) -> tuple[list[Clip], list[Misfit], list[str]]:
    """The clips, misfits and remarks that the dataset's loader yields."""
    clips: list[Clip] = []
    misfits: list[Misfit] = []
    remarks: list[str] = []
    for item in dataset.load(root, **reference.full):
        if isinstance(item, Misfit):
            misfits.append(item)
        elif isinstance(item, Note):
            remarks.append(item.text)
        elif isinstance(item, Clip):
            clips.append(cleaned(item))
        else:
            raise DatasetError(
                f"dataset {dataset.name}: load gave a {type(item).__name__}; its author must yield"
                " Clip, Misfit or Note records"
            )
    for name, times in Counter(c.id for c in clips).items():
        if times > 1:
            raise DatasetError(
                f"dataset {reference}: clip id {name!r} is given {times} times; ids must be unique"
            )
    if dataset.corpus is None:
        check_own_names(clips, str(reference))
        clips = [official.named(clip) for clip in clips]
    unknown = sorted({str(c.label) for c in clips if c.label is not None} - set(dataset.labels))
    if dataset.labels and unknown:
        raise DatasetError(
            f"dataset {reference}: label {unknown[0]!r} is not one of {', '.join(dataset.labels)};"
            " its author must declare it"
        )
    return clips, misfits, remarks


def _made(dataset: Dataset) -> Path:
    """The folder of a procedural corpus, made once per revision, complete or not at all."""
    assert dataset.make is not None  # only called for procedural corpora
    folder = paths.corpus_folder(f"{dataset.corpus}-{dataset.revision}")
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfiles.temporary_folder(folder.parent, ".making-") as temporary:
            making = temporary / "corpus"
            making.mkdir()
            dataset.make(making)
            making.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # otherwise another process was first, with the same bytes
            raise atomic.cannot_write(folder, error) from error
    return folder
