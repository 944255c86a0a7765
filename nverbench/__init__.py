"""nverbench: the honest referee for audio foundation models on non-verbal vocal emotion and
emotional speech.

This module is the public surface that plugins and notebooks use; importing it imports neither
torch, transformers nor mlflow.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from nverbench.data.torchaudio_guard import import_torchaudio
from nverbench.errors import ArtifactError, DatasetError, NverbenchError, PartError, UsageError
from nverbench.plugin.hooks import hookimpl
from nverbench.plugin.records import (
    Backbone,
    Clip,
    Dataset,
    Fusion,
    LabelCard,
    Loss,
    Misfit,
    Recipe,
    Source,
)
from nverbench.plugin.types import UNSCORED, Batch, Encoder, Frames, LoadContext, Losses, Output
from nverbench.plugin.version import api_version

if TYPE_CHECKING:
    from nverbench.pipeline.evaluation import evaluate

try:
    __version__ = version("nverbench")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = [
    "UNSCORED",
    "ArtifactError",
    "Backbone",
    "Batch",
    "Clip",
    "Dataset",
    "DatasetError",
    "Encoder",
    "Frames",
    "Fusion",
    "LabelCard",
    "LoadContext",
    "Loss",
    "Losses",
    "Misfit",
    "NverbenchError",
    "Output",
    "PartError",
    "Recipe",
    "Source",
    "UsageError",
    "__version__",
    "api_version",
    "evaluate",
    "hookimpl",
    "import_torchaudio",
]


def __getattr__(name: str) -> Any:
    if name == "evaluate":  # numpy and torch are only imported when a notebook asks for it
        from nverbench.pipeline.evaluation import evaluate

        return evaluate
    raise AttributeError(f"module 'nverbench' has no attribute {name!r}")
