"""The folders of nverbench on this machine: caches, corpora, weights and state.

All are in the user's cache directory, or in that of the environment variable ``NVERBENCH_HOME``.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).parents[1]


def packaged(name: str) -> Path:
    """A file or folder that ships with nverbench: in the installed package or at the top of a
    checkout.
    """
    inside = PACKAGE / "_files" / name
    return inside if inside.exists() else PACKAGE.parent / name


def home() -> Path:
    """The folder of everything that this machine keeps between runs."""
    moved = os.environ.get("NVERBENCH_HOME")
    return (
        Path(moved).expanduser().resolve()
        if moved
        else Path(platformdirs.user_cache_dir("nverbench", appauthor=False))
    )


def embeddings_folder() -> Path:
    """The content-addressed store of embeddings."""
    return home() / "embeddings"


def weights_folder(name: str) -> Path:
    """The folder of one backbone's weights."""
    return home() / "weights" / name


def engines_folder() -> Path:
    """The folder of libraries that were compiled on this machine."""
    return home() / "engines"


def corpus_folder(name: str) -> Path:
    """The folder of a corpus that was made or downloaded."""
    return home() / "corpora" / name
