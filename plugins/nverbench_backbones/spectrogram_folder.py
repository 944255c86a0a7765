"""AST and Whisper from a local folder, or with seeded random weights; their preprocessor settings.
Imported only inside ``load``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from nverbench import ArtifactError, LoadContext
from nverbench_backbones.transformers_folder import (
    check_configuration,
    from_folder,
    quiet,
    read_json,
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A transformers architecture and where its published weights are."""

    name: str
    hub: str
    model_class: Any
    config: Any
    """The configuration of the architecture; a folder must agree with it in ``sizes``."""
    sizes: Mapping[str, int]
    unused: tuple[str, ...]
    """Prefixes of keys that the checkpoint holds and the encoder has no place for."""
    renames: Mapping[str, str] | None = None
    """Regular expressions on the checkpoint's keys."""


def build(model: Model, ctx: LoadContext) -> nn.Module:
    """The encoder: with the weights of the folder ``ctx.weights``, or with random ones from
    ``ctx.seed`` alone.

    Raises:
        ArtifactError: a file is missing or damaged, the architecture is another, or keys are
            missing, not expected or of another shape.
    """
    if ctx.weights is None:
        with quiet(), ctx.seeded():
            untrained: nn.Module = model.model_class(model.config)
        return untrained
    _check_architecture(model, ctx.weights)
    how = {"config": model.config, "key_mapping": model.renames}
    return from_folder(
        model.model_class, ctx, name=model.name, hub=model.hub, unused=model.unused, **how
    )


def preprocessor(model: Model, folder: Path | None, fixed: Mapping[str, object]) -> dict[str, Any]:
    """What the folder's preprocessor_config.json says; empty without a folder or that file.

    Raises:
        ArtifactError: the file cannot be read, or says other than ``fixed``, the front end that is
            built in here.
    """
    path = folder / "preprocessor_config.json" if folder else None
    if path is None or not path.is_file():
        return {}
    settings = read_json(path, name=model.name, hub=model.hub)
    others = [
        f"{key} is {settings[key]!r}, expected {value!r}"
        for key, value in fixed.items()
        if settings.get(key, value) != value
    ]
    if others:
        raise ArtifactError(
            f"{model.name}: {path}: {'; '.join(others)}; give a model with the front end of"
            f" {model.hub}"
        )
    return settings


def _check_architecture(model: Model, folder: Path) -> None:
    path = folder / "config.json"
    content = read_json(path, name=model.name, hub=model.hub)
    expected: dict[str, object] = {"model_type": model.config.model_type, **model.sizes}
    defaults = type(model.config)()  # what a configuration file leaves out
    got = {
        key: content.get(key, None if key == "model_type" else getattr(defaults, key))
        for key in expected
    }
    check_configuration(path, got, expected, name=model.name, hub=model.hub)
