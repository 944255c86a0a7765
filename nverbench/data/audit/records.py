"""What an audit finds: plain records of plain numbers, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

IDS = 5
"""A verdict names at most this many clips; the record holds them all."""


@dataclass(frozen=True)
class Measured:
    """One clip, from one decode. What could not be measured is None."""

    id: str
    reason: str | None = None
    """Why it cannot be used at all (the protocol's own rule: undecodable, empty, silent, not
    finite); None: it can.
    """
    rate: int | None = None
    """Hz, as the file says."""
    channels: int | None = None
    seconds: float | None = None
    """Of what was decoded."""
    unheard: float = 0.0
    """Seconds at the end that were not listened to: the clip is longer than an audit listens."""
    absent: int = 0
    """Bytes of sound that a wav header promises and the file does not hold: it was cut short, or
    its header lies.
    """
    peak: float | None = None
    """Largest |x| of any channel; 1 is full scale, and lossy formats may overshoot it."""
    rms_db: float | None = None
    """Level of all channels in dB relative to full scale; None where every sample is zero."""
    full_scale: float = 0.0
    """Share of samples at |x| >= 0.99."""
    clipped_runs: int = 0
    """Runs of at least 3 equal samples at |x| >= 0.99."""
    dc: float = 0.0
    """Mean of the mono wave."""
    non_finite: int = 0
    """Samples that are no finite numbers."""
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
    """Where copies lie: ``same`` or ``across``; ``unknown`` where a clip has no speaker or is in no
    fold.
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
    """Byte-identical groups, near-identical pairs, and how many pairs were looked at closely."""

    identical: tuple[Group, ...]
    near: tuple[Pair, ...]
    candidates: int


@dataclass(frozen=True)
class Balance:
    """Who says what how often, and recorded how."""

    classes: Mapping[str, int]
    speakers: Mapping[str, int]
    largest_speaker: float
    """Share of the clips that the most frequent speaker has; 0 without speakers."""
    gaps: Mapping[str, tuple[str, ...]]
    """Speaker -> classes that she lacks."""
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
    """How well a small tree on recording facts predicts, out of fold, beside chance."""

    target: str
    """label or speaker."""
    feature: str
    accuracy: float
    macro_f1: float
    majority: float
    """Share of the largest class: what always guessing it scores."""
    uniform: float
    """1 / k."""
    null_mean: float | None = None
    """Mean accuracy over shuffled labels; None where none were drawn (the remark on speakers)."""
    null_max: float | None = None
    null_macro_f1: float | None = None
    z: float | None = None
    """(accuracy - null mean) / null sd."""
    p: float | None = None
    """(1 + shuffles that score as much) / (1 + shuffles)."""


@dataclass(frozen=True)
class Confounds:
    """All of them, and how the labels were shuffled; or why there are none."""

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
    """Its clips that have a copy outside it, where they are trained on."""


@dataclass(frozen=True)
class FoldsFound:
    """The dataset's folds; without rows, the reason why it cannot be cut."""

    kind: str
    digest: str = ""
    rows: tuple[FoldRow, ...] = ()
    copies_across: int = 0
    """Pairs of copies, byte-identical or near, of which one is tested while the other is trained
    on.
    """
    groups_across: int = 0
    """Groups (speakers) of whom some clips are tested while others are trained on."""
    reason: str | None = None


@dataclass(frozen=True)
class Sizes:
    """Clips too short: below round durations, and below what each backbone takes without
    padding.
    """

    below: Mapping[str, int]
    backbones: Mapping[str, int]


@dataclass(frozen=True)
class Finding:
    """A finding worth acting on."""

    severity: int
    """3: numbers would be wrong or the run would stop; 2: a score may not mean what it says; 1:
    worth knowing.
    """
    sentence: str
    clips: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """One audit. No timing, no path of this machine: the same files give the same report."""

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
    balance: Balance
    confounds: Confounds
    folds: FoldsFound
    measured: tuple[Measured, ...]
