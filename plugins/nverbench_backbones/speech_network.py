"""Loads a speech transformer from a local folder, key by key accounted for, and runs it clip by clip. Imported only inside ``load``.

Axes: ``b`` clips, ``s`` samples, ``t`` frames of 20 ms, ``L`` = 13 layers: the input of the first transformer block, then every block.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nverbench import ArtifactError, Frames, LoadContext, PartError, import_torchaudio
from nverbench_backbones.damage import reason
from nverbench_backbones.precision import half_precision
from nverbench_backbones.speech import NEVER_USED, Checkpoint

import_torchaudio()  # transformers imports torchaudio itself, and fails where its compiled extension cannot load

MIN_SAMPLES = 400
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


class SpeechEncoder(nn.Module):
    """The loaded backbone: (waves (b, s), lengths (b,)) -> frames (b, t, d) of the last layer, and every layer (b, L, t, d)."""

    def __init__(self, model: nn.Module, *, normalize: bool, dtype: str = "float32") -> None:
        super().__init__()
        self.model = model
        self.normalize = normalize
        self.dtype = dtype

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        """Each clip alone, cut to its own length: "base" models norm over all frames of a row, so padding would change every number."""
        clips = [self._layers(wave[:n]) for wave, n in zip(waves, (int(n) for n in lengths), strict=True)]  # b x (t_i, L, d)
        valid = torch.tensor([len(clip) for clip in clips], device=clips[0].device)
        layers = nn.utils.rnn.pad_sequence(clips, batch_first=True).transpose(1, 2)  # (b, L, t, d)
        return Frames(layers[:, -1], valid, layers)

    def _layers(self, wave: Tensor) -> Tensor:
        """(s,) -> (t, L, d)."""
        if len(wave) < MIN_SAMPLES:
            raise PartError(f"speech encoder: expected at least {MIN_SAMPLES} samples per clip, got {len(wave)}; pad the clip with zeros")
        parameter = next(self.model.parameters())
        wave = wave.to(parameter)
        if self.normalize:  # as Wav2Vec2FeatureExtractor does: over the clip, variance divided by s
            wave = (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + 1e-7)
        # The models draw a number per block for layer dropout even in eval mode, where they ignore it: that must not move the caller's
        # random state.
        with torch.random.fork_rng(devices=[]), half_precision(parameter.device, self.dtype):
            states = self.model(wave[None], output_hidden_states=True).hidden_states  # L x (1, t, d)
        return torch.cat([state.to(wave.dtype) for state in states]).transpose(0, 1)  # (t, L, d)


@contextmanager
def quiet() -> Iterator[None]:
    """transformers prints neither bars nor warnings inside; its settings are the same after as before."""
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


def default_config(checkpoint: Checkpoint) -> Any:
    """The configuration of base size: the defaults of the transformers class (12 layers, 768, group norm in the front end)."""
    import transformers

    return getattr(transformers, checkpoint.config_class)()


def untrained(checkpoint: Checkpoint, config: Any, ctx: LoadContext) -> nn.Module:
    """The architecture of ``config`` with random weights from ``ctx.seed`` alone."""
    import transformers

    with quiet(), ctx.seeded():
        model: nn.Module = getattr(transformers, checkpoint.model_class)(config)
    return model


def pretrained(checkpoint: Checkpoint, ctx: LoadContext) -> nn.Module:
    """The encoder from the folder ``ctx.weights``: every weight read, none left random.

    Raises:
        ArtifactError: a file is missing or damaged, the architecture is another, or keys do not fit.
    """
    import transformers

    folder = ctx.weights
    assert folder is not None  # the caller asks for pretrained weights
    where = f"{checkpoint.name}: {folder}"
    _check_architecture(checkpoint, folder)
    if not any((folder / name).is_file() for name in WEIGHT_FILES):
        raise ArtifactError(f"{where}: expected {' or '.join(WEIGHT_FILES)} beside config.json; copy the files of {checkpoint.hub} there")
    model_class = getattr(transformers, checkpoint.model_class)
    try:
        with quiet(), ctx.seeded():  # seeded: what is missing is drawn at random before it is refused below
            model, info = model_class.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as error:  # damaged files raise from torch, safetensors, json and transformers alike
        raise ArtifactError(f"{where}: cannot be read ({reason(error)}); get the files of {checkpoint.hub} again") from error
    _check_keys(checkpoint, where, info)
    loaded: nn.Module = model
    return loaded


def _check_architecture(checkpoint: Checkpoint, folder: Path) -> None:
    import transformers

    path = folder / "config.json"
    got = _read_json(checkpoint, path).get("model_type")
    expected = getattr(transformers, checkpoint.config_class).model_type
    if got != expected:
        raise ArtifactError(f"{checkpoint.name}: {path}: model_type is {got!r}, expected {expected!r}; give a copy of {checkpoint.hub}")


def _check_keys(checkpoint: Checkpoint, where: str, info: dict[str, Any]) -> None:
    """Nothing, if every key of encoder and file is accounted for; the renames of weight_norm are transformers' own and not reported."""
    missing = sorted(key for key in info["missing_keys"] if not key.endswith(NEVER_USED))
    extra = sorted(key for key in info["unexpected_keys"] if not key.startswith(checkpoint.heads))
    mismatched = sorted(str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"])
    faults = {"missing": missing, "not expected": extra, "of another shape": mismatched, "not converted": sorted(map(str, info["error_msgs"]))}
    found = [f"{len(keys)} keys {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})" for what, keys in faults.items() if keys]
    if found:
        raise ArtifactError(f"{where}: not the weights of {checkpoint.hub}: {'; '.join(found)}; get the files again")


def reads_normalized(checkpoint: Checkpoint, folder: Path) -> bool:
    """Whether clips are scaled to zero mean and unit variance: what the folder's preprocessor says, else what is published."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return checkpoint.normalize
    settings = _read_json(checkpoint, path)
    normalize, rate = settings.get("do_normalize"), settings.get("sampling_rate", 16000)
    if not isinstance(normalize, bool) or rate != 16000:
        raise ArtifactError(
            f"{checkpoint.name}: {path}: do_normalize is {normalize!r} and sampling_rate {rate!r}, expected true or false and 16000; "
            f"give a copy of {checkpoint.hub}"
        )
    return normalize


def _read_json(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{checkpoint.name}: {path}: cannot be read ({error}); give a folder with the files of {checkpoint.hub}") from error
    if not isinstance(content, dict):
        raise ArtifactError(f"{checkpoint.name}: {path}: expected a JSON object; give a folder with the files of {checkpoint.hub}")
    return content
