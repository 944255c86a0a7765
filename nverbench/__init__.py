"""nverbench: a benchmark of audio foundation models on non-verbal vocal emotion and emotional
speech.

This module is the public surface for plugins and notebooks; importing it imports neither torch,
transformers nor mlflow.
"""

from __future__ import annotations

from importlib import import_module
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
    Note,
    Recipe,
    Source,
)
from nverbench.plugin.types import UNSCORED, Batch, Encoder, Frames, LoadContext, Losses, Output
from nverbench.plugin.version import api_version

if TYPE_CHECKING:
    from nverbench.data.audio import why_not_audio
    from nverbench.leaderboard.notebook import compare, list_parts, load_results, run
    from nverbench.pipeline.evaluation import evaluate
    from nverbench.results.record import Result

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
    "Note",
    "NverbenchError",
    "Output",
    "PartError",
    "Recipe",
    "Result",
    "Source",
    "UsageError",
    "__version__",
    "api_version",
    "compare",
    "evaluate",
    "hookimpl",
    "import_torchaudio",
    "list_parts",
    "load_results",
    "run",
    "why_not_audio",
]

_ON_FIRST_USE = {
    "Result": "nverbench.results.record",
    "compare": "nverbench.leaderboard.notebook",
    "evaluate": "nverbench.pipeline.evaluation",
    "list_parts": "nverbench.leaderboard.notebook",
    "load_results": "nverbench.leaderboard.notebook",
    "run": "nverbench.leaderboard.notebook",
    "why_not_audio": "nverbench.data.audio",
}
"""Name -> the module that is imported when a notebook first uses it."""


def __getattr__(name: str) -> Any:
    if name in _ON_FIRST_USE:
        return getattr(import_module(_ON_FIRST_USE[name]), name)
    raise AttributeError(f"module 'nverbench' has no attribute {name!r}")
