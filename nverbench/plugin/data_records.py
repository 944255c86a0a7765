"""The records about data: sources, clips, labels and datasets (:mod:`nverbench.plugin.records` has
the glossary of shapes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nverbench.errors import PartError
from nverbench.plugin.record_checks import check_choice, check_name, check_types

TASKS = ("clip", "conversation")
SHARES = ("open", "labels-only", "none")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a file, a hub repository or a corpus can be obtained, and what is known about it."""

    address: str
    """An https address, ``hf:owner/name`` for the Hugging Face hub, or a sentence for a source that
    no program can download.
    """
    licence: str = "unknown"
    size: int | None = None
    """Bytes, if known."""
    sha256: str | None = None
    revision: str | None = None
    files: tuple[str, ...] = ()
    """The files of a hub repository or folder to use; empty: all."""
    how: str = ""
    """One sentence: the steps that a person has to do by hand."""


@dataclass(frozen=True)
class Clip:
    """One labelled recording, or one segment of it."""

    id: str
    """Unique in its dataset, and the same on every machine: never an absolute path."""
    path: Path
    label: str | None
    """None: embedded as context, but not scored."""
    speaker: str | None = None
    group: str | None = None
    """The group that folds keep together; None: the speaker."""
    split: str | None = None
    """The part of the official split, if the corpus has one."""
    start: float | None = None
    end: float | None = None
    """Seconds; None: from the first to the last sample."""
    conversation: str | None = None
    turn: int | None = None
    """Position in the conversation, counted from 0."""
    onset: float | None = None
    """Seconds from the start of the conversation to the start of the turn (``start`` and ``end``
    are positions in the file).
    """
    speaker_facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the corpus says about the speaker: ``sex``, ``age`` (years, or a band) and ``language``,
    as the corpus writes them; a fact that is not known is absent. Facts only form the groups of
    ``--by``: they enter no digest, no id, no fold and no result.
    """

    @property
    def unit(self) -> str | None:
        """The group that folds and intervals keep together: ``group``, else ``speaker``."""
        return self.group if self.group is not None else self.speaker


@dataclass(frozen=True)
class Misfit:
    """A file in a corpus folder that does not fit, and the reason; ``Dataset.load`` yields it in
    addition to the clips.
    """

    path: str
    reason: str
    label: str | None = None
    """The class that the file would have had, where that is known: a class that has misfits and no
    clip is a class that would vanish.
    """


@dataclass(frozen=True)
class Note:
    """One sentence about the whole input that a user should read, such as a column that is not
    used; ``Dataset.load`` yields it in addition to the clips, and ``run`` prints it.
    """

    text: str


@dataclass(frozen=True, kw_only=True)
class LabelCard:
    """Origin and meaning of the labels of a dataset."""

    kind: str
    """portrayed, perceived or self-reported."""
    setting: str
    """acted, elicited or in the wild."""
    raters: str = "unknown"
    languages: str = "unknown"
    ages: str = "unknown"
    consent: str = "unknown"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled clips of one corpus. ``load(root, **options)`` yields :class:`Clip` (and
    :class:`Misfit` and :class:`Note`) in any order.
    """

    name: str
    load: Callable[..., Iterable[Clip | Misfit | Note]]
    corpus: str | None = None
    """Name of the local copy; several datasets may share one. None: the dataset needs no local copy
    (``root`` is None).
    """
    task: str = "clip"
    labels: tuple[str, ...] = ()
    """In the order of the columns of logits. Empty: the sorted labels of the clips."""
    label_card: LabelCard
    group: str = "speaker"
    """The meaning of ``Clip.unit``, in one word."""
    folds: tuple[str, ...] = ("speaker", "random")
    """Allowed kinds of folds, the default first."""
    make: Callable[[Path], None] | None = None
    """For procedural corpora: writes the corpus into an empty folder, the same bytes every time."""
    sample: Callable[[Path], None] | None = None
    """Writes a tiny synthetic tree of the same layout for the conformance kit."""
    sources: tuple[Source, ...] = ()
    defects: Mapping[str, str] = field(default_factory=dict)
    """Clip id -> why the clip is unusable; such clips are left out and counted."""
    remarks: tuple[str, ...] = ()
    """What is odd about published clips that are used all the same, one phrase each."""
    rates: tuple[int, ...] = ()
    """Published sampling rates in Hz; a local copy with another rate, or of 50 and more clips that
    all have one length, is partial, and is reported so. Empty: not known, or not certain.
    """
    data_digest: str = ""
    """The corpus digest of the published copy, where it is known; a copy with another one is
    partial.
    """
    counts: Mapping[str, int] = field(default_factory=dict)
    """Published clips per label; a local copy with other counts is partial, and is reported so."""
    group_counts: Mapping[str, int] = field(default_factory=dict)
    """Published clips per group, for the same check if counts per label are not published."""
    display: Mapping[str, str] = field(default_factory=dict)
    """Label -> displayed name, if the corpus' own name would mislead; ids, digests and filters use
    the corpus' own name.
    """
    common: Mapping[str, str] = field(default_factory=dict)
    """Own label -> common name, for training on one dataset and testing on another (``A:test=B``).
    Two labels have one common name only if their corpora define them alike; a label without a
    common name is left out.
    """
    manifest: Callable[[], Mapping[str, str]] | None = None
    """Clip id -> sha256 of its file, for a dataset that consists of exactly these files."""
    share: str = "none"
    """What may leave this machine. Predictions are always keyed by salted hashes; ``open``: with
    their labels; ``labels-only``: without labels (a local copy supplies them), and embeddings may
    be exported; ``none``: as ``labels-only``, but no export of embeddings.
    """
    revision: str = "1"
    licence: str = "unknown"
    citation: str = ""
    positional: str | None = None
    """The option that a bare value after the colon sets: ``folder:PATH`` sets ``path``."""
    local: tuple[str, ...] = ()
    """Options that hold local paths: ids and results hold the digests of the contents instead."""

    def shown(self, label: str) -> str:
        """The displayed name of a label."""
        return self.display.get(label, label)

    def __post_init__(self) -> None:
        check_name("dataset", self.name)
        check_types("dataset", self)
        check_choice("dataset", self.name, "task", self.task, TASKS)
        check_choice("dataset", self.name, "share", self.share, SHARES)
        for what, words in (("display", self.display), ("common", self.common)):
            unknown = [label for label in words if self.labels and label not in self.labels]
            if unknown:
                problem = f"{what} names a label {unknown[0]!r} that is not one of its labels"
                raise PartError(f"dataset {self.name}: {problem}")
        if not self.folds:
            problem = "expected at least one kind of folds, the default first"
            raise PartError(f"dataset {self.name}: {problem}")
