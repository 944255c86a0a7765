"""What COUNTS: the strict mirror of registry.yaml. Protocol constants, pinned artifacts, and
registered combinations written as grids.

What exists on a machine is the catalog's business. An overlay (``--registry mine.yaml``) adds and
never changes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nverbench._io import paths, strict_yaml
from nverbench.errors import RegistryError, UsageError, abbreviated, nearest
from nverbench.plugin.options import split
from nverbench.plugin.records import Source

PACKAGED = paths.packaged("registry.yaml")
DEFAULT_PROTOCOL = "nver-1"

MOST_SAID = 8
"""Mistakes of a file that are named."""
MOST_ENTRIES = 100_000
"""Of all grids together: a few lines can stand for a billion."""

Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1, lt=2**63)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RegistryModel(BaseModel):
    """A mapping of registry.yaml: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Protocol(RegistryModel):
    """One set of rules; a change that can move a metric is a new name."""

    summary: str
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    folds: str | None = None
    """None: the dataset's default kind."""
    k: Annotated[int, Field(ge=2, lt=2**31)]
    scaling: Literal["z-score", "none"]
    selection: Literal["inner", "test", "last"]
    inner_share: Share
    """Inner validation: whole groups until this share of the training clips."""
    inner_most: Share
    """Above this share, stratified clips instead."""
    inner_per_class: Positive
    patience: Positive
    optimizer: Literal["adam"]
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    batch: Positive
    epochs: Positive
    replicates: Positive
    """Replicates of an official row."""


class Pin(RegistryModel):
    """Where an artifact is had and what its bytes must be; ``sha256: null`` means nobody could
    record it yet.
    """

    source: str
    licence: str
    revision: str | None = None
    sha256: Digest | None = None
    size: Positive | None = None
    how: str = ""

    def as_source(self) -> Source:
        """The same facts as a part's record."""
        return Source(
            address=self.source,
            licence=self.licence,
            size=self.size,
            sha256=self.sha256,
            revision=self.revision,
            how=self.how,
        )


class DatasetPin(Pin):
    """A corpus: its digest (ids, labels, groups, audio) and the digests of its folds, by kind."""

    digest: Digest | None = None
    folds: dict[str, Digest] = {}


class Pins(RegistryModel):
    """Pinned artifacts, by the name of the part."""

    weights: dict[str, Pin] = {}
    datasets: dict[str, DatasetPin] = {}


class Grid(RegistryModel):
    """Registered combinations: every tuple of backbones with every fusion, loss and dataset."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    paper: str = ""
    backbones: Annotated[
        list[Annotated[list[str], Field(min_length=1, max_length=16)]], Field(min_length=1)
    ]
    fusions: Annotated[list[str], Field(min_length=1)]
    losses: list[str] = []
    """Empty: each fusion's default."""
    datasets: Annotated[list[str], Field(min_length=1)]
    folds: str | None = None
    protocol: str = DEFAULT_PROTOCOL
    weights: Literal["pretrained", "untrained"] = "pretrained"
    demo: bool = False

    @property
    def size(self) -> int:
        """How many entries it holds."""
        return (
            len(self.backbones) * len(self.fusions) * len(self.losses or [""]) * len(self.datasets)
        )

    @model_validator(mode="after")
    def _demo_is_untrained(self) -> Grid:
        if self.demo and self.weights != "untrained":
            raise ValueError(
                "a demo grid must say weights: untrained (its rows are controls, not results)"
            )
        return self


class RegistryFile(RegistryModel):
    """One file, as written."""

    protocols: dict[str, Protocol] = {}
    pins: Pins = Pins()
    entries: list[Grid] = []


@dataclass(frozen=True)
class Entry:
    """One registered combination, or one that a user named in full (``grid`` is then empty)."""

    backbones: tuple[str, ...]
    fusion: str
    loss: str | None
    dataset: str
    folds: str | None = None
    grid: str = ""
    paper: str = ""
    demo: bool = False
    untrained: bool = False
    protocol: str = DEFAULT_PROTOCOL
    overlay: bool = False
    """True when a user's own registry file holds it: such a row is for her own leaderboard, never
    official.
    """

    @property
    def registered(self) -> bool:
        """True when a grid of the registry holds it."""
        return bool(self.grid)


