"""The JSON files of a submission, strictly typed: unknown keys, wrong types and overlong texts are
errors.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nverbench._io.digests import digest_of
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result

SCHEMA: Literal[1] = 1
MACHINE = ("device", "system", "python")
"""The published facts of a machine: no name, no user, no path, no environment variable."""

Text = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Versions = Annotated[dict[Text, Text], Field(max_length=100)]
Who = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^\S(.*\S)?$")]


class SubmissionModel(BaseModel):
    """A file of a submission."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class FoldsFile(SubmissionModel):
    """``folds.json``: the kind of folds, and digests of folds and predictions."""

    schema_version: Literal[1] = SCHEMA
    kind: Text
    protocol: Text
    dataset_digest: Digest
    fold_digest: Digest
    """Digest of ids, labels, groups and folds: only a holder of the corpus can compute it."""
    assignment: Digest
    """Digest of keys, labels, groups and folds as published: equal for all results on the same
    folds.
    """
    predictions: Digest
    """Digest of the probabilities, to the bit."""


class Environment(SubmissionModel):
    """``environment.json``: the software and the machine behind a result."""

    schema_version: Literal[1] = SCHEMA
    plugins: Versions
    libraries: Versions
    device: Text
    """cpu or cuda."""
    machine: Versions
    """Model of the device, operating system, version of Python."""
    threads: int


class Submitter(SubmissionModel):
    """``submitter.json``, optional: the name to show, and the citation."""

    schema_version: Literal[1] = SCHEMA
    name: Who
    citation: Annotated[str, Field(max_length=2000)] = ""


class Identity(SubmissionModel):
    """The identity of a job, whose digest is the id of the result."""

    backbones: list[dict[str, Any]]
    audio: str
    fusion: dict[str, Any]
    loss: dict[str, Any]
    dataset: dict[str, Any]
    folds: dict[str, str]
    protocol: dict[str, Any]
    seeds: int
    dtype: str
    device: str
    skip_bad: bool
    plugins: dict[str, str]
    train: dict[str, str] = {}
    """The shuffling of conversations' turns, if there was any."""
    storage: str = "float32"
    """Type of stored frames."""


def folds_file(result: Result, predictions: Predictions) -> FoldsFile:
    """The ``folds.json`` of a published result."""
    p = result.provenance
    return FoldsFile(
        kind=result.folds.kind,
        protocol=result.protocol,
        dataset_digest=p.dataset_digest,
        fold_digest=result.folds.digest,
        assignment=assignment(predictions),
        predictions=probabilities_digest(predictions),
    )


def environment(result: Result) -> Environment:
    """The ``environment.json`` of a result: only the facts in ``MACHINE``."""
    p = result.provenance
    machine = {name: result.machine[name] for name in MACHINE if name in result.machine}
    return Environment(
        plugins=p.plugins,
        libraries=p.libraries,
        device=str(p.identity.get("device", "")),
        machine=machine,
        threads=p.threads,
    )


def assignment(predictions: Predictions) -> str:
    """Digest of keys, groups, labels and folds of published predictions."""
    return digest_of(
        [predictions.ids, predictions.groups, predictions.target.tolist(), predictions.folds]
    )


def probabilities_digest(predictions: Predictions) -> str:
    """Digest of the shape and the bits of the probabilities."""
    import hashlib

    import numpy as np

    numbers = np.ascontiguousarray(predictions.probabilities, dtype="<f4")
    return hashlib.sha256(repr(numbers.shape).encode() + numbers.tobytes()).hexdigest()


def slug(name: str) -> str:
    """A name in the form of a file name: letters, digits and dashes of its ASCII form, and a digest
    where that loses something.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40]
    if short and short == name.lower():
        return short
    return f"{short or 'x'}-{digest_of(same_name(name))[:8]}"


def same_name(name: str) -> str:
    """A name in the form that is compared: without case, width, encoding of accents and spacing."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())


def quoted(text: object) -> str:
    """A third-party text in quotes: printable, on one line, and at most 60 characters."""
    plain = str(text)
    return repr(plain) if plain.isprintable() and len(plain) <= 60 else ascii(plain[:60])
