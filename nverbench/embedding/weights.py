"""Weights of backbones: found on this machine, verified against their pin, added.

A pin that nobody could record yet is filled in by its first user: the digest goes into a lock file
and is enforced from there on.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nverbench._io import atomic, paths, state, tempfiles
from nverbench._io.digests import digest_of, path_digest
from nverbench.data.missing import Missing
from nverbench.errors import ArtifactError
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Backbone, Source

UNTRAINED_SEED = 0


@dataclass(frozen=True)
class Weights:
    """Verified weights of one backbone: where they lie (None: seeded or none at all), their digest,
    and whether the registry pins it.
    """

    path: Path | None
    digest: str
    pinned: bool


@dataclass(frozen=True)
class PlannedBackbone:
    """A backbone as a job uses it: the part, its reference and its verified weights."""

    part: Backbone
    reference: PartRef
    weights: Weights

    def __str__(self) -> str:
        return str(self.reference)


def find_weights(backbone: Backbone, reference: PartRef, pin: Source | None) -> Weights | Missing:
    """The weights a reference asks for.

    Raises:
        ArtifactError: a file is there, but it is not what was pinned or first seen here.
    """
    if backbone.lookup is not None:
        path = Path(str(reference.full.get(backbone.positional or "", "")))
        if not path.is_file():
            raise ArtifactError(
                f"backbone {backbone.name}: {path} is not a file; give the path of your features"
            )
        return Weights(path, path_digest(path), pinned=False)
    if reference.untrained or backbone.weights is None:
        return Weights(None, _seeded_digest(backbone, reference), pinned=backbone.weights is None)
    if reference.weights:
        # Path.expanduser raises for ~nobody
        own = Path(os.path.expanduser(reference.weights))  # noqa: PTH111
        if not own.exists():
            raise ArtifactError(
                f"backbone {backbone.name}: weights={own} does not exist; give the path of a"
                " checkpoint"
            )
        return Weights(own, path_digest(own), pinned=False)
    source = pin or backbone.weights
    kept = kept_weights(backbone)
    if kept is None:
        return Missing(
            f"weights {backbone.name}",
            source.address,
            source.licence,
            how_to_get(backbone),
            source.size or backbone.weights.size,
        )
    digest = path_digest(kept)
    _verify(backbone.name, kept, digest, source.sha256)
    return Weights(kept, digest, pinned=source.sha256 is not None)


def plan_weights(
    backbone: Backbone, reference: PartRef, pin: Source | None
) -> PlannedBackbone | Missing:
    """A backbone with its verified weights; arguments and errors as :func:`find_weights`."""
    found = find_weights(backbone, reference, pin)
    return found if isinstance(found, Missing) else PlannedBackbone(backbone, reference, found)


def kept_weights(backbone: Backbone) -> Path | None:
    """The file or folder that ``weights add`` or ``weights get`` kept, or None."""
    folder = paths.weights_folder(backbone.name)
    kept = (
        sorted(p for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []
    )
    if not kept:
        return None
    return folder if backbone.weights is not None and backbone.weights.files else kept[0]


def check_new_weights(
    backbone: Backbone, path: Path, pin: Source | None, *, replace: bool = False
) -> str:
    """The digest of weights offered for a backbone, once they are known to be what is pinned (or
    first seen) here.
    """
    if backbone.weights is None:
        raise ArtifactError(f"backbone {backbone.name} has no weights; just run it")
    if not path.exists():
        raise ArtifactError(
            f"{path}: no such file or folder; give the path of the weights of {backbone.name}"
        )
    folder_wanted = bool(backbone.weights.files)
    if folder_wanted != path.is_dir():
        wanted = (
            f"a folder with {', '.join(backbone.weights.files)}"
            if folder_wanted
            else "a checkpoint file"
        )
        raise ArtifactError(
            f"{path}: {backbone.name} expects {wanted}, got a"
            f" {'folder' if path.is_dir() else 'file'}; give that path"
        )
    holds_numbers = [f for f in backbone.weights.files if not f.endswith(".json")]
    if holds_numbers and not any((path / f).is_file() for f in holds_numbers):
        raise ArtifactError(
            f"{path}: {backbone.name} expects {' or '.join(holds_numbers)} in that folder, and"
            " finds none; give the whole folder"
        )
    digest, pinned = (
        path_digest(path, backbone.weights.files or None),
        (pin or backbone.weights).sha256,
    )
    if replace and not pinned:
        return digest
    try:
        _verify(backbone.name, path, digest, pinned)
    except ArtifactError as error:
        raise ArtifactError(str(error) + ("" if pinned else ", or say --replace")) from error
    return digest


def store_weights(backbone: Backbone, path: Path, digest: str) -> Path:
    """Copy verified weights into this machine's store and remember their digest; what was there
    before is replaced whole.
    """
    folder = paths.weights_folder(backbone.name)
    try:
        with tempfiles.temporary_folder(_made(folder.parent), ".adding-") as passing:
            staging = _made(passing / "weights")
            _copy(backbone, path, staging)
            shutil.rmtree(folder, ignore_errors=True)
            staging.rename(folder)
    except OSError as error:
        raise atomic.cannot_write(folder, error) from error
    state.write_state("lock", "weights", backbone.name, digest)
    return folder


def how_to_get(backbone: Backbone) -> str:
    """What to do to get a backbone's weights."""
    source = backbone.weights
    if source is not None and source.how:
        return source.how
    if source is not None and source.address.startswith(("hf:", "https:")):
        return f"nverbench weights get {backbone.name} (or run with --download)"
    return f"nverbench weights add {backbone.name} PATH"


def _seeded_digest(backbone: Backbone, reference: PartRef) -> str:
    """Digest of seeded weights: configuration, seed and library versions; never by building the
    model.
    """
    libraries = {name: _version(name) for name in ("torch", "transformers")}
    configuration = {
        "name": backbone.name,
        "revision": backbone.revision,
        "options": dict(reference.full),
    }
    return digest_of({"untrained": configuration, "seed": UNTRAINED_SEED, "libraries": libraries})


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _verify(name: str, path: Path, digest: str, pinned: str | None) -> None:
    first_seen = state.read_state("lock").get("weights", {}).get(name)
    expected, why = (
        (pinned, "the registry pins") if pinned else (first_seen, "this machine first saw")
    )
    if expected and digest != expected:
        raise ArtifactError(
            f"weights {name}: {path} has sha256 {digest[:12]}, {why} {expected[:12]}; the file"
            f" changed or is another model: add the right one, or use it as {name}:weights=PATH"
        )


def _copy(backbone: Backbone, path: Path, target: Path) -> None:
    """Copy a checkpoint file, or the wanted files of a folder, into the folder ``target``."""
    wanted = backbone.weights.files if backbone.weights else ()
    for file in sorted(p for p in path.iterdir() if p.name in wanted) if path.is_dir() else [path]:
        shutil.copy2(file, target / file.name)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
