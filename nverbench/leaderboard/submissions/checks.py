"""Checks of a result against its own identity, the registry, this machine's lock and the installed
parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from nverbench._io.digests import digest_of
from nverbench.data import audio
from nverbench.errors import ResultError
from nverbench.leaderboard.submissions.parts import (
    ResolvedParts,
    pair_record,
    pinned_digest,
    seeded_digest,
)
from nverbench.leaderboard.submissions.read import Bundle
from nverbench.leaderboard.submissions.records import (
    Identity,
    assignment,
    environment,
    folds_file,
    probabilities_digest,
    quoted,
)
from nverbench.leaderboard.submissions.standing import check_standing
from nverbench.pipeline.standing import LEVELS, OFFICIAL, UNOFFICIAL, heard_in_pretraining
from nverbench.plugin import licences
from nverbench.plugin.options import split
from nverbench.plugin.records import SHARES
from nverbench.registry import Registry
from nverbench.results.record import Result

DIGESTS = {"assignment", "predictions"}
"""Fields of folds.json that :func:`_published` checks."""


def identity_of(result: Result) -> Identity:
    """The identity that a result's id is the digest of; ResultError when it is none."""
    try:
        return Identity.model_validate(result.provenance.identity)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ResultError(
            f"provenance.identity: {quoted(where)}: {first['msg'].lower()}"
        ) from error


def check_itself(bundle: Bundle, identity: Identity) -> Iterator[str]:
    """Facts that a result holds twice and that differ, and digests that do not fit."""
    r, p = bundle.result, bundle.result.provenance
    if r.digest() != r.result_digest:
        yield "result_digest is not that of its content: it was changed since it was made"
    if digest_of(p.identity)[:16] != r.id:
        yield f"its id is {quoted(r.id)}; its identity gives {digest_of(p.identity)[:16]}"
    yield from (
        f"{what}: it says {quoted(have)}, and elsewhere {quoted(want)}"
        for what, (have, want) in _facts_held_twice(bundle, identity).items()
        if have != want
    )
    if r.standing not in LEVELS:
        yield f"standing {quoted(r.standing)} is none of {', '.join(LEVELS)}"
    yield from _published(bundle)


def _facts_held_twice(bundle: Bundle, identity: Identity) -> dict[str, tuple[Any, Any]]:
    """Name -> the fact in the result, and the same fact in its identity or another file."""
    r, e, p = bundle.result, bundle.result.entry, bundle.result.provenance
    weights = [str(b.get("weights")) for b in identity.backbones]
    names = [
        t if e.backbones.index(t) == i else f"{t}#{e.backbones[: i + 1].count(t)}"
        for i, t in enumerate(e.backbones)
    ]  # Job.names
    untrained = any(b.get("untrained") is True for b in identity.backbones)
    return {
        "dataset digest": (p.dataset_digest, identity.dataset.get("digest")),
        "fold digest": (r.folds.digest, identity.folds.get("digest")),
        "kind of folds": (r.folds.kind, identity.folds.get("kind")),
        "protocol": (r.protocol, identity.protocol.get("name")),
        "selection": (r.selection, identity.protocol.get("selection")),
        "replicates": (r.seeds, identity.seeds),
        "plugins": (p.plugins, identity.plugins),
        "backbones": (
            [split(b)[0] for b in e.backbones],
            [b.get("name") for b in identity.backbones],
        ),
        "families": (len(e.families), len(e.backbones)),
        "fusion": (split(e.fusion)[0], identity.fusion.get("name")),
        "loss": (split(e.loss)[0], identity.loss.get("name")),
        "dataset": (split(e.dataset)[0], identity.dataset.get("name")),
        "weights digests": (p.weights_digests, dict(zip(names, weights, strict=False))),
        "embeddings of": (sorted(p.embedding_digests), sorted(names)),
        "control": (r.control, e.demo or untrained),
        "optimistic": (r.optimistic, r.selection == "test"),
        "licence": (r.licence, licences.combined(p.licences)),
        "folds.json": (
            bundle.folds.model_dump(exclude=DIGESTS),
            folds_file(r, bundle.predictions).model_dump(exclude=DIGESTS),
        ),
        "environment.json": (bundle.environment, environment(r)),
        "official standing without reasons": (r.standing == OFFICIAL, not r.standing_reasons),
    }


