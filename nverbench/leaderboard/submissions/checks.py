"""What a result says of itself, against its own identity, the registry, this machine's lock and the
installed parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nverbench._io.digests import digest_of
from nverbench.data import audio
from nverbench.data.corpus import Corpus
from nverbench.data.folds.assign import FEWEST_GROUPS, FoldSet
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
from nverbench.pipeline.standing import (
    OFFICIAL,
    PROVISIONAL,
    UNOFFICIAL,
    Conditions,
    RowFacts,
    heard_in_pretraining,
    judge,
    overrides,
)
from nverbench.plugin import licences
from nverbench.plugin.options import PartRef, resolve, split
from nverbench.plugin.records import SHARES, Dataset, Fusion
from nverbench.registry import Entry, Registry
from nverbench.results.record import Result

LEVELS = (UNOFFICIAL, PROVISIONAL, OFFICIAL)


def identity_of(result: Result) -> Identity:
    """The identity that a result's id is the digest of; ResultError when it is none."""
    from pydantic import ValidationError

    try:
        return Identity.model_validate(result.provenance.identity)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ResultError(
            f"provenance.identity: {quoted(where)}: {first['msg'].lower()}"
        ) from error


def check_itself(bundle: Bundle, identity: Identity) -> Iterator[str]:
    """What a result says twice, and its digests."""
    r, p = bundle.result, bundle.result.provenance
    if r.digest() != r.result_digest:
        yield "result_digest is not that of its content: it was changed since it was made"
    if digest_of(p.identity)[:16] != r.id:
        yield f"its id is {quoted(r.id)}; its identity gives {digest_of(p.identity)[:16]}"
    twice = _said_twice(bundle, identity)
    yield from (
        f"{what}: it says {quoted(have)}, and elsewhere {quoted(want)}"
        for what, (have, want) in twice.items()
        if have != want
    )
    if r.standing not in LEVELS:
        yield f"standing {quoted(r.standing)} is none of {', '.join(LEVELS)}"
    yield from _published(bundle)


def _said_twice(bundle: Bundle, identity: Identity) -> dict[str, tuple[Any, Any]]:
    """What -> as the result says it, and as it says it elsewhere."""
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
            bundle.folds.model_dump(exclude={"assignment", "predictions"}),
            _own_folds(bundle),
        ),
        "environment.json": (bundle.environment, environment(r)),
        "official standing without reasons": (r.standing == OFFICIAL, not r.standing_reasons),
    }


def _published(bundle: Bundle) -> Iterator[str]:
    """Predictions against their digests, and against what the dataset lets out."""
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


def _own_folds(bundle: Bundle) -> dict[str, Any]:
    return folds_file(bundle.result, bundle.predictions).model_dump(
        exclude={"assignment", "predictions"}
    )


def check_protocol(result: Result, identity: Identity, registry: Registry) -> Iterator[str]:
    """The protocol's constants, the digests of data and folds, against the registry."""
    protocol = registry.protocols.get(result.protocol)
    if protocol is not None:
        constants = protocol.model_copy(update={"selection": result.selection}).model_dump(
            exclude={"summary", "replicates"}
        )
        expected = {"name": result.protocol, **constants}
        wrong = sorted(
            k
            for k in {*expected, *identity.protocol}
            if expected.get(k) != identity.protocol.get(k)
        )
        if wrong:
            yield (
                f"protocol {result.protocol}: {', '.join(map(quoted, wrong))} differ from the"
                " registry's"
            )
    elif result.standing != UNOFFICIAL:
        yield (
            f"protocol {quoted(result.protocol)} is not in the registry, and the row says"
            f" {result.standing}"
        )


def check_parts(
    result: Result,
    identity: Identity,
    named: ResolvedParts,
    registry: Registry,
    lock: Mapping[str, Any],
) -> Iterator[str]:
    """Facts of the installed parts, weights against pins and lock, and the standing."""
    e, dataset = result.entry, pair_record(named)
    shares = [d.share for _, d in named.sides]
    labels = tuple(
        label for label in named.dataset.labels if label not in named.dataset_reference.exclude
    )
    expected: dict[str, tuple[Any, Any]] = {
        "families": (e.families, [b.part.family for b in named.backbones]),
        "share": (result.share, max(shares, key=SHARES.index)),
        "heard_in_pretraining": (
            result.heard_in_pretraining,
            heard_in_pretraining(named.backbones, dataset),
        ),
        "unit": (result.unit, dataset.group if result.counts.groups > 1 else "clip"),
        "licences": (result.provenance.licences, _licences(named)),
    }
    if len(named.sides) == 1:
        if labels:
            expected["labels"] = (result.labels, list(labels))
        expected["display"] = (
            result.display,
            {
                label: shown
                for label, shown in named.dataset.display.items()
                if label in result.labels
            },
        )
    yield from (
        f"{what} {quoted(have)}; the installed parts say {quoted(want)}"
        for what, (have, want) in expected.items()
        if have != want
    )
    yield from _weights(result, identity, named, registry, lock)
    yield from _standing(result, identity, named, registry, lock)


