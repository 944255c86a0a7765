"""Folders that already list their clips: Hugging Face ``audiofolder``, Kaldi, audformat and EmoBox.
Nothing in them is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nverbench import Table


def read_folder(
    folder: Path, columns: Mapping[str, str], *, sep: str, encoding: str
) -> tuple[Path, Table] | None:
    return None