def _published(bundle: Bundle) -> Iterator[str]:
    """Contradictions between the predictions, their digests and the dataset's ``share``."""
    share, predictions = bundle.result.share, bundle.predictions
    if bundle.folds.assignment != assignment(predictions):
        yield "keys, groups, labels or folds are not those that folds.json has the digest of"
    if bundle.folds.predictions != probabilities_digest(predictions):
        yield "the probabilities are not those that folds.json has the digest of"
    if share not in SHARES:
        yield f"share {quoted(share)} is none of {', '.join(SHARES)}"
    if share != "open" and (len(predictions.target) or any(predictions.groups)):
        yield (
            f"labels or groups are given of a dataset whose share is {quoted(share)}; they may not"
            " be published"
        )
    if share == "open" and not len(predictions.target):
        yield "labels are not given of an open dataset; nverbench leaderboard submit publishes them"


def check_protocol(result: Result, identity: Identity, registry: Registry) -> Iterator[str]:
    """Constants of the protocol that differ from the registry's."""
    protocol = registry.protocols.get(result.protocol)
    if protocol is not None:
        protocol = protocol.model_copy(update={"selection": result.selection})
        constants = protocol.constants()
        expected, have = {"name": result.protocol, **constants}, identity.protocol
        wrong = sorted(k for k in {*expected, *have} if expected.get(k) != have.get(k))
        if wrong:
            names = ", ".join(map(quoted, wrong))
            yield f"protocol {result.protocol}: {names} differ from the registry's"
    elif result.standing != UNOFFICIAL:
        name = quoted(result.protocol)
        yield f"protocol {name} is not in the registry, and the row says {result.standing}"


def check_parts(
    result: Result,
    identity: Identity,
    named: ResolvedParts,
    registry: Registry,
    lock: Mapping[str, Any],
) -> Iterator[str]:
    """Facts of the installed parts, weights against pins and lock, and the standing."""
    e, dataset = result.entry, pair_record(named)
    heard = heard_in_pretraining(named.backbones, dataset)
    expected: dict[str, tuple[Any, Any]] = {
        "families": (e.families, [b.part.family for b in named.backbones]),
        "share": (result.share, max((d.share for _, d in named.sides), key=SHARES.index)),
        "heard_in_pretraining": (result.heard_in_pretraining, heard),
        "unit": (result.unit, dataset.group if result.counts.groups > 1 else "clip"),
        "licences": (result.provenance.licences, _licences(named)),
    }
    if len(named.sides) == 1:
        excluded = named.dataset_reference.exclude
        labels = [label for label in named.dataset.labels if label not in excluded]
        if any(reason.startswith("partial copy of") for reason in result.standing_reasons):
            labels = [label for label in labels if label in result.labels]  # those of the copy
        display = {k: text for k, text in named.dataset.display.items() if k in result.labels}
        expected["labels"] = (result.labels, labels or result.labels)
        expected["display"] = (result.display, display)
    yield from (
        f"{what} {quoted(have)}; the installed parts say {quoted(want)}"
        for what, (have, want) in expected.items()
        if have != want
    )
    yield from _weights(result, identity, named, registry, lock)
    yield from check_standing(result, identity, named, registry, lock)


def notes(identity: Identity, named: ResolvedParts) -> Iterator[str]:
    """Versions that differ from those here, which is no contradiction."""
    for distribution, here in named.distributions.items():
        made = identity.plugins.get(distribution, here)
        if made != here:
            yield f"made with {distribution} {quoted(made)}, here is {here}"
    for planned, own in zip(named.backbones, identity.backbones, strict=False):
        revision, here = own.get("revision"), planned.part.revision
        if revision != here:
            yield f"made with revision {quoted(revision)} of {planned.part.name}, here is {here}"
    if identity.audio != audio.REVISION:
        made, here = quoted(identity.audio), audio.REVISION
        yield f"made with revision {made} of audio decoding, here is {here}"


def _licences(named: ResolvedParts) -> dict[str, str]:
    own = {
        str(b): licences.of_weights(
            b.part.licence, untrained=b.reference.untrained, own=b.reference.weights is not None
        )
        for b in named.backbones
    }
    return own | {str(reference): dataset.licence for reference, dataset in named.sides}


def _weights(
    result: Result,
    identity: Identity,
    named: ResolvedParts,
    registry: Registry,
    lock: Mapping[str, Any],
) -> Iterator[str]:
    """Weights digests that differ from the seeded, the pinned or the locked one."""
    for b, own in zip(named.backbones, identity.backbones, strict=True):
        part, digest = b.part, b.weights.digest
        if part.lookup is not None or b.reference.weights:
            continue
        if b.reference.untrained or part.weights is None:
            same = own.get("revision") == part.revision  # the digest holds the revision
            expected, who = seeded_digest(b, result) if same else None, "its seed and versions give"
        elif pin := pinned_digest(part, registry):
            expected, who = pin, "the registry pins"
        else:
            expected, who = lock.get("weights", {}).get(part.name), "this machine first saw"
        if expected and expected != digest:
            yield f"weights of {b} have digest {quoted(digest[:12])}, {who} {expected[:12]}"