def notes(identity: Identity, named: ResolvedParts) -> Iterator[str]:
    """Versions that differ from those here: no contradiction, but worth knowing."""
    for distribution, here in named.distributions.items():
        if identity.plugins.get(distribution, here) != here:
            yield (
                f"made with {distribution} {quoted(identity.plugins[distribution])}, here is {here}"
            )
    for planned, said in zip(named.backbones, identity.backbones, strict=False):
        if said.get("revision") != planned.part.revision:
            yield (
                f"made with revision {quoted(said.get('revision'))} of {planned.part.name}, here is"
                f" {planned.part.revision}"
            )
    if identity.audio != audio.REVISION:
        yield (
            f"made with revision {quoted(identity.audio)} of audio decoding, here is"
            f" {audio.REVISION}"
        )


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
    for b, said in zip(named.backbones, identity.backbones, strict=True):
        digest, own = b.weights.digest, b.part.lookup is not None or b.reference.weights
        if own:
            continue
        if b.reference.untrained or b.part.weights is None:
            same = said.get("revision") == b.part.revision  # the digest holds the revision
            expected, who = (
                (seeded_digest(b, result, _version) if same else None),
                "its seed and versions give",
            )
        elif pin := pinned_digest(b.part, registry):
            expected, who = pin, "the registry pins"
        else:
            expected, who = lock.get("weights", {}).get(b.part.name), "this machine first saw"
        if expected and expected != digest:
            yield f"weights of {b} have digest {quoted(digest[:12])}, {who} {expected[:12]}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _standing(
    result: Result,
    identity: Identity,
    named: ResolvedParts,
    registry: Registry,
    lock: Mapping[str, Any],
) -> Iterator[str]:
    """The row may not claim more than the registry gives it."""
    e = result.entry
    entry = _entry(result, named, registry)
    of_grid = [x for x in registry.entries if x.grid == e.grid] if e.grid else []
    if entry is None and of_grid and result.standing != UNOFFICIAL:
        yield f"grid {quoted(e.grid)} of the registry holds no such combination"
    if entry is not None and (e.paper, e.demo) != (entry.paper, entry.demo):
        yield f"grid {quoted(e.grid)}: paper or demo are not those of the registry"
    known = entry or Entry(
        tuple(e.backbones), e.fusion, e.loss, e.dataset, protocol=result.protocol
    )
    if result.protocol not in registry.protocols or result.standing not in LEVELS:
        return
    corpus = Corpus(
        pair_record(named),
        named.dataset_reference,
        (),
        tuple(result.labels),
        {},
        result.provenance.dataset_digest,
        {},
        (),
        (),
        False,
    )
    cut = FoldSet(result.folds.kind, (), result.folds.digest, ())
    overridden = _overrides(result, identity, named, known, registry)
    facts = RowFacts(
        known,
        result.protocol,
        named.backbones,
        corpus,
        cut,
        overridden=overridden,
        seeds=result.seeds,
        transductive=named.fusion.transductive(named.fusion_reference.full),
        plugins=identity.plugins,
    )
    judged = judge(facts, registry, lock)
    if LEVELS.index(result.standing) > LEVELS.index(judged.level):
        yield (
            f"the row says {result.standing}, and it is {judged.level}:"
            f" {quoted('; '.join(judged.reasons))}"
        )
    pin = registry.datasets.get(named.dataset.name) if len(named.sides) == 1 else None
    if (
        pin
        and result.standing != UNOFFICIAL
        and pin.digest
        and pin.digest != result.provenance.dataset_digest
    ):
        yield (
            f"dataset digest {result.provenance.dataset_digest[:12]} is not the registered"
            f" {pin.digest[:12]}"
        )


def _entry(result: Result, named: ResolvedParts, registry: Registry) -> Entry | None:
    """The registered entry that a row says it is, in whatever spelling."""
    for entry in registry.entries:
        if (
            entry.grid == result.entry.grid
            and result.entry.grid
            and len(entry.backbones) == len(named.backbones)
        ):
            same_names = [split(b)[0] for b in entry.backbones] == [
                b.part.name for b in named.backbones
            ]
            if same_names and _spelled(entry, named):
                return entry
    return None


def _spelled(entry: Entry, named: ResolvedParts) -> bool:
    """Whether an entry of the same backbones means the same options, fusion, dataset and (where it
    names one) loss.
    """
    pairs = [
        (resolve(b.part, text), b.reference)
        for b, text in zip(named.backbones, entry.backbones, strict=True)
    ]
    own = [(replace(a, untrained=False), replace(b, untrained=False)) for a, b in pairs]
    if any(str(a) != str(b) for a, b in own):
        return False
    others: list[tuple[Fusion | Dataset, str, PartRef]] = [
        (named.fusion, entry.fusion, named.fusion_reference)
    ]
    others.append((named.dataset, entry.dataset, named.dataset_reference))
    if any(
        split(text)[0] != part.name or str(resolve(part, text)) != str(reference)
        for part, text, reference in others
    ):
        return False
    return entry.loss is None or (
        split(entry.loss)[0] == named.loss.name
        and str(resolve(named.loss, entry.loss)) == str(named.loss_reference)
    )


def _overrides(
    result: Result, identity: Identity, named: ResolvedParts, entry: Entry, registry: Registry
) -> list[str]:
    """What the row was run with that its entry does not say, from the row's identity."""
    few = (
        result.counts.groups < FEWEST_GROUPS
    )  # of few groups a plan takes the kind that they allow
    run = Conditions(
        result.folds.kind,
        result.selection,
        identity.dtype,
        identity.storage,
        identity.train.get("shuffle", "none"),
        identity.skip_bad,
    )
    return overrides(
        entry,
        registry.protocols[result.protocol],
        run,
        loss=named.loss_reference,
        default_loss=named.default_loss,
        usual_folds=None if few and named.dataset.folds[0] == "speaker" else named.dataset.folds[0],
    )
