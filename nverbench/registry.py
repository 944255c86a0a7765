"""The registry: the strict mirror of registry.yaml, with protocol constants, pinned artifacts, and
registered combinations written as grids.

The registry defines what counts; the catalog lists what is installed. An overlay (``--registry
mine.yaml``) adds entries and never changes existing ones; to the pin of a registered dataset it may
add ``same_recordings``.
"""

from __future__ import annotations

import itertools
import math
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

MOST_NAMED = 8
"""Mistakes of a file that an error message names."""
MOST_ENTRIES = 100_000
"""Limit for all grids together: a few lines can define a billion entries."""

SINCE_2 = {
    *("inner_draw", "inner_splits", "inner_groups", "given_validation", "watch", "rates"),
    *("penalties", "recipes", "intervals", "inner_by"),
}
"""Constants of protocols that nver-1 does not have."""

Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1, lt=2**63)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Shuffle = Literal["none", "intra", "inter-speaker", "inter"]
"""How turns of training conversations are shuffled; ``training/turn_order.py`` defines each."""


class RegistryModel(BaseModel):
    """A mapping of registry.yaml: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Protocol(RegistryModel):
    """One set of rules; a change that can change a metric needs a new name."""

    summary: str
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    folds: str | None = None
    """None: the dataset's default kind."""
    k: Annotated[int, Field(ge=2, lt=2**31)]
    scaling: Literal["z-score", "none"]
    selection: Literal["inner", "test", "last"]
    inner_share: Share
    """Validation set: whole groups until this share of the training clips."""
    inner_most: Share
    """Above this share: stratified clips instead of groups."""
    inner_per_class: Positive
    patience: Positive
    optimizer: Literal["adam"]
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    batch: Positive
    epochs: Positive
    replicates: Positive
    """Replicates of an official row."""
    official: bool = False
    """Whether rows under it can be official."""
    inner_draw: Literal["once", "fold"] = "once"
    """once: one validation part per fold, groups in one hash order, the same for all replicates.
    fold: other validation parts for each fold, replicate and split.
    """
    inner_splits: Positive = 1
    """Validation parts per fold and replicate (``inner_draw: fold``)."""
    inner_groups: Positive = 1
    """The fewest groups of a validation part (``inner_draw: fold``)."""
    inner_by: Literal["group", "clip"] = "group"
    """group: validation parts share no group with the training part where the test part shares
    none. clip: they are stratified clips also there (``nver-2-seen-validation``).
    """
    given_validation: bool = False
    """Whether ``official`` folds validate on the development part that a corpus ships."""
    watch: Literal["cross-entropy", "macro-f1"] = "cross-entropy"
    """The score of the validation parts that chooses epochs, learning rates and penalties."""
    rates: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = []
    """Learning rates of which the validation parts choose one, before a last fit to the whole
    training part; empty: ``lr``, without a search.
    """
    penalties: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = []
    """L2 penalties of which the validation parts choose one, for fusions whose objective is convex;
    these are then fitted to the optimum. Empty: such fusions are trained like all others.
    """
    recipes: bool = True
    """Whether a fusion's own recipe replaces the learning rate, batch, epochs, patience and watched
    score.
    """
    intervals: Literal["groups", "effective"] = "groups"
    """groups: t(G - 1). effective: t(n_eff - 1), and the further rules of nver-2."""

    def constants(self) -> dict[str, Any]:
        """Everything that a result depends on, as its identity records it. Constants that came with
        nver-2 are absent where they have their default, so that ids under nver-1 stay.
        """
        whole = self.model_dump(exclude={"summary", "replicates", "official"})
        fields = type(self).model_fields
        return {n: v for n, v in whole.items() if n not in SINCE_2 or v != fields[n].default}


class Pin(RegistryModel):
    """The source of an artifact and the digest of its bytes; ``sha256: null``: not yet recorded."""

    source: str
    licence: str
    revision: str | None = None
    sha256: Digest | None = None
    size: Positive | None = None
    how: str = ""

    def as_source(self) -> Source:
        """The pin as a record of a part."""
        facts = self.model_dump(include={"licence", "size", "sha256", "revision", "how"})
        return Source(address=self.source, **facts)


