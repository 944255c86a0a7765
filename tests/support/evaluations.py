"""A small corpus of features for the tests of ``evaluate``."""

from __future__ import annotations

import numpy as np

ROWS, CLASSES, SPEAKERS = 72, 3, 6
LABELS = [("anger", "joy", "fear")[i % CLASSES] for i in range(ROWS)]
GROUPS = [f"s{i // 12}" for i in range(ROWS)]
IDS = [f"clip-{(7 * i) % ROWS:03d}" for i in range(ROWS)]
FEATURES = (
    np.eye(CLASSES, 5)[np.arange(ROWS) % CLASSES] * 3
    + np.random.default_rng(0).standard_normal((ROWS, 5))
).astype(np.float32)
ORDER = np.random.default_rng(1).permutation(ROWS)
"""The index of shuffled frames: the rows stay, their names are mixed."""
