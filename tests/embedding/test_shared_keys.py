"""Embeddings that jobs of one run share: one pass gives every layer of pooled embeddings, and the
frames of one layer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nverbench.embedding.weights import PlannedBackbone, Weights
from nverbench.pipeline.embeddings import run_key
from nverbench.plugin import discovery
from nverbench.plugin.options import resolve


@pytest.mark.parametrize(("wants", "different"), [("frames", 3), ("pooled", 1)])
def test_jobs_share_frames_only_of_one_layer(wants: str, different: int) -> None:
    part = discovery.discover().backbones.parts["wavlm-large"]
    asked = SimpleNamespace(storage="float32", dtype="float32", device="cpu")
    job: Any = SimpleNamespace(
        fusion=SimpleNamespace(wants=wants), corpus=SimpleNamespace(digest="d"), selection=asked
    )
    texts = (
        "wavlm-large:layer=5",
        "wavlm-large:layer=21",
        "wavlm-large",
        f"wavlm-large:layer={part.layers - 1}",
    )
    assert (
        len(
            {
                run_key(
                    job, PlannedBackbone(part, resolve(part, text), Weights(None, "w", pinned=True))
                )
                for text in texts
            }
        )
        == different
    )