class DatasetPin(Pin):
    """A corpus: its digest (ids, labels, groups, audio) and the digests of its folds, by kind."""

    source: str = ""
    """Empty: not given (an overlay that lists ``same_recordings`` of one's own data)."""
    licence: str = "unknown"
    digest: Digest | None = None
    folds: dict[str, Digest] = {}
    same_recordings: list[Annotated[list[str], Field(min_length=2)]] = []
    """The ids of clips that are one recording: folds keep them on one side. Clips of the same bytes
    are found without it; it names near-copies, and copies of a corpus that is not on this machine.
    """


class Pins(RegistryModel):
    """Pinned artifacts, by the name of the part."""

    weights: dict[str, Pin] = {}
    datasets: dict[str, DatasetPin] = {}


class Grid(RegistryModel):
    """Registered combinations: every tuple of backbones with every fusion, loss, shuffle and
    dataset.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    paper: str = ""
    backbones: Annotated[
        list[Annotated[list[str], Field(min_length=1, max_length=16)]], Field(min_length=1)
    ]
    fusions: Annotated[list[str], Field(min_length=1)]
    losses: list[str] = []
    """Empty: each fusion's default."""
    shuffles: Annotated[list[Shuffle], Field(min_length=1)] = ["none"]
    datasets: Annotated[list[str], Field(min_length=1)]
    folds: str | None = None
    protocol: str = DEFAULT_PROTOCOL
    weights: Literal["pretrained", "untrained"] = "pretrained"
    demo: bool = False

    @property
    def size(self) -> int:
        """The number of its entries."""
        axes = (self.backbones, self.fusions, self.losses or [""], self.shuffles, self.datasets)
        return math.prod(len(axis) for axis in axes)

    @model_validator(mode="after")
    def _demo_is_untrained(self) -> Grid:
        if self.demo and self.weights != "untrained":
            rows = "its rows are controls, not results"
            raise ValueError(f"a demo grid must say weights: untrained ({rows})")
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
    shuffle: Shuffle = "none"
    grid: str = ""
    paper: str = ""
    demo: bool = False
    untrained: bool = False
    protocol: str = DEFAULT_PROTOCOL
    overlay: bool = False
    """True for an entry of a user's own registry file: its rows are never official."""

    @property
    def registered(self) -> bool:
        """True if a grid of the registry has it."""
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
            hint = nearest(name, self.protocols)
            raise UsageError(f"no protocol named {name!r} in the registry; {hint}")
        return self.protocols[name]

    def weights_source(self, name: str) -> Source | None:
        """The pinned source of a backbone's weights; None if the registry pins none."""
        pin = self.weights.get(name)
        return pin.as_source() if pin else None

    def dataset_source(self, name: str) -> Source | None:
        """The pinned source of a dataset; None if the registry pins none."""
        pin = self.datasets.get(name)
        return pin.as_source() if pin and pin.source else None

    def same_recordings(self, name: str) -> list[list[str]]:
        """The ids of clips of a dataset that its pin lists as one recording."""
        pin = self.datasets.get(name)
        return pin.same_recordings if pin else []

    def pair_order(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The registered order of these backbones (RENO's divergence is not symmetric); the given
        order if they are not registered.
        """
        bare = sorted(split(n)[0] for n in names)
        for entry in self.entries:
            registered = [split(b)[0] for b in entry.backbones]
            if len(set(bare)) == len(bare) == len(registered) and sorted(registered) == bare:
                return tuple(sorted(names, key=lambda n: registered.index(split(n)[0])))
        return names


def load(overlays: Iterable[Path] = (), packaged: Path | None = None) -> Registry:
    """Reads the registry and its overlays strictly.

    Raises:
        RegistryError: a file cannot be read or does not follow the schema, or an overlay changes
            an existing entry.
    """
    first = _read(packaged or PACKAGED)
    protocols, weights = dict(first.protocols), dict(first.pins.weights)
    datasets, grids = dict(first.pins.datasets), list(first.entries)
    overlay_paths = tuple(overlays)
    for path in overlay_paths:
        more = _read(path)
        _add(protocols, more.protocols, path, "protocols")
        _add(weights, more.pins.weights, path, "pins.weights")
        _add_datasets(datasets, more.pins.datasets, path)
        grids += more.entries
    _check_grids(grids, protocols)
    own = len(first.entries)
    entries = tuple(entry for i, grid in enumerate(grids) for entry in _expand(grid, i >= own))
    return Registry(protocols, weights, datasets, entries, tuple(p.name for p in overlay_paths))


def _check_grids(grids: list[Grid], protocols: dict[str, Protocol]) -> None:
    names = sorted(grid.name for grid in grids)
    for name, following in itertools.pairwise(names):
        if name == following:
            twice = f"the entries grid {name!r} is given twice"
            raise RegistryError(f"registry: {twice}; an overlay adds and never changes: rename it")
    if (entries := sum(grid.size for grid in grids)) > MOST_ENTRIES:
        limit = f"at most {MOST_ENTRIES:,} are planned: give smaller grids"
        raise RegistryError(f"registry: its grids hold {entries:,} entries; {limit}")
    for grid in grids:
        if grid.protocol not in protocols:
            unknown = f"entries grid {grid.name} names protocol {grid.protocol!r}"
            raise RegistryError(f"registry: {unknown}; {nearest(grid.protocol, protocols)}")


def _expand(grid: Grid, overlay: bool) -> list[Entry]:
    """All entries of a grid."""
    losses: list[str | None] = list(grid.losses) or [None]
    axes = itertools.product(grid.datasets, grid.fusions, losses, grid.shuffles, grid.backbones)
    return [
        Entry(
            backbones=tuple(backbones),
            fusion=fusion,
            loss=loss,
            dataset=dataset,
            folds=grid.folds,
            shuffle=shuffle,
            grid=grid.name,
            paper=grid.paper,
            demo=grid.demo,
            untrained=grid.weights == "untrained",
            protocol=grid.protocol,
            overlay=overlay,
        )
        for dataset, fusion, loss, shuffle, backbones in axes
    ]


def _add(have: dict[str, Any], more: dict[str, Any], path: Path, section: str) -> None:
    for key, value in more.items():
        if key in have:
            taken = f"{section}.{key} is already registered; an overlay adds and never changes"
            raise RegistryError(f"registry {path}: {taken}: choose another name")
        have[key] = value


def _add_datasets(have: dict[str, DatasetPin], more: dict[str, DatasetPin], path: Path) -> None:
    """Adds pins; to a pin that exists, recordings that several of its clips hold."""
    known = {n for n, p in more.items() if n in have and p.model_fields_set == {"same_recordings"}}
    for name in known:
        both = have[name].same_recordings + more[name].same_recordings
        have[name] = have[name].model_copy(update={"same_recordings": both})
    _add(have, {n: p for n, p in more.items() if n not in known}, path, "pins.datasets")


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
        named = [" ".join(_describe(problem).split()) for problem in error.errors()[:MOST_NAMED]]
        left = error.error_count() - MOST_NAMED
        more = [f"and {left} more"] if left > 0 else []
        raise RegistryError(f"registry {path}: " + "; ".join(named + more)) from error


def _describe(problem: Any) -> str:
    """One problem that pydantic found, in words."""
    where = ".".join(str(step)[:60] for step in problem["loc"]) or "the file"
    if problem["type"] == "extra_forbidden":
        *place, key = problem["loc"]
        return f"{where}: unknown key; {nearest(str(key), _keys_at(tuple(place)))}"
    return f"{where}: {problem['msg'].lower()}, got {abbreviated(problem['input'])}"


def _keys_at(place: tuple[Any, ...]) -> list[str]:
    models: dict[str, type[RegistryModel]] = {"protocols": Protocol, "entries": Grid, "pins": Pins}
    models |= {"weights": Pin, "datasets": DatasetPin}
    model = next((models[step] for step in reversed(place) if step in models), RegistryFile)
    return list(Pins.model_fields if place == ("pins",) else model.model_fields)