@dataclass(frozen=True)
class Registry:
    """The packaged registry with its overlays."""

    protocols: dict[str, Protocol]
    weights: dict[str, Pin]
    datasets: dict[str, DatasetPin]
    entries: tuple[Entry, ...]
    overlays: tuple[str, ...] = ()

    def protocol(self, name: str) -> Protocol:
        """The protocol of that name, or a UsageError with the nearest ones."""
        if name not in self.protocols:
            raise UsageError(
                f"no protocol named {name!r} in the registry; {nearest(name, self.protocols)}"
            )
        return self.protocols[name]

    def weights_source(self, name: str) -> Source | None:
        """Where a backbone's weights come from, as pinned; None where the registry pins none."""
        pin = self.weights.get(name)
        return pin.as_source() if pin else None

    def dataset_source(self, name: str) -> Source | None:
        """Where a dataset comes from, as pinned; None where the registry pins none."""
        pin = self.datasets.get(name)
        return pin.as_source() if pin else None

    def pair_order(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The registered order of these backbones whatever the order given (RENO's divergence is
        not symmetric); as given if unregistered.
        """
        bare = sorted(split(n)[0] for n in names)
        for entry in self.entries:
            registered = [split(b)[0] for b in entry.backbones]
            if len(set(bare)) == len(bare) == len(registered) and sorted(registered) == bare:
                return tuple(sorted(names, key=lambda n: registered.index(split(n)[0])))
        return names


def load(overlays: Iterable[Path] = (), packaged: Path | None = None) -> Registry:
    """The registry, strictly read.

    Raises:
        RegistryError: a file cannot be read, does not follow the schema, or an overlay changes what
            is already there.
    """
    whole = _read(packaged or PACKAGED)
    protocols, weights, datasets, grids = (
        dict(whole.protocols),
        dict(whole.pins.weights),
        dict(whole.pins.datasets),
        list(whole.entries),
    )
    names = []
    own = len(grids)
    for path in overlays:
        more = _read(path)
        _add(protocols, more.protocols, path, "protocols")
        _add(weights, more.pins.weights, path, "pins.weights")
        _add(datasets, more.pins.datasets, path, "pins.datasets")
        grids += more.entries
        names.append(path.name)
    twice = [
        name
        for name, group in itertools.groupby(sorted(g.name for g in grids))
        if len(list(group)) > 1
    ]
    if twice:
        raise RegistryError(
            f"registry: the entries grid {twice[0]!r} is given twice; an overlay adds and never"
            " changes: rename it"
        )
    if (entries := sum(grid.size for grid in grids)) > MOST_ENTRIES:
        raise RegistryError(
            f"registry: its grids hold {entries:,} entries; at most {MOST_ENTRIES:,} are planned:"
            " give smaller grids"
        )
    for grid in grids:
        if grid.protocol not in protocols:
            raise RegistryError(
                f"registry: entries grid {grid.name} names protocol {grid.protocol!r};"
                f" {nearest(grid.protocol, protocols)}"
            )
    return Registry(
        protocols,
        weights,
        datasets,
        tuple(e for i, g in enumerate(grids) for e in _expand(g, i >= own)),
        tuple(names),
    )


def _expand(grid: Grid, overlay: bool) -> list[Entry]:
    losses: list[str | None] = list(grid.losses) or [None]
    return [
        Entry(
            tuple(backbones),
            fusion,
            loss,
            dataset,
            grid.folds,
            grid.name,
            grid.paper,
            grid.demo,
            grid.weights == "untrained",
            grid.protocol,
            overlay,
        )
        for dataset, fusion, loss, backbones in itertools.product(
            grid.datasets, grid.fusions, losses, grid.backbones
        )
    ]


def _add(have: dict[str, Any], more: dict[str, Any], path: Path, section: str) -> None:
    for key, value in more.items():
        if key in have:
            raise RegistryError(
                f"registry {path}: {section}.{key} is already registered; an overlay adds and never"
                " changes: choose another name"
            )
        have[key] = value


def _read(path: Path) -> RegistryFile:
    try:
        content = strict_yaml.load_yaml(path)
    except OSError as error:
        raise RegistryError(
            f"registry {path}: cannot be read ({error.strerror}); give the path of a YAML file"
        ) from error
    except ValueError as error:
        raise RegistryError(f"registry {path}: not valid YAML: {error}") from error
    try:
        return RegistryFile.model_validate(content if content is not None else {})
    except ValidationError as error:
        said = [" ".join(_say(problem).split()) for problem in error.errors()[:MOST_SAID]]
        more = (
            [f"and {error.error_count() - MOST_SAID} more"]
            if error.error_count() > MOST_SAID
            else []
        )
        raise RegistryError(f"registry {path}: " + "; ".join(said + more)) from error


def _say(problem: Any) -> str:
    where = ".".join(str(step)[:60] for step in problem["loc"]) or "the file"
    if problem["type"] == "extra_forbidden":
        return (
            f"{where}: unknown key;"
            f" {nearest(str(problem['loc'][-1]), _keys_at(problem['loc'][:-1]))}"
        )
    return f"{where}: {problem['msg'].lower()}, got {abbreviated(problem['input'])}"


def _keys_at(place: tuple[Any, ...]) -> list[str]:
    models: dict[str, type[RegistryModel]] = {
        "protocols": Protocol,
        "weights": Pin,
        "datasets": DatasetPin,
        "pins": Pins,
        "entries": Grid,
    }
    model = next((models[step] for step in reversed(place) if step in models), RegistryFile)
    return list(Pins.model_fields if place == ("pins",) else model.model_fields)
