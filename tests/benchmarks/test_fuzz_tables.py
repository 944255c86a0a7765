"""Tables written by a seed are read as pandas reads them, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pandas", reason="pandas is the independent reader")

import fuzz_tables


def test_a_hundred_tables_are_read_as_pandas_reads_them(tmp_path: Path) -> None:
    counts, wrong = fuzz_tables.fuzz(tmp_path, examples=7)
    assert wrong == []
    assert sum(sum(found.values()) for found in counts.values()) >= 100
