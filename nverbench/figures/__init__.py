"""Figures of papers, made again from a finished result, each with the numbers it shows: RENO's Figures 2 and 3, Ricoh's Figure 3."""

from nverbench.figures.atmosphere import draw_atmosphere
from nverbench.figures.confusion import confusion_numbers, draw_confusion
from nverbench.figures.drawing import FORMATS, save
from nverbench.figures.embeddings import Stored, stored
from nverbench.figures.map import Panel, draw_maps, map_numbers, panels

__all__ = [
    "FORMATS", "Panel", "Stored", "confusion_numbers", "draw_atmosphere", "draw_confusion", "draw_maps", "map_numbers", "panels", "save", "stored",
]  # fmt: skip
