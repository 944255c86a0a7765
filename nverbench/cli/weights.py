"""``nverbench weights`` and ``embed``: checkpoints, and features of one's own audio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli.common import (
    Device,
    NoPlugin,
    PluginFiles,
    RegistryFiles,
    echo,
    echo_err,
    load_catalog,
    load_registry,
)
from nverbench.errors import ArtifactError, DatasetError, PartError, UsageError

if TYPE_CHECKING:
    from nverbench.pipeline.job import Plan
    from nverbench.plugin.catalog import Catalog
    from nverbench.plugin.records import Backbone, Source
    from nverbench.registry import Registry

weights = typer.Typer(help="Weights of backbones.", no_args_is_help=True, rich_markup_mode=None)


@weights.command("add")
def weights_add(
    name: str,
    path: Path,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace weights that are not pinned.")
    ] = False,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> None:
    """Verify the checkpoint PATH, load it strictly once, and keep a copy."""
    backbone = load_catalog(no_plugin, plugin).backbone(name)
    keep_weights(backbone, path, load_registry(registry).weights_source(name), replace=replace)


@weights.command("get")
def weights_get(
    name: str,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> None:
    """Download a backbone's weights from their published source, verify and keep them."""
    get_weights(
        load_catalog(no_plugin, plugin).backbone(name), load_registry(registry).weights_source(name)
    )


@weights.command("check")
def weights_check(
    name: str,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> None:
    """Verify the digest of kept weights and load them strictly."""
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
    """Verify, load strictly once, keep, and print the digest."""
    from nverbench.embedding import weights

    digest = weights.check_new_weights(backbone, path, pin, replace=replace)
    _try_loading(backbone, path, digest)
    kept = weights.store_weights(backbone, path, digest)
    pinned = "the registered pin" if pin and pin.sha256 else "first seen here, enforced from now on"
    source = pin or backbone.weights
    assert source is not None  # check_new_weights refuses backbones without weights
    echo(f"added {backbone.name}: {kept}, sha256 {digest} ({pinned}), licence {source.licence}")


def get_weights(backbone: Backbone, pin: Source | None) -> None:
    """Download, then verify and keep."""
    from nverbench.embedding.weight_download import downloaded_weights

    with downloaded_weights(backbone, pin, echo_err) as path:
        keep_weights(backbone, path, pin)


def fetch_missing(planned: Plan, rules: Registry, catalog: Catalog) -> None:
    """Fetch the weights a plan lacks; what no program can fetch is said and left."""
    for missing in planned.missing:
        kind, _, name = missing.what.partition(" ")
        if kind == "weights":
            try:
                get_weights(catalog.backbone(name), rules.weights_source(name))
            except ArtifactError as error:
                echo_err(str(error))


def embed(
    backbone: str,
    files: list[Path],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The .npz to write: arrays embeddings (n, d) and files."
        ),
    ],
    weights_path: Annotated[
        str | None, typer.Option("--weights", help="A checkpoint of one's own.")
    ] = None,
    untrained: Annotated[bool, typer.Option("--untrained", help="Seeded random weights.")] = False,
    frames: Annotated[
        bool,
        typer.Option(
            "--frames", help="Frames instead of clips: embeddings (sum of t, d) and lengths (n,)."
        ),
    ] = False,
    device: Device = "auto",
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> int:
    """Features of your own audio, pooled as the benchmark does."""
    import numpy as np

    from nverbench._io.atomic import atomic_open
    from nverbench.cli.progress import watching
    from nverbench.data import missing
    from nverbench.embedding import devices, weights
    from nverbench.embedding.pooled import embed_files
    from nverbench.plugin.options import resolve, split

    words = [
        w
        for w in (
            f"weights={weights_path}" if weights_path else "",
            "untrained" if untrained else "",
        )
        if w
    ]
    part = load_catalog(no_plugin, plugin).backbone(split(backbone)[0])
    if part.load is None:
        raise UsageError(
            f"backbone {part.name} holds stored features and cannot listen; name one that can"
        )
    text = backbone + ((":" if not split(backbone)[1] else ",") + ",".join(words) if words else "")
    source = load_registry(registry).weights_source(part.name)
    planned = weights.plan_weights(part, resolve(part, text), source)
    if isinstance(planned, missing.Missing):
        raise ArtifactError(f"{planned}, or say --weights PATH or --untrained")
    if output.suffix != ".npz":
        raise UsageError(f"{output}: expected a name that ends in .npz")
    with watching() as watch:
        rows, bad = embed_files(
            planned,
            files,
            device=devices.resolve(device),
            frames=frames,
            tick=watch(f"embed {planned}", len(files)),
        )
    for path, reason in bad.items():
        echo_err(f"{path} {reason}; left out")
    if not rows:
        raise DatasetError(
            f"none of {len(files)} files could be used; give audio that libsndfile decodes (wav,"
            " flac, ogg, mp3)"
        )
    names = np.array([str(f) for f in files if str(f) not in bad])
    with atomic_open(output) as file:
        if frames:
            np.savez(
                file,
                embeddings=np.concatenate(rows),
                lengths=np.array([len(r) for r in rows]),
                files=names,
            )
        else:
            np.savez(file, embeddings=np.stack(rows), files=names)
    echo(
        f"{output}: {len(rows)} files, {rows[0].shape[-1]} dimensions{', frames' if frames else ''}"
    )
    return 2 if bad else 0


def _try_loading(backbone: Backbone, path: Path | None, digest: str) -> None:
    """Load weights once, strictly, on the CPU, and embed a second of noise: missing keys are the
    backbone's error, a wrong size is ours.
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
