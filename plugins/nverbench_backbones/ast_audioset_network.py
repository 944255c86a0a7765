"""Builds the Audio Spectrogram Transformer of transformers from a local folder or a seed. Imported
only inside ``load``.

Untrained, transformers starts its positions and its two special tokens at zero (the paper starts
from ImageNet's), so that control hears the patches of a window as a set without order; what stays
local in time is each row's own patch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from nverbench import ArtifactError, LoadContext
from nverbench_backbones.ast_audioset import CLASSIFIER, HUB
from nverbench_backbones.ast_patches import MEAN, SD, Grid, PatchFrames
from nverbench_backbones.spectrogram_folder import Model, build, preprocessor

FRONT_END = {"sampling_rate": 16000, "do_normalize": True}


def frames(name: str, architecture: Mapping[str, int], ctx: LoadContext, layer: int) -> PatchFrames:
    """The backbone; a folder's own preprocessor_config.json decides about mean and sd (a fine-tuned
    model may have others).
    """
    from transformers import ASTConfig, ASTModel

    config = ASTConfig(**architecture)
    model = Model(
        name=name,
        hub=HUB,
        model_class=ASTModel,
        config=config,
        sizes=architecture,
        unused=CLASSIFIER,
    )
    fixed = FRONT_END | {"num_mel_bins": config.num_mel_bins, "max_length": config.max_length}
    mean, sd = _scale(f"{name}: {ctx.weights}", preprocessor(model, ctx.weights, fixed))
    grid = Grid(
        (config.patch_size,) * 2, (config.frequency_stride, config.time_stride), config.max_length
    )
    return PatchFrames(
        build(model, ctx),
        hidden_states,
        grid,
        name=name,
        layer=layer,
        dtype=ctx.dtype,
        mean=mean,
        sd=sd,
    )


def hidden_states(network: nn.Module, windows: Tensor) -> list[Tensor]:
    """(w, 1024, 128) -> L x (w, 2 + f t, d); transformers lists the last block before the final
    norm, here it is after.
    """
    out = network(windows, output_hidden_states=True)
    return [*out.hidden_states[:-1], out.last_hidden_state]


def _scale(where: str, settings: Mapping[str, Any]) -> tuple[float, float]:
    mean, sd = settings.get("mean", MEAN), settings.get("std", SD)
    if (
        not all(type(number) in (int, float) and math.isfinite(number) for number in (mean, sd))
        or sd <= 0
    ):
        raise ArtifactError(
            f"{where}: preprocessor_config.json: mean is {mean!r}, std is {sd!r}, expected two"
            " numbers, std above 0; correct that file"
        )
    return float(mean), float(sd)
