"""Executors: who embeds the clips and trains the folds of a run. ``local`` chooses between
processes of this machine (``processes``) and one process per GPU (``gpus``); ``ray`` runs tasks on
a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nverbench.training.records import TrainingExecutor

if TYPE_CHECKING:
    from nverbench.embedding.shards import EmbeddingBackend


class Executor(TrainingExecutor, Protocol):
    """Embeds clips and trains folds; the run's own process alone writes the results. Use as a
    context manager, which ends the processes.
    """

    @property
    def embed(self) -> EmbeddingBackend:
        """Computes the embeddings that the cache lacks."""

    def __enter__(self) -> object:
        """Start nothing: processes start with the first work."""

    def __exit__(self, *error: object) -> None:
        """Shut down."""

    def shut_down(self) -> None:
        """End the processes."""
