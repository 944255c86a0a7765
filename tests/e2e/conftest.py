"""The tiny world of a stranger's plugin, in every end-to-end test."""

from support.world import install, world

__all__ = ["install", "world"]
