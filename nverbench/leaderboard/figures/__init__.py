"""Figures of papers, drawn from a finished result, each with its numbers: RENO's Figures 2 and 3,
Ricoh's Figure 3.
"""

from nverbench.leaderboard.figures.canvas import FORMATS, save
from nverbench.leaderboard.figures.confusion import confusion_numbers, draw_confusion
from nverbench.leaderboard.figures.context import draw_atmosphere
from nverbench.leaderboard.figures.embedding_map import Panel, draw_maps, map_numbers, panels
from nverbench.leaderboard.figures.embeddings import StoredEmbeddings, load_stored

__all__ = [
    "FORMATS",
    "Panel",
    "StoredEmbeddings",
    "confusion_numbers",
    "draw_atmosphere",
    "draw_confusion",
    "draw_maps",
    "load_stored",
    "map_numbers",
    "panels",
    "save",
]
