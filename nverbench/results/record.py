"""One finished run = one row: what was combined, how it was cut, every score with its interval, and
where it all came from.

``result_digest`` leaves out timings, host, dates and memory: "identical" means equal digests. It is
taken over the published form, so that a result and what was published of it carry the same one.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from nverbench._io.digests import digest_of
from nverbench.metrics.scores import NAMES
from nverbench.results.pseudonyms import Names

SCHEMA = 2
VOLATILE = ("created", "timings", "machine", "tracked")


class ResultModel(BaseModel):
    """Unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid")


class Score(ResultModel):
    """A pooled metric as a fraction, with its 95% jackknife interval and, for comparison, the
    bootstrap over groups.
    """

    value: float
    low: float | None
    high: float | None
    se: float | None
    bootstrap: tuple[float, float] | None
    fold_mean: float
    fold_sd: float
    seed_sd: float | None
    """Standard deviation over replicates; None with a single one."""


class FoldScore(ResultModel):
    """One fold of one replicate."""

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
    """Classes without a clip in this test fold: macro averages run over the others."""
    best_epoch: int
    epochs: int
    curves: list[dict[str, float]]


class Combination(ResultModel):
    """What was combined, in canonical text."""

    backbones: list[str]
    families: list[str]
    fusion: str
    loss: str
    dataset: str
    grid: str
    paper: str
    demo: bool


class Folds(ResultModel):
    """How the clips were cut."""

    kind: str
    digest: str
    number: int
    speakers_seen: bool
    """True when the selection part shares speakers with the training part in some fold."""
    notes: list[str]


class Counts(ResultModel):
    """Clips, and what happened to some."""

    clips: int
    groups: int
    per_class: dict[str, int]
    left_out: dict[str, str]
    misfits: int
    padded: dict[str, int]
    forward_passes: dict[str, int]
    halvings: dict[str, int] = {}
    """How often a batch did not fit the memory of the device and was halved."""


class Timings(ResultModel):
    """Seconds, and peak memory of the process in bytes."""

    embed: dict[str, float]
    fit: float
    """Of every training, summed; several may have run beside each other."""
    embed_per_clip: dict[str, float | None]
    """Of the run that computed the embeddings on this machine, this one or an earlier one; None:
    not known. The next one too.
    """
    real_time_factor: dict[str, float | None]
    """Seconds of computing per second of audio."""
    peak_memory: int
    clips_per_second: dict[str, float | None] = {}
    """Through the network, loading it not counted; this and the next are None when everything came
    from the cache.
    """
    busy: dict[str, float | None] = {}
    """Seconds inside the network as a part of the extraction loop's: what is left was waiting for
    audio, pooling and storing.
    """
    decoding: dict[str, float] = {}
    """Seconds that threads decoded and resampled, beside the network."""


class Provenance(ResultModel):
    """Everything needed to say whether two rows are the same experiment."""

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
    """Backbones whose published weights were trained on this very corpus."""
    protocol: str
    selection: str
    seeds: int
    folds: Folds
    labels: list[str]
    display: dict[str, str] = {}
    """Label -> how it is shown, where its own name would mislead."""
    share: str
    """What of the dataset may be published: open, labels-only or none."""
    licence: str
    """The most restrictive licence of data and weights, and whose it is."""
    counts: Counts
    scores: dict[str, Score]
    unit: str
    """What intervals are taken over: the dataset's group, or clips."""
    per_group_accuracy: dict[str, float]
    """Given where there are fewer than five groups."""
    per_class_recall: dict[str, float]
    confusion: list[list[int]]
    """Pooled over folds and replicates: row = true class."""
    per_fold: list[FoldScore]
    provenance: Provenance
    timings: Timings
    machine: dict[str, str]
    names: Names | None
    """Names of files, clips and people that stay on this machine; None: this is the published form,
    which holds none.
    """
    result_digest: str = ""

    @field_validator("scores")
    @classmethod
    def _headlines(cls, scores: dict[str, Score]) -> dict[str, Score]:
        """What every table sorts by and shows must be there."""
        missing = [name for name in NAMES if name not in scores]
        if missing:
            raise ValueError(f"no {' and no '.join(missing)} among its scores")
        return scores

    @property
    def shuffle(self) -> str:
        """How turns of training conversations were put out of order; ``none`` where they were
        not.
        """
        train = self.provenance.identity.get("train")
        return str(train.get("shuffle", "none")) if isinstance(train, dict) else "none"

    def sealed(self) -> Result:
        """The same result with its digest filled in."""
        return self.model_copy(update={"result_digest": self.digest()})

    def without_curves(self) -> Result:
        """The result as tables need it: a plan of thousands of jobs keeps them all in memory, and
        learning curves are most of what they hold.
        """
        return self.model_copy(
            update={"per_fold": [fold.model_copy(update={"curves": []}) for fold in self.per_fold]}
        )

    def published(self) -> Result:
        """The result without names of files, clips and people; its digest is the same."""
        content = self.model_dump(mode="json", exclude={"names"})
        return Result.model_validate(
            {**(self.names.apply(content) if self.names else content), "names": None}
        )

    def digest(self) -> str:
        """Digest of everything but timings, host, dates and memory, in the published form."""
        content = self.model_dump(mode="json", exclude={*VOLATILE, "names", "result_digest"})
        content = self.names.apply(content) if self.names else content
        for name in (
            "forward_passes",
            "halvings",
        ):  # 0 on a rerun: what the cache did is not a result
            content["counts"].pop(name)
        if not self.heard_in_pretraining:  # results from before this was recorded keep their digest
            content.pop("heard_in_pretraining")
        content["provenance"].pop("parameters_frozen")  # unknown when no backbone had to be loaded
        return digest_of(content)
