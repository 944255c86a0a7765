"""``nverbench embed``: features of one's own audio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog, load_registry
from nverbench.errors import ArtifactError, DatasetError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nverbench.embedding.weights import PlannedBackbone
    from nverbench.plugin.catalog import Catalog
    from nverbench.registry import Registry


def embed(
    backbone: options.BackboneName,
    files: Annotated[list[Path], typer.Argument(help="The audio files.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The .npz file to write, with the arrays embeddings (n, d) and files.",
        ),
    ],
    weights_path: Annotated[
        str | None, typer.Option("--weights", help="The path of your own checkpoint.")
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Use seeded random weights.")
    ] = False,
    frames: Annotated[
        bool,
        typer.Option(
            "--frames",
            help="Write frames instead of clips: embeddings (sum of t, d) and lengths (n,).",
        ),
    ] = False,
    device: options.Device = "auto",
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> int:
    """Write features of your own audio files, pooled as in the benchmark."""
    from nverbench.cli.progress import watching
    from nverbench.embedding import devices
    from nverbench.embedding.pooled import embed_files

    given = [f"weights={weights_path}"] if weights_path else []
    given += ["untrained"] if untrained else []
    parts, rules = load_catalog(no_plugin, plugin), load_registry(registry)
    planned = _planned(backbone, given, parts, rules)
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
            f"none of {len(files)} files could be used; give audio that libsndfile (wav,"
            " flac, ogg, mp3) or an installed ffmpeg (m4a, mp4, webm) decodes"
        )
    _save(output, rows, [str(f) for f in files if str(f) not in bad], frames=frames)
    kind = ", frames" if frames else ""
    echo(f"{output}: {len(rows)} files, {rows[0].shape[-1]} dimensions{kind}")
    return 2 if bad else 0


def _planned(text: str, given: list[str], parts: Catalog, rules: Registry) -> PlannedBackbone:
    """The backbone with the options ``given`` in addition to its own, and its weights.

    Raises:
        UsageError: the backbone holds stored features.
        ArtifactError: its weights are missing.
    """
    from nverbench.data import missing
    from nverbench.embedding import weights
    from nverbench.plugin.options import resolve, split

    name, options_of_text = split(text)
    part = parts.backbone(name)
    if part.load is None:
        raise UsageError(
            f"backbone {part.name} holds stored features and has no encoder; name one that has"
        )
    if given:
        text = f"{text}{',' if options_of_text else ':'}{','.join(given)}"
    planned = weights.plan_weights(part, resolve(part, text), rules.weights_source(part.name))
    if isinstance(planned, missing.Missing):
        raise ArtifactError(f"{planned}, or give --weights PATH or --untrained")
    return planned


def _save(output: Path, rows: list[NDArray[np.float32]], files: list[str], *, frames: bool) -> None:
    """Write embeddings n x (d,) as (n, d), or frames n x (t_i, d) as (sum of t, d) with lengths."""
    import numpy as np

    from nverbench._io.atomic import atomic_open

    arrays: dict[str, Any] = {"embeddings": np.concatenate(rows) if frames else np.stack(rows)}
    if frames:
        arrays["lengths"] = np.array([len(row) for row in rows])
    with atomic_open(output) as file:
        np.savez(file, files=np.array(files), **arrays)
