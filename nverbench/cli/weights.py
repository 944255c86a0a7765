"""``nverbench weights``: get, add and check checkpoints of backbones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog, load_registry
from nverbench.errors import ArtifactError, PartError

if TYPE_CHECKING:
    from nverbench.pipeline.job import Plan
    from nverbench.plugin.catalog import Catalog
    from nverbench.plugin.records import Backbone, Source
    from nverbench.registry import Registry

weights = typer.Typer(help="Weights of backbones.", no_args_is_help=True, rich_markup_mode=None)


@weights.command("add")
def weights_add(
    name: options.BackboneName,
    path: Annotated[Path, typer.Argument(help="The checkpoint.")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace kept weights that are not pinned by the registry."),
    ] = False,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Verify the checkpoint PATH, load it once (strictly), and keep a copy."""
    backbone = load_catalog(no_plugin, plugin).backbone(name)
    keep_weights(backbone, path, load_registry(registry).weights_source(name), replace=replace)


@weights.command("get")
def weights_get(
    name: options.BackboneName,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Download the weights of a backbone from their published source, verify and keep them."""
    get_weights(
        load_catalog(no_plugin, plugin).backbone(name), load_registry(registry).weights_source(name)
    )


@weights.command("check")
def weights_check(
    name: options.BackboneName,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Verify the digest of kept weights, and load them strictly."""
    from nverbench.data import missing
    from nverbench.embedding import weights
    from nverbench.plugin.options import resolve, split

    backbone = load_catalog(no_plugin, plugin).backbone(split(name)[0])
    found = weights.find_weights(
        backbone, resolve(backbone, name), load_registry(registry).weights_source(backbone.name)
    )
    if isinstance(found, missing.Missing):
        raise ArtifactError(str(found))
    _try_loading(backbone, found.path, found.digest)
    echo(
        f"{name}: {'pinned' if found.pinned else 'not pinned by the registry'}, sha256"
        f" {found.digest}, loads strictly"
    )


def keep_weights(
    backbone: Backbone, path: Path, pin: Source | None, *, replace: bool = False
) -> None:
    """Verify a checkpoint, load it once (strictly), keep a copy, and print its digest."""
    from nverbench.embedding import weights

    digest = weights.check_new_weights(backbone, path, pin, replace=replace)
    _try_loading(backbone, path, digest)
    kept = weights.store_weights(backbone, path, digest)
    pinned = "the registered pin" if pin and pin.sha256 else "first seen here, enforced from now on"
    source = pin or backbone.weights
    assert source is not None  # check_new_weights refuses backbones without weights
    echo(f"added {backbone.name}: {kept}, sha256 {digest} ({pinned}), licence {source.licence}")


def get_weights(backbone: Backbone, pin: Source | None) -> None:
    """Download weights, then verify and keep them."""
    from nverbench.embedding.weight_download import downloaded_weights

    with downloaded_weights(backbone, pin, echo_err) as path:
        keep_weights(backbone, path, pin)


def fetch_missing(planned: Plan, rules: Registry, catalog: Catalog) -> None:
    """Download the weights that a plan lacks; those that cannot be downloaded are reported."""
    for missing in planned.missing:
        kind, _, name = missing.what.partition(" ")
        if kind == "weights":
            try:
                get_weights(catalog.backbone(name), rules.weights_source(name))
            except ArtifactError as error:
                echo_err(str(error))


def _try_loading(backbone: Backbone, path: Path | None, digest: str) -> None:
    """Load weights once (strictly) on the CPU and embed a second of noise: the backbone reports
    missing keys, this function a wrong size.
    """
    import torch

    from nverbench.embedding.extract import forward, load_encoder
    from nverbench.embedding.weights import PlannedBackbone, Weights
    from nverbench.plugin.options import resolve

    encoder = load_encoder(
        PlannedBackbone(
            backbone, resolve(backbone, backbone.name), Weights(path, digest, pinned=False)
        ),
        device="cpu",
    )
    samples = max(backbone.min_samples, backbone.sample_rate)
    noise = 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(0))  # (1, s)
    try:
        forward(encoder, backbone, noise, torch.tensor([samples]), device="cpu", dtype="float32")
    except PartError as error:
        raise ArtifactError(
            f"{path}: these weights load, but they are not those of {backbone.name}: {error}"
        ) from error
