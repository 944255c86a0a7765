"""The JSON files beside a submitted result, strictly: unknown keys, wrong types and overlong texts
are errors.
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
"""What of a machine leaves it: no name, no user, no path, no variable of its environment."""

Text = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Versions = Annotated[dict[Text, Text], Field(max_length=100)]
Who = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^\S(.*\S)?$")]


class SubmissionModel(BaseModel):
    """A file of a submission."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class FoldsFile(SubmissionModel):
    """``folds.json``: how the clips were cut, and digests of what was cut and predicted."""

    schema_version: Literal[1] = SCHEMA
    kind: Text
    protocol: Text
    dataset_digest: Digest
    fold_digest: Digest
    """Of ids, labels, groups and folds: only a holder of the corpus can compute it."""
    assignment: Digest
    """Of keys, labels, groups and folds as published: the same for all results on the same
    folds.
    """
    predictions: Digest
    """Of the probabilities, to the bit."""


class Environment(SubmissionModel):
    """``environment.json``: what a result was made with."""

    schema_version: Literal[1] = SCHEMA
    plugins: Versions
    libraries: Versions
    device: Text
    """cpu or cuda."""
    machine: Versions
    """Model of the device, operating system, version of Python."""
    threads: int


class Submitter(SubmissionModel):
    """``submitter.json``, optional: the name to show, and what to cite."""

    schema_version: Literal[1] = SCHEMA
    name: Who
    citation: Annotated[str, Field(max_length=2000)] = ""


class Identity(SubmissionModel):
    """What a result's id is the digest of, as a plan writes it."""

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
    """How turns of conversations were shuffled, where they were."""
    storage: str = "float32"
    """Of frames."""


def folds_file(result: Result, predictions: Predictions) -> FoldsFile:
    """What ``folds.json`` says of a published result."""
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
    """What ``environment.json`` says: only what is on the list, whatever else the result's machine
    may hold.
    """
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
    """A name as a file is called after it: letters, digits and dashes of its ASCII form, and a
    digest where that loses something.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40]
    return (
        short
        if short and short == name.lower()
        else f"{short or 'x'}-{digest_of(same_name(name))[:8]}"
    )


def same_name(name: str) -> str:
    """A name as it is compared: case, width, accents' encoding and spacing do not make another
    person.
    """
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())


def quoted(text: object) -> str:
    """A stranger's text in one of our sentences: printable, on one line, and not long."""
    return (
        ascii(str(text)[:60])
        if not str(text).isprintable() or len(str(text)) > 60
        else repr(str(text))
    )
