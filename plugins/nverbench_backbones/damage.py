"""Why a file of weights could not be read, in a few words that belong into one line."""

from __future__ import annotations

import pickle


def reason(error: Exception) -> str:
    """The cause behind ``error``; torch's advice to load without its safety is left out on purpose."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is no torch file, or it asks to run code, which is refused"
    first = (str(error).splitlines() or [""])[0].strip()
    name = type(error).__name__
    return f"{name}: {first}" if first and first != name else name
