"""Attestations: the outcome of a rerun of a submitted result by another party. Data with a strict
schema, no proof.

Anyone can write such a file. It counts because maintainers know the author of the pull request that
they merge. Maintainers may attest their own submissions too: this counts as a rerun by the authors,
and not as a reproduction by another party.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from nverbench._io.atomic import write_atomically
from nverbench.errors import ResultError
from nverbench.leaderboard.submissions.read import ATTESTATIONS, Bundle, attestation_files, parsed
from nverbench.leaderboard.submissions.records import (
    SCHEMA,
    Digest,
    Environment,
    SubmissionModel,
    Text,
    Who,
    quoted,
    same_name,
    slug,
)
from nverbench.metrics import jackknife
from nverbench.metrics.scores import NAMES
from nverbench.results.record import Result

EMBEDDINGS_WITHIN = 1e-5
FLOOR = 1e-3
"""A tenth of a point: the difference that is allowed for any spread."""
MAINTAINERS = "nverbench"
"""The name of those who merge pull requests and rerun submissions. They merge no other party's file
with this name: trust comes from that review, not from the file.
"""
FEWEST_SEEDS = 3
"""With fewer replicates the spread over seeds is not used, and only ``FLOOR`` is allowed."""

From = Literal["embeddings", "audio"]
Outcome = Literal["identical", "reproduced", "differs"]
Fraction = Annotated[float, Field(ge=-1, le=1)]


class Attestation(SubmissionModel):
    """The content of ``attestations/<name>.json``."""

    schema_version: Literal[1] = SCHEMA
    result: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    by: Who
    when: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    source: From
    """embeddings: heads were trained again on embeddings of the same digests; audio: all was
    computed anew.
    """
    environment: Environment
    result_digest: Digest
    """Digest of the submission."""
    reproduced_digest: Digest
    embeddings_identical: bool
    embeddings_differ_by: Annotated[float, Field(ge=0)] | None
    """Largest difference of a number; None where the submitter's embeddings are not on the machine
    that reran it.
    """
    differences: Annotated[dict[Text, Fraction], Field(max_length=10)]
    """Metric -> reproduced minus submitted."""
    verdict: Outcome


def outcome(
    submitted: Result,
    reproduced_digest: str,
    differences: Mapping[str, float],
    embeddings_differ_by: float | None,
) -> Outcome:
    """Equal digests are identical. Else reproduced, where embeddings are within 1e-5 (as far as
    they could be compared) and no headline metric differs by more than :func:`allowed`.
    """
    if reproduced_digest == submitted.result_digest:
        return "identical"
    if embeddings_differ_by is not None and embeddings_differ_by > EMBEDDINGS_WITHIN:
        return "differs"
    inside = set(differences) == set(NAMES) and all(
        abs(differences[name]) <= allowed(submitted, name) for name in NAMES
    )
    return "reproduced" if inside else "differs"


def allowed(submitted: Result, name: str) -> float:
    """The allowed difference of a metric: two means of r replicates differ by at most
    t(r - 1) sd sqrt(2 / r) in 95% of reruns with other seeds.

    ``sd`` is the submission's standard deviation over its r replicates. At least ``FLOOR``; with
    fewer than three replicates exactly that.
    """
    r, sd = submitted.seeds, submitted.scores[name].seed_sd
    if sd is None or r < FEWEST_SEEDS:
        return FLOOR
    return max(FLOOR, jackknife.quantile(0.95, r) * sd * math.sqrt(2 / r))


def write(folder: Path, attestation: Attestation) -> Path:
    """Write an attestation into the submission's folder; one per name."""
    path = folder / ATTESTATIONS / f"{slug(attestation.by)}.json"
    write_atomically(path, (attestation.model_dump_json(indent=1) + "\n").encode())
    return path


@dataclass(frozen=True)
class Accepted:
    """The attestations of a submission that count, and those that do not."""

    others: tuple[str, ...] = ()
    """The parties other than the submitter who reproduced it."""
    rerun: bool = False
    """Its submitters are the maintainers, and they reran it."""
    doubts: tuple[str, ...] = ()
    """Attestations that do not count, and why."""


def accepted(bundle: Bundle) -> Accepted:
    """The parties who reran a submission, and the attestations that do not count."""
    names, notes = [], []
    for path in attestation_files(bundle.folder):
        try:
            attestation = parsed(Attestation, path)
            why = rejection_reason(attestation, bundle, path)
        except ResultError as error:
            why = str(error)
        if why:
            notes.append(f"{quoted(path.name)} does not count: {why}")
        else:
            names.append(attestation.by)
    others = tuple(name for name in names if not is_own(bundle, name))
    return Accepted(others, len(others) < len(names), tuple(notes))


def is_own(bundle: Bundle, name: str) -> bool:
    """Whether a name is the submitter's, in any spelling."""
    return bundle.submitter is not None and same_name(bundle.submitter.name) == same_name(name)


def rejection_reason(attestation: Attestation, bundle: Bundle, path: Path) -> str:
    """The reason why an attestation does not count; empty when it does."""
    result, a = bundle.result, attestation
    expected = outcome(result, a.reproduced_digest, a.differences, a.embeddings_differ_by)
    unknown = "the submission names no submitter (submitter.json), so no other party is known"
    why = {
        f"it is of result {a.result}": a.result != result.id,
        "it is of another content of this result (result_digest)": (
            a.result_digest != result.result_digest
        ),
        f"it should be called {slug(a.by)}.json": path.stem != slug(a.by),
        unknown: bundle.submitter is None,
        "the submitter attests their own result": is_own(bundle, a.by) and a.by != MAINTAINERS,
        f"it says {a.verdict}, and its numbers say {expected}": a.verdict != expected,
        "heads were trained on other embeddings": (
            a.source == "embeddings" and not a.embeddings_identical
        ),
        "the result differs": a.verdict == "differs",
    }
    return next((reason for reason, holds in why.items() if holds), "")
