"""Rows of the leaderboard -> a static page that opens from disk: one strict record (``content``), templates (``build``), pictures (``embedding``)."""

from nverbench.page.build import Built, build
from nverbench.page.content import content
from nverbench.page.embedding import from_store
from nverbench.page.knowledge import Knowledge, known

__all__ = ["Built", "Knowledge", "build", "content", "from_store", "known"]
