"""Checks the output of a backbone's encoder for a batch against its record. Each error names the
backbone, what is expected, what came, and what its author must return instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench.errors import PartError
from nverbench.plugin.records import Backbone

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

FIX = "its author must fix it"


def unpacked(part: Backbone, output: Any) -> tuple[Any, Any, Any]:
    """The frames, lengths and layers of an output, not checked yet; layers are None in a pair.

    Raises:
        PartError: the output is no tuple of two or three.
    """
    if isinstance(output, tuple) and len(output) in (2, 3):
        return output if len(output) == 3 else (*output, None)
    came = f"a tuple of {len(output)}" if isinstance(output, tuple) else described(output)
    hint = "return a tuple: return frames, lengths"
    if hasattr(output, "last_hidden_state"):
        hint = "return output.last_hidden_state, lengths"
    raise PartError(
        f"{part.name} embeddings: expected (frames, lengths), got {came}; {FIX}: {hint}"
    )


def checked_frames(
    part: Backbone, frames: Any, lengths: Any, rows: int
) -> list[NDArray[np.float32]]:
    """The valid frames (t_i, frame_dim) of each clip.

    Args:
        frames: (b, t, frame_dim), as the encoder gives them.
        lengths: (b,), as the encoder gives them.
        rows: b.

    Raises:
        PartError: types, shapes or lengths are not as expected, or a valid frame is not finite.
    """
    what, shape = f"{part.name} embeddings", f"(b={rows}, t, d={part.frame_dim})"
    tensor = _tensor(what, "frames", frames, shape, floating=True)
    if tensor.ndim != 3 or tensor.shape[0] != rows or tensor.shape[2] != part.frame_dim:
        raise PartError(f"{what}: expected {shape}, got {tuple(tensor.shape)}; {FIX}")
    counts = _tensor(what, "lengths", lengths, f"(b={rows},)", floating=False)
    most = tensor.shape[1]
    if counts.shape != (rows,) or int(counts.min()) < 1 or int(counts.max()) > most:
        raise PartError(
            f"{what}: frame lengths {counts.tolist()} do not fit {most} frames of {rows} clips;"
            f" expected one length of 1 to {most} per clip; {FIX}"
        )
    array = tensor.detach().float().cpu().numpy()
    valid = [array[i, : int(n)] for i, n in enumerate(counts)]
    for i, frames_of_clip in enumerate(valid):
        if not np.isfinite(frames_of_clip).all():
            first = int((~np.isfinite(frames_of_clip)).any(axis=1).argmax())
            raise PartError(
                f"{what}: some are not finite numbers (first: frame {first} of clip {i + 1} of the"
                f" batch); {FIX}"
            )
    return valid


def checked_layers(part: Backbone, given: Any, rows: int) -> NDArray[np.float32]:
    """The layers' time means (b, L, frame_dim)."""
    what, shape = f"{part.name} layers", f"(b={rows}, L={part.layers}, d={part.frame_dim})"
    if given is None:
        raise PartError(f"{what}: expected time means {shape}, got none; {FIX}")
    tensor = _tensor(what, "means", given, shape, floating=True)
    if tuple(tensor.shape) != (rows, part.layers, part.frame_dim):
        raise PartError(f"{what}: expected time means {shape}, got {tuple(tensor.shape)}; {FIX}")
    means: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    if not np.isfinite(means).all():
        raise PartError(f"{what}: some are not finite numbers; {FIX}")
    return means


def described(thing: Any) -> str:
    """The type of a value, with type and shape of its numbers where it is an array."""
    kind = type(thing)
    own = kind.__module__.partition(".")[0]
    name = kind.__qualname__ if own == "builtins" else f"{own}.{kind.__qualname__}"
    if hasattr(thing, "dtype") and not getattr(thing, "is_nested", False):
        return f"a {name} {thing.dtype} {tuple(thing.shape)}"
    return "None" if thing is None else f"a {name}"


def _tensor(what: str, name: str, given: Any, shape: str, *, floating: bool) -> torch.Tensor:
    """The value as a dense tensor of floats, or of whole numbers."""
    import torch

    numbers = "floats" if floating else "whole numbers"
    remedy = None
    if isinstance(given, np.ndarray):
        remedy = f"return torch.from_numpy({name})"
    elif isinstance(given, list | tuple) and floating:
        remedy = f"return torch.nn.utils.rnn.pad_sequence({name}, batch_first=True)"
    elif not isinstance(given, torch.Tensor):
        remedy = f"return torch.tensor({name})" if given is not None else f"return the {name} too"
    elif given.is_nested or given.layout != torch.strided:
        remedy = f"return {name}.to_padded_tensor(0.0)" if given.is_nested else "call .to_dense()"
    elif given.is_meta:
        remedy = "load the weights onto ctx.device: a meta tensor holds no numbers"
    elif floating and not given.is_floating_point():
        remedy = f"return {name}.float()" if not given.is_complex() else f"return {name}.abs()"
    elif not floating and (given.is_floating_point() or given.is_complex() or _is_bool(given)):
        remedy = "count whole frames, such as lengths // hop"
    if remedy is not None:
        raise PartError(
            f"{what}: expected {name} as a torch.Tensor {shape} of {numbers}, got"
            f" {described(given)}; {FIX}: {remedy}"
        )
    tensor: torch.Tensor = given
    return tensor


def _is_bool(tensor: torch.Tensor) -> bool:
    return str(tensor.dtype) == "torch.bool"
