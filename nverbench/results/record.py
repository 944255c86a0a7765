"""The record of a finished job, one row of the leaderboard: combination, folds, every score with
its interval, and provenance.

``result_digest`` does not cover timings, host, dates and memory: "identical" means equal digests.
It covers the published form, so that a local result and its published form have the same digest.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from nverbench._io.digests import digest_of
from nverbench.metrics.scores import NAMES
from nverbench.results.pseudonyms import Names

SCHEMA = 2
VOLATILE = ("created", "timings", "machine", "tracked")


class ResultModel(BaseModel):
    """Unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid")
    since_2: ClassVar[tuple[str, ...]] = ()
    """Fields that came with nver-2. They are not written where they are empty, so that records
    under nver-1, and their digests, are what they were.
    """

    @model_serializer(mode="wrap")
    def _without_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = write(self)
        for name in self.since_2:
            if name in content and not content[name]:
                del content[name]
        return content


class Score(ResultModel):
    """A pooled metric as a fraction, with its 95% interval by the protocol's rule and, for
    comparison, the bootstrap over groups.
    """

    since_2 = ("method",)

    value: float
    low: float | None
    high: float | None
    se: float | None
    bootstrap: tuple[float, float] | None
    fold_mean: float
    fold_sd: float
    seed_sd: float | None
    """Standard deviation over replicates; None with a single one."""
    method: str = ""
    """How the interval was made, or why there is none, where this is not the usual way of the
    protocol's rule (``metrics.score_intervals``).
    """


class FoldScore(ResultModel):
    """The scores of one fold of one replicate."""

    since_2 = ("chosen", "tried")

    fold: str
    replicate: int
    train: int
    validation: int
    test: int
    accuracy: float
    macro_f1: float
    uar: float
    weighted_f1: float
    absent: list[str]
    """Classes without a clip in this test fold; macro averages are over the others."""
    best_epoch: int
    epochs: int
    curves: list[dict[str, float]]
    """One mapping per epoch; of a head that is fitted to its optimum, one per penalty, the
    strongest first.
    """
    chosen: dict[str, float] = {}
    """What a search inside the training part chose: ``lr``, or ``l2`` and ``gradient``, the largest
    partial derivative at the optimum. Empty: there was no search.
    """
    tried: dict[str, float] = {}
    """Each candidate of the search -> its score on the validation parts; the highest is best."""


class Combination(ResultModel):
    """The parts of a job, in canonical text."""

    backbones: list[str]
    families: list[str]
    fusion: str
    loss: str
    dataset: str
    grid: str
    paper: str
    demo: bool


class Folds(ResultModel):
    """How the clips were divided."""

    kind: str
    digest: str
    number: int
    speakers_seen: bool
    """True when the selection part shares speakers with the training part in some fold."""
    notes: list[str]


class Counts(ResultModel):
    """Numbers of clips, and what was done to some of them."""

    clips: int
    groups: int
    per_class: dict[str, int]
    left_out: dict[str, str]
    misfits: int
    padded: dict[str, int]
    forward_passes: dict[str, int]
    halvings: dict[str, int] = {}
    """How often a batch did not fit the device's memory and was halved."""


class Timings(ResultModel):
    """Seconds, and peak memory of the process in bytes."""

    embed: dict[str, float]
    fit: float
    """Summed over trainings; several may have run at the same time."""
    embed_per_clip: dict[str, float | None]
    """In the run that computed the embeddings on this machine, this one or an earlier one; None:
    not known. The same holds for the next field.
    """
    real_time_factor: dict[str, float | None]
    """Seconds of computation per second of audio."""
    peak_memory: int
    clips_per_second: dict[str, float | None] = {}
    """Through the network, without loading it; this and the next are None where all embeddings came
    from the cache.
    """
    busy: dict[str, float | None] = {}
    """Time in the network as a fraction of the extraction loop's; the rest is waiting for audio,
    pooling and storing.
    """
    decoding: dict[str, float] = {}
    """Seconds that threads decoded and resampled, in parallel to the network."""


class Provenance(ResultModel):
    """Everything that decides whether two rows are the same experiment."""

    identity: dict[str, Any]
    dataset_digest: str
    embedding_digests: dict[str, str]
    weights_digests: dict[str, str]
    plugins: dict[str, str]
    libraries: dict[str, str]
    licences: dict[str, str]
    parameters_frozen: dict[str, int | None]
    parameters_trained: int
    threads: int


class Result(ResultModel):
    """One row of the leaderboard."""

    schema_version: int = SCHEMA
    id: str
    created: str
    entry: Combination
    standing: str
    standing_reasons: list[str]
    control: bool
    optimistic: bool
    heard_in_pretraining: list[str] = []
    """Backbones whose published weights were trained on this corpus; with a reason in parentheses,
    those that may have been.
    """
    protocol: str
    selection: str
    seeds: int
    folds: Folds
    labels: list[str]
    display: dict[str, str] = {}
    """Label -> the shown text, where the label itself would mislead."""
    share: str
    """The part of the dataset that may be published: open, labels-only or none."""
    licence: str
    """The most restrictive licence of data and weights, and the part that has it."""
    counts: Counts
    scores: dict[str, Score]
    unit: str
    """The unit of resampling for intervals: the dataset's group, or clips."""
    per_group_accuracy: dict[str, float]
    """Filled where there are fewer than five groups."""
    per_class_recall: dict[str, float]
    confusion: list[list[int]]
    """Pooled over folds and replicates: row = true class."""
    per_fold: list[FoldScore]
    provenance: Provenance
    timings: Timings
    machine: dict[str, str]
    names: Names | None
    """Names of files, clips and people that are not published; None: this is the published form."""
    result_digest: str = ""

    @field_validator("scores")
    @classmethod
    def _headlines(cls, scores: dict[str, Score]) -> dict[str, Score]:
        """Require the scores that every table shows or sorts by."""
        missing = [name for name in NAMES if name not in scores]
        if missing:
            raise ValueError(f"no {' and no '.join(missing)} among its scores")
        return scores

    @property
    def shuffle(self) -> str:
        """How turns of training conversations were shuffled; ``none`` where they were not."""
        train = self.provenance.identity.get("train")
        return str(train.get("shuffle", "none")) if isinstance(train, dict) else "none"

    def sealed(self) -> Result:
        """Return the result with its digest filled in."""
        return self.model_copy(update={"result_digest": self.digest()})

    def without_curves(self) -> Result:
        """Return the result without learning curves, which are most of its memory: a plan of
        thousands of jobs keeps all results.
        """
        folds = [fold.model_copy(update={"curves": []}) for fold in self.per_fold]
        return self.model_copy(update={"per_fold": folds})

    def published(self) -> Result:
        """Return the result without names of files, clips and people; its digest is the same."""
        return Result.model_validate({**self._public({"names"}), "names": None})

    def digest(self) -> str:
        """Return the digest of everything but timings, host, dates and memory, in the published
        form.
        """
        content = self._public({*VOLATILE, "names", "result_digest"})
        # these depend on the cache: 0 on a rerun, and unknown where no backbone was loaded
        for name in ("forward_passes", "halvings"):
            content["counts"].pop(name)
        content["provenance"].pop("parameters_frozen")
        if not self.heard_in_pretraining:  # older results, without this field, keep their digest
            content.pop("heard_in_pretraining")
        return digest_of(content)

    def _public(self, without: set[str]) -> dict[str, Any]:
        content = self.model_dump(mode="json", exclude=without)
        return self.names.apply(content) if self.names else content
