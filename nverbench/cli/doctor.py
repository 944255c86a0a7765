"""``nverbench doctor``: libraries, device, scan engines, caches, corpora, weights, plugins and
tracking of this machine. Imports no torch.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nverbench._io.versions import installed_version
from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog

if TYPE_CHECKING:
    from nverbench.plugin.catalog import Catalog

LIBRARIES = (
    *("nverbench", "torch", "torchaudio", "transformers", "huggingface-hub", "mlflow"),
    *("numpy", "scipy", "soundfile", "pluggy", "pydantic", "mamba-ssm"),
)


def doctor(
    as_json: options.Json = False,
    out: options.OutFolder = options.OUT,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Print what this machine has: libraries, device, scan engines, caches, corpora, weights,
    plugins and tracking.
    """
    findings = examine(load_catalog(no_plugin, plugin), out)
    if as_json:
        typer.echo(json.dumps(findings, indent=1))
        return
    for heading, facts in findings.items():
        echo(heading)
        for key, value in facts.items():
            echo(f"  {key}: {value}")
    if not findings["plugins"]:
        echo_err("no plugin is installed: reinstall nverbench")


def examine(catalog: Catalog, out: Path) -> dict[str, dict[str, str]]:
    """Findings by heading: name -> state."""
    from nverbench._io import state
    from nverbench.embedding import weights
    from nverbench.ssm import engines

    corpora = state.read_state("corpora").get("paths", {})
    return {
        "libraries": {name: installed_version(name) for name in LIBRARIES},
        "device": _device(),
        "scan engines": engines.states(),
        "caches": _caches(out),
        "corpora": {
            name: path if Path(path).is_dir() else f"{path} (gone: add it again)"
            for name, path in corpora.items()
        },
        "weights": {
            name: str(kept)
            for name, b in sorted(catalog.backbones.parts.items())
            if (kept := weights.kept_weights(b)) is not None
        },
        "plugins": {s.origin.handle: s.line for s in catalog.plugin_statuses()},
        "tracking": {
            "uri": "sqlite:///mlflow.db in the working folder",
            "database": "there" if Path("mlflow.db").exists() else "made by the first run",
        },
    }


def _device() -> dict[str, str]:
    from nverbench.embedding import devices

    return {
        "auto": devices.resolve("auto"),
        "cuda devices": str(devices.cuda_devices()),
        "cores": str(os.cpu_count()),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _caches(out: Path) -> dict[str, str]:
    from nverbench._io import paths
    from nverbench.embedding import cache
    from nverbench.results.store import ResultStore

    entries, size = cache.EmbeddingCache(paths.embeddings_folder()).size()
    results = ResultStore(out)
    return {
        "home": str(paths.home()),
        "embeddings": f"{entries} entries, {size / 1e6:.1f} MB",
        "results": f"{len(results.paths())} in {results.root}",
    }
