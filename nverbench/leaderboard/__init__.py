"""Finished results -> rows -> tables and pages. Differences within the intervals are not ranked."""

from nverbench.leaderboard.records import ranked_record, record
from nverbench.leaderboard.tables.terminal import min_width, table
from nverbench.leaderboard.tables.wording import (
    describe,
    differences,
    footnotes,
    order,
    status_text,
    warning_lines,
)

__all__ = [
    "describe",
    "differences",
    "footnotes",
    "min_width",
    "order",
    "ranked_record",
    "record",
    "status_text",
    "table",
    "warning_lines",
]
