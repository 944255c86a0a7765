"""Reads SSAST weights without running anything a file might ask for, and says in one line what does
not fit. Imported only inside ``load``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nverbench import ArtifactError
from nverbench_backbones.checkpoint_errors import is_state, reason, unlike

PARALLEL, ENCODER = "module.", "v."
"""Published keys read ``module.v.blocks.0.attn.qkv.weight``: saved from torch's DataParallel, the
ViT under ``v``.
"""
UNUSED = (
    "cpredlayer.",
    "gpredlayer.",
    "mask_embed",
    "p_input_fdim",
    "p_input_tdim",
    "mlp_head.",
    "v.head.",
    "v.head_dist.",
)
"""Pretraining heads, the mask, the input's size in pretraining, a fine-tuned head, and DeiT's two
ImageNet heads, never trained: no place here.
"""
EXPECTED = (
    "expected the published .pth (a state dict with keys module.v.*), or the same in a .safetensors"
    " file"
)


def read_checkpoint(path: Path, network: nn.Module, name: str) -> dict[str, Tensor]:
    """The network's own part of a published state dict, float32 on the CPU, its keys and shapes
    exactly those of ``network``.

    Raises:
        ArtifactError: not such a file, damaged, a pickle that asks for anything but tensors, or
            keys that do not fit.
    """
    where = f"{name}: {path}"
    if not path.is_file():
        raise ArtifactError(f"{where}: no such file; {EXPECTED}")
    try:
        content = _read(path)
    except (
        Exception
    ) as error:  # a damaged or hostile file can raise anything from any layer of the two readers
        raise ArtifactError(
            f"{where}: cannot be read as weights ({reason(error)}); {EXPECTED}; download it again"
        ) from error
    if not is_state(content):
        raise ArtifactError(f"{where}: holds no state dict; {EXPECTED}")
    state = {str(key).removeprefix(PARALLEL): value for key, value in content.items()}
    used = {key: value for key, value in state.items() if not key.startswith(UNUSED)}
    wanted = {ENCODER + key: tuple(value.shape) for key, value in network.state_dict().items()}
    faults = unlike(used, wanted)
    if faults:
        raise ArtifactError(
            f"{where}: not these weights: {faults}; {EXPECTED} of this very architecture"
        )
    return {key.removeprefix(ENCODER): value.float().clone() for key, value in used.items()}


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    # Mapped, so that unused heads are never read from disk; old non-zip files cannot be mapped.
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
