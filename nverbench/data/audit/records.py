"""Records of an audit: plain values, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

IDS = 5
"""Clips that a finding names; the records hold all of them."""


@dataclass(frozen=True)
class Measured:
    """One clip, from one decode. A value that could not be measured is None."""

    id: str
    reason: str | None = None
    """Why it cannot be used (undecodable, empty, silent, not finite); None: it can."""
    rate: int | None = None
    """Hz, from the header."""
    channels: int | None = None
    seconds: float | None = None
    """Length of the decoded part."""
    unheard: float = 0.0
    """Seconds at the end that were not decoded: the clip is longer than an audit decodes."""
    peak: float | None = None
    """Largest |x| of any channel; 1 is full scale, which lossy formats may exceed."""
    cancelled: float = 0.0
    """dB by which the mix to mono is below that of independent channels: 6 and more where channels
    cancel each other.
    """
    rms_db: float | None = None
    """Level of all channels in dB relative to full scale; None where every sample is zero."""
    full_scale: float = 0.0
    """Share of samples at |x| >= 0.99."""
    clipped_runs: int = 0
    """Runs of at least 3 equal samples at |x| >= 0.99."""
    dc: float = 0.0
    """Mean of the mono wave."""
    non_finite: int = 0
    """Samples that are not finite."""
    silent: bool = False
    """The mono wave's peak is below the protocol's 1e-3."""
    quiet: bool = False
    """The peak is below 0.02, and it is not silent."""
    active: float | None = None
    """Share of 10 ms frames within 40 dB of the loudest."""
    leading: float | None = None
    """Seconds before the first active frame."""
    trailing: float | None = None
    """Seconds after the last active frame."""


@dataclass(frozen=True)
class Relation:
    """Whether copies share a value: ``same`` or ``across``; ``unknown`` where a clip has no speaker
    or is in no fold.
    """

    speakers: str
    labels: str
    folds: str


@dataclass(frozen=True)
class Group:
    """Clips that are the same bytes (and the same segment of them)."""

    clips: tuple[str, ...]
    relation: Relation


@dataclass(frozen=True)
class Pair:
    """Two clips that are the same recording, though not the same bytes."""

    first: str
    second: str
    correlation: float
    """Peak of the normalised cross-correlation of the two signals at 8 kHz, over their overlap."""
    lag: float
    """Seconds by which the recording begins later in ``first``."""
    relation: Relation


@dataclass(frozen=True)
class Copies:
    """Byte-identical groups, near-identical pairs, and the number of pairs that were correlated."""

    identical: tuple[Group, ...]
    near: tuple[Pair, ...]
    candidates: int


@dataclass(frozen=True)
class Balance:
    """Clips per class and speaker, and their recording formats."""

    classes: Mapping[str, int]
    speakers: Mapping[str, int]
    largest_speaker: float
    """Share of the clips that the most frequent speaker has; 0 without speakers."""
    gaps: Mapping[str, tuple[str, ...]]
    """Speaker -> classes without a clip."""
    rates: Mapping[str, int]
    channels: Mapping[str, int]
    rates_by_class: Mapping[str, Mapping[str, int]]
    rates_by_speaker: Mapping[str, Mapping[str, int]]
    channels_by_class: Mapping[str, Mapping[str, int]]
    channels_by_speaker: Mapping[str, Mapping[str, int]]
    own_rate: tuple[str, ...]
    """Speakers none of whose clips has the corpus' commonest rate."""


@dataclass(frozen=True)
class Confound:
    """Out-of-fold scores of a small tree on recording facts, and chance."""

    target: str
    """label or speaker."""
    feature: str
    accuracy: float
    macro_f1: float
    majority: float
    """Share of the largest class: the accuracy of always guessing it."""
    uniform: float
    """1 / k."""
    null_mean: float | None = None
    """Mean accuracy over shuffled labels; None where none were drawn (the remark on speakers)."""
    null_max: float | None = None
    null_macro_f1: float | None = None
    z: float | None = None
    """(accuracy - null mean) / null sd."""
    p: float | None = None
    """(1 + shuffles with at least this accuracy) / (1 + shuffles)."""
    shuffled: str = ""
    """How the labels were shuffled: within speakers or among all clips."""


@dataclass(frozen=True)
class Confounds:
    """All confounds and how the labels were shuffled, or why there are none."""

    rows: tuple[Confound, ...] = ()
    shuffled: str = ""
    clips: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class FoldRow:
    """One test part."""

    name: str
    clips: int
    missing: tuple[str, ...]
    """Classes without a clip in it."""
    copied: int
    """Its clips that have a copy in the training part."""


@dataclass(frozen=True)
class FoldsFound:
    """The dataset's folds; without rows, the reason why it cannot be cut."""

    kind: str
    digest: str = ""
    rows: tuple[FoldRow, ...] = ()
    copies_across: int = 0
    """Pairs of copies of which one is tested while the other is trained on."""
    groups_across: int = 0
    """Groups (speakers) with clips in several test parts."""
    reason: str | None = None


@dataclass(frozen=True)
class Sizes:
    """Short clips: below round durations, and below what each backbone embeds without padding."""

    below: Mapping[str, int]
    backbones: Mapping[str, int]


@dataclass(frozen=True)
class Finding:
    """A finding worth acting on."""

    severity: int
    """3: scores would be wrong or the run would stop; 2: a score may mislead; 1: worth knowing."""
    sentence: str
    clips: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """One audit, without times and paths: the same files give the same report."""

    dataset: str
    digest: str
    clips: int
    labels: tuple[str, ...]
    verdicts: tuple[Finding, ...]
    defects: Mapping[str, str]
    notes: tuple[str, ...]
    misfits: tuple[tuple[str, str], ...]
    sizes: Sizes
    copies: Copies
    same_recordings: tuple[tuple[str, ...], ...]
    """Groups of near-identical clips that the registry does not list yet."""
    balance: Balance
    confounds: Confounds
    folds: FoldsFound
    measured: tuple[Measured, ...]
