"""A transformers model from a local folder, every key accounted for, without a word and without the
network. Imported only inside ``load``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from nverbench import ArtifactError, LoadContext, import_torchaudio
from nverbench_backbones.checkpoint_errors import reason

# transformers imports torchaudio itself, and fails where its compiled extension cannot load
import_torchaudio()

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


@contextmanager
def quiet() -> Iterator[None]:
    """transformers prints neither bars nor warnings inside; its settings are the same after as
    before.
    """
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def from_folder(
    model_class: Any,
    ctx: LoadContext,
    *,
    name: str,
    hub: str,
    unused: tuple[str, ...],
    may_lack: tuple[str, ...] = (),
    **how: object,
) -> nn.Module:
    """The model with the weights of the folder ``ctx.weights``: every weight read, none left
    random.

    Args:
        model_class: a transformers class with ``from_pretrained``.
        ctx: where the folder is.
        name, hub: of the backbone and its published weights, for messages.
        unused: prefixes of keys that the files may hold and the model has no place for.
        may_lack: endings of keys that the files may lack because no forward pass reads them.
        how: more for ``from_pretrained``.

    Raises:
        ArtifactError: files are missing or damaged, or keys are missing, not expected or of another
            shape.
    """
    folder = ctx.weights
    assert folder is not None  # the caller requests weights
    where = f"{name}: {folder}"
    if not any((folder / file).is_file() for file in WEIGHT_FILES):
        raise ArtifactError(
            f"{where}: expected {' or '.join(WEIGHT_FILES)} beside config.json; copy the files of"
            f" {hub} there"
        )
    try:
        with quiet(), ctx.seeded():  # missing weights are drawn at random, and refused below
            model, info = model_class.from_pretrained(
                folder,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **how,
            )
    except Exception as error:  # damaged files raise errors of torch, safetensors and others
        raise ArtifactError(
            f"{where}: cannot be read ({reason(error)}); get the files of {hub} again"
        ) from error
    faults = _faults(info, unused, may_lack)
    if faults:
        raise ArtifactError(f"{where}: not the weights of {hub}: {faults}; get the files again")
    return cast("nn.Module", model)


def read_json(path: Path, *, name: str, hub: str) -> dict[str, Any]:
    """The object in one of the folder's JSON files.

    Raises:
        ArtifactError: no such file, or no JSON object in it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{name}: {path}: cannot be read ({error}); give a folder with the files of {hub}"
        ) from error
    if not isinstance(content, dict):
        raise ArtifactError(
            f"{name}: {path}: expected a JSON object; give a folder with the files of {hub}"
        )
    return content


def check_configuration(
    path: Path, got: Mapping[str, object], expected: Mapping[str, object], *, name: str, hub: str
) -> None:
    """Raise the ArtifactError that names the settings of config.json that are not the backbone's;
    nothing when all are.
    """
    others = [
        f"{key} is {got[key]!r:.200}, expected {value!r}"
        for key, value in expected.items()
        if got[key] != value
    ]
    if others:
        raise ArtifactError(f"{name}: {path}: {'; '.join(others[:3])}; give a copy of {hub}")


def _faults(info: Mapping[str, Any], unused: tuple[str, ...], may_lack: tuple[str, ...]) -> str:
    """What does not fit, in words; the renames of weight_norm are transformers' own and not
    reported.
    """
    faults = {
        "missing": sorted(key for key in info["missing_keys"] if not key.endswith(may_lack)),
        "not expected": sorted(
            key for key in info["unexpected_keys"] if not key.startswith(unused)
        ),
        "of another shape": sorted(
            str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"]
        ),
        "not converted": sorted(map(str, info["error_msgs"])),
    }
    found = [
        f"{len(keys)} keys {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in faults.items()
        if keys
    ]
    return "; ".join(found)
