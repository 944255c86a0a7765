"""Rows of the leaderboard -> a static page that opens from disk: one strict record (``content``),
templates (``build``), pictures (``embedding``).
"""

from nverbench.leaderboard.page.build import Built, build
from nverbench.leaderboard.page.content import content
from nverbench.leaderboard.page.embedding_map import from_store
from nverbench.leaderboard.page.part_info import PartInfo, installed_info

__all__ = ["Built", "PartInfo", "build", "content", "from_store", "installed_info"]
