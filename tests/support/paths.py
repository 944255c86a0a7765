"""Where the repository and what lies beside it are, for tests in any folder."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
GOLDEN = ROOT / "tests" / "golden"
SHARED = ROOT.parent / "shared"
"""Real audio and real weights, on machines that have them."""
