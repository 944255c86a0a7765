"""Finished results -> rows -> tables and pages. Differences that intervals cannot carry are not ranked."""

from nverbench.leaderboard.records import ranked_record, record
from nverbench.leaderboard.table import needs, table
from nverbench.leaderboard.text import describe, differences, footnotes, order, score_text, worth

__all__ = ["describe", "differences", "footnotes", "needs", "order", "ranked_record", "record", "score_text", "table", "worth"]
