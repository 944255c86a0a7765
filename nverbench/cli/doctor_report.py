"""What this machine has: libraries, device, scan engines, caches, corpora, weights, plugins,
tracking. Imports no torch.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nverbench._io import paths, state
from nverbench.embedding import cache, devices, weights
from nverbench.plugin.catalog import Catalog
from nverbench.ssm import engines

LIBRARIES = (
    *("nverbench", "torch", "torchaudio", "transformers", "huggingface-hub", "mlflow"),
    *("numpy", "scipy", "soundfile", "pluggy", "pydantic", "mamba-ssm"),
)


def examine(catalog: Catalog, out: Path) -> dict[str, dict[str, str]]:
    """Findings by heading, each a mapping of what to its state."""
    return {
        "libraries": {name: _version(name) for name in LIBRARIES},
        "device": _device(),
        "scan engines": engines.states(),
        "caches": _caches(out),
        "corpora": {
            name: path if Path(path).is_dir() else f"{path} (gone: add it again)"
            for name, path in _known_corpora().items()
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


def _known_corpora() -> dict[str, str]:
    return dict(state.read_state("corpora").get("paths", {}))


def _device() -> dict[str, str]:
    count = devices.cuda_devices()
    machine = f"{platform.system()} {platform.machine()}"
    return {
        "auto": devices.resolve("auto"),
        "cuda devices": str(count),
        "cores": str(os.cpu_count()),
        "machine": machine,
    }


def _caches(out: Path) -> dict[str, str]:
    entries, size = cache.EmbeddingCache(paths.embeddings_folder()).size()
    results = len(list((out / "results").glob("*.json"))) if (out / "results").exists() else 0
    return {
        "home": str(paths.home()),
        "embeddings": f"{entries} entries, {size / 1e6:.1f} MB",
        "results": f"{results} in {out / 'results'}",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
