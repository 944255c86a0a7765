"""Published scores in leaderboard/references: each row is a registered entry, and each of RENO's entries has its row."""

from __future__ import annotations

import csv
from pathlib import Path

from nverbench import registry

RENO = Path(__file__).parents[1] / "leaderboard" / "references" / "reno.csv"


def test_the_grid_of_renos_tables_is_the_published_one_row_by_row():
    with RENO.open(newline="") as file:
        published = {(row["backbones"], row["fusion"], row["dataset"]) for row in csv.DictReader(file)}
    entries = [e for e in registry.load().entries if e.grid in ("reno-table-1", "reno-table-2")]
    assert {("+".join(e.backbones), e.fusion, e.dataset) for e in entries} == published
    assert len(entries) == len(published) == 150
