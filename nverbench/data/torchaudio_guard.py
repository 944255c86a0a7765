"""Import of torchaudio where its compiled extension cannot load.

torchaudio 2.11.0 is its last release. Its package-index wheel links CUDA libraries: with a CPU-only
torch ``import torchaudio`` raises OSError, and ``from transformers import WavLMModel`` fails too.
The parts used here (``functional.resample``, ``transforms.MelSpectrogram``) are pure Python: a stub
for ``torchaudio._extension`` that reports it as unavailable is enough.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any


def import_torchaudio() -> types.ModuleType:
    """The torchaudio module, with its compiled extension where that loads. Call this before an
    import of transformers.
    """
    try:
        return importlib.import_module("torchaudio")
    except OSError:
        for name in [n for n in sys.modules if n == "torchaudio" or n.startswith("torchaudio.")]:
            del sys.modules[name]
        sys.modules["torchaudio._extension"] = _stub()
        return importlib.import_module("torchaudio")


def _stub() -> types.ModuleType:
    """A module with what torchaudio imports from its extension, all of it unavailable."""

    def fail_if_no_align(function: Any) -> Any:
        return function

    stub = types.ModuleType("torchaudio._extension")
    stub.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        _check_cuda_version=lambda: None,
        fail_if_no_align=fail_if_no_align,
    )
    return stub
