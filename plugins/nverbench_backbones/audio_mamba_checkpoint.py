"""Reads Audio-Mamba weights without running anything a file might ask for, and says in one line
what does not fit.
"""

from __future__ import annotations

import argparse
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nverbench import ArtifactError
from nverbench_backbones.checkpoint_errors import is_state, reason, unlike

D_STATE, D_CONV, EXPAND = 24, 4, 3
"""ssm_kwargs of the released configuration (the library defaults would be 16, 4, 2)."""
PATCH_TIME, PATCH_MEL = 4, 16
POSITIONS = 251
"""The cls token and 50 x 5 patches."""
PRETRAINING_ONLY = ("mask_token", "pred.")
"""Read and checked, but not part of the network that embeds: masked-patch prediction happens in
pretraining only.
"""
CONFIG_DICT = "ml_collections.config_dict.config_dict.ConfigDict"
EXPECTED = "expected the published checkpoint-99.pth, or a .safetensors file of its `model` part"


class _Ignored:
    """Stands for the ConfigDict inside ``args`` of a published file: whatever state it carries is
    dropped unread.
    """

    def __setstate__(self, state: object) -> None:
        pass


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict of a published ``.pth`` or of a ``.safetensors`` file, on the CPU.

    The published file pickles an argparse.Namespace and an ml_collections ConfigDict next to the
    weights; exactly these two names are let through torch's weights-only reader, the second as an
    empty stand-in. Any other name in the pickle is refused before it is called.

    Raises:
        ArtifactError: not such a file, damaged, or a pickle that asks for anything else.
    """
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; {EXPECTED}")
    try:
        content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)
    except (
        Exception
    ) as error:  # a damaged or hostile file can raise anything from any layer of the two readers
        raise ArtifactError(
            f"{path}: cannot be read as weights ({reason(error)}); {EXPECTED}; download it again"
        ) from error
    if not is_state(content):
        raise ArtifactError(f"{path}: holds no state dict under the key `model`; {EXPECTED}")
    return {str(key): value for key, value in content.items()}


def _read_safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(path)


def _read_pth(path: Path) -> Any:
    allowed: list[Any] = [argparse.Namespace, (_Ignored, CONFIG_DICT)]
    with torch.serialization.safe_globals(allowed):
        # Mapped: the optimizer's two thirds of a published file are then never read from disk. Old
        # non-zip files cannot be mapped.
        content = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    return content.get("model") if isinstance(content, Mapping) else None


def expected_shapes(embed_dim: int, depth: int) -> dict[str, tuple[int, ...]]:
    """Every key of the published state dict with its shape (11 keys and 11 per block)."""
    inner, rank, patch = EXPAND * embed_dim, math.ceil(embed_dim / 16), PATCH_TIME * PATCH_MEL
    vector = (embed_dim,)
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, embed_dim),
        "mask_token": (1, 1, embed_dim),
        "pos_embed": (1, POSITIONS, embed_dim),
        "patch_embed.proj.weight": (embed_dim, 1, PATCH_TIME, PATCH_MEL),
        "patch_embed.proj.bias": vector,
        "encoder_norm.weight": vector,
        "encoder_norm.bias": vector,
        "pred.0.weight": (embed_dim, embed_dim),
        "pred.0.bias": vector,
        "pred.2.weight": (patch, embed_dim),
        "pred.2.bias": (patch,),
    }
    block = {
        "norm.weight": vector,
        "norm.bias": vector,
        "mixer.in_proj.weight": (2 * inner, embed_dim),
        "mixer.conv1d.weight": (inner, 1, D_CONV),
        "mixer.conv1d.bias": (inner,),
        "mixer.x_proj.weight": (rank + 2 * D_STATE, inner),
        "mixer.dt_proj.weight": (inner, rank),
        "mixer.dt_proj.bias": (inner,),
        "mixer.A_log": (inner, D_STATE),
        "mixer.D": (inner,),
        "mixer.out_proj.weight": (embed_dim, inner),
    }
    return shapes | {
        f"blocks.{i}.{key}": shape for i in range(depth) for key, shape in block.items()
    }


def check_state(state: Mapping[str, Tensor], *, embed_dim: int, depth: int, where: str) -> None:
    """Nothing, if ``state`` holds exactly the published keys and shapes, all finite.

    Raises:
        ArtifactError: naming the first keys that are missing, not expected, of another shape, or
            not finite.
    """
    faults = unlike(state, expected_shapes(embed_dim, depth))
    if faults:
        raise ArtifactError(
            f"{where}: not these weights: {faults}; give the checkpoint of this very size"
            f" (embed_dim {embed_dim})"
        )


def sizes_of(state: Mapping[str, Tensor]) -> tuple[int, int]:
    """The embedding size and the number of blocks that a state dict speaks of."""
    token = state.get("cls_token")
    if token is None or token.ndim != 3:
        raise ArtifactError(
            "state dict: expected cls_token (1, 1, embed_dim) and blocks.N.*; this is not an"
            " Audio-Mamba encoder"
        )
    blocks = {key.split(".")[1] for key in state if key.startswith("blocks.")}
    return token.shape[-1], len(blocks)
