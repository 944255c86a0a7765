"""How often each parser was given something strange, and what it made of it: the properties of
tests/fuzz, counted.

``NVERBENCH_FUZZ=10 python benchmarks/reliability/fuzz.py`` draws ten times the examples of the
tests; words after it go to pytest. Exit code: pytest's.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "tests" / "fuzz"
OUTCOMES = ("refused", "read", "crashed", "hung")


def main() -> int:
    """Run the properties and print the table."""
    began = time.perf_counter()
    code = pytest.main([str(FUZZ), "--no-header", "-p", "no:cacheprovider", *sys.argv[1:]])
    tally = sys.modules["strange"].TALLY
    print(
        f"\nNVERBENCH_FUZZ={os.environ.get('NVERBENCH_FUZZ', '1')},"
        f" {time.perf_counter() - began:.0f} s\n"
    )
    print(
        "| parser | examples | refused in one line | read | crashed | hung"
        " |\n|---|---:|---:|---:|---:|---:|"
    )
    for parser, counts in [
        *sorted(tally.items()),
        ("all", sum(tally.values(), type(next(iter(tally.values())))())),
    ]:
        print(
            f"| {parser} | {sum(counts.values()):,} | "
            + " | ".join(f"{counts[outcome]:,}" for outcome in OUTCOMES)
            + " |"
        )
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
