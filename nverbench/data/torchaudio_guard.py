"""Import torchaudio where its compiled extension cannot load.

torchaudio 2.11.0 is its last release; its package-index wheel links CUDA libraries, so that beside
a CPU-only torch ``import torchaudio`` raises OSError, and then ``from transformers import
WavLMModel`` fails too. The parts used here (``functional.resample``, ``transforms.MelSpectrogram``)
are pure Python: a stub in place of ``torchaudio._extension`` that says "unavailable" is enough.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any


def import_torchaudio() -> types.ModuleType:
    """The torchaudio module, with its compiled extension where that loads and without it elsewhere.
    Call before importing transformers.
    """
    try:
        return importlib.import_module("torchaudio")
    except OSError:
        for name in [n for n in sys.modules if n == "torchaudio" or n.startswith("torchaudio.")]:
            del sys.modules[name]
        sys.modules["torchaudio._extension"] = _stub()
        return importlib.import_module("torchaudio")


def _stub() -> types.ModuleType:
    stub = types.ModuleType("torchaudio._extension")

    def no_alignment(function: Any) -> Any:
        return function

    stub.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        _check_cuda_version=lambda: None,
        fail_if_no_align=no_alignment,
    )
    return stub
