"""Weights of backbones: found on this machine, verified against their pin, added.

Where the registry has no pin, the digest of the first weights added on this machine goes into a
lock file, and later weights must have the same digest.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from nverbench._io import atomic, paths, state, tempfiles
from nverbench._io.digests import digest_of, path_digest
from nverbench._io.versions import installed_version
from nverbench.data.missing import Missing
from nverbench.errors import ArtifactError
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Backbone, Source

UNTRAINED_SEED = 0


@dataclass(frozen=True)
class Weights:
    """Verified weights of one backbone: their path (None: seeded weights, or no weights), their
    digest, and whether the registry pins it.
    """

    path: Path | None
    digest: str
    pinned: bool


@dataclass(frozen=True)
class PlannedBackbone:
    """A backbone of a job: the part, its reference and its verified weights."""

    part: Backbone
    reference: PartRef
    weights: Weights

    def __str__(self) -> str:
        return str(self.reference)


def find_weights(backbone: Backbone, reference: PartRef, pin: Source | None) -> Weights | Missing:
    """The weights of a reference.

    Raises:
        ArtifactError: a file exists, but it does not match the pin or the lock file.
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
        size, name = source.size or backbone.weights.size, f"weights {backbone.name}"
        return Missing(name, source.address, source.licence, how_to_get(backbone), size)
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
    """The file or folder that ``weights add`` or ``weights get`` stored, or None."""
    folder = paths.weights_folder(backbone.name)
    content = folder.iterdir() if folder.is_dir() else ()
    kept = sorted(path for path in content if not path.name.startswith("."))
    if not kept:
        return None
    return folder if backbone.weights is not None and backbone.weights.files else kept[0]


def check_new_weights(
    backbone: Backbone, path: Path, pin: Source | None, *, replace: bool = False
) -> str:
    """The digest of weights offered for a backbone.

    Raises:
        ArtifactError: they are not of the expected form, or do not match the pin or the lock file.
    """
    if backbone.weights is None:
        raise ArtifactError(f"backbone {backbone.name} has no weights; just run it")
    if not path.exists():
        raise ArtifactError(
            f"{path}: no such file or folder; give the path of the weights of {backbone.name}"
        )
    files = backbone.weights.files
    if bool(files) != path.is_dir():
        expected = f"a folder with {', '.join(files)}" if files else "a checkpoint file"
        raise ArtifactError(
            f"{path}: {backbone.name} expects {expected}, got a"
            f" {'folder' if path.is_dir() else 'file'}; give that path"
        )
    checkpoints = [f for f in files if not f.endswith(".json")]
    if checkpoints and not any((path / f).is_file() for f in checkpoints):
        raise ArtifactError(
            f"{path}: {backbone.name} expects {' or '.join(checkpoints)} in that folder, and"
            " finds none; give the whole folder"
        )
    digest, pinned = path_digest(path, files or None), (pin or backbone.weights).sha256
    if replace and not pinned:
        return digest
    try:
        _verify(backbone.name, path, digest, pinned)
    except ArtifactError as error:
        raise ArtifactError(str(error) + ("" if pinned else ", or say --replace")) from error
    return digest


def store_weights(backbone: Backbone, path: Path, digest: str) -> Path:
    """Copy verified weights into nverbench's home and record their digest; replaces the weights
    that were there. Returns their folder.
    """
    folder = paths.weights_folder(backbone.name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfiles.temporary_folder(folder.parent, ".adding-") as temporary:
            staging = temporary / "weights"
            staging.mkdir()
            _copy(backbone, path, staging)
            shutil.rmtree(folder, ignore_errors=True)
            staging.rename(folder)
    except OSError as error:
        raise atomic.cannot_write(folder, error) from error
    state.write_state("lock", "weights", backbone.name, digest)
    return folder


def how_to_get(backbone: Backbone) -> str:
    """The command, or the instructions, that get a backbone's weights."""
    source = backbone.weights
    if source is not None and source.how:
        return source.how
    if source is not None and source.address.startswith(("hf:", "https:")):
        return f"nverbench weights get {backbone.name} (or run with --download)"
    return f"nverbench weights add {backbone.name} PATH"


def _seeded_digest(backbone: Backbone, reference: PartRef) -> str:
    """Digest of seeded weights from configuration, seed and library versions, without building the
    model.
    """
    libraries = {name: installed_version(name) for name in ("torch", "transformers")}
    options = dict(reference.full)
    model = {"name": backbone.name, "revision": backbone.revision, "options": options}
    return digest_of({"untrained": model, "seed": UNTRAINED_SEED, "libraries": libraries})


def _verify(name: str, path: Path, digest: str, pinned: str | None) -> None:
    first_seen = state.read_state("lock").get("weights", {}).get(name)
    expected = pinned or first_seen
    why = "the registry pins" if pinned else "this machine first saw"
    if expected and digest != expected:
        raise ArtifactError(
            f"weights {name}: {path} has sha256 {digest[:12]}, {why} {expected[:12]}; the file"
            f" changed or is another model: add the right one, or use it as {name}:weights=PATH"
        )


def _copy(backbone: Backbone, path: Path, target: Path) -> None:
    """Copy a checkpoint file, or the declared files of a folder, into the folder ``target``."""
    names = backbone.weights.files if backbone.weights else ()
    for file in sorted(p for p in path.iterdir() if p.name in names) if path.is_dir() else [path]:
        shutil.copy2(file, target / file.name)
