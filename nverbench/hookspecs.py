"""The four hooks of the plugin API: one per kind of part, each returning records from :mod:`nverbench.parts`.

A plugin is a module named by an entry point in the group ``nverbench``; it implements any of these with ``@nverbench.hookimpl``.
Keep the module light: import torch and other heavy packages inside ``load`` and ``build``, so that ``nverbench list`` stays instant.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from nverbench.parts import Backbone, Dataset, Fusion, Loss

PROJECT = "nverbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def nverbench_backbones() -> Iterable[Backbone]:  # type: ignore[empty-body]  # a hook specification has no body
    """Frozen networks, or stored features, that this plugin brings."""


@hookspec
def nverbench_datasets() -> Iterable[Dataset]:  # type: ignore[empty-body]  # a hook specification has no body
    """Labelled corpora that this plugin brings."""


@hookspec
def nverbench_fusions() -> Iterable[Fusion]:  # type: ignore[empty-body]  # a hook specification has no body
    """Trainable heads and fusions that this plugin brings."""


@hookspec
def nverbench_losses() -> Iterable[Loss]:  # type: ignore[empty-body]  # a hook specification has no body
    """Objectives that this plugin brings."""
