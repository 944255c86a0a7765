"""The parts that a result names, as this machine has them: enough of a plan to check a row, without
files, weights or clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nverbench._io.versions import installed_version
from nverbench.data import cross_corpus
from nverbench.embedding import weights
from nverbench.embedding.weights import PlannedBackbone, Weights
from nverbench.errors import NverbenchError
from nverbench.leaderboard.submissions.records import Identity, quoted
from nverbench.plugin.catalog import Catalog, PartIndex
from nverbench.plugin.options import PartRef, canonical, resolve, split
from nverbench.plugin.records import Backbone, Dataset, Fusion, Loss
from nverbench.registry import Registry
from nverbench.results.record import Result
from nverbench.training import early_stopping


@dataclass(frozen=True)
class ResolvedParts:
    """The installed parts of a result."""

    backbones: tuple[PlannedBackbone, ...]
    fusion: Fusion
    fusion_reference: PartRef
    loss: Loss
    loss_reference: PartRef
    default_loss: str
    """The fusion's default loss, in canonical text."""
    dataset: Dataset
    """The dataset; of a cross-corpus pair, its training side."""
    dataset_reference: PartRef
    sides: tuple[tuple[PartRef, Dataset], ...]
    distributions: dict[str, str]
    """Distributions of these parts here -> their versions."""


@dataclass
class Lookup:
    """The resolved parts, contradictions and parts that are not installed."""

    named: ResolvedParts | None = None
    reasons: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def look_up(result: Result, identity: Identity, registry: Registry, catalog: Catalog) -> Lookup:
    """The parts of a result; reasons where it contradicts them, or what is not installed here."""
    found = Lookup()
    e = result.entry
    named: list[tuple[str, str, PartIndex[Any]]] = [
        ("backbone", b, catalog.backbones) for b in e.backbones
    ]
    named += [
        ("fusion", e.fusion, catalog.fusions),
        ("loss", e.loss, catalog.losses),
        ("dataset", e.dataset, catalog.datasets),
    ]
    absent = [
        f"{kind} {quoted(split(text)[0])}"
        for kind, text, index in named
        if split(text)[0] not in index.parts
    ]
    if absent:
        found.missing.append(
            f"{', '.join(dict.fromkeys(absent))} not installed here, so that options, standing and"
            " licence cannot be checked"
        )
        return found
    try:
        found.named = _resolve_parts(result, identity, registry, catalog)
    except NverbenchError as error:
        found.reasons.append(f"its parts do not resolve: {quoted(error)}")
        return found
    _compare(found, found.named, result, identity)
    return found


def _resolve_parts(
    result: Result, identity: Identity, registry: Registry, catalog: Catalog
) -> ResolvedParts:
    e, backbones = result.entry, []
    # Both lists have one length: the caller checks it.
    for text, own in zip(e.backbones, identity.backbones, strict=False):
        part = catalog.backbone(split(text)[0])
        reference, digest = resolve(part, text), str(own.get("weights"))
        pinned = _pinned(part, reference, digest, registry)
        backbones.append(PlannedBackbone(part, reference, Weights(None, digest, pinned=pinned)))
    fusion, loss = catalog.fusion(split(e.fusion)[0]), catalog.loss(split(e.loss)[0])
    dataset = catalog.dataset(split(e.dataset)[0])
    reference = resolve(dataset, e.dataset)
    sides = [(reference, dataset)]
    if reference.test is not None:
        tested = catalog.dataset(reference.test)
        trained = cross_corpus.training_side(reference)
        sides = [(trained, dataset), (resolve(tested, reference.test), tested)]
    origins = [catalog.backbones.origins[b.part.name] for b in backbones]
    origins += [catalog.fusions.origins[fusion.name], catalog.losses.origins[loss.name]]
    origins += [catalog.datasets.origins[d.name] for _, d in sides]
    return ResolvedParts(
        tuple(backbones),
        fusion,
        resolve(fusion, e.fusion),
        loss,
        resolve(loss, e.loss),
        canonical(catalog.losses.parts, fusion.default_loss),
        dataset,
        reference,
        tuple(sides),
        {o.distribution: o.version for o in origins},
    )


def _pinned(part: Backbone, reference: PartRef, digest: str, registry: Registry) -> bool:
    """Whether the registry (or the part itself) pins these weights; another pinned digest is a
    reason of its own.
    """
    if part.lookup is not None or reference.weights or reference.untrained:
        return False
    return part.weights is None or pinned_digest(part, registry) == digest


def pinned_digest(part: Backbone, registry: Registry) -> str | None:
    """The digest that a backbone's published weights must have, where it is known."""
    source = registry.weights_source(part.name) or part.weights
    return source.sha256 if source else None


def _compare(found: Lookup, named: ResolvedParts, result: Result, identity: Identity) -> None:
    """References in canonical text, and their options in the identity."""
    e = result.entry
    texts = [
        *zip(e.backbones, (b.reference for b in named.backbones), strict=False),
        (e.fusion, named.fusion_reference),
        (e.loss, named.loss_reference),
        (e.dataset, named.dataset_reference),
    ]
    found.reasons += [
        f"{quoted(text)} is not in canonical form ({quoted(reference)})"
        for text, reference in texts
        if text != str(reference)
    ]
    bare: list[tuple[str, dict[str, Any], PartRef]] = [
        (f"backbone {quoted(b)}", _without(own, "weights", "revision"), b.reference)
        for b, own in zip(named.backbones, identity.backbones, strict=False)
    ]
    bare += [
        ("fusion", identity.fusion, named.fusion_reference),
        ("loss", identity.loss, named.loss_reference),
    ]
    bare += [("dataset", _without(identity.dataset, "digest", "left_out"), named.dataset_reference)]
    for what, own, reference in bare:
        if own != reference.identity():
            found.reasons.append(
                f"{what}: its identity says {quoted(own)}; {quoted(reference)} is"
                f" {quoted(reference.identity())}"
            )
    if identity.plugins.keys() != named.distributions.keys():
        here = ", ".join(sorted(named.distributions))
        found.reasons.append(
            f"its parts are said to come from {quoted(', '.join(sorted(identity.plugins)))}; here"
            f" they come from {here}"
        )


def seeded_digest(backbone: PlannedBackbone, result: Result) -> str | None:
    """The digest of weights that are made from a seed, or of none; None where the result's library
    versions are not those here.
    """
    libraries = result.provenance.libraries
    if any(libraries.get(name) != installed_version(name) for name in ("torch", "transformers")):
        return None
    found = weights.find_weights(backbone.part, backbone.reference, None)
    return found.digest if isinstance(found, Weights) else None


def selected_by(named: ResolvedParts, constants: Mapping[str, Any]) -> str:
    """The rule by which the epoch was selected: that of the fusion's recipe, with the options of
    the result, or that of the protocol, whose constants these are.
    """
    own = named.fusion.recipe_for(named.fusion_reference.full).select
    of_protocol = str(constants.get("watch", early_stopping.CROSS_ENTROPY))
    return (own if constants.get("recipes", True) else None) or of_protocol


def pair_record(named: ResolvedParts) -> Dataset:
    """The dataset under the name that pins use; a cross-corpus pair has no single dataset."""
    if len(named.sides) == 1:
        return named.dataset
    (_, a), (_, b) = named.sides
    return replace(b, name=f"{a.name}+{b.name}", corpus=b.corpus or b.name)


def _without(record: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {k: v for k, v in record.items() if k not in keys}
