"""Finished results -> rows -> tables and pages. Differences that intervals cannot carry are not ranked."""

from nverbench.leaderboard.records import ranked_record, record
from nverbench.leaderboard.tables.terminal import needs, table
from nverbench.leaderboard.tables.wording import describe, differences, footnotes, order, worth

__all__ = ["describe", "differences", "footnotes", "needs", "order", "ranked_record", "record", "table", "worth"]
